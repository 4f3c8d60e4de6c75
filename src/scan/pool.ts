import type { Worker } from 'node:worker_threads';
import type { TaskName, Tasks } from './handlers.js';

/** Workers, which run a shard each at a time. */
export interface Pool {
  run(job: { task: TaskName; shard: Tasks[TaskName]['shard'] }): Promise<unknown>;
  destroy(): Promise<void>;
}

export interface PoolOptions {
  readonly threads: number;
  /** Workers at most; by default no more. */
  readonly deepest?: number;
  /** The compiled worker: `worker.js` beside this file. */
  readonly workerFile?: URL;
}

/**
 * The young generation of each worker, megabytes. A shard's garbage dies young whatever its size,
 * and what V8 would let it grow to (48) is memory that the whole run holds.
 */
const YOUNG_MB = 4;

/**
 * A worker that begins to wait for work just as it is told to end can miss that and wait for ever
 * (Node 22.23, one run of some thousands): it is told again, which wakes it.
 */
const AGAIN_MS = 200;

/** Starts workers; shards may be given to them at once. */
export async function startPool(options: PoolOptions): Promise<Pool> {
  const { Piscina } = await import('piscina');
  const file = options.workerFile ?? new URL('./worker.js', import.meta.url);
  const pool = new Piscina({
    filename: file.href,
    minThreads: options.threads,
    // It starts one more whenever all are at work, and `Depth` says how many may be.
    maxThreads: Math.max(options.threads, options.deepest ?? 0),
    // Else every worker beyond the least ends whenever it waits for its next shard, to be started anew.
    idleTimeout: Infinity,
    recordTiming: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  // A task that ends just as the pool is destroyed emits `error`; its own promise tells all.
  pool.on('error', () => undefined);
  const loaded = Promise.all(pool.threads.map(isLoaded));
  return {
    run: async (job) => await (pool.run(job) as Promise<unknown>),
    async destroy() {
      // Workers that are ended while they still load can take Node 20 with them.
      await loaded;
      const { threads } = pool;
      const again = setInterval(
        () => threads.forEach((thread) => void thread.terminate()),
        AGAIN_MS,
      );
      await pool.destroy().finally(() => clearInterval(again));
    },
  };
}

/** A worker's first message says that its code is there. */
async function isLoaded(worker: Worker): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const event of ['message', 'exit']) worker.once(event, () => resolve());
  });
}
