/** Milliseconds between two looks at how busy the processors are. */
const WINDOW_MS = 500;
/** The share of the processors' time below which threads are held to wait for the disk. */
const BUSY = 0.6;

/**
 * How many threads read at once. On a disk that answers from memory as many as there are processors
 * do it all, and each further one costs its start and its memory (17 MB). On a cold one they mostly
 * wait: while the processors are not at work, it reads twice as deep.
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

  /** Begins to look: what was before says nothing of the reading. */
  restart(): void {
    this.#since = performance.now();
    this.#spent = process.cpuUsage();
  }

  /** Looks, if it is time to: called whenever a shard has ended. */
  adapt(): void {
    if (this.#now >= this.#most) return;
    const elapsed = performance.now() - this.#since;
    if (elapsed < WINDOW_MS) return;
    const { user, system } = process.cpuUsage(this.#spent);
    if ((user + system) / 1000 < elapsed * this.#processors * BUSY) {
      this.#now = Math.min(this.#most, this.#now * 2);
    }
    this.restart();
  }
}
