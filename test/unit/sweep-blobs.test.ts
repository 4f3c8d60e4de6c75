/** Blobs that are removed by workers, one of which dies: on a real disk, since workers see no other. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import { openRoot } from '../../src/scan/root.ts';
import { isRemoved, removeBlobActions } from '../../src/sweep/remove-blobs.ts';
import type { BlobAction } from '../../src/sweep/remove-blobs.ts';
import type { Digest } from '../../src/registry/digest.ts';
import { addOrphans, makeFolder } from '../support/sweep.ts';

/** Blobs a shard, as the sweep has them; of this many shards some wait for a worker. */
const SHARD = 256;
const SHARDS = 6;

const folder = makeFolder('sweep-blobs');
let root = '';
let count = 0;
let actions: BlobAction[] = [];

beforeEach(() => {
  root = join(folder, `store-${++count}`);
  nodeFs.mkdirSync(`${root}/docker/registry/v2/repositories`, { recursive: true });
  addOrphans(root, SHARDS * SHARD);
  actions = present().map((hex) => {
    const stat = nodeFs.statSync(dataOf(hex), { bigint: true });
    return {
      kind: 'blob',
      digest: `sha256:${hex}` as Digest,
      bytes: Number(stat.size),
      mtimeNs: String(stat.mtimeNs),
    };
  });
});
afterAll(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

function dataOf(hex: string): string {
  return `${root}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
}

/** Of the blobs that are there, the hex; sorted. */
function present(): string[] {
  const blobs = `${root}/docker/registry/v2/blobs/sha256`;
  const prefixes = nodeFs.readdirSync(blobs);
  return prefixes.flatMap((prefix) => nodeFs.readdirSync(join(blobs, prefix))).sort();
}

/**
 * The sweep's own handler, but that a shard which begins with this blob is the end of its worker.
 * The other of the first two is the last to answer: behind those that find nothing to do any more.
 */
function workerThat(dies: string, firstHex: string, lastHex: string): URL {
  const file = join(folder, `worker-${count}.mjs`);
  const handler = new URL('../../.build/sweep/blob-shard.js', import.meta.url).href;
  nodeFs.writeFileSync(
    file,
    `import { existsSync, writeFileSync } from 'node:fs';
    import { removeBlobs } from ${JSON.stringify(handler)};
    const begun = ${JSON.stringify(join(folder, `begun-${count}`))};
    const waitFor = (isSo, ms) => {
      for (const until = Date.now() + ms; !isSo() && Date.now() < until; ) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    };
    export default (shard) => {
      const first = Buffer.from(shard.digests).toString('hex', 0, 32);
      if (first === '${firstHex}') {
        waitFor(() => existsSync(begun), 20_000);
        ${dies}
      }
      const result = removeBlobs(shard);
      if (first === '${lastHex}') writeFileSync(begun, '');
      // Busy until it is known, so that the shards behind are still to be begun by then.
      waitFor(() => Atomics.load(shard.stop, 0) === 1, 20_000);
      if (first === '${lastHex}') Atomics.wait(shard.stop, 0, 1, 300);
      return result;
    };`,
  );
  return new URL(`file://${file}`);
}

describe('a worker that dies', () => {
  it.each([
    ['by an error', "throw new Error('died')", 0],
    ['by its end', 'process.exit(7)', 0],
    ['by its end, as the second of two', 'process.exit(7)', 1],
  ])('%s stops the others, and what they removed is told', async (_, dies, at) => {
    const [dying = '', last = ''] = [at, 1 - at].map(
      (i) => actions[i * SHARD]?.digest.slice('sha256:'.length) ?? '',
    );
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const told: string[] = [];
    const removing = removeBlobActions(actions, {
      root: await openRoot(makeReadFs(), root, { env: {}, allowMounts: [] }),
      devices: [],
      threads: 2,
      workerFile: workerThat(dies, dying, last),
      stop,
      onBlob: ({ digest }, state) => {
        if (isRemoved(state)) told.push(digest.slice('sha256:'.length));
      },
    });
    await expect(removing).rejects.toThrow(/died|exited with code: 7/);
    expect(Atomics.load(stop, 0)).toBe(1);
    const left = new Set(present());
    const gone = actions.map(({ digest }) => digest.slice('sha256:'.length));
    expect(told.sort()).toEqual(gone.filter((hex) => !left.has(hex)));
    expect(told.length).toBeGreaterThan(0);
    // The shard that the other had begun, and one that was taken before the end was known.
    expect(told.length).toBeLessThanOrEqual(2 * SHARD);
  });
});
