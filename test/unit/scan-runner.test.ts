import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/fs/errors.ts';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { unpackDigest } from '../../src/registry/digest.ts';
import type { BlobShard } from '../../src/scan/blob-shard.ts';
import { claim, makeCounter, work } from '../../src/scan/lane.ts';
import { Runner } from '../../src/scan/runner.ts';
import type { RunnerOptions } from '../../src/scan/runner.ts';

/** Shards with one blob each, on a real disk since workers see no other. */
const COUNT = 200;
let base = '';
let shards: BlobShard[] = [];
let expected: string[] = [];
const runners: Runner[] = [];

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'regsweep-runner-'));
  const hexes = Array.from({ length: COUNT }, (_, i) =>
    createHash('sha256').update(String(i)).digest('hex'),
  );
  // One a prefix: a shard names a prefix and finds all that is below it.
  const byPrefix = new Map(hexes.map((hex) => [hex.slice(0, 2), hex]));
  for (const [prefix, hex] of byPrefix) {
    mkdirSync(`${base}/blobs/sha256/${prefix}/${hex}`, { recursive: true });
  }
  shards = [...byPrefix.keys()].map((prefix) => ({ base, writeOff: [], prefixes: [prefix] }));
  expected = [...byPrefix.values()].map((hex) => `sha256:${hex}`);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.close();
});

function makeRunner(options: Partial<RunnerOptions>): Runner {
  const workerFile = new URL('../../dist/scan/worker.js', import.meta.url);
  const runner = new Runner({ fs: makeReadFs(), threads: 2, workerFile, ...options });
  runners.push(runner);
  return runner;
}

async function found(runner: Runner, asked: readonly BlobShard[]): Promise<string[]> {
  const digests: string[] = [];
  for await (const facts of runner.run('blobs', asked)) {
    expect(facts.findings).toEqual([]);
    digests.push(unpackDigest(facts.digests));
  }
  return digests;
}

/** A disk that this thread may not read. */
const forbidden = new Proxy({} as ReadFs, {
  get: () => () => {
    throw new Error('read here');
  },
});

describe('a runner', () => {
  it.each([1, 2, 3, 5])('answers in the order of the shards: %d threads', async (threads) => {
    const runner = makeRunner({ threads, inlineBudgetMs: 0 });
    for (let run = 0; run < 3; run++) expect(await found(runner, shards)).toEqual(expected);
  });

  it('answers when workers are only thought of on the way', async () => {
    const runner = makeRunner({ threads: 3, inlineBudgetMs: 1 });
    expect(await found(runner, shards)).toEqual(expected);
  });

  it('leaves everything to the workers where that is asked', async () => {
    const runner = makeRunner({ fs: forbidden });
    runner.warm();
    runner.engage();
    expect(await found(runner, shards)).toEqual(expected);
  });

  it('reads here too where it is not', async () => {
    const runner = makeRunner({ fs: forbidden, inlineBudgetMs: 0 });
    // What cannot be read is a finding, and `found` takes none.
    await expect(found(runner, shards)).rejects.toThrow('unreadable');
  });

  it('throws what a worker throws', async () => {
    const runner = makeRunner({});
    runner.engage();
    const broken = { base, writeOff: [] } as unknown as BlobShard;
    await expect(found(runner, [...shards.slice(0, 3), broken])).rejects.toThrow('not iterable');
  });

  it.each(['EMFILE', 'ENFILE', 'ENOMEM'])(
    '%s is no damage, whatever a shard makes of it: the run ends, and says what to do',
    async (code) => {
      const short = new Proxy({} as ReadFs, {
        get: () => () => {
          throw Object.assign(new Error(code), { code });
        },
      });
      const runner = makeRunner({ fs: short, threads: 1 });
      await expect(found(runner, shards)).rejects.toMatchObject({
        name: 'AppError',
        code: 'io',
        message: expect.stringContaining(`${code}, `) as string,
        hint: [expect.stringContaining('--threads')],
      });
    },
  );

  it('an expected error of a worker is the same here, with its code and its hint', async () => {
    const { port1, port2 } = new MessageChannel();
    const answer = once(port1, 'message');
    const lane = { task: 'blobs', shards, counter: makeCounter(), port: port2 } as const;
    await work<'blobs'>(lane, () => {
      throw new AppError('io', 'no more', ['raise the limit']);
    });
    const failed = { code: 'io', message: 'no more', hint: ['raise the limit'] };
    expect(await answer).toEqual([{ failed }]);
    // The others' shards are theirs to claim.
    expect(claim(lane.counter)).toBe(1);
  });

  it.each([
    ['here', false],
    ['in workers', true],
  ])('ends between two shards when it is stopped: %s', async (_, elsewhere) => {
    const stop = new AbortController();
    const runner = makeRunner({ signal: stop.signal, inlineBudgetMs: 0 });
    if (elsewhere) runner.engage();
    const digests: string[] = [];
    const reading = (async () => {
      for await (const facts of runner.run('blobs', shards)) {
        digests.push(unpackDigest(facts.digests));
        if (digests.length === 3) stop.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'stopped' });
    expect(digests).toEqual(expected.slice(0, 3));
    await expect(found(runner, shards)).rejects.toMatchObject({ code: 'stopped' });
  });
});
