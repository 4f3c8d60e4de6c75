import { isLinked } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Room } from '../scan/usage-shard.js';
import type { StoreUsage } from '../scan/usage.js';
import { Sum } from './amounts.js';
import type { Amount } from './amounts.js';
import type { Owners } from './owners.js';
import type { Share } from './shares.js';

/** What a repository or a namespace takes. Names are byte strings. */
export interface BookRow {
  readonly name: string;
  readonly repositories: number;
  readonly tags: number;
  readonly manifests: number;
  readonly blobs: number;
  /** Held by nobody else. */
  readonly unique: Amount;
  /** Its part of what others hold too. */
  readonly shared: Amount;
  /** What it would take alone. */
  readonly whole: Amount;
  readonly uploads: Amount;
  /** Links and directories, temporary files, and the rest; only where every file was measured. */
  readonly metadata: Amount | undefined;
  readonly temporaries: Amount | undefined;
  readonly other: Amount | undefined;
}

/** The rows of the books, the largest first. */
export function bookRows(
  index: StoreIndex,
  usage: StoreUsage | undefined,
  owners: Owners,
  shares: readonly Share[],
): BookRow[] {
  const counts = owners.names.map(() => ({ repositories: 0, tags: 0, manifests: 0 }));
  const uploads = owners.names.map(() => new Sum());
  index.repositories.forEach((_, repository) => {
    const count = counts[owners.of[repository] as number] as (typeof counts)[number];
    count.repositories++;
    count.tags += lengthAt(index.tags.start, repository);
    const end = index.revisions.start[repository + 1] as number;
    for (let entry = index.revisions.start[repository] as number; entry < end; entry++) {
      if (isLinked(index, entry)) count.manifests++;
    }
  });
  for (const { repository, bytes, allocated } of index.uploads) {
    uploads[owners.of[repository] as number]?.add(bytes, allocated);
  }
  const measured = usage !== undefined;
  const rooms = usage === undefined ? undefined : roomsByOwner(index, usage, owners);
  const rows = owners.names.map((name, owner) => {
    const { blobs, unique, shared, whole } = shares[owner] as Share;
    const room = rooms?.[owner];
    return {
      name,
      ...(counts[owner] as (typeof counts)[number]),
      blobs,
      unique: unique.amount(measured),
      shared: shared.amount(measured),
      whole: whole.amount(measured),
      uploads: (room?.uploads ?? uploads[owner] ?? new Sum()).amount(measured),
      metadata: room?.metadata.amount(true),
      temporaries: room?.temporaries.amount(true),
      other: room?.other.amount(true),
    };
  });
  return rows.sort((a, b) => sizeOf(b) - sizeOf(a) || (a.name < b.name ? -1 : 1));
}

/** Bytes of data that a row accounts for. */
export function sizeOf({ unique, shared, uploads }: BookRow): number {
  return unique.bytes + shared.bytes + uploads.bytes;
}

function roomsByOwner(index: StoreIndex, usage: StoreUsage, owners: Owners): Record<Room, Sum>[] {
  const rooms = owners.names.map(() => ({
    metadata: new Sum(),
    uploads: new Sum(),
    temporaries: new Sum(),
    other: new Sum(),
  }));
  index.repositories.forEach((name, repository) => {
    const own = usage.repositories.get(name);
    const into = rooms[owners.of[repository] as number];
    if (own === undefined || into === undefined) return;
    for (const room of Object.keys(into) as Room[]) {
      into[room].add(own[room].bytes, own[room].allocated);
    }
  });
  return rooms;
}

function lengthAt(start: Uint32Array, row: number): number {
  return (start[row + 1] as number) - (start[row] as number);
}
