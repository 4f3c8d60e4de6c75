import { digestText, eachOf, isLinked, lengthOf, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Survey } from '../plan/derive.js';
import type { Garbage } from '../plan/garbage.js';
import { EDGE } from '../registry/edges.js';
import { KIND } from '../registry/media-type.js';
import { READ } from '../scan/facts.js';
import { linkersOf } from './causes.js';
import { findToFree } from './why-free.js';
import type { FreeOptions, ToFree } from './why-free.js';
import { findPaths, MOST_PATHS } from './why-paths.js';
import type { WhyPath } from './why-paths.js';
import { findTarget } from './why-target.js';
import type { WhyTarget } from './why-target.js';

export type WhyKind = 'index' | 'manifest' | 'config' | 'blob';

/** Why something lives, or why nothing holds it. */
export interface Why {
  readonly target: WhyTarget;
  readonly kind: WhyKind;
  /** Apparent bytes, by a descriptor or its data; undefined where nothing tells. */
  readonly bytes: number | undefined;
  /** False where nothing has data for it, though something may name it. */
  readonly present: boolean;
  readonly live: boolean;
  /** Nothing refers to it, and it is too young to go: an interrupted push. */
  readonly graced: boolean;
  /** Nothing refers to it but a link that cannot be told, or is dated too late. */
  readonly held: boolean;
  readonly paths: readonly WhyPath[];
  /** There are more paths than were looked for. */
  readonly truncated: boolean;
  /** For what does not live: what is still known of it, a sentence each; with byte strings. */
  readonly remains: readonly string[];
  readonly toFree: ToFree | undefined;
}

/** @throws AppError `usage` when the target names nothing, or more than one thing */
export function askWhy(survey: Survey, garbage: Garbage, text: string, options: FreeOptions): Why {
  const { index, liveness, decisions } = survey;
  const target = findTarget(index, text);
  const { digest } = target;
  const live = liveness.blobLive.has(digest);
  const paths = live ? findPaths(index, liveness, digest) : [];
  const known = index.bytes[digest] as number;
  return {
    target,
    kind: kindOf(index, digest),
    bytes: known >= 0 ? known : sizeAmong(garbage, digest),
    present: index.present.has(digest),
    live,
    graced: garbage.graced.has(digest) && !garbage.held.has(digest),
    held: garbage.held.has(digest),
    paths,
    truncated: paths.length >= MOST_PATHS,
    remains: live ? [] : remainsOf(survey, digest),
    toFree: live ? findToFree(index, decisions, liveness, digest, options) : undefined,
  };
}

function kindOf(index: StoreIndex, digest: number): WhyKind {
  const { parents, revisions } = reverseOf(index);
  if (index.status[digest] === READ.good) {
    return index.kind[digest] === KIND.index ? 'index' : 'manifest';
  }
  let isConfig = false;
  eachOf(parents, digest, (parent) => {
    const end = index.edges.offsets[parent + 1] as number;
    for (let i = index.edges.offsets[parent] as number; i < end; i++) {
      const flags = index.edgeFlags[i] as number;
      if (index.edges.items[i] === digest && (flags & EDGE.config) !== 0) isConfig = true;
    }
  });
  if (isConfig) return 'config';
  return lengthOf(revisions, digest) > 0 ? 'manifest' : 'blob';
}

function sizeAmong({ blobs, graced, measured }: Garbage, digest: number): number | undefined {
  const at = blobs.digest.indexOf(digest);
  return at >= 0 ? blobs.bytes[at] : (graced.get(digest) ?? measured.get(digest));
}

/** What still points at something that does not live, and why that holds nothing. */
function remainsOf({ index, liveness }: Survey, digest: number): string[] {
  const { parents, revisions } = reverseOf(index);
  const found: string[] = [];
  const say = (entry: number, of: string): void => {
    const repository = index.repositories[index.revisions.repository[entry] as number] as string;
    const how = isLinked(index, entry) ? 'goes' : 'was deleted';
    if (liveness.revisionKept[entry] === 0) found.push(`${of}, which ${how} in ${repository}`);
  };
  const text = digestText(index, digest);
  eachOf(revisions, digest, (entry) => say(entry, `it is the manifest ${text}`));
  eachOf(parents, digest, (parent) => {
    const name = `it is named by ${digestText(index, parent)}`;
    const before = found.length;
    eachOf(revisions, parent, (entry) => say(entry, name));
    if (found.length === before) found.push(`${name}, which nothing holds`);
  });
  const linkers = linkersOf(index, digest);
  for (const repository of linkers) {
    found.push(`${index.repositories[repository] as string} still links it`);
  }
  if (found.length === 0) found.push('no repository links it, and no manifest names it');
  return found.sort();
}
