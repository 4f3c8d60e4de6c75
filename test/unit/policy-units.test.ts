import { describe, expect, test } from 'vitest';
import { formatAge, formatDuration, parseDuration } from '../../src/policy/duration.ts';
import { acrDuration, gitlabDuration, goDuration } from '../../src/policy/import-durations.ts';
import { compareNatural } from '../../src/policy/natural.ts';
import { formatSize, parseSize } from '../../src/policy/size.ts';
import { editDistance, nearest } from '../../src/policy/suggest.ts';
import { compareVersions, parseVersion } from '../../src/policy/version-tag.ts';
import { DAY, HOUR } from '../support/policy.ts';

describe('durations', () => {
  test.each([
    ['90d', 90 * DAY],
    ['12h30m', 12.5 * HOUR],
    ['0', 0],
    ['2w', 14 * DAY],
    ['1d12h', 36 * HOUR],
    ['45s', 45_000],
    ['0d', 0],
  ])('%s', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each([
    '',
    '5',
    '-1d',
    '1.5h',
    '1h1d',
    '1d1d',
    '90 d',
    '90D',
    '1month',
    '1y',
    '٣d',
    '99999999d',
    'd',
  ])('refuses `%s`', (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test('are printed in a form that parses back', () => {
    for (const text of ['90d', '12h30m', '0', '1d2h3m4s']) {
      expect(formatDuration(parseDuration(text))).toBe(text);
    }
    expect(formatDuration(parseDuration('2w'))).toBe('14d');
  });

  test('ages are rounded down, in a telling unit', () => {
    expect([200.9 * DAY, 47 * HOUR, 90_000, 1500, -5].map(formatAge)).toEqual([
      '200d',
      '47h',
      '90s',
      '1s',
      '0s',
    ]);
  });

  test('of other systems', () => {
    expect(goDuration('168h')).toBe(7 * DAY);
    expect(goDuration('1.5h30m')).toBe(2 * HOUR);
    expect(acrDuration('2d3h6m')).toBe(2 * DAY + 3.1 * HOUR);
    expect(acrDuration('0d')).toBe(0);
    expect(gitlabDuration('1month')).toBe(30 * DAY);
    expect(gitlabDuration('14d')).toBe(14 * DAY);
    expect(() => goDuration('7d')).toThrow(/cannot be imported/);
  });
});

describe('sizes', () => {
  test.each([
    ['200GiB', 200 * 2 ** 30],
    ['1.5 GB', 1.5e9],
    ['0', 0],
    ['512 B', 512],
    ['1kB', 1000],
    ['4.35 KB', 4350],
  ])('%s', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  test.each(['', '200', '10G', '1e3 B', '-1 GB', '1 gb', '1  GB', '1.GB', '999999 PiB'])(
    'refuses `%s`',
    (text) => {
      expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'usage' }));
    },
  );

  test('for people', () => {
    expect([0, 512, 1536, 3 * 2 ** 40].map(formatSize)).toEqual([
      '0 B',
      '512 B',
      '1.5 KiB',
      '3.0 TiB',
    ]);
  });
});

describe('names and versions', () => {
  test('natural order counts runs of digits', () => {
    const names = [
      'v10',
      'v9',
      'v9-rc',
      'v1.10',
      'v1.9',
      'a01',
      'a1',
      'build-99999999999999999999',
      'build-100000000000000000000',
    ];
    expect([...names].sort(compareNatural)).toEqual([
      'a01',
      'a1',
      'build-99999999999999999999',
      'build-100000000000000000000',
      'v1.9',
      'v1.10',
      'v9',
      'v9-rc',
      'v10',
    ]);
  });

  test.each([
    ['v1.2.3', '1.2.3'],
    ['1.2', '1.2.0'],
    ['v3', '3.0.0'],
    ['1.2-alpine', '1.2.0-alpine'],
    ['1.0.0-rc.1', '1.0.0-rc.1'],
  ])('%s is a version', (tag, version) => {
    expect(parseVersion(tag)?.version).toBe(version);
  });

  test.each([
    'latest',
    '1.2.3.4',
    '2024.01.15',
    'V1.2.3',
    '01.2.3',
    'v',
    '1..2',
    '99999999999999999999',
  ])('%s is none', (tag) => {
    expect(parseVersion(tag)).toBeUndefined();
  });

  test('versions compare by number, and pre-releases come before', () => {
    const tags = ['1.9.0', '1.10.0', 'v1.10.0-rc1', '2'];
    const sorted = tags
      .flatMap((tag) => parseVersion(tag) ?? [])
      .sort(compareVersions)
      .map(({ version }) => version);
    expect(sorted).toEqual(['1.9.0', '1.10.0-rc1', '1.10.0', '2.0.0']);
  });

  test('a slip of the hand finds its key', () => {
    const keys = ['older-than', 'not-pulled-for'];
    expect(nearest('older_than', keys)).toBe('older-than');
    expect(nearest('olderthan', keys)).toBe('older-than');
    expect(nearest('not_pulled', keys)).toBe('not-pulled-for');
    expect(nearest('colour', keys)).toBeUndefined();
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });
});
