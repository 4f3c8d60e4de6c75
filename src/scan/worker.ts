import { makeReadFs } from '../fs/node-fs.js';
import type { TaskName } from './handlers.js';
import { hashData } from './hash-shard.js';
import { work } from './lane.js';
import type { Lane } from './lane.js';
import { unlessShort } from './shortage.js';

const fs = makeReadFs();

/**
 * A thin shell around the handlers. A worker that only hashes is up in 40 ms of a processor's time
 * instead of 65, for it loads no more than that takes.
 */
export default async function join<K extends TaskName>(lane: Lane<K>): Promise<void> {
  if (isHashing(lane)) {
    return await work(lane, (shard) => unlessShort(fs, (watched) => hashData(watched, shard)));
  }
  const { runTask } = await import('./handlers.js');
  await work(lane, (shard) => runTask(fs, lane.task, shard));
}

function isHashing(lane: Lane): lane is Lane<'hash'> {
  return lane.task === 'hash';
}
