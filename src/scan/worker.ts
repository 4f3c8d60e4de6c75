import { move, transferableSymbol, valueSymbol } from 'piscina';
import { makeReadFs } from '../fs/node-fs.js';
import { runTask } from './handlers.js';
import type { TaskName, Tasks } from './handlers.js';

const fs = makeReadFs();

/** A thin shell around the handlers: its results' arrays are moved, not copied. */
export default async function work<K extends TaskName>(job: {
  readonly task: K;
  readonly shard: Tasks[K]['shard'];
}): Promise<object> {
  const facts: object = await runTask(fs, job.task, job.shard);
  const buffers: ArrayBufferLike[] = [];
  for (const value of Object.values(facts)) {
    if (ArrayBuffer.isView(value) && value.byteLength > 0) buffers.push(value.buffer);
  }
  return move({ [transferableSymbol]: buffers, [valueSymbol]: facts });
}
