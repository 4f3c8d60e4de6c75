/** A dropped tag whose history is behind a symlink: the plan knows what a sweep would refuse. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { regsweep } from '../support/cli.ts';
import { StoreBuilder } from '../support/store.ts';
import { makeFolder, mustSweep, STOPPED } from '../support/sweep.ts';

let folder = '';
beforeAll(() => {
  folder = makeFolder('odd-history');
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
});

const IN_STORE = (path: string): string => path.replace(/_manifests\/.*/, '_manifests/moved');
const OUTSIDE = (): string => join(fs.mkdtempSync(join(folder, 'outside-')), 'history');

test.each<[string, string, (path: string) => string]>([
  ['index', 'its repository', IN_STORE],
  ['index', 'out of the store', OUTSIDE],
  ['index/sha256', 'its repository', IN_STORE],
])('%s is a symlink to %s: the sweep does what the plan says', async (part, _, placeOf) => {
  const root = fs.mkdtempSync(join(folder, 'store-'));
  const store = new StoreBuilder(fs, root);
  for (const name of ['a:v1', 'a:v2', 'b:v1', 'b:v2']) {
    const [repository = '', tag = ''] = name.split(':');
    store.image(repository, { layers: [Buffer.from(name)], tag });
  }
  const path = join(store.base, store.tagPath('a', 'v1'), part);
  const place = placeOf(path);
  fs.renameSync(path, place);
  fs.symlinkSync(place, path);
  store.ageEverything(new Date('2024-01-01'));
  const file = `${root}.plan`;
  const drop = ['--drop', 'a:v1', '--drop', 'b:v1'];
  const planned = await regsweep(['plan', root, ...drop, ...STOPPED, '-o', file]);
  expect(planned.code).toBe(0);
  expect(await mustSweep(file)).toMatchObject({ ended: 'complete', remaining: 0 });
  expect(fs.existsSync(join(store.base, store.tagPath('b', 'v1')))).toBe(false);
  expect(fs.existsSync(place)).toBe(true);
});
