/** `regsweep check` as people and scripts use it: exit codes, JSON, the list, the plan, hostile names. */
import * as fs from 'node:fs';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mustSucceed, parseLines, regsweep } from '../support/cli.ts';
import type { Run } from '../support/cli.ts';
import { StoreBuilder } from '../support/store.ts';
import type { Written } from '../support/store.ts';
import { STOPPED, treeOf } from '../support/sweep.ts';

let folder = '';
let store: StoreBuilder;
let web: Written;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-check-cli-'));
  store = new StoreBuilder(fs, join(folder, 'registry'));
  web = store.image('shop/web', { layers: [Buffer.from('a layer of web')], tag: '1' });
});
afterEach(() => rmSync(folder, { recursive: true }));

const check = (...flags: string[]): Promise<Run> =>
  regsweep(['check', store.root, ...STOPPED, ...flags], { cwd: folder });
const layerPath = (): string => join(store.base, store.blobPath(web.edges[1] ?? ''));

test('a healthy store exits 0, notices too, and damage exits 3', async () => {
  expect((await check()).stdout).toMatch(/\n\nNothing is broken \(.*\)\.\n$/);
  store.temp(`${store.blobPath(web.digest)}.11111111-2222-4333-8444-555555555555.tmp`);
  expect(mustSucceed(await check()).stdout).toContain('TEMPORARY FILE');
  writeFileSync(layerPath(), 'a la');
  const run = await check();
  expect(run).toMatchObject({ code: 3, stderr: '' });
  expect(run.stdout).toContain('TRUNCATED BLOB');
  expect(run.stdout).toContain('breaks: shop/web:1');
  expect(run.stdout).toContain('1 image must be pushed again: --shopping-list');
  expect(await check('-q')).toMatchObject({ code: 3, stdout: '', stderr: '' });
});

test('JSON has the shape that scripts build on', async () => {
  writeFileSync(layerPath(), 'a la');
  const { json } = await check('--json');
  expect(json).toMatchObject({
    root: store.root,
    findings: [
      {
        code: 'truncated-blob',
        severity: 'damage',
        path: store.blobPath(web.edges[1] ?? ''),
        digest: web.edges[1],
        breaks: ['shop/web:1'],
        mendable: false,
      },
    ],
    shoppingList: [
      { repository: 'shop/web', tag: '1', blobs: [{ digest: web.edges[1], bytes: 14 }] },
    ],
    hash: null,
  });
});

test('the list comes as text and as CSV', async () => {
  writeFileSync(layerPath(), '');
  expect((await check('--shopping-list')).stdout).toMatch(
    /TO PUSH AGAIN\n {4}shop\/web:1 {2}sha256:\w{12}\.\.\. \(empty-blob, 14 B\)\n/,
  );
  const csv = await check('-q', '--csv', '-');
  expect(csv.stdout.split('\r\n')).toEqual([
    'repository,tag,manifest,platform,blob,bytes,why',
    `shop/web,1,,,${web.edges[1]},14,empty-blob`,
    '',
  ]);
});

test('nothing in the store is changed, and a plan is written outside of it alone', async () => {
  writeFileSync(join(store.base, store.tagPath('shop/web', '1'), 'current/link'), '');
  const before = treeOf(store.root);
  await check('--hash');
  const inside = await check('-o', join(store.root, 'plan'));
  expect(inside.code).toBe(2);
  const plan = join(folder, 'plan');
  expect((await check('-o', plan)).stdout).toContain(`regsweep sweep ${plan}`);
  expect(treeOf(store.root)).toEqual(before);
  expect(fs.statSync(plan).mode & 0o777).toBe(0o600);
  const lines = parseLines(readFileSync(plan, 'utf8'));
  expect(lines.map(({ kind }) => kind)).toEqual(['header', 'link', 'trailer']);
  const piped = await check('-q', '-o', '-');
  expect(parseLines(piped.stdout)).toHaveLength(3);
  const swept = await regsweep(['sweep', '-', '--yes', ...STOPPED], { input: piped.stdout });
  expect(mustSucceed(swept).stdout).toContain('mends 1 link');
  expect((await check()).code).toBe(0);
});

test('damaged data is named before it is removed', async () => {
  writeFileSync(layerPath(), 'a la');
  await check('-q', '-o', join(folder, 'plan'));
  const swept = mustSucceed(await regsweep(['sweep', join(folder, 'plan'), '--yes', ...STOPPED]));
  expect(swept.stdout).toContain('removes 1 damaged blob:');
  expect(swept.stdout).toMatch(/sha256:\w{12}\.\.\. {2}4 B, damaged/);
  expect(fs.existsSync(layerPath())).toBe(false);
});

test('what was pushed again between check and sweep stays', async () => {
  const right = readFileSync(layerPath());
  writeFileSync(layerPath(), 'a la');
  await check('-q', '-o', join(folder, 'plan'));
  writeFileSync(layerPath(), right);
  mustSucceed(await regsweep(['sweep', join(folder, 'plan'), '--yes', ...STOPPED]));
  expect(readFileSync(layerPath())).toEqual(right);
  expect((await check('--hash')).code).toBe(0);
});

describe('reading every byte', () => {
  test('stops in time with exit 4, and goes on', async () => {
    const state = ['--state-dir', join(folder, 'state')];
    const stopped = await check('--hash', '--max-duration', '0', ...state);
    expect(stopped.code).toBe(4);
    expect(stopped.stdout).toContain('Nothing broken so far');
    expect(stopped.stdout).toContain(
      'Stopped: 2 blobs (16 B) not read yet, and none within the time; give it more.',
    );
    const run = mustSucceed(await check('--hash', '--resume', '--newest-first', ...state));
    expect(run.stdout).toContain('every byte of 2 blobs');
  });

  test.each(['--resume', '--newest-first', '--max-duration=1h'])(
    '%s alone is a mistake',
    async (flag) => {
      const run = await check(flag);
      expect(run.code).toBe(2);
      expect(run.stderr).toContain('goes with --hash');
    },
  );
});

test('names are escaped, in every form', async () => {
  const name = 'evil\u001b[2J\u202e';
  store.image(name, { layers: [Buffer.from('x')], tag: '1' });
  writeFileSync(join(store.base, store.tagPath(name, '1'), 'current/link'), '');
  for (const flags of [[], ['--json'], ['--shopping-list', '--all'], ['-q', '--csv', '-']]) {
    const { stdout } = await check(...flags);
    expect(stdout).toMatch(/evil\\u/);
    for (const character of ['\u001b', '\u202e']) expect(stdout).not.toContain(character);
  }
});

test('lines keep within the width', async () => {
  const name = 'long/'.repeat(20) + 'end';
  store.image(name, { layers: [Buffer.from('y')], tag: 'a'.repeat(120) });
  writeFileSync(join(store.base, store.tagPath(name, 'a'.repeat(120)), 'current/link'), 'x');
  for (const width of [60, 80, 120]) {
    // Relative: a command to be typed again is as long as its root.
    const flags = ['check', 'registry', '--all', '--shopping-list', ...STOPPED];
    const { stdout } = await regsweep(flags, { cwd: folder, env: { COLUMNS: `${width}` } });
    expect(stdout.split('\n').filter((line) => line.length > width)).toEqual([]);
  }
});
