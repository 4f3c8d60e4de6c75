import type { BytePath, QuickStat } from '../fs/read-fs.js';

/** Things that a registry makes in one way each. */
export type MadeKind = 'link' | 'data' | 'directory';

/** How many files of a kind have a mode and an owner, and which they are while they are few. */
export interface OwnershipCount {
  readonly kind: MadeKind;
  /** Permission bits alone. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  count: number;
  /** The first of them: the odd ones of a store are few, and the others are not asked for. */
  readonly paths: BytePath[];
}

/** More than this many with the same are how the store is, and not odd. */
const REMEMBERED = 256;

/** Counts modes and owners, so that the odd ones stand out. */
export class OwnershipCounts {
  readonly #counts = new Map<string, OwnershipCount>();

  add(kind: MadeKind, path: BytePath, stat: Pick<QuickStat, 'mode' | 'uid' | 'gid'>): void {
    const entry = this.#entry(kind, stat);
    entry.count++;
    if (entry.paths.length < REMEMBERED) entry.paths.push(path);
  }

  merge(counts: readonly OwnershipCount[]): void {
    for (const { kind, count, paths, ...owner } of counts) {
      const entry = this.#entry(kind, owner);
      entry.count += count;
      entry.paths.push(...paths.slice(0, REMEMBERED - entry.paths.length));
    }
  }

  list(): OwnershipCount[] {
    return [...this.#counts.values()];
  }

  #entry(kind: MadeKind, stat: Pick<QuickStat, 'mode' | 'uid' | 'gid'>): OwnershipCount {
    const { uid, gid } = stat;
    const mode = stat.mode & 0o7777;
    const key = `${kind} ${mode} ${uid} ${gid}`;
    let entry = this.#counts.get(key);
    if (entry === undefined) {
      entry = { kind, mode, uid, gid, count: 0, paths: [] };
      this.#counts.set(key, entry);
    }
    return entry;
  }
}
