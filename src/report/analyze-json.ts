import { displayName } from '../fs/bytes.js';
import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Amount } from '../insight/amounts.js';
import type { BookRow } from '../insight/book-rows.js';
import type { Books } from '../insight/books.js';
import { safeJson } from './escape.js';

export interface AnalyzeJsonContext {
  readonly root: string;
  readonly index: StoreIndex;
  readonly rows: readonly BookRow[];
  readonly warnings: readonly string[];
  readonly refused: readonly string[];
  readonly seconds: number;
}

/** The books as one JSON document. Allocated bytes are null where files were not measured. */
export function renderAnalyzeJson(books: Books, context: AnalyzeJsonContext): string {
  const { index } = context;
  const document = {
    root: context.root,
    measured: books.measured,
    total: { blobs: books.blobs.blobs, ...amountJson(books.blobs.amount) },
    unique: amountJson(books.unique),
    shared: amountJson(books.shared),
    unheld: amountJson(books.unheld),
    unreferenced: { blobs: books.unreferenced.blobs, ...amountJson(books.unreferenced.amount) },
    uploads: amountJson(books.uploads),
    temporaries: amountJson(books.temporaries),
    metadata: amountJson(books.metadata),
    other: amountJson(books.other),
    roomBytes: books.room ?? null,
    dedupRatio: rounded(books.dedupRatio),
    dedupAcrossRepositories: rounded(books.dedupAcross),
    repositories: context.rows.map(rowJson),
    garbage: books.causes.map(causeJson),
    untagged: books.untagged === undefined ? null : causeJson(books.untagged),
    largest: books.largest.map((row) => ({
      digest: digestText(index, row.blob),
      what: row.what,
      live: row.live,
      ...amountJson(row.amount),
      repositories: row.repositories.map((at) => displayName(index.repositories[at] as string)),
    })),
    baseLayers: books.bases,
    kinds: books.species.map(({ species, manifests, blobs, amount }) => ({
      kind: species,
      manifests,
      blobs,
      ...amountJson(amount),
    })),
    platforms: books.platforms.map(({ platform, images, amount }) => ({
      platform,
      images,
      ...amountJson(amount),
    })),
    tagsByMonth: books.months,
    age: books.ages.map(({ fromDays, toDays, blobs, amount }) => ({
      fromDays,
      toDays: toDays ?? null,
      blobs,
      ...amountJson(amount),
    })),
    warnings: context.warnings,
    refused: context.refused,
    seconds: rounded(context.seconds),
  };
  return `${safeJson(document, 2)}\n`;
}

function rowJson(row: BookRow): object {
  const { unique, shared, whole, uploads, metadata, temporaries, other } = row;
  return {
    name: displayName(row.name),
    repositories: row.repositories,
    tags: row.tags,
    manifests: row.manifests,
    blobs: row.blobs,
    uniqueBytes: unique.bytes,
    sharedBytes: shared.bytes,
    aloneBytes: whole.bytes,
    uploadBytes: uploads.bytes,
    uniqueAllocatedBytes: unique.allocatedBytes ?? null,
    sharedAllocatedBytes: shared.allocatedBytes ?? null,
    uploadAllocatedBytes: uploads.allocatedBytes ?? null,
    metadataAllocatedBytes: metadata?.allocatedBytes ?? null,
    temporaryAllocatedBytes: temporaries?.allocatedBytes ?? null,
    otherAllocatedBytes: other?.allocatedBytes ?? null,
  };
}

function causeJson({ cause, blobs, amount }: Books['causes'][number]): object {
  return { cause, blobs, ...amountJson(amount) };
}

function amountJson({ bytes, allocatedBytes }: Amount): object {
  return { bytes, allocatedBytes: allocatedBytes ?? null };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
