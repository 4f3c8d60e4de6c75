import type { MessagePort, Transferable } from 'node:worker_threads';
import { AppError } from '../fs/errors.js';
import type { TaskName, Tasks } from './handlers.js';

/**
 * What a thread needs to take part in a run: all shards, and the counter by which each of them is
 * claimed once. Threads that were given a shard at a time waited for the next one whenever the
 * thread that gives them out was reading itself.
 */
export interface Lane<K extends TaskName = TaskName> {
  readonly task: K;
  readonly shards: readonly Tasks[K]['shard'][];
  readonly counter: Int32Array<SharedArrayBuffer>;
  /** Where the answers go. */
  readonly port: MessagePort;
}

/** What a shard says, and which of them it was; or why the run has to end. */
export type Answer<K extends TaskName = TaskName> =
  | { readonly at: number; readonly facts: Tasks[K]['facts'] }
  | { readonly failed: Pick<AppError, 'code' | 'message' | 'hint'> };

/** A counter of which nothing is claimed yet. */
export function makeCounter(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** The next shard that nobody has claimed; not below their number when all are. */
export function claim(counter: Int32Array<SharedArrayBuffer>): number {
  return Atomics.add(counter, 0, 1);
}

/** How many shards are claimed; more than there are, once somebody asked in vain. */
export function claimed(counter: Int32Array<SharedArrayBuffer>): number {
  return Atomics.load(counter, 0);
}

/** Lets nobody claim any further shard of `count`. */
export function closeCounter(counter: Int32Array<SharedArrayBuffer>, count: number): void {
  Atomics.store(counter, 0, count);
}

/** Handles shards until none is left; the answers' arrays are moved, not copied. */
export async function work<K extends TaskName>(
  { shards, counter, port }: Lane<K>,
  handle: (shard: Tasks[K]['shard']) => Tasks[K]['facts'] | Promise<Tasks[K]['facts']>,
): Promise<void> {
  for (let at = claim(counter); at < shards.length; at = claim(counter)) {
    let facts: Tasks[K]['facts'];
    try {
      facts = await handle(shards[at] as Tasks[K]['shard']);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // As an error it would lose its class, its code and its hint on the way.
      const { code, message, hint } = error;
      port.postMessage({ failed: { code, message, hint } } satisfies Answer<K>);
      break;
    }
    port.postMessage({ at, facts } satisfies Answer<K>, buffersOf(facts));
  }
  port.close();
}

function buffersOf(facts: object): Transferable[] {
  const buffers: ArrayBuffer[] = [];
  for (const value of Object.values(facts)) {
    if (!ArrayBuffer.isView(value) || value.byteLength === 0) continue;
    if (value.buffer instanceof ArrayBuffer) buffers.push(value.buffer);
  }
  return buffers;
}
