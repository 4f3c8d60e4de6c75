/** Milliseconds between two looks at how busy the processors are. */
const WINDOW_MS = 1500;
/** The share of the processors' time below which workers are held to wait for the disk. */
const BUSY = 0.6;

/**
 * How many workers read at once. On a disk that answers from memory as many as there are processors
 * do it all, and each further one costs its start and its memory (17 MB). On a cold one they mostly
 * wait: the fewer processors are at work, the deeper it reads.
 */
export class Depth {
  #now: number;
  readonly #most: number;
  readonly #processors: number;
  #since = performance.now();
  #spent = process.cpuUsage();

  constructor(least: number, most: number) {
    this.#now = least;
    this.#most = most;
    this.#processors = Math.max(1, least);
  }

  get now(): number {
    return this.#now;
  }

  /** Begins to look: what was before says nothing of the workers. */
  restart(): void {
    this.#since = performance.now();
    this.#spent = process.cpuUsage();
  }

  /** Looks, if it is time to: called whenever a worker has ended a shard. */
  adapt(): void {
    if (this.#now >= this.#most) return;
    const elapsed = performance.now() - this.#since;
    if (elapsed < WINDOW_MS) return;
    const { user, system } = process.cpuUsage(this.#spent);
    if ((user + system) / 1000 < elapsed * this.#processors * BUSY) {
      this.#now = Math.min(this.#most, this.#now + this.#processors);
    }
    this.restart();
  }
}

/** Starts a task for each item, as many at once as the depth allows; results in the items' order. */
export function inDepth<T, R>(
  items: readonly T[],
  depth: Depth,
  start: (item: T) => Promise<R>,
): readonly Promise<R>[] {
  const waiting: (() => void)[] = [];
  let active = 0;
  const enter = async (): Promise<void> => {
    if (active >= depth.now) await new Promise<void>((resolve) => waiting.push(resolve));
    else active++;
  };
  const leave = (): void => {
    active--;
    depth.adapt();
    // Whoever waited is counted before it goes on, so that nobody overtakes it.
    for (; active < depth.now && waiting.length > 0; active++) waiting.shift()?.();
  };
  depth.restart();
  return items.map((item) => {
    const result = enter().then(() => start(item).finally(leave));
    // An early exit leaves promises behind that reject when the pool is destroyed.
    result.catch(() => undefined);
    return result;
  });
}
