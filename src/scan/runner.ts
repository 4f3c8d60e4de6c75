import { AppError } from '../fs/errors.js';
import type { ReadFs } from '../fs/read-fs.js';
import { Depth } from './depth.js';
import { runTask } from './handlers.js';
import type { TaskName, Tasks } from './handlers.js';
import { claim, claimed, closeCounter, makeCounter } from './lane.js';
import type { Answer, Lane } from './lane.js';
import type { Pool } from './pool.js';

export interface RunnerOptions {
  readonly fs: ReadFs;
  /** How many threads read, this one among them; 1 runs every shard here. */
  readonly threads: number;
  /** Threads at most, when those there are wait for the disk; by default no more. */
  readonly deepest?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds of reading here before workers are thought of; 0 starts them at once. */
  readonly inlineBudgetMs?: number;
  readonly workerFile?: URL;
}

const INLINE_BUDGET_MS = 60;
/** What a pool takes to start, on an idle machine. */
const POOL_MS = 70;

/**
 * Runs shards: here while the store seems small, and then in a pool of workers too. This thread
 * reads whenever it has no answers to take in, so there is one worker less to start, to compile
 * for and to hold in memory.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #depth: Depth;
  #spentMs = 0;
  #pool: Promise<Pool> | undefined;
  /** Workers take part from a run's first shard on. */
  #pooled = false;
  /** Every shard is a worker's. */
  #elsewhere = false;
  /** Settles when the workers of earlier runs are free. */
  #free: Promise<unknown> = Promise.resolve();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#depth = new Depth(options.threads, options.deepest ?? options.threads);
  }

  /**
   * Starts as many workers as there are threads to read, for a run that `engage` will follow:
   * they load while this thread does. Shards go on here as if they were not there yet.
   */
  warm(): void {
    void this.#start(this.#options.threads);
  }

  /**
   * From now on everything is run by workers: for shards that take so long that a signal or a
   * bar could not wait for them.
   */
  engage(): void {
    this.warm();
    this.#elsewhere = true;
  }

  /** The facts of every shard, in the order of the shards. */
  async *run<K extends TaskName>(
    task: K,
    shards: readonly Tasks[K]['shard'][],
  ): AsyncGenerator<Tasks[K]['facts']> {
    const answers = new Answers<Tasks[K]['facts']>();
    const counter = makeCounter();
    // What was before, without a run or with a worker less, says nothing of how busy they are.
    const restart = (): void => this.#depth.restart();
    const crew = new Crew({ task, shards, counter }, answers, restart);
    restart();
    const onAbort = (): void => answers.fail(stopped());
    this.#options.signal?.addEventListener('abort', onAbort, { once: true });
    if (this.isStopped()) onAbort();
    let spentHere = 0;
    let doneHere = 0;
    try {
      for (let next = 0; next < shards.length; next++) {
        while (!answers.has(next)) {
          const left = shards.length - claimed(counter);
          if (left > 0 && this.#wantsWorkers(doneHere, left, spentHere)) {
            crew.call(() => this.#readyPool(), this.#depth.now - (this.#elsewhere ? 0 : 1));
            await this.#made();
          }
          const mine = this.#elsewhere ? shards.length : claim(counter);
          if (mine >= shards.length) {
            await answers.come();
          } else {
            const started = performance.now();
            const shard = shards[mine] as Tasks[K]['shard'];
            answers.put(mine, await runTask(this.#options.fs, task, shard));
            const took = performance.now() - started;
            this.#spentMs += took;
            spentHere += took;
            doneHere++;
            // Signals, and what the workers found, are heard only between turns of the event loop.
            await new Promise((resolve) => setImmediate(resolve));
          }
          this.#depth.adapt();
        }
        yield answers.take(next);
      }
    } finally {
      closeCounter(counter, shards.length);
      this.#free = Promise.all([this.#free, crew.free()]);
      this.#options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the workers, those that still load once they have. Reading may be cut off anywhere. */
  async close(): Promise<void> {
    const pool = await this.#pool;
    this.#pool = undefined;
    this.#pooled = false;
    this.#elsewhere = false;
    await pool?.destroy();
  }

  /** Whether a signal asked for the end. */
  isStopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #start(ahead: number): Promise<Pool> {
    if (this.#pool === undefined) {
      this.#pool = makePool(this.#options, ahead);
      // Whoever runs a shard next is told.
      this.#pool.catch(() => undefined);
    }
    return this.#pool;
  }

  /**
   * Waits until there is a pool, which loads some twenty files. Each of them would wait for a shard
   * to be read here otherwise, and a cold disk takes half a second for one: 3 s went by like that.
   */
  async #made(): Promise<void> {
    // Whoever runs a shard is told of a failure.
    await this.#pool?.catch(() => undefined);
  }

  /** The pool once its workers can take part, so that none is started beside one that is about to. */
  async #readyPool(): Promise<Pool> {
    const [pool] = await Promise.all([this.#start(0), this.#free]);
    return pool;
  }

  /**
   * Not for a while, and then not as long as what is left of the task would be done before
   * workers are up: on a busy machine a small store takes its time, and workers more of it.
   */
  #wantsWorkers(done: number, left: number, spentMs: number): boolean {
    if (this.#elsewhere) return true;
    if (this.#depth.now < 2) return false;
    const budget = this.#options.inlineBudgetMs ?? INLINE_BUDGET_MS;
    this.#pooled ||=
      budget === 0 || (this.#spentMs >= budget && done > 0 && (spentMs / done) * left >= POOL_MS);
    return this.#pooled;
  }
}

/** Loads what makes a pool only now: a small store needs none. */
async function makePool(options: RunnerOptions, ahead: number): Promise<Pool> {
  const { startPool } = await import('./pool.js');
  const { threads, deepest = threads, workerFile } = options;
  return await startPool({ most: Math.max(1, deepest), ahead, workerFile });
}

/** What the shards of a run say, as it comes in from this thread and from others. */
class Answers<T> {
  readonly #waiting = new Map<number, T>();
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  put(at: number, facts: T): void {
    this.#waiting.set(at, facts);
    this.#wake();
  }

  /** Ends the run: whoever asks for an answer is thrown this. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  has(at: number): boolean {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#waiting.has(at);
  }

  take(at: number): T {
    const facts = this.#waiting.get(at) as T;
    this.#waiting.delete(at);
    return facts;
  }

  /** Waits until something comes. */
  async come(): Promise<void> {
    if (this.#failure !== undefined) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** The workers that take part in a run. */
class Crew<K extends TaskName> {
  readonly #lane: Omit<Lane<K>, 'port'>;
  readonly #answers: Answers<Tasks[K]['facts']>;
  readonly #onUp: () => void;
  readonly #ended: Promise<void>[] = [];

  /** `onUp` is told when a worker gives its first answer. */
  constructor(lane: Omit<Lane<K>, 'port'>, answers: Answers<Tasks[K]['facts']>, onUp: () => void) {
    this.#lane = lane;
    this.#answers = answers;
    this.#onUp = onUp;
  }

  /** Lets workers join until there are as many as wanted, and no more than shards to claim. */
  call(ready: () => Promise<Pool>, wanted: number): void {
    for (let more = Math.min(wanted - this.#ended.length, this.#unclaimed()); more > 0; more--) {
      const ended = this.#join(ready(), this.#taker());
      this.#ended.push(ended);
      ended.catch((error: unknown) => this.#answers.fail(error));
    }
  }

  /** Takes what one worker answers. */
  #taker(): (answer: Answer<K>) => void {
    let isUp = false;
    return (answer) => {
      if (!isUp) this.#onUp();
      isUp = true;
      if ('failed' in answer) this.#answers.fail(asError(answer.failed));
      else this.#answers.put(answer.at, answer.facts);
    };
  }

  async #join(started: Promise<Pool>, take: (answer: Answer<K>) => void): Promise<void> {
    const pool = await started;
    // Others may have done it all before the pool was there.
    if (this.#unclaimed() > 0) await pool.join(this.#lane, take);
  }

  /** Settles when the workers are free for another run. */
  async free(): Promise<void> {
    await Promise.allSettled(this.#ended);
  }

  #unclaimed(): number {
    return this.#lane.shards.length - claimed(this.#lane.counter);
  }
}

function asError({ code, message, hint }: Pick<AppError, 'code' | 'message' | 'hint'>): AppError {
  return new AppError(code, message, hint);
}

function stopped(): AppError {
  return new AppError('stopped', 'stopped; nothing was changed');
}
