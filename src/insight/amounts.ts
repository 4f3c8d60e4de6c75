import type { Bits } from '../graph/lists.js';

/** Bytes of data; allocated ones only where every file was measured. */
export interface Amount {
  readonly bytes: number;
  readonly allocatedBytes: number | undefined;
}

/** By blob: its apparent bytes, and the allocated ones where they were measured. */
export interface Measures {
  readonly bytes: Float64Array;
  readonly allocated: Float64Array | undefined;
  /** Directories of blobs that were looked into and have no data. */
  readonly hollow: Bits;
}

/** A sum that grows; `allocated` is meant only where it is measured. */
export class Sum {
  bytes = 0;
  allocated = 0;

  addBlob({ bytes, allocated }: Omit<Measures, 'hollow'>, blob: number): void {
    this.bytes += bytes[blob] as number;
    this.allocated += allocated?.[blob] ?? 0;
  }

  add(bytes: number, allocated: number): void {
    this.bytes += bytes;
    this.allocated += allocated;
  }

  amount(measured: boolean): Amount {
    return { bytes: this.bytes, allocatedBytes: measured ? this.allocated : undefined };
  }
}

/**
 * The part of a whole that each of `count` gets, the earlier ones a byte more where it does not
 * divide: the parts add up to the whole.
 */
export function partOf(whole: number, count: number, at: number): number {
  const part = Math.floor(whole / count);
  return part + (at < whole - part * count ? 1 : 0);
}
