/** What people see: the demo store's report at several widths, with and without a terminal, and the README's examples. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoStore } from '../../fixtures/demo/make.js';
import { PROGRAM, mustSucceed, regsweep } from '../support/cli.ts';
import { describeUnless, describeWithPackages } from '../support/packages.ts';
import { StoreBuilder } from '../support/store.ts';
import { STOPPED } from '../support/sweep.ts';

const WIDTHS = [60, 80, 120, 160];
const ESCAPE = '\u001b';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-terminal-'));
  // Relative, so that its name is equally long everywhere.
  makeDemoStore(join(folder, 'registry'));
  // The same as a pull-through cache.
  makeDemoStore(join(folder, 'cache'));
  writeFileSync(join(folder, 'cache/scheduler-state.json'), '{}');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function report(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return mustSucceed(await regsweep([...args, ...STOPPED], { cwd: folder, env })).stdout;
}

/** Without what differs from machine to machine and run to run. */
function normalize(text: string): string {
  return text
    .replace(/^(\S+) · .* free$/m, '$1 · ext4 · 150 of 250 GiB used, 100 GiB free')
    .replaceAll(/\(\d[\d.]* (ms|s)\)/g, '(50 ms)')
    .replaceAll(/"mtimeMs":\d+/g, '"mtimeMs":1768478400000');
}

