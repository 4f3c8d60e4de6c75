import { describe, expect, test } from 'vitest';
import { parseLogLine } from '../../src/evidence/log-line.ts';
import { makePullLog, makeTally } from '../../src/evidence/pull-log.ts';
import type { FileTally, PullLog } from '../../src/evidence/pull-log.ts';
import { pullsOf } from '../../src/evidence/pulls.ts';
import type { Digest } from '../../src/registry/digest.ts';
import type { RepositoryName } from '../../src/registry/reference.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 21);
const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest;

function gather(lines: readonly (readonly [number, string, number?])[]): {
  log: PullLog;
  tally: FileTally;
} {
  const log = makePullLog(NOW);
  const tally = makeTally('a');
  for (const [timeMs, path, status = 200] of lines) {
    const line = parseLogLine(
      `${new Date(timeMs).toISOString()} h "GET ${path} HTTP/1.1" ${status} 1`,
    );
    if (line !== undefined) log.add(tally, line);
  }
  return { log, tally };
}

/** A request every six hours. */
function alive(from: number, to: number, status = 200): (readonly [number, string, number])[] {
  const lines = [];
  for (let at = from; at <= to; at += 6 * HOUR) lines.push([at, '/v2/', status] as const);
  return lines;
}

describe('pulls', () => {
  test('the newest of each tag and digest counts, in any order', () => {
    const { log, tally } = gather([
      [NOW - 5 * DAY, '/v2/a/manifests/v1'],
      [NOW - 2 * DAY, '/v2/a/manifests/v1'],
      [NOW - 3 * DAY, '/v2/a/manifests/v1'],
      [NOW - 1 * DAY, '/v2/b/manifests/v1'],
      [NOW - 4 * DAY, `/v2/a/manifests/${digest('1')}`],
      [NOW, '/v2/a/manifests/v2', 404],
    ]);
    expect(log.pulledMs('a', 'v1')).toBe(NOW - 2 * DAY);
    expect(log.pulledMs('b', 'v1')).toBe(NOW - DAY);
    expect(log.pulledMs('a', 'v2')).toBeUndefined();
    expect(log.pulledMs('__proto__', 'constructor')).toBeUndefined();
    expect(log.pulledDigestMs('a', digest('1'))).toBe(NOW - 4 * DAY);
    expect([...log.repositories.keys()]).toEqual(['a', 'b']);
    expect(tally).toMatchObject({
      recognised: 6,
      requests: 6,
      pulls: 5,
      fromMs: NOW - 5 * DAY,
      toMs: NOW,
    });
  });

  test('a time that cannot be right is counted, and nothing is made of it', () => {
    const { log, tally } = gather([
      [NOW + 2 * DAY, '/v2/a/manifests/v1'],
      [Date.UTC(2012, 11, 31), '/v2/a/manifests/v1'],
      [NOW + DAY / 2, '/v2/a/manifests/v2'],
    ]);
    expect(log.pulledMs('a', 'v1')).toBeUndefined();
    expect(log.pulledMs('a', 'v2')).toBe(NOW + DAY / 2);
    expect(tally.mistimed).toBe(2);
    expect(log.coverage()).toMatchObject({ fromMs: NOW + DAY / 2 });
  });

  test('a tag is pulled by name, by digest, and by the digest of what its index lists', () => {
    const [index, child, other] = [digest('1'), digest('2'), digest('3')];
    const { log } = gather([
      [NOW - 9 * DAY, '/v2/a/manifests/v1'],
      [NOW - 3 * DAY, `/v2/a/manifests/${child}`],
      [NOW - 1 * DAY, `/v2/b/manifests/${child}`],
    ]);
    const parents = new Map([
      [child, [index]],
      [index, [child]],
    ]);
    const pulled = pullsOf(log, 'a' as RepositoryName, (_, of) => parents.get(of) ?? []);
    expect(pulled('v1', index)).toBe(NOW - 3 * DAY);
    expect(pulled('v1', other)).toBe(NOW - 9 * DAY);
    expect(pulled('v2', child)).toBe(NOW - 3 * DAY);
    expect(pulled('v2', other)).toBeUndefined();
    expect(pullsOf(log, 'none' as RepositoryName, () => [])('v1', index)).toBeUndefined();
  });
});

describe('coverage', () => {
  test('reaches from the first line to the last, when none is missing between', () => {
    const { log } = gather(alive(NOW - 30 * DAY, NOW));
    expect(log.coverage()).toEqual({ fromMs: NOW - 30 * DAY, toMs: NOW, gaps: [] });
  });

  test('begins behind the newest hole', () => {
    const lines = [
      ...alive(NOW - 60 * DAY, NOW - 40 * DAY),
      ...alive(NOW - 38 * DAY, NOW - 20 * DAY),
      ...alive(NOW - 18 * DAY, NOW - DAY / 2),
    ];
    const expected = {
      fromMs: NOW - 18 * DAY,
      toMs: NOW - DAY / 2,
      gaps: [
        { fromMs: NOW - 40 * DAY, toMs: NOW - 38 * DAY },
        { fromMs: NOW - 20 * DAY, toMs: NOW - 18 * DAY },
      ],
    };
    expect(gather(lines).log.coverage()).toEqual(expected);
    expect(gather(lines.reverse()).log.coverage()).toEqual(expected);
    expect(gather(lines).log.coverage(3 * DAY)).toMatchObject({ fromMs: NOW - 60 * DAY, gaps: [] });
  });

  test('a day is no hole, and a millisecond more is', () => {
    const { log } = gather([
      [NOW - 2 * DAY, '/v2/'],
      [NOW - DAY, '/v2/'],
      [NOW + 1, '/v2/'],
    ]);
    expect(log.coverage()).toEqual({
      fromMs: NOW + 1,
      toMs: NOW + 1,
      gaps: [{ fromMs: NOW - DAY, toMs: NOW + 1 }],
    });
  });

  test('there is none without a proof: failures alone may be all that is logged', () => {
    expect(gather(alive(NOW - 30 * DAY, NOW, 401)).log.coverage()).toBeUndefined();
    expect(gather([[NOW, '/']]).log.coverage()).toBeUndefined();
    expect(gather([]).log.coverage()).toBeUndefined();
  });

  test('failures bridge a week between two proofs, and no more', () => {
    const probes = alive(NOW - 20 * DAY, NOW, 401);
    const week = gather([
      ...probes,
      [NOW - 20 * DAY, '/v2/'],
      [NOW - 13 * DAY, '/v2/'],
      [NOW - 7 * DAY, '/v2/'],
    ]);
    expect(week.log.coverage()).toEqual({ fromMs: NOW - 20 * DAY, toMs: NOW, gaps: [] });
    const more = gather([...probes, [NOW - 20 * DAY, '/v2/'], [NOW - 12 * DAY, '/v2/']]);
    expect(more.log.coverage()).toEqual({
      fromMs: NOW - 12 * DAY,
      toMs: NOW - 12 * DAY,
      gaps: [{ fromMs: NOW - 20 * DAY, toMs: NOW - 12 * DAY }],
    });
  });

  test('ends where the last proof is cut off from what follows', () => {
    const { log } = gather([
      ...alive(NOW - 9 * DAY, NOW - 5 * DAY),
      ...alive(NOW - 2 * DAY, NOW, 401),
    ]);
    expect(log.coverage()).toEqual({
      fromMs: NOW - 9 * DAY,
      toMs: NOW - 5 * DAY,
      gaps: [{ fromMs: NOW - 5 * DAY, toMs: NOW - 2 * DAY }],
    });
  });
});
