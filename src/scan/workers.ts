import type { Transferable, Worker } from 'node:worker_threads';

/** Worker threads, each of which carries out one task at a time. */
export interface Workers {
  /**
   * Rejects when the task throws, when its worker dies, and when the workers are ended before
   * its answer is here.
   */
  run(task: object, transfer?: readonly Transferable[]): Promise<unknown>;
  /** Ends the workers: what runs is not waited for. */
  destroy(): Promise<void>;
}

export interface WorkersOptions {
  /** The compiled worker, whose default export takes the task. */
  readonly file: URL;
  /** Workers to start before they are asked for. */
  readonly ahead: number;
  /** Workers at most, at least one. */
  readonly most: number;
  /** The young generation of each worker, megabytes; as V8 has it where not told. */
  readonly youngMb?: number;
}

/**
 * A worker that begins to wait for work just as it is told to end can miss that and wait for ever
 * (Node 22.23, one run of some thousands): it is told again, which wakes it.
 */
const AGAIN_MS = 200;

/** Makes workers that start as they are asked for, and stay until all are ended. */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const { Piscina } = await import('piscina');
  const { file, ahead, most, youngMb } = options;
  const pool = new Piscina({
    filename: file.href,
    minThreads: ahead,
    maxThreads: most,
    // Else a worker ends whenever it waits for its next task, to be started anew.
    idleTimeout: Infinity,
    recordTiming: false,
    ...(youngMb === undefined ? {} : { resourceLimits: { maxYoungGenerationSizeMb: youngMb } }),
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
    run(task, transfer = []) {
      const ended: Promise<unknown> = pool.run(task, { transferList: [...transfer] });
      watch();
      // One that died has been replaced.
      ended.catch(watch);
      return ended;
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
