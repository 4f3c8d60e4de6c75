import { describe, expect, test } from 'vitest';
import { reportWidth } from '../../src/cli/output.ts';
import { parseDuration, parseTime, parseWhole } from '../../src/cli/values.ts';
import { AppError } from '../../src/fs/errors.ts';

function usageError(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof AppError && error.code === 'usage') return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('parseDuration', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['0s', 0],
    ['45s', 45_000],
    ['90m', 5_400_000],
    ['12h30m', 45_000_000],
    ['90d', 7_776_000_000],
    ['2w', 1_209_600_000],
    ['1w1d1h1m1s', 694_861_000],
    ['00090d', 7_776_000_000],
  ])('%s is %i ms', (text, milliseconds) => {
    expect(parseDuration(text, '--grace')).toBe(milliseconds);
  });

  const wrong = [
    ['', ' ', '5', '-1h', '+1h', '1.5h', '1 h', ' 1h', '1h ', '1h\n', '1H', '1y', 'h', '1h1h'],
    ['30m12h', '1d12', '00', '0x1h', '1e3s', '١h', 'Infinityd', `${'9'.repeat(20)}d`],
  ];
  test.each(wrong.flat())('%j is refused', (text) => {
    expect(usageError(() => parseDuration(text, '--grace'))).toMatch(/^--grace: /);
  });
});

describe('parseTime', () => {
  test.each<[string, string]>([
    ['2026-11-21', '2026-11-21T00:00:00.000Z'],
    ['2026-11-21T04:30:00Z', '2026-11-21T04:30:00.000Z'],
    ['2026-11-21T04:30:00+02:00', '2026-11-21T02:30:00.000Z'],
    ['2026-11-21T04:30:00.5Z', '2026-11-21T04:30:00.500Z'],
  ])('%s', (text, time) => {
    expect(new Date(parseTime(text, '--now')).toISOString()).toBe(time);
  });

  test.each([
    '',
    'now',
    '2026',
    '2026-13-01',
    '2026-11-21T25:00:00Z',
    '21.11.2026',
    '1763699400',
    '2026-02-30',
    '2026-02-28T24:00:00Z',
  ])('%j is refused', (text) => {
    expect(usageError(() => parseTime(text, '--now'))).toMatch(/^--now: .* is no time$/);
  });
});

test.each(['2026-06-01T00:00', '2026-06-01T04:30:00', '2026-06-01T04:30:00.5'])(
  '%s means another moment on another host: its zone is asked for',
  (text) => {
    expect(usageError(() => parseTime(text, '--now'))).toBe(
      `--now: "${text}" does not say its time zone`,
    );
  },
);

test('parseWhole', () => {
  expect(parseWhole('1', '--threads', 8)).toBe(1);
  expect(parseWhole('8', '--threads', 8)).toBe(8);
  for (const text of ['0', '9', '', '-1', '1.0', '1e1', ' 1', '0x1', '99999999999']) {
    expect(usageError(() => parseWhole(text, '--threads', 8))).toMatch(
      /--threads: .* from 1 to 8$/,
    );
  }
});

test.each<[string | undefined, number]>([
  [undefined, 80],
  ['', 80],
  ['0', 80],
  ['-5', 80],
  ['wide', 80],
  ['Infinity', 80],
  ['20', 40],
  ['60', 60],
  ['100', 100],
  ['1000', 160],
])('reportWidth: COLUMNS=%s is %i', (columns, width) => {
  const env = columns === undefined ? {} : { COLUMNS: columns };
  // The runner's own workers have no terminal.
  expect(reportWidth(env)).toBe(width);
});
