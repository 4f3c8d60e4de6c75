import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/plan/read-plan.ts';
import { makeStyle } from '../../src/report/style.ts';
import { renderSweepResult, renderSweepStart } from '../../src/report/sweep-text.ts';
import type { SweepResult } from '../../src/sweep/sweep.ts';
import { planHeader } from '../support/plan-header.ts';

const PLAIN = makeStyle(false);
/** By the clock of this host, as `--until` is meant. */
const NOW = new Date(2026, 10, 29, 10, 57).getTime();

function startLines(stopsAtMs: number | undefined): string[] {
  const plan: Plan = {
    header: planHeader({ created: new Date(NOW).toISOString() }),
    actions: [],
    trailer: { kind: 'trailer', actions: 0, bytes: 0, sha256: '' },
  };
  const start = { plan, hash: 'abc', shownAs: '/r', linksOnly: false, overridden: true };
  return renderSweepStart({ ...start, stopsAtMs, nowMs: NOW }, PLAIN);
}

describe('the start of a sweep', () => {
  test.each<[string, Date, string]>([
    ['today', new Date(2026, 10, 29, 23, 5), 'stops at 23:05 today, in 12 h 8 min'],
    ['tomorrow', new Date(2026, 10, 30, 10, 56), 'stops at 10:56 tomorrow, in 23 h 59 min'],
    ['later', new Date(2026, 11, 1, 4, 30), 'stops at 04:30 on 2026-12-01, in 41 h 33 min'],
  ])('says when it will stop: %s', (_, then, expected) => {
    expect(startLines(then.getTime()).at(-1)).toBe(`  ${expected}`);
  });

  test('says nothing of an end that it does not have', () => {
    expect(startLines(undefined).join('\n')).not.toContain('stops');
  });
});

describe('the end of a sweep', () => {
  const result: SweepResult = {
    ended: 'complete',
    done: 1,
    already: 0,
    remaining: 0,
    freedBytes: 2048,
    blobs: 0,
    left: [],
    notPutBack: [],
    freeBytes: { before: 0, after: 2048 },
    verification: undefined,
  };
  const end = { seconds: 1, logDirectory: undefined, width: 80 };

  test('counts no blobs where none went: a mend frees damaged data', () => {
    expect(renderSweepResult(result, end, PLAIN)[0]).toBe('Done: freed 2.00 KiB (1.0 s).');
    const blobs = renderSweepResult({ ...result, blobs: 2 }, end, PLAIN);
    expect(blobs[0]).toBe('Done: freed 2.00 KiB in 2 blobs (1.0 s).');
  });
});
