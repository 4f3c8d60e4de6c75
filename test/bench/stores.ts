import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeBenchStore } from './make-store.ts';
import type { BenchTruth } from './make-store.ts';
import { tell } from './race.ts';

/** A store of the benchmark on disk. */
export interface Store {
  /** Its rootdirectory. */
  readonly root: string;
  readonly truth: BenchTruth;
}

/** `$XDG_CACHE_HOME/regsweep-bench`, where stores and programs are kept between runs. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(
    base === undefined || base === '' ? join(homedir(), '.cache') : base,
    'regsweep-bench',
  );
}

/** The store of some scale: that of an earlier run, or a new one in `given` or the cache. */
export function storeOf(scale: number, given?: string): Store {
  if (given === undefined) return cachedStore(scale);
  const root = resolve(given);
  // Without its truth beside it, it may be anybody's registry.
  if (existsSync(root) && !existsSync(truthOf(root))) {
    throw new Error(`${root} is there, and is no store of this benchmark`);
  }
  return { root, truth: makeBenchStore(root, { scale }) };
}

/** One whose making was cut off never gets its name, and is made anew. */
function cachedStore(scale: number): Store {
  const folder = cacheFolder();
  const root = join(folder, String(scale));
  if (!existsSync(truthOf(root))) {
    tell(`making the store of scale ${scale}`);
    mkdirSync(folder, { recursive: true });
    const part = `${root}.part`;
    for (const left of [part, root]) rmSync(left, { recursive: true, force: true });
    makeBenchStore(part, { scale });
    renameSync(part, root);
    renameSync(truthOf(part), truthOf(root));
  }
  return { root, truth: makeBenchStore(root, { scale }) };
}

function truthOf(root: string): string {
  return `${root}.truth.json`;
}
