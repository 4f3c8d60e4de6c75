import { expect, test } from 'vitest';
import { askWhy } from '../../src/insight/why.ts';
import type { Why } from '../../src/insight/why.ts';
import { summarize } from '../../src/plan/summary.ts';
import type { PlanSummary } from '../../src/plan/summary.ts';
import { keptLines } from '../../src/report/plan-findings.ts';
import type { PlanContext } from '../../src/report/plan-text.ts';
import { makeStyle } from '../../src/report/style.ts';
import { renderWhy } from '../../src/report/why-text.ts';
import type { StoreBuilder } from '../support/store.ts';
import type { PlannedStore } from '../support/survey.ts';
import { FUTURE, NOW, age, image, layer, newStore, plan } from './rules/bench.ts';

const HOUR = 3_600_000;
const STYLE = makeStyle(false);

function kept({ survey, garbage }: PlannedStore): { summary: PlanSummary; text: string } {
  const summary = summarize(survey, garbage);
  const context = { graceMs: HOUR, young: 0, keepsLinked: false, width: 200, all: false };
  const lines = keptLines(summary, context as PlanContext, STYLE);
  return { summary, text: lines.join('\n') };
}

function why({ survey, garbage }: PlannedStore, digest: string): { why: Why; text: string } {
  const asked = askWhy(survey, garbage, digest, { nowMs: NOW.getTime(), graceMs: HOUR });
  const context = { graceMs: HOUR, width: 200, root: '/r', flags: [], toFree: false, all: false };
  const rest = { index: survey.index, platforms: new Map<number, string>(), reasonsOf: () => [] };
  return { why: asked, text: renderWhy(asked, { ...context, ...rest }, STYLE).join('\n') };
}

/** A store that loses an image, with a layer of it. */
function scene(): { store: StoreBuilder; gone: string; link: string } {
  const store = newStore();
  image(store, 'a', 'latest');
  const gone = image(store, 'a').edges[1] as string;
  age(store);
  return { store, gone, link: store.layerLinkPath('a', gone) };
}

function noFile(store: StoreBuilder, link: string): void {
  store.fs.rmSync(`${store.base}/${link}`, { recursive: true, force: true });
  store.mkdir(link);
}

test.each([
  ['is no file', noFile],
  ['is dated in the future', (store: StoreBuilder, link: string) => store.setTimes(link, FUTURE)],
])('a blob that stays as a link to it %s is not called young', async (_, injure) => {
  const { store, gone, link } = scene();
  injure(store, link);
  const planned = await plan(store, { untagged: true });
  const { summary, text } = kept(planned);
  expect([summary.graced.blobs, summary.held.blobs]).toEqual([0, 1]);
  expect(text).toMatch(/ in 1 blob {2}a link to it .*regsweep check$/);
  expect(text).not.toContain('pushed less than');
  const told = why(planned, gone);
  expect(told.why).toMatchObject({ graced: false, held: true });
  expect(told.text).toContain('regsweep check');
  expect(told.text).not.toContain('--grace');
});

test('nor is one that no manifest names', async () => {
  const { store } = scene();
  const lone = store.blob(layer());
  store.layerLink('a', lone);
  age(store);
  noFile(store, store.layerLinkPath('a', lone));
  const { summary } = kept(await plan(store));
  expect([summary.graced.blobs, summary.held.blobs]).toEqual([0, 1]);
});

test('an interrupted push is', async () => {
  const { store } = scene();
  const young = store.blob(layer());
  store.layerLink('a', young);
  age(store, [store.layerLinkPath('a', young)]);
  const planned = await plan(store);
  const { summary, text } = kept(planned);
  expect([summary.graced.blobs, summary.held.blobs]).toEqual([1, 0]);
  expect(text).toContain('in 1 blob  pushed less than 1h ago, no manifest yet');
  expect(why(planned, young).text).toContain('Too young to go');
});
