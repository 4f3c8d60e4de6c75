/** Sweeps that are cut off after each of their actions, and go on with the same plan. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { planInProcess, sweepInProcess } from '../support/in-process.ts';
import { StoreBuilder } from '../support/store.ts';
import { makeFolder, treeOf } from '../support/sweep.ts';

const LONG_AGO = new Date('2024-01-01T00:00:00Z');
const folder = makeFolder('sweep-resume');

afterAll(() => {
  nodeFs.rmSync(folder, { recursive: true, force: true });
});

const bytes = (text: string): Uint8Array => Buffer.from(text.repeat(50));
/** A scanner's report: its version passes for that of a manifest, as keys fold their case. */
const REPORT = Buffer.from(JSON.stringify({ SchemaVersion: 2, Results: [], pad: 'x'.repeat(9) }));

const STORES: Readonly<Record<string, (store: StoreBuilder) => void>> = {
  'a report in JSON is a layer of what goes': (store) => {
    store.image('shop/api', { layers: [bytes('report on'), REPORT] });
  },
  'what goes has a layer link of itself, as a registry of the 2.1 era made it': (store) => {
    const { digest } = store.image('shop/api', { layers: [bytes('old')] });
    store.layerLink('shop/api', digest);
  },
  'an index goes with its images, and one of them has a layer link': (store) => {
    const child = store.image('shop/api', { layers: [bytes('child'), REPORT] });
    store.layerLink('shop/api', child.digest);
    store.index('shop/api', [child]);
  },
};

function makeStore(fill: (store: StoreBuilder) => void): string {
  const root = nodeFs.mkdtempSync(join(folder, 'store-'));
  const store = new StoreBuilder(nodeFs, root);
  fill(store);
  store.image('shop/api', { layers: [bytes('kept')], tag: 'v1' });
  // Of the 2.1 era, whole: a layer link is all that holds it.
  const old = store.image('shop/old', { layers: [bytes('of 2.1')], revision: false });
  store.layerLink('shop/old', old.digest);
  store.ageEverything(LONG_AGO);
  return root;
}

describe.each(Object.entries(STORES))('where %s', (_, fill) => {
  it('the same plan goes on from wherever it was cut off', async () => {
    const untagged = { untagged: true, graceMs: 0 };
    const whole = makeStore(fill);
    const { plan } = await planInProcess(whole, untagged);
    const all = plan.actions.length;
    expect(plan.actions.filter(({ kind }) => kind === 'blob').length).toBeGreaterThan(1);
    expect(await sweepInProcess(whole, plan)).toMatchObject({ ended: 'complete', done: all });
    const wanted = [...treeOf(whole).keys()].sort();

    for (let stopAfter = 1; stopAfter < all; stopAfter++) {
      const root = makeStore(fill);
      const { plan: toDo } = await planInProcess(root, untagged);
      const cut = await sweepInProcess(root, toDo, { stopAfter });
      expect(cut).toMatchObject({ ended: 'stopped' });
      expect(await sweepInProcess(root, toDo)).toMatchObject({
        ended: 'complete',
        done: all - cut.done,
      });
      expect([...treeOf(root).keys()].sort()).toEqual(wanted);
    }
  });
});
