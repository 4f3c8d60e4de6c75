import { displayName } from '../fs/bytes.js';
import { digestText, isLinked, NO_DIGEST, NOT_READ } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { subjectOf } from '../graph/subjects.js';
import { EDGE } from '../registry/edges.js';
import { KIND } from '../registry/media-type.js';
import { parseFallbackTag } from '../registry/reference.js';
import { READ, TAG } from '../scan/facts.js';
import type { StoreUsage } from '../scan/usage.js';
import { safeJson } from './escape.js';
import { isoTime } from './format.js';

/** The tables of an export, and a line for each row of them. */
export const EXPORT_TABLES = [
  'repositories',
  'tags',
  'manifests',
  'blobs',
  'references',
  'links',
] as const;
export type ExportTable = (typeof EXPORT_TABLES)[number];

export interface ExportInput {
  readonly index: StoreIndex;
  readonly usage: StoreUsage;
  /** Which store it is, where the tables of several are put together. */
  readonly store: string;
}

/** The rows of one table as NDJSON, made one after the other. */
export function* exportRows(table: ExportTable, input: ExportInput): Generator<string> {
  for (const row of ROWS[table](input)) yield `${safeJson({ store: input.store, ...row })}\n`;
}

type Rows = Generator<object>;

const ROWS: Readonly<Record<ExportTable, (input: ExportInput) => Rows>> = {
  repositories,
  tags,
  manifests,
  blobs,
  references,
  links,
};

function* repositories({ index }: ExportInput): Rows {
  for (let place = 0; place < index.repositories.length; place++) {
    const count = (start: Uint32Array): number =>
      (start[place + 1] as number) - (start[place] as number);
    yield {
      repository: nameOf(index, place),
      tags: count(index.tags.start),
      layer_links: count(index.layers.start),
      frozen: index.frozen.get(place) ?? null,
    };
  }
}

function* tags({ index }: ExportInput): Rows {
  for (let tag = 0; tag < index.tags.name.length; tag++) {
    const name = index.tags.name[tag] as string;
    const digest = index.tags.digest[tag] as number;
    const subject = subjectOf(index, tag);
    const follows =
      subject === undefined || subject === 'itself' ? undefined : parseFallbackTag(name);
    yield {
      repository: nameOf(index, index.tags.repository[tag] as number),
      tag: displayName(name),
      digest: digest === NO_DIGEST ? null : digestText(index, digest),
      readable: index.tags.flags[tag] === TAG.good,
      follows: follows === undefined ? null : `${follows.algorithm}:${follows.hex}`,
      pushed: isoTime(index.tags.time[tag]) ?? null,
    };
  }
}

function* manifests({ index }: ExportInput): Rows {
  for (let digest = 0; digest < index.digests.size; digest++) {
    const read = index.status[digest] as number;
    if (read === NOT_READ) continue;
    yield {
      digest: digestText(index, digest),
      kind: KIND_NAMES.get(index.kind[digest] as number) ?? 'unknown',
      state: READ_NAMES.get(read) ?? 'unreadable',
    };
  }
}

const KIND_NAMES: ReadonlyMap<number, string> = new Map<number, string>(
  Object.entries(KIND).map(([name, kind]) => [kind, name]),
);
const READ_NAMES: ReadonlyMap<number, string> = new Map<number, string>(
  Object.entries(READ).map(([name, read]) => [read, name]),
);

/** Blobs that have data; sizes are the file's. */
function* blobs({ index, usage }: ExportInput): Rows {
  const ids = index.digests.idsOf(usage.digests);
  for (let i = 0; i < ids.length; i++) {
    yield {
      digest: digestText(index, ids[i] as number),
      bytes: usage.bytes[i],
      allocated_bytes: usage.allocated[i],
      modified: isoTime(usage.mtimeMs[i]) ?? null,
    };
  }
}

function* references({ index }: ExportInput): Rows {
  const { offsets, items } = index.edges;
  for (let source = 0; source < index.digests.size; source++) {
    const end = offsets[source + 1] as number;
    for (let i = offsets[source] as number; i < end; i++) {
      const flags = index.edgeFlags[i] as number;
      const target = items[i] as number;
      yield reference(index, source, target, kindOfEdge(flags));
    }
  }
  const { referrer, subject } = index.subjects;
  for (let i = 0; i < referrer.length; i++) {
    yield reference(index, referrer[i] as number, subject[i] as number, 'subject');
  }
  // A digest by another algorithm leads to the blob that is stored by its sha256.
  for (const { name, target } of index.aliases) {
    if (target !== undefined) yield reference(index, name, target, 'alias');
  }
}

function reference(index: StoreIndex, source: number, target: number, kind: string): object {
  return { source: digestText(index, source), target: digestText(index, target), kind };
}

function kindOfEdge(flags: number): string {
  if ((flags & EDGE.config) !== 0) return 'config';
  if ((flags & EDGE.foreign) !== 0) return 'foreign';
  return (flags & (EDGE.child | EDGE.manifest)) !== 0 ? 'manifest' : 'layer';
}

/** What repositories link: manifests, deleted ones told apart, and layers. */
function* links({ index }: ExportInput): Rows {
  const { revisions, layers } = index;
  for (let entry = 0; entry < revisions.digest.length; entry++) {
    const linked = isLinked(index, entry);
    yield {
      repository: nameOf(index, revisions.repository[entry] as number),
      digest: digestText(index, revisions.digest[entry] as number),
      kind: linked ? 'manifest' : 'deleted',
      pushed: (linked ? isoTime(revisions.time[entry]) : undefined) ?? null,
    };
  }
  for (let place = 0; place < index.repositories.length; place++) {
    const repository = nameOf(index, place);
    const end = layers.start[place + 1] as number;
    for (let at = layers.start[place] as number; at < end; at++) {
      yield {
        repository,
        digest: digestText(index, layers.digest[at] as number),
        kind: 'layer',
        pushed: null,
      };
    }
  }
}

function nameOf({ repositories: names }: StoreIndex, place: number): string {
  return displayName(names[place] as string);
}
