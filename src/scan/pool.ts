import { MessageChannel } from 'node:worker_threads';
import type { Worker } from 'node:worker_threads';
import type { TaskName } from './handlers.js';
import type { Answer, Lane } from './lane.js';

/** Workers, each of which takes part in one run at a time. */
export interface Pool {
  /**
   * Lets one more worker take part in a run, and hands over its answers as they come. Resolves
   * when the worker finds nothing to claim any more; its last answers may come after that.
   */
  join<K extends TaskName>(
    lane: Omit<Lane<K>, 'port'>,
    take: (answer: Answer<K>) => void,
  ): Promise<void>;
  destroy(): Promise<void>;
}

export interface PoolOptions {
  /** Workers at most, at least one. */
  readonly most: number;
  /** Workers to start before they are asked for. */
  readonly ahead: number;
  /** The compiled worker: `worker.js` beside this file. */
  readonly workerFile?: URL | undefined;
}

/**
 * The young generation of each worker, megabytes. A shard's garbage dies young whatever its size,
 * and what V8 would let it grow to (48) is memory that the whole run holds. From 4 to 2 a run took
 * 4 MB less and no longer.
 */
const YOUNG_MB = 2;

/**
 * A worker that begins to wait for work just as it is told to end can miss that and wait for ever
 * (Node 22.23, one run of some thousands): it is told again, which wakes it.
 */
const AGAIN_MS = 200;

/** Makes a pool whose workers start as they are asked to take part. */
export async function startPool({ most, ahead, workerFile }: PoolOptions): Promise<Pool> {
  const { Piscina } = await import('piscina');
  const file = workerFile ?? new URL('./worker.js', import.meta.url);
  const pool = new Piscina({
    filename: file.href,
    minThreads: ahead,
    maxThreads: most,
    // Else a worker ends whenever it waits for its next run, to be started anew.
    idleTimeout: Infinity,
    recordTiming: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  // A task that ends just as the pool is destroyed emits `error`; its own promise tells all.
  pool.on('error', () => undefined);
  const loading = new Map<Worker, Promise<void>>();
  const watch = (): void => {
    for (const worker of pool.threads) {
      if (!loading.has(worker)) loading.set(worker, isLoaded(worker));
    }
  };
  watch();
  return {
    async join(lane, take) {
      const { port1, port2 } = new MessageChannel();
      port1.on('message', take);
      const ended = pool.run({ ...lane, port: port2 }, { transferList: [port2] }) as Promise<void>;
      watch();
      // Without it a worker that dies would leave the port open, and the process waiting for it.
      ended.catch(() => port1.close());
      await ended;
    },
    async destroy() {
      // Workers that are ended while they still load can take Node 20 with them.
      await Promise.all(loading.values());
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