const goldenFile = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/golden/${name}.txt`, import.meta.url));

describe('the report', () => {
  test.each(WIDTHS)('keeps within %i columns', async (width) => {
    for (const flags of [[], ['-m'], ['-m', '--all'], ['-m', '--grace', '0']]) {
      const lines = (await report(['plan', 'registry', ...flags], { COLUMNS: `${width}` })).split(
        '\n',
      );
      expect(lines.filter((line) => line.length > width)).toEqual([]);
      expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
    }
  });

  test.each([80, 120])('in %i columns is as it was', async (width) => {
    const text = await report(['plan', 'registry', '-m'], { COLUMNS: `${width}` });
    await expect(normalize(text)).toMatchFileSnapshot(goldenFile(`plan-${width}`));
  });

  test('without COLUMNS has 80', async () => {
    const text = await report(['plan', 'registry', '-m']);
    expect(normalize(text)).toBe(readFileSync(goldenFile('plan-80'), 'utf8'));
  });

  test.each(['', 'wide', '-1', '0', 'NaN'])('takes COLUMNS=%j for 80', async (width) => {
    const text = await report(['plan', 'registry', '-m'], { COLUMNS: width });
    expect(normalize(text)).toBe(readFileSync(goldenFile('plan-80'), 'utf8'));
  });

  test('of a store with nothing to free says so in one line, and what would free more', async () => {
    const store = new StoreBuilder(fs, join(folder, 'clean'));
    store.image('shop/api', { layers: [Buffer.from('a layer')], tag: '1.0' });
    const plain = await report(['plan', 'clean']);
    expect(plain).toMatch(
      /\n\n {2}Nothing to free\. .*-m.*\n\nNothing was changed \([\d.]+ m?s\)\.\n$/,
    );
    const untagged = await report(['plan', 'clean', '-m']);
    expect(untagged).toMatch(
      /\n\n {2}Nothing to free\. .*tag .*\n\nNothing was changed \([\d.]+ m?s\)\.\n$/,
    );
    await expect(normalize(plain)).toMatchFileSnapshot(goldenFile('plan-nothing'));
  });

  test('of a store with long names shortens them in the middle', async () => {
    const name = `${'very-'.repeat(20)}long/${'name-'.repeat(20)}end`;
    const store = new StoreBuilder(fs, join(folder, 'long'));
    const layers = [Buffer.from('a layer')];
    const { digest } = store.image(name, { layers, tag: 'a'.repeat(128) });
    store.image(name, { layers: [Buffer.from('untagged')] });
    store.writeFile(store.blobPath(digest), '');
    store.image('b', { layers: [Buffer.from('dropped')] });
    store.image('b', { layers, tag: 'kept' });
    store.ageEverything(new Date('2024-01-01'));
    for (const width of WIDTHS) {
      const text = await report(['plan', 'long', '-m', '--all'], { COLUMNS: `${width}` });
      expect(text.split('\n').filter((line) => line.length > width)).toEqual([]);
      expect(text).toMatch(/very-[a-z-]*\.\.\.[a-z-/]*end/);
    }
  });

  test('of a goal shortens the names of what is dropped for it', async () => {
    const store = new StoreBuilder(fs, join(folder, 'goal'));
    for (const letter of ['a', 'b']) {
      const layers = [Buffer.from(letter.repeat(5000))];
      store.image(`team/${letter}`, { layers, tag: `${letter.repeat(120)}-end` });
      store.image(`team/${letter}`, { layers: [Buffer.from(letter)], tag: 'newest' });
    }
    store.ageEverything(new Date('2024-01-01'));
    for (const goal of [
      ['--keep-last', '1', '--free', '1GiB'],
      ['--evict-to', '1KiB', '--is-cache'],
    ]) {
      for (const width of WIDTHS.filter((columns) => columns >= 80)) {
        const text = await report(['plan', 'goal', ...goal], { COLUMNS: `${width}` });
        expect(text).toMatch(/^ {6}1\. team\/[ab]:.*\.\.\..*-end {2}\(/m);
        expect(text.split('\n').filter((line) => line.length > width)).toEqual([]);
      }
    }
  });

  test('of a refused plan says so before anything else', async () => {
    const store = new StoreBuilder(fs, join(folder, 'refused'));
    const { digest } = store.image('shop/api', { layers: [Buffer.from('a layer')], tag: '1.0' });
    store.image('shop/web', { layers: [Buffer.from('untagged')] });
    store.writeFile(store.blobPath(digest), '');
    // Neither the manifest nor the repository's links say what it needs.
    rmSync(join(store.base, 'repositories/shop/api/_layers'), { recursive: true });
    store.ageEverything(new Date('2024-01-01'));
    for (const width of WIDTHS) {
      const run = await regsweep(['plan', 'refused', '-m', ...STOPPED], {
        cwd: folder,
        env: { COLUMNS: `${width}` },
      });
      expect(run.code).toBe(3);
      expect(run.stdout.indexOf('REFUSED')).toBeGreaterThan(0);
      expect(run.stdout).not.toContain('WOULD FREE');
      expect(run.stdout.split('\n').filter((line) => line.length > width)).toEqual([]);
      if (width === 80)
        await expect(normalize(run.stdout)).toMatchFileSnapshot(goldenFile('plan-refused'));
    }
  });
});

describe('colours', () => {
  test('are not there without a terminal', async () => {
    expect(await report(['plan', 'registry', '-m'])).not.toContain(ESCAPE);
    expect(
      await report(['plan', 'registry', '-m'], { FORCE_COLOR: '1', CI: 'true' }),
    ).not.toContain(ESCAPE);
  });

  test.each([{}, { NO_COLOR: '1' }, { TERM: 'dumb' }])(
    'are there with --color always (%j)',
    async (env) => {
      const text = await report(['plan', 'registry', '-m', '--color', 'always'], env);
      expect(text).toContain(`${ESCAPE}[1m`);
      // They change nothing else: no column moves.
      const plain = stripVTControlCharacters(text);
      expect(normalize(plain)).toBe(readFileSync(goldenFile('plan-80'), 'utf8'));
    },
  );
});

describeUnless(obstacleToTerminals(), 'on a terminal', () => {
  test('the report is as wide as it is, and coloured', () => {
    const text = onTerminal(['plan', 'registry', '-m'], 120);
    expect(text).toContain(`${ESCAPE}[1m`);
    const plain = stripVTControlCharacters(text).replaceAll('\r\n', '\n');
    expect(normalize(plain)).toBe(readFileSync(goldenFile('plan-120'), 'utf8'));
  });

  test.each<[Record<string, string>, string[]]>([
    [{ NO_COLOR: '1' }, []],
    [{ TERM: 'dumb' }, []],
    [{}, ['--color', 'never']],
  ])('no escape code with %j %j', (env, flags) => {
    expect(onTerminal(['plan', 'registry', '-m', ...flags], 80, env)).not.toContain(ESCAPE);
  });

  test('NO_COLOR that is empty counts as not set', () => {
    expect(onTerminal(['plan', 'registry'], 80, { NO_COLOR: '' })).toContain(ESCAPE);
  });

  test('JSON has no colours', () => {
    const text = onTerminal(['plan', 'registry', '--json', '--color', 'always'], 80);
    expect(JSON.parse(text)).toMatchObject({ root: join(folder, 'registry') });
  });
});

/** Runs on a pseudo-terminal of that width; what it printed, stdout and stderr together. */
function onTerminal(
  args: readonly string[],
  width: number,
  env: Record<string, string> = {},
): string {
  const words = [process.execPath, PROGRAM, ...args, ...STOPPED, '--no-progress']
    .map((word) => `'${word}'`)
    .join(' ');
  const { NO_COLOR: _no, FORCE_COLOR: _force, NODE_OPTIONS: _options, ...inherited } = process.env;
  const { stdout, status } = spawnSync(
    'script',
    ['-qec', `stty cols ${width}; ${words}`, '/dev/null'],
    {
      cwd: folder,
      env: { ...inherited, TERM: 'xterm-256color', ...env },
      encoding: 'utf8',
    },
  );
  expect(status, stdout).toBe(0);
  return stdout;
}

function obstacleToTerminals(): string | undefined {
  const probe = spawnSync('script', ['-qec', 'stty cols 80', '/dev/null']);
  return probe.status === 0 ? undefined : 'needs script(1) of util-linux and a pseudo-terminal';
}

describe('the README', () => {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```console\n([^]*?)```/g)].map((match) => match[1] ?? '');
  const examples = blocks.flatMap((block) => block.split(/^(?=\$ )/m));

  beforeAll(() => {
    // A block of YAML says in its first line which file it is.
    for (const [, name = '', yaml] of text.matchAll(/```yaml\n# (\S+)\n([^]*?)```/g)) {
      writeFileSync(join(folder, name), yaml ?? '');
    }
  });

  test('has examples', () => {
    expect(examples.length).toBeGreaterThanOrEqual(9);
  });

  const isForJq = (block: string): boolean => block.includes('| jq ');
  const titled = (of: readonly string[]): [string, string][] =>
    of.map((block) => [block.slice(0, block.indexOf('\n')), block]);

  test.each(titled(examples.filter((block) => !isForJq(block))))('%s', (_, block) => {
    expectExample(block);
  });

  describeWithPackages(['jq'], 'and its examples with jq', () => {
    test.each(titled(examples.filter(isForJq)))('%s', (_, block) => {
      expectExample(block);
    });
  });

  function expectExample(block: string): void {
    const bin = join(folder, 'bin');
    fs.mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, 'regsweep'),
      `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`,
    );
    chmodSync(join(bin, 'regsweep'), 0o755);
    const [first = '', ...expected] = block.split('\n');
    const {
      NO_COLOR: _no,
      FORCE_COLOR: _force,
      NODE_OPTIONS: _options,
      ...inherited
    } = process.env;
    const env = { ...inherited, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` };
    const command = first.replace(/^\$ /, '');
    const { stdout, stderr } = spawnSync('sh', ['-c', command], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    expect(normalize(stdout + stderr)).toBe(normalize(expected.join('\n')));
  }
});
