import type { Survey } from '../plan/derive.js';
import type { StoreRoot } from '../scan/root.js';
import type { CheckFinding } from './finding.js';
import { gather } from './gather.js';
import type { GatherOptions } from './gather.js';
import type { HashPass } from './hash-pass.js';
import type { ShoppingItem } from './shopping.js';

export interface CheckOptions extends GatherOptions {
  readonly root: StoreRoot;
  readonly nowMs: number;
}

export interface CheckReport {
  readonly survey: Survey;
  /** Sorted: the worst first, then by path. */
  readonly findings: readonly CheckFinding[];
  readonly shopping: readonly ShoppingItem[];
  /** Manifests that a repository has a link of. */
  readonly manifests: number;
  /** Blobs that have data, and its apparent bytes. */
  readonly blobs: number;
  readonly bytes: number;
  /** Whether every link was read, and not the newest alone. */
  readonly links: boolean;
  readonly hash: HashPass | undefined;
}

/** Finds what is broken in a store, and what that means for those who pull. Changes nothing. */
export async function checkStore(options: CheckOptions): Promise<CheckReport> {
  const { hash } = options;
  const gathered = await gather({
    ...options,
    hash: hash && {
      ...hash,
      meanwhile: async () => await Promise.all([loadJudge(), hash.meanwhile()]),
    },
  });
  const { judge } = await loadJudge();
  return await judge(options, gathered);
}

/** Loaded while blobs are hashed, or when it is needed, so that no hashing waits for it. */
async function loadJudge(): Promise<typeof import('./judge.js')> {
  return await import('./judge.js');
}
