import { expect, test } from 'vitest';
import { SILENT, barProgress, lineProgress } from '../../src/report/progress.ts';
import { makeStyle, wantsColor } from '../../src/report/style.ts';
import type { ColorChoice } from '../../src/report/style.ts';

test('off a terminal, a line every five seconds and none at the end', () => {
  const lines: string[] = [];
  const clock = { now: 0 };
  const progress = lineProgress(
    (text) => lines.push(text),
    () => clock.now,
  );
  for (clock.now = 0; clock.now <= 12_000; clock.now += 1000) {
    progress.update('blobs', clock.now, 12_000);
  }
  progress.stop();
  expect(lines).toEqual([
    'blobs: 5,000 of 12,000, 7.0 s left\n',
    'blobs: 10,000 of 12,000, 2.0 s left\n',
  ]);
});

test('a short run shows nothing at all', async () => {
  const lines: string[] = [];
  const progress = lineProgress(
    (text) => lines.push(text),
    () => 100,
  );
  progress.update('blobs', 1, 2);
  const bars = await barProgress(() => 100);
  bars.update('blobs', 1, 2);
  bars.stop();
  SILENT.update('blobs', 1, 2);
  SILENT.stop();
  expect(lines).toEqual([]);
});

test.each<[ColorChoice, boolean | undefined, Record<string, string>, boolean]>([
  ['auto', true, {}, true],
  ['auto', false, {}, false],
  ['auto', undefined, { FORCE_COLOR: '1', CI: 'true' }, false],
  ['auto', true, { NO_COLOR: '1' }, false],
  ['auto', true, { NO_COLOR: '' }, true],
  ['auto', true, { TERM: 'dumb' }, false],
  ['always', false, { NO_COLOR: '1' }, true],
  ['never', true, {}, false],
])('colours: %s, terminal %s, %j: %s', (choice, isTerminal, env, colored) => {
  expect(wantsColor(choice, isTerminal, env)).toBe(colored);
});

test('a style without colours changes no text', () => {
  for (const paint of Object.values(makeStyle(false))) expect(paint('text')).toBe('text');
  for (const paint of Object.values(makeStyle(true))) {
    expect(paint('text').startsWith('\u001b[')).toBe(true);
  }
});
