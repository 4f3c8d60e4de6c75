import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AppError } from '../../src/fs/errors.ts';
import { openState } from '../../src/fs/state-fs.ts';
import type { StoreRoot } from '../../src/scan/root.ts';
import { takeLock } from '../../src/sweep/lock.ts';
import { parseClock } from '../../src/cli/values.ts';
import { makeFolder } from '../support/sweep.ts';

let folder = '';
let root: StoreRoot;
beforeEach(() => {
  folder = makeFolder('state');
  const base = join(folder, 'registry');
  fs.mkdirSync(base);
  const { dev, ino } = fs.statSync(base, { bigint: true });
  root = { root: base, base, dev: Number(dev), ino, foreign: undefined };
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

const lockName = (): string => `regsweep-${root.dev}-${root.ino}.lock`;

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'done';
}

describe('state', () => {
  test('goes where --state-dir says, which is made, for its owner alone', () => {
    const wanted = join(folder, 'new/state');
    const state = openState(root.root, root.dev, wanted, {});
    expect(state?.directory).toBe(wanted);
    expect(fs.statSync(wanted).mode & 0o777).toBe(0o700);
    const file = state?.create('log');
    file?.write('text');
    file?.finish();
    expect(fs.statSync(join(wanted, 'log')).mode & 0o777).toBe(0o600);
  });

  test('goes to $XDG_STATE_HOME, else below $HOME', () => {
    const xdg = { XDG_STATE_HOME: join(folder, 'xdg'), HOME: join(folder, 'home') };
    expect(openState(root.root, -1, undefined, xdg)?.directory).toBe(join(folder, 'xdg/regsweep'));
    const home = { HOME: join(folder, 'home') };
    expect(openState(root.root, -1, undefined, home)?.directory).toBe(
      join(folder, 'home/.local/state/regsweep'),
    );
  });

  test('never goes inside the registry, and makes nothing there', () => {
    const inside = join(root.root, 'state');
    expect(() => openState(root.root, root.dev, inside, {})).toThrow(AppError);
    expect(fs.readdirSync(root.root)).toEqual([]);
  });

  test('that cannot be had where it is wanted is an error that says where', () => {
    const wanted = join(folder, 'file');
    fs.writeFileSync(wanted, '');
    expect(() => openState(root.root, root.dev, wanted, {})).toThrow(AppError);
  });
});

test('a file whose disk fails is discarded with the first error, not with another', () => {
  const state = openState(root.root, root.dev, join(folder, 'state'), {});
  const file = state?.create('half');
  fs.rmSync(join(folder, 'state', 'half'));
  file?.discard();
  expect(fs.readdirSync(join(folder, 'state'))).toEqual([]);
});

describe('the lock', () => {
  const state = (): NonNullable<ReturnType<typeof openState>> => {
    const opened = openState(root.root, root.dev, join(folder, 'state'), {});
    if (opened === undefined) throw new Error('no state');
    return opened;
  };
  const file = (): string => join(folder, 'state', lockName());
  const holder = (): Record<string, unknown> =>
    JSON.parse(fs.readFileSync(file(), 'utf8')) as Record<string, unknown>;

  test('is held by one at a time, and says by whom', async () => {
    const lock = await takeLock(root, state());
    expect(holder()).toMatchObject({ pid: process.pid });
    expect(await codeOf(() => takeLock(root, state()))).toContain('running: another run');
    lock.release();
    expect(fs.existsSync(file())).toBe(false);
  });

  test('works without any file', async () => {
    const lock = await takeLock(root, undefined);
    expect(await codeOf(() => takeLock(root, undefined))).toContain('running: ');
    lock.release();
    (await takeLock(root, undefined)).release();
  });

  test('of another store is another', async () => {
    const one = await takeLock(root, state());
    const other = await takeLock({ ...root, ino: root.ino + 1n }, state());
    one.release();
    other.release();
  });

  test('of nobody that cannot be removed holds nobody up', async () => {
    // As another user's in a folder with the sticky bit; root can remove that.
    fs.mkdirSync(file(), { recursive: true });
    const lock = await takeLock(root, state());
    expect(await codeOf(() => takeLock(root, state()))).toContain('running: another run');
    lock.release();
  });

  test('of a living process on this host is respected, whatever its socket says', async () => {
    const lock = await takeLock(root, state());
    const mine = fs.readFileSync(file(), 'utf8');
    lock.release();
    fs.writeFileSync(file(), mine);
    expect(await codeOf(() => takeLock(root, state()))).toMatch(
      new RegExp(`running: .*pid ${process.pid}, since `),
    );
    // The socket was given back with the refusal.
    fs.unlinkSync(file());
    (await takeLock(root, state())).release();
  });

  test.each<[string, (mine: Record<string, unknown>) => unknown]>([
    ['whose process is gone', (mine) => ({ ...mine, pid: 2 ** 22 + 1 })],
    ['whose pid is now another process', (mine) => ({ ...mine, start: '1' })],
    ['of another boot', (mine) => ({ ...mine, boot: 'x', pid: process.pid })],
    ['that is half-written', () => undefined],
    ['that names nobody', () => ({})],
  ])('%s is stale', async (_, change) => {
    const lock = await takeLock(root, state());
    const mine = holder();
    lock.release();
    fs.writeFileSync(file(), JSON.stringify(change(mine)) ?? '{"pi');
    const again = await takeLock(root, state());
    expect(holder()).toMatchObject({ pid: process.pid, start: mine['start'] });
    again.release();
  });

  test('of another pid namespace cannot be told, and counts', async () => {
    const lock = await takeLock(root, state());
    const mine = holder();
    lock.release();
    fs.writeFileSync(file(), JSON.stringify({ ...mine, pid: 2 ** 22 + 1, namespace: 'x' }));
    expect(await codeOf(() => takeLock(root, state()))).toContain('running: ');
  });
});

describe('a time of day', () => {
  const now = new Date(2026, 0, 15, 12, 0, 0);
  const hours = (text: string): number => parseClock(text, '--until', now) / 3_600_000;

  test.each([
    ['12:30', 0.5],
    ['04:30', 16.5],
    ['4:30', 16.5],
    ['00:00', 12],
    ['23:59', 11 + 59 / 60],
    ['11:59', 24 - 1 / 60],
    // It shows 12:00 now: the next time is tomorrow.
    ['12:00', 24],
  ])('%s is the next one', (text, expected) => {
    expect(hours(text)).toBeCloseTo(expected, 9);
  });

  test.each([
    '',
    '24:00',
    '12:60',
    '1230',
    '12:3',
    '12:30:00',
    '-1:00',
    ' 12:30',
    '12:30 ',
    'noon',
    '4.30',
  ])('%j is none', async (text) => {
    expect(await codeOf(() => parseClock(text, '--until', now))).toContain('usage: --until: ');
  });
});
