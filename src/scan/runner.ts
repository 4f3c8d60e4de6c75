import { Depth, inDepth } from './depth.js';
import { AppError } from '../fs/errors.js';
import type { ReadFs } from '../fs/read-fs.js';
import { runTask } from './handlers.js';
import type { TaskName, Tasks } from './handlers.js';
import { startPool } from './pool.js';
import type { Pool, PoolOptions } from './pool.js';

export interface RunnerOptions extends PoolOptions {
  readonly fs: ReadFs;
  /** Workers; 0 runs every shard inline. */
  readonly threads: number;
  /** Workers at most, when those there are wait for the disk; by default no more. */
  readonly deepest?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds of inline work before workers are thought of; 0 starts them at once. */
  readonly inlineBudgetMs?: number;
}

const INLINE_BUDGET_MS = 60;
/** What a pool takes to start, on an idle machine. */
const POOL_MS = 70;

/** Runs shards, inline while the store seems small and then in a pool of workers. */
export class Runner {
  readonly #options: RunnerOptions;
  #spentMs = 0;
  #pool: Promise<Pool> | undefined;
  readonly #depth: Depth;
  /** Nothing runs inline any more. */
  #pooled = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#depth = new Depth(options.threads, options.deepest ?? options.threads);
  }

  /**
   * Starts the workers now, for a run that may be long: they load while this thread does. Shards
   * go on inline as if they were not there yet.
   */
  warm(): void {
    if (this.#options.threads === 0 || this.#pool !== undefined) return;
    this.#pool = startPool(this.#options);
    // Whoever runs a shard next is told.
    this.#pool.catch(() => undefined);
  }

  /** From now on everything is run by the workers. */
  engage(): void {
    this.warm();
    this.#pooled = this.#pool !== undefined;
  }

  /** The facts of every shard, in the order of the shards. */
  async *run<K extends TaskName>(
    task: K,
    shards: readonly Tasks[K]['shard'][],
  ): AsyncGenerator<Tasks[K]['facts']> {
    let next = 0;
    let spentHere = 0;
    while (next < shards.length && this.#runsInline(next, shards.length - next, spentHere)) {
      this.#throwIfStopped();
      const started = performance.now();
      const facts = await runTask(this.#options.fs, task, shards[next++] as Tasks[K]['shard']);
      const took = performance.now() - started;
      this.#spentMs += took;
      spentHere += took;
      yield facts;
      // Signals are heard only between turns of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (next === shards.length) return;
    const pool = await (this.#pool ??= startPool(this.#options));
    this.#pooled = true;
    const results = inDepth(shards.slice(next), this.#depth, (shard) => pool.run({ task, shard }));
    for (const result of results) {
      const facts = (await this.#orStopped(result)) as Tasks[K]['facts'];
      yield facts;
    }
  }

  /** Ends the workers, those that still load once they have. Reading may be cut off anywhere. */
  async close(): Promise<void> {
    const pool = await this.#pool;
    this.#pool = undefined;
    this.#pooled = false;
    await pool?.destroy();
  }

  /** Whether a signal asked for the end. */
  isStopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /**
   * Inline for a while, and then as long as what is left of the task would be done before
   * workers are up: on a busy machine a small store takes its time, and workers more of it.
   */
  #runsInline(done: number, left: number, spentMs: number): boolean {
    if (this.#options.threads === 0) return true;
    if (this.#pooled) return false;
    const budget = this.#options.inlineBudgetMs ?? INLINE_BUDGET_MS;
    if (budget === 0) return false;
    return this.#spentMs < budget || done === 0 || (spentMs / done) * left < POOL_MS;
  }

  #throwIfStopped(): void {
    if (this.isStopped()) throw stopped();
  }

  async #orStopped<T>(result: Promise<T>): Promise<T> {
    this.#throwIfStopped();
    const { signal } = this.#options;
    if (signal === undefined) return await result;
    return await new Promise<T>((resolve, reject) => {
      const onAbort = (): void => reject(stopped());
      signal.addEventListener('abort', onAbort, { once: true });
      result.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }
}

function stopped(): AppError {
  return new AppError('stopped', 'stopped; nothing was changed');
}
