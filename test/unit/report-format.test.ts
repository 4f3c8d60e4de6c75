import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../src/cli/values.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPart,
  formatPercent,
  formatSeconds,
  nounFor,
  plural,
  shortenHex,
} from '../../src/report/format.ts';

describe('formatBytes', () => {
  test.each<[number, string]>([
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '0.98 KiB'],
    [1023, '1.00 KiB'],
    [1024, '1.00 KiB'],
    [10_000, '9.77 KiB'],
    [10_235, '10.0 KiB'],
    [102_400, '100 KiB'],
    [1024 * 999, '999 KiB'],
    [1024 * 1000, '0.98 MiB'],
    [372 * 2 ** 30, '372 GiB'],
    [1.57 * 2 ** 40, '1.57 TiB'],
    [2 ** 53, '8.00 PiB'],
  ])('%i: %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test('has at most four characters of number, and is off by less than one in a hundred', () => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        const [number = '', unit = ''] = formatBytes(bytes).split(' ');
        expect(number).toMatch(/^(\d{1,3}|\d\.\d\d|\d\d\.\d)$/);
        const read = Number(number) * 1024 ** units.indexOf(unit);
        expect(Math.abs(read - bytes)).toBeLessThanOrEqual(bytes * 0.01);
      }),
    );
  });
});

test.each<[number, number, string]>([
  [173 * 2 ** 30, 252 * 2 ** 30, '173 of 252 GiB'],
  [12 * 2 ** 20, 48 * 2 ** 30, '12.0 MiB of 48.0 GiB'],
  [0, 2 ** 30, '0 B of 1.00 GiB'],
  [0, 0, '0 of 0 B'],
])('formatPart: %i of %i is %s', (part, whole, text) => {
  expect(formatPart(part, whole)).toBe(text);
});

test.each<[number, string]>([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [57_741, '57,741'],
  [1_234_567, '1,234,567'],
])('formatCount: %i is %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

test('a noun has the number of its count', () => {
  expect(plural(0, 'manifest')).toBe('0 manifests');
  expect(plural(1, 'manifest')).toBe('1 manifest');
  expect(plural(1000, 'repository')).toBe('1,000 repositories');
  expect(nounFor(1, 'repository')).toBe('repository');
});

test.each<[number, string]>([
  [0, '0 ms'],
  [0.0449, '45 ms'],
  [0.9994, '999 ms'],
  [0.9996, '1.0 s'],
  [1.44, '1.4 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1 min 0 s'],
  [200, '3 min 20 s'],
  [3600, '1 h 0 min'],
  [9000, '2 h 30 min'],
])('formatSeconds: %d is %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

describe('formatDuration', () => {
  test.each(['0', '45s', '1h', '12h30m', '168h', '14d', '90d', '14d12h'])(
    'says %s as it was typed',
    (text) => {
      expect(formatDuration(parseDuration(text, '--grace'))).toBe(text);
    },
  );

  test('7d is the same as 168h', () => {
    expect(formatDuration(parseDuration('7d', '--grace'))).toBe('168h');
  });

  test('what it says can be typed, and means the same', () => {
    fc.assert(
      fc.property(fc.nat(10 ** 9), (seconds) => {
        const text = formatDuration(seconds * 1000);
        expect(parseDuration(text, '--grace')).toBe(seconds * 1000);
      }),
    );
  });
});

test.each<[number, number, string]>([
  [0, 0, '-'],
  [0, 5, '0%'],
  [1, 3, '33%'],
  [5, 5, '100%'],
  [999, 1000, '99%'],
  [1, 1000, '1%'],
])('formatPercent: %i of %i is %s', (part, whole, text) => {
  expect(formatPercent(part, whole)).toBe(text);
});

test('shortenHex leaves names, and cuts what nobody reads', () => {
  const hex = '51fe6af76191eadd1ee735d9179096c6daebf20dc883e5b64d961a9b22934f17';
  expect(shortenHex(`empty manifest sha256:${hex}, and more`)).toBe(
    'empty manifest sha256:51fe6af76191..., and more',
  );
  expect(shortenHex(`blobs/sha256/51/${hex}/data`)).toBe('blobs/sha256/51/51fe6af76191.../data');
  expect(shortenHex(`sha512:${hex}${hex}`)).toBe('sha512:51fe6af76191...');
  expect(shortenHex('deadbeef/cafe')).toBe('deadbeef/cafe');
});
