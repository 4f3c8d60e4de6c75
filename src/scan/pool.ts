import { MessageChannel } from 'node:worker_threads';
import type { TaskName } from './handlers.js';
import type { Answer, Lane } from './lane.js';
import { startWorkers } from './workers.js';

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
  /** The compiled worker: `scan/worker.js`, wherever this file has been put beside that folder. */
  readonly workerFile?: URL | undefined;
}

/**
 * The young generation of each worker, megabytes. A shard's garbage dies young whatever its size,
 * and what V8 would let it grow to (48) is memory that the whole run holds. From 4 to 2 a run took
 * 4 MB less and no longer.
 */
const YOUNG_MB = 2;

/** Makes a pool whose workers start as they are asked to take part. */
export async function startPool({ most, ahead, workerFile }: PoolOptions): Promise<Pool> {
  const file = workerFile ?? new URL('../scan/worker.js', import.meta.url);
  const workers = await startWorkers({ file, ahead, most, youngMb: YOUNG_MB });
  return {
    async join(lane, take) {
      const { port1, port2 } = new MessageChannel();
      port1.on('message', take);
      const ended = workers.run({ ...lane, port: port2 }, [port2]);
      // Without it a worker that dies would leave the port open, and the process waiting for it.
      ended.catch(() => port1.close());
      await ended;
    },
    destroy: () => workers.destroy(),
  };
}
