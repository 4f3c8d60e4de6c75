import type { Rows } from '../graph/lists.js';
import { partOf, Sum } from './amounts.js';
import type { Measures } from './amounts.js';

/** What one owner holds: alone, and with others (its part of that, and all of it). */
export interface Share {
  blobs: number;
  readonly unique: Sum;
  /** Its part of what it shares: all parts add up to what is stored. */
  readonly shared: Sum;
  /** What it would take alone. */
  readonly whole: Sum;
}

/**
 * Splits each blob among those who hold it. Owners are repositories or namespaces: `ownerOf`
 * says which one a repository belongs to.
 */
export function splitBlobs(
  byBlob: Rows,
  measures: Measures,
  ownerOf: Uint32Array,
  owners: number,
): Share[] {
  const shares = Array.from({ length: owners }, newShare);
  const { bytes, allocated } = measures;
  const ownersOf = ownersByBlob(byBlob, ownerOf, owners);
  for (let blob = 0; blob + 1 < byBlob.offsets.length; blob++) {
    const holders = ownersOf(blob);
    for (let at = 0; at < holders.length; at++) {
      const share = shares[holders[at] as number] as Share;
      share.blobs++;
      share.whole.addBlob(measures, blob);
      if (holders.length === 1) {
        share.unique.addBlob(measures, blob);
        continue;
      }
      share.shared.add(
        partOf(bytes[blob] as number, holders.length, at),
        partOf(allocated?.[blob] ?? 0, holders.length, at),
      );
    }
  }
  return shares;
}

function newShare(): Share {
  return { blobs: 0, unique: new Sum(), shared: new Sum(), whole: new Sum() };
}

/** Each owner of a blob once; what is returned is valid until the next call. */
function ownersByBlob(
  { offsets, items }: Rows,
  ownerOf: Uint32Array,
  owners: number,
): (blob: number) => readonly number[] {
  // By owner, one more than the blob that it was found for last.
  const stamp = new Uint32Array(owners);
  const found: number[] = [];
  return (blob) => {
    found.length = 0;
    const end = offsets[blob + 1] as number;
    // Rows are by repository, and repositories of a namespace need not be neighbours.
    for (let i = offsets[blob] as number; i < end; i++) {
      const owner = ownerOf[items[i] as number] as number;
      if (stamp[owner] === blob + 1) continue;
      stamp[owner] = blob + 1;
      found.push(owner);
    }
    return found;
  };
}
