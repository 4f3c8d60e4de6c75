import { makeReadFs } from '../fs/node-fs.js';
import { runTask } from './handlers.js';
import type { TaskName } from './handlers.js';
import { work } from './lane.js';
import type { Lane } from './lane.js';

const fs = makeReadFs();

/** A thin shell around the handlers. */
export default async function join<K extends TaskName>(lane: Lane<K>): Promise<void> {
  await work(lane, (shard) => runTask(fs, lane.task, shard));
}
