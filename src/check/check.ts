import { gather } from './gather.js';
import type { GatherOptions } from './gather.js';
import type { CheckReport, JudgeOptions } from './judge.js';

export interface CheckOptions extends GatherOptions, JudgeOptions {}

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
