import { afterEach, describe, expect, test } from 'vitest';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { Runner } from '../../src/scan/runner.ts';
import { pushedSince } from '../../src/sweep/pushed.ts';
import { planHeader } from '../support/plan-header.ts';
import type { StoreBuilder } from '../support/store.ts';
import { asNodeFs } from '../support/survey.ts';
import type { PlanOptions, PlannedStore } from '../support/survey.ts';
import { FUTURE, NOW, age, image, newStore, plan } from './rules/bench.ts';

const runners: Runner[] = [];

afterEach(async () => {
  await Promise.all(runners.splice(0).map(async (runner) => runner.close()));
});

/** What a sweep at this moment takes for a push, of a plan made at `NOW`. */
async function pushed(
  store: StoreBuilder,
  { survey, actions }: PlannedStore,
  wrap: (fs: ReadFs) => ReadFs = (fs) => fs,
): Promise<string | undefined> {
  const fs = wrap(makeReadFs(asNodeFs(store.fs)));
  const runner = new Runner({ fs, threads: 1 });
  runners.push(runner);
  const scan = {
    base: store.base,
    fs,
    runner,
    writeOff: [],
    tagTimes: false,
    portraits: false,
  };
  const header = planHeader({ created: NOW.toISOString(), survivors: '' });
  return await pushedSince(scan, survey.index, header, actions);
}

/** The same disk, on which nothing can be asked about one path. */
function failing(path: string): (fs: ReadFs) => ReadFs {
  const check = (asked: string): void => {
    if (asked.endsWith(path)) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
  };
  return (fs) => ({
    ...fs,
    stat: (asked) => (check(asked), fs.stat(asked)),
    quickStat: (asked) => (check(asked), fs.quickStat(asked)),
  });
}

interface Scene {
  readonly store: StoreBuilder;
  /** The layer of an untagged image, and its link. */
  readonly layer: string;
  readonly link: string;
}

function scene(): Scene {
  const store = newStore();
  image(store, 'a', 'latest');
  const layer = image(store, 'a').edges[1] as string;
  age(store);
  return { store, layer, link: store.layerLinkPath('a', layer) };
}

const UNTAGGED: PlanOptions = { untagged: true };

describe('a layer link that cannot be told', () => {
  test('makes a plan blind, and the path is named', async () => {
    const { store, link } = scene();
    const planned = await plan(store, { ...UNTAGGED, wrap: failing(link) });
    expect(planned.blind).toEqual([`${link}: EACCES: what it holds is unknown`]);
    expect(planned.findings).toContain(`unreadable ${link}`);
    expect(planned.actions).toEqual([]);
  });

  test('is given up by --write-off at any grace, and stays with its blob; the rest can go', async () => {
    const { store, layer, link } = scene();
    const wrap = failing(link);
    for (const graceMs of [0, 3_600_000]) {
      const planned = await plan(store, { ...UNTAGGED, graceMs, wrap, writeOff: [link] });
      expect(planned.blind).toEqual([]);
      expect([planned.planned.size, planned.planned.has(layer)]).toEqual([2, false]);
      expect(JSON.stringify(planned.actions)).not.toContain(layer);
      expect(await pushed(store, planned, wrap)).toBeUndefined();
    }
  });

  test('as it is no file stays likewise, and is told of', async () => {
    const { store, layer, link } = scene();
    store.fs.rmSync(`${store.base}/${link}`, { recursive: true, force: true });
    store.mkdir(link);
    const planned = await plan(store, UNTAGGED);
    expect(planned.findings).toContain(`stray ${link}`);
    expect([planned.planned.size, planned.planned.has(layer)]).toEqual([2, false]);
    expect(await pushed(store, planned)).toBeUndefined();
  });

  test('when the sweep looks is refused by its path, and is no push', async () => {
    const { store, link } = scene();
    const planned = await plan(store, UNTAGGED);
    expect(await pushed(store, planned)).toBeUndefined();
    await expect(pushed(store, planned, failing(link))).rejects.toMatchObject({
      code: 'refused',
      message: `not everything could be seen: ${link}: EACCES: what it holds is unknown`,
    });
    store.fs.rmSync(`${store.base}/${link}`, { recursive: true, force: true });
    store.mkdir(link);
    await expect(pushed(store, planned)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(link) as string,
    });
  });
});

describe('a layer link of the future', () => {
  test('stays with its blob, and is told of; the rest can go', async () => {
    const { store, layer, link } = scene();
    store.setTimes(link, FUTURE);
    const planned = await plan(store, UNTAGGED);
    expect(planned.findings).toEqual([`future-time ${link}`]);
    expect([planned.planned.size, planned.planned.has(layer)]).toEqual([2, false]);
    expect(planned.dropped.size).toBe(1);
    expect(await pushed(store, planned)).toBeUndefined();
  });

  test('goes without a grace: what is planned says its time', async () => {
    const { store, layer, link } = scene();
    store.setTimes(link, FUTURE);
    const planned = await plan(store, { ...UNTAGGED, graceMs: 0 });
    expect(planned.planned.has(layer)).toBe(true);
    expect(await pushed(store, planned)).toBeUndefined();
    store.setTimes(link, new Date(FUTURE.getTime() + 5000));
    expect(await pushed(store, planned)).toMatch(/^a@sha256:.* was pushed again$/);
  });

  test('is one of the clock, whatever the plan is told is now', async () => {
    const { store, layer, link } = scene();
    store.setTimes(link, FUTURE);
    const later = { ...UNTAGGED, now: FUTURE.getTime() + 60_000, startedMs: NOW.getTime() };
    const planned = await plan(store, later);
    expect(planned.planned.has(layer)).toBe(false);
    expect(await pushed(store, planned)).toBeUndefined();
  });

  test('that a push between plan and sweep wrote is a push', async () => {
    const { store, link } = scene();
    const young = new Date(NOW.getTime() - 60_000);
    store.setTimes(link, young);
    const planned = await plan(store, UNTAGGED);
    expect(planned.planned.size).toBe(3);
    expect(await pushed(store, planned)).toBeUndefined();
    store.setTimes(link, new Date(NOW.getTime() + 60_000));
    expect(await pushed(store, planned)).toBe('a was pushed to');
  });
});
