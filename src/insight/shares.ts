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
  for (let blob = 0; blob + 1 < byBlob.offsets.length; blob++) {
    const holders = ownersAt(byBlob, blob, ownerOf);
    holders.forEach((owner, at) => {
      const share = shares[owner] as Share;
      share.blobs++;
      share.whole.addBlob(measures, blob);
      const into = holders.length === 1 ? share.unique : share.shared;
      into.add(
        partOf(bytes[blob] as number, holders.length, at),
        partOf(allocated?.[blob] ?? 0, holders.length, at),
      );
    });
  }
  return shares;
}

function newShare(): Share {
  return { blobs: 0, unique: new Sum(), shared: new Sum(), whole: new Sum() };
}

function ownersAt({ offsets, items }: Rows, blob: number, ownerOf: Uint32Array): number[] {
  const from = offsets[blob] as number;
  const to = offsets[blob + 1] as number;
  if (to === from + 1) return [ownerOf[items[from] as number] as number];
  const found: number[] = [];
  // Rows are by repository, and repositories of a namespace need not be neighbours.
  for (let i = from; i < to; i++) {
    const owner = ownerOf[items[i] as number] as number;
    if (!found.includes(owner)) found.push(owner);
  }
  return found;
}
