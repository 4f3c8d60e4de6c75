/** The reading of every byte: no flipped bit is missed, and what was read is not read again. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import { memfs } from 'memfs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HashOptions } from '../../../src/check/hash-pass.ts';
import { openState } from '../../../src/fs/state-fs.ts';
import { check, damageIn } from '../../support/check.ts';
import { generateStore } from '../../support/generate.ts';
import { createPrng } from '../../support/prng.ts';
import { digestOf, StoreBuilder } from '../../support/store.ts';
import type { FsLike } from '../../support/store.ts';
import { makeFolder } from '../../support/sweep.ts';

/** Where the data of each blob is. */
function dataFiles(fs: FsLike, root: string): string[] {
  const blobs = `${root}/docker/registry/v2/blobs/sha256`;
  const found: string[] = [];
  for (const prefix of fs.readdirSync(blobs, { encoding: 'latin1' })) {
    for (const hex of fs.readdirSync(`${blobs}/${String(prefix)}`, { encoding: 'latin1' })) {
      found.push(`${blobs}/${String(prefix)}/${String(hex)}/data`);
    }
  }
  return found.sort();
}

/** Flips a bit, looks, and flips it back. Returns whether just that blob was found. */
async function isFound(
  fs: FsLike,
  root: string,
  file: string,
  byte: number,
  bit: number,
): Promise<boolean> {
  const data = Buffer.from(fs.readFileSync(file));
  const flip = (): void => {
    data[byte] = (data[byte] as number) ^ (1 << bit);
    fs.writeFileSync(file, data);
  };
  flip();
  const damage = damageIn(await check(fs, root, { hash: true }));
  flip();
  return damage.some(
    (name) => /^corrupt-(?:blob|manifest) /.test(name) && file.endsWith(name.split(' ')[1] ?? ''),
  );
}

describe('a flipped bit', () => {
  test('is found in every byte of every blob of a tiny store', async () => {
    const { fs } = memfs();
    const store = new StoreBuilder(fs, '/r');
    const child = store.image('a', { layers: [Buffer.from('a layer')] });
    store.index('a', [child], { tag: '1' });
    store.blob('an orphan');
    expect(damageIn(await check(fs, '/r', { hash: true }))).toEqual([]);
    let flipped = 0;
    const missed: string[] = [];
    for (const file of dataFiles(fs, '/r')) {
      const { length } = fs.readFileSync(file);
      for (let byte = 0; byte < length; byte++, flipped++) {
        if (!(await isFound(fs, '/r', file, byte, flipped % 8))) missed.push(`${file} ${byte}`);
      }
    }
    console.log(`${flipped} bits flipped, one in each byte: ${missed.length} missed`);
    expect(missed).toEqual([]);
    expect(flipped).toBeGreaterThan(500);
  });

  test('is found at 200 random places of a larger store', async () => {
    const { fs } = memfs();
    generateStore(fs, '/r', {
      seed: 3,
      repositories: 4,
      tagsPerRepository: 3,
      multiArch: 0.3,
      orphans: 0.1,
    });
    const prng = createPrng(20_240_601);
    const files = dataFiles(fs, '/r');
    const missed: string[] = [];
    for (let i = 0; i < 200; i++) {
      const file = prng.pick(files);
      const byte = prng.int(fs.readFileSync(file).length);
      if (!(await isFound(fs, '/r', file, byte, prng.int(8)))) missed.push(`${file} ${byte}`);
    }
    expect(missed).toEqual([]);
  });
});

describe('a reading that is stopped', () => {
  let folder = '';
  let root = '';
  let file = '';

  beforeEach(() => {
    folder = makeFolder('check-hash');
    root = join(folder, 'registry');
    const store = new StoreBuilder(nodeFs, root);
    for (let i = 0; i < 5; i++) store.blob(Buffer.alloc(1000 + i, i));
    file = join(root, 'docker/registry/v2', store.blobPath(digestOf(Buffer.alloc(1000, 0))));
  });
  afterEach(() => nodeFs.rmSync(folder, { recursive: true }));

  const state = (): { fs: NonNullable<ReturnType<typeof openState>>; name: string } => {
    const fs = openState(root, 0, join(folder, 'state'), {});
    if (fs === undefined) throw new Error('no state');
    return { fs, name: 'check.txt' };
  };

  test('says what is left, and goes on where it was', async () => {
    const stopped = await check(nodeFs, root, { hash: { deadlineMs: 0, state: state() } });
    expect(stopped.hash).toMatchObject({ blobs: 0, remaining: 5, remainingBytes: 5010 });
    state().fs.append('check.txt', await notesOf());
    const resumed = await check(nodeFs, root, { hash: { resume: true, state: state() } });
    expect(resumed.hash).toMatchObject({ blobs: 2, resumed: 3, remaining: 0 });
    // All was read: the next one begins anew.
    expect(state().fs.read('check.txt')).toBeUndefined();
  });

  test('reads again what was written since', async () => {
    state().fs.append('check.txt', await notesOf(5));
    nodeFs.writeFileSync(file, Buffer.alloc(1000, 9));
    const { hash, findings } = await check(nodeFs, root, {
      hash: { resume: true, state: state() },
    });
    expect(hash).toMatchObject({ blobs: 1, resumed: 4 });
    expect(findings.map(({ code }) => code)).toEqual(['corrupt-blob']);
  });

  test('without --resume begins anew, and a state that is none is none', async () => {
    state().fs.append('check.txt', await notesOf(5));
    expect((await check(nodeFs, root, { hash: { state: state() } })).hash).toMatchObject({
      blobs: 5,
      resumed: 0,
    });
    state().fs.append('check.txt', 'sha256:00 1 2\n\u0000garbage');
    const { hash } = await check(nodeFs, root, { hash: { state: state(), resume: true } });
    expect(hash).toMatchObject({ blobs: 5, resumed: 0 });
  });

  /** What a run notes of the first blobs that it reads. */
  async function notesOf(count = 3): Promise<string> {
    const lines: string[] = [];
    const real = state();
    const fs = {
      ...real.fs,
      append: (_: string, text: string) => void lines.push(...text.trim().split('\n')),
    };
    await check(nodeFs, root, { hash: { state: { fs, name: 'check.txt' } } });
    expect(lines).toHaveLength(5);
    return `${lines.slice(0, count).join('\n')}\n`;
  }

  test('the newest comes first where that is asked for, else the largest', async () => {
    nodeFs.utimesSync(file, new Date('2099-01-01'), new Date('2099-01-01'));
    expect(file).toContain((await firstOf({ newestFirst: true })).slice('sha256:'.length));
    expect(await firstOf({})).toBe(digestOf(Buffer.alloc(1004, 4)));
  });

  test('within a limit the smallest comes first, so that a large one does not stop the others', async () => {
    const deadlineMs = Date.now() + 60_000;
    expect(await firstOf({ deadlineMs })).toBe(digestOf(Buffer.alloc(1000, 0)));
  });

  async function firstOf(how: Partial<HashOptions>): Promise<string> {
    let noted = '';
    const real = state();
    const fs = { ...real.fs, append: (_: string, text: string) => void (noted += text) };
    await check(nodeFs, root, { hash: { ...how, state: { fs, name: 'check.txt' } } });
    return noted.split(' ')[0] ?? '';
  }
});
