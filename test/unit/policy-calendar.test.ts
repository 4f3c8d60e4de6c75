import { describe, expect, test } from 'vitest';
import { makeCalendar } from '../../src/policy/calendar.ts';
import type { Bucket } from '../../src/policy/model.ts';
import { named, repository, ruleYaml, run } from '../support/policy.ts';

/** The tags' names are their times. */
async function keptOf(
  bucket: string,
  timezone: string,
  times: readonly string[],
  head = '',
): Promise<string[]> {
  const tags = times.map((name) => {
    return { name, digest: name, pushedMs: Date.parse(name), fallback: false };
  });
  const facts = [repository('a', tags)];
  const now = Math.max(...tags.map(({ pushedMs }) => pushedMs)) + 1;
  const clock = `clock: { timezone: ${timezone} }${head}`;
  const yaml = ruleYaml(`keep: { ${bucket} }, drop: always`, clock);
  return named(await run(yaml, facts, { now }), facts, 'keep');
}

describe('buckets follow the time zone', () => {
  test('a day begins at local midnight', async () => {
    const times = ['2024-06-01T21:59:00Z', '2024-06-01T22:01:00Z', '2024-06-02T21:59:00Z'];
    expect(await keptOf('daily: 9', 'Europe/Zurich', times)).toEqual([times[0], times[2]]);
    expect(await keptOf('daily: 9', 'UTC', times)).toEqual([times[1], times[2]]);
  });

  test('the day on which summer time begins has 23 hours, and is one day', async () => {
    // 2024-03-31, Zurich: from 23:00Z of the 30th to 22:00Z.
    const times = [
      '2024-03-30T22:59:00Z',
      '2024-03-30T23:00:00Z',
      '2024-03-31T21:59:00Z',
      '2024-03-31T22:00:00Z',
    ];
    expect(await keptOf('daily: 9', 'Europe/Zurich', times)).toEqual([
      times[0],
      times[2],
      times[3],
    ]);
  });

  test('the day on which it ends has 25, and the hour that comes twice is two hours', async () => {
    // 2024-10-27, Zurich: from 22:00Z of the 26th to 23:00Z; 02:30 is at 00:30Z and at 01:30Z.
    const times = [
      '2024-10-26T21:59:00Z',
      '2024-10-26T22:00:00Z',
      '2024-10-27T22:59:00Z',
      '2024-10-27T23:00:00Z',
    ];
    expect(await keptOf('daily: 9', 'Europe/Zurich', times)).toEqual([
      times[0],
      times[2],
      times[3],
    ]);
    const hours = ['2024-10-27T00:10:00Z', '2024-10-27T00:30:00Z', '2024-10-27T01:30:00Z'];
    expect(await keptOf('hourly: 9', 'Europe/Zurich', hours)).toEqual([hours[1], hours[2]]);
  });

  test('a day that comes again after the clock went back over midnight is one day', async () => {
    // St. John's, 2010-11-07: from 00:01 (02:31Z) back to 23:01 of the 6th.
    const times = [
      '2010-11-07T02:20:00Z',
      '2010-11-07T02:30:30Z',
      '2010-11-07T03:00:00Z',
      '2010-11-08T12:00:00Z',
    ];
    const old = '\nevidence: { implausible-before: 2009-01-01 }';
    expect(await keptOf('daily: 9', 'America/St_Johns', times, old)).toEqual(times.slice(1));
  });

  test('the same in the other hemisphere, and where the clock moves at midnight', async () => {
    // New York, 2024-11-03 ends at 05:00Z of the 4th; Havana goes back from 01:00 to 00:00.
    expect(
      await keptOf('daily: 9', 'America/New_York', [
        '2024-11-04T04:59:00Z',
        '2024-11-04T05:00:00Z',
      ]),
    ).toHaveLength(2);
    const havana = [
      '2024-11-03T04:30:00Z',
      '2024-11-03T05:30:00Z',
      '2024-11-04T04:59:00Z',
      '2024-11-04T05:01:00Z',
    ];
    expect(await keptOf('daily: 9', 'America/Havana', havana)).toEqual([havana[2], havana[3]]);
    const sydney = [
      '2024-04-06T12:59:00Z',
      '2024-04-06T13:00:00Z',
      '2024-04-07T13:59:00Z',
      '2024-04-07T14:00:00Z',
    ];
    expect(await keptOf('daily: 9', 'Australia/Sydney', sydney)).toEqual([
      sydney[0],
      sydney[2],
      sydney[3],
    ]);
  });

  test('a leap day is a day of its own, and February its month', async () => {
    const times = ['2024-02-28T12:00:00Z', '2024-02-29T12:00:00Z', '2024-03-01T12:00:00Z'];
    expect(await keptOf('daily: 9', 'UTC', times)).toEqual(times);
    expect(await keptOf('monthly: 9', 'UTC', times)).toEqual([times[1], times[2]]);
    expect(await keptOf('yearly: 9', 'UTC', times)).toEqual([times[2]]);
  });

  test('weeks begin on Monday, also across a year', async () => {
    const times = [
      '2024-12-29T23:59:00Z',
      '2024-12-30T00:00:00Z',
      '2025-01-05T23:59:00Z',
      '2025-01-06T00:00:00Z',
    ];
    expect(await keptOf('weekly: 9', 'UTC', times)).toEqual([times[0], times[2], times[3]]);
  });

  test('empty periods count for nothing', async () => {
    const times = ['2020-01-01T00:00:00Z', '2022-05-05T00:00:00Z', '2024-06-01T00:00:00Z'];
    expect(await keptOf('daily: 2', 'UTC', times)).toEqual([times[1], times[2]]);
  });
});

test.each([
  ['hourly', '2024-10-27 02h'],
  ['daily', '2024-10-27'],
  ['weekly', 'the week of 2024-10-21'],
  ['monthly', '2024-10'],
  ['yearly', '2024'],
] as const)('%s periods have a name', (bucket, name) => {
  const instant = Date.parse('2024-10-27T01:30:00Z');
  expect(makeCalendar('Europe/Zurich').nameOf(bucket, instant)).toBe(name);
});

test.each([
  'Europe/Zurich',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'America/Sao_Paulo',
])('in %s the day and hour are those that Intl gives', (timeZone) => {
  const calendar = makeCalendar(timeZone);
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
  });
  const hour: Bucket = 'hourly';
  for (
    let instant = Date.UTC(2011, 11, 1);
    instant < Date.UTC(2012, 11, 31);
    instant += 1_234_567
  ) {
    const [day = '', time = ''] = format.format(instant).split(' ');
    expect(calendar.nameOf(hour, instant)).toBe(`${day} ${time.slice(0, 2)}h`);
  }
});
