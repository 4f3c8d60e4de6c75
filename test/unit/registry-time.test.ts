import { describe, expect, test } from 'vitest';
import { isOnCalendar, NO_SUCH_TIME, parseRfc3339 } from '../../src/registry/time.ts';

describe('a time of RFC 3339', () => {
  test.each([
    ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
    ['2026-11-21t04:30:00.123456789z', '2026-11-21T04:30:00.123Z'],
    ['2026-11-21 04:30:00+02:00', '2026-11-21T02:30:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ])('%s is one', (text, time) => {
    expect(new Date(parseRfc3339(text)).toISOString()).toBe(time);
  });

  test.each([
    '2026-02-31T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-02-28T24:00:00Z',
    '2026-02-28T25:00:00Z',
    '2026-02-28T12:60:00Z',
    '2026-02-28T12:00:60Z',
    '2026-02-28T12:00:00+24:00',
    '2026-02-28T12:00:00+01:60',
  ])('%s is on no calendar or clock', (text) => {
    expect(parseRfc3339(text)).toBe(NO_SUCH_TIME);
  });

  test.each(['', 'today', '2026-02-28', '2026-02-28T12:00:00', '28 Feb 2026', '2026-02-28T12:00Z'])(
    '%j is none',
    (text) => {
      expect(parseRfc3339(text)).toBeNaN();
    },
  );

  test('days', () => {
    expect(['2024-02-29', '2026-02-29', '2026-13-01', 'today'].map(isOnCalendar)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
