import { AppError } from '../fs/errors.js';

/** Milliseconds between two looks. One reads what /proc says of each process: milliseconds. */
const EVERY_MS = 2000;

/**
 * Looks for a registry while blobs are removed, which may take an hour: one that comes back by
 * itself (`restart: always`) takes a push for whole whose layers are about to go.
 */
export class Watch {
  readonly #assertStopped: () => Promise<void>;
  readonly #stop: Int32Array;
  readonly #timer: NodeJS.Timeout;
  #cause: unknown;

  /** `stop`: element 0 turns 1 when one is seen. */
  constructor(assertStopped: () => Promise<void>, stop: Int32Array) {
    this.#assertStopped = assertStopped;
    this.#stop = stop;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /**
   * Looks once more: a short phase ends before its first look.
   * @throws AppError `running` when one was seen; other errors of a look as they are.
   */
  async assertQuiet(): Promise<void> {
    await this.#look();
    if (this.#cause === undefined) return;
    if (!(this.#cause instanceof AppError)) throw this.#cause;
    throw new AppError('running', `the sweep stopped: ${this.#cause.message}`, [
      'it came while blobs were removed: what was pushed meanwhile may lack some;',
      'stop it and plan again; regsweep check names what does',
    ]);
  }

  async #look(): Promise<void> {
    try {
      await this.#assertStopped();
    } catch (error) {
      this.#cause ??= error;
      Atomics.store(this.#stop, 0, 1);
    }
  }
}
