/**
 * What a process is denied while it reads: descriptors run out, a listing comes up short and says nothing. Whatever is
 * not seen may keep something alive, so a sweep that cannot see everything removes no blob.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import * as cli from '../support/cli.ts';
import { captureTree, differences, restoreTree, unlike } from '../support/consistency.ts';
import { describeWithPackages } from '../support/packages.ts';
import { createPrng } from '../support/prng.ts';
import { runsOf } from '../support/runs.ts';
import { buildShim, readCalls, SHIM_PACKAGES } from '../support/shim.ts';
import type { Injection, Shim } from '../support/shim.ts';
import { FLAGS, makeEveryAction } from './every-action.ts';
import {
  closeSlot,
  countPlannedBlobs,
  openSlot,
  planAll,
  tableOf,
  tryAll,
  violationsOf,
} from './slot.ts';
import type { Slot, Trial, Verdict } from './slot.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const SEED = 20_240_612;
/** How many of the calls are tried, of those that there are. */
const TRIES = runsOf(30);

describeWithPackages([...SHIM_PACKAGES, 'strace'], `a scan that is denied (seed ${SEED})`, () => {
  let shim: Shim;
  let slots: Slot[] = [];
  let slot: Slot;

  beforeAll(async () => {
    shim = buildShim();
    const make = (root: string): void => void makeEveryAction(root);
    const open = (): Promise<Slot> => openSlot({ cli, shim, make, prepare: planAll });
    slots = await Promise.all([open(), open()]);
    slot = slots[0] as Slot;
  });
  afterAll(() => {
    slots.forEach(closeSlot);
    shim.remove();
  });

  /** The calls of a run without faults. */
  async function listCalls(args: readonly string[], calls: Injection['calls']): Promise<string[]> {
    restoreTree(slot.base, slot.before);
    const report = join(slot.folder, 'reads');
    writeFileSync(report, '');
    const injection = { root: slot.root, report, ...(calls === undefined ? {} : { calls }) };
    cli.mustSucceed(await cli.regsweep(args, { env: shim.environment(injection) }));
    return readCalls(report);
  }

  const pickSome = (count: number): number[] =>
    createPrng(SEED)
      .shuffle(Array.from({ length: count }, (_, i) => i + 1))
      .slice(0, TRIES)
      .sort((a, b) => a - b);

  async function trySome(title: string, trial: Omit<Trial, 'at'>): Promise<Verdict[]> {
    const calls = await listCalls(slot.command, trial.calls);
    const verdicts = await tryAll(
      slots,
      pickSome(calls.length).map((at) => ({ ...trial, at })),
    );
    console.log(tableOf(`${title}, ${calls.length} reads to choose from`, slot, verdicts));
    const wrong = verdicts.filter(
      ({ violations, again, unlike: odd }) =>
        violations.length + odd.length > 0 || again !== 'exit 0',
    );
    expect(wrong).toEqual([]);
    return verdicts;
  }

  const planned = slotBlobs();
  function slotBlobs(): () => number {
    return () => slot.lines.filter(({ kind }) => kind === 'blob').length;
  }

  test('EMFILE in a sweep never loses anything, and it goes on from there', async () => {
    const verdicts = await trySome('EMFILE', { calls: 'opens', fault: 'fail', error: 'EMFILE' });
    const ends = new Set(verdicts.map(({ ended }) => ended));
    expect([...ends].filter((end) => !/^exit [013567]$/.test(end))).toEqual([]);
  });

  test('EIO while reading in a sweep never loses anything either', async () => {
    await trySome('EIO', { calls: 'opens', fault: 'fail', error: 'EIO' });
  });

  test('a listing that is cut short in a sweep removes no blob unless it did not matter', async () => {
    const verdicts = await trySome('short', { calls: 'lists', fault: 'short' });
    const refused = verdicts.filter(({ ended }) => ended === 'exit 3');
    expect(refused.length).toBeGreaterThan(0);
    for (const { call, ended, blobs } of verdicts) {
      // Refused before the blobs, or all went well, or the last look came up short when all was done.
      expect({ call, ended, blobs }).toEqual({ call, ended, blobs: blobs === 0 ? 0 : planned() });
      expect(blobs === 0 || /^exit [356]$/.test(ended), `${call}: ${ended}`).toBe(true);
    }
  });

  test.each([
    ['EMFILE', { calls: 'opens', fault: 'fail', error: 'EMFILE' }],
    ['short listings', { calls: 'lists', fault: 'short' }],
  ] as const)(
    '%s in a plan: what is planned is never more than it should be',
    async (title, how) => {
      const args = ['plan', slot.root, ...FLAGS, '--json'];
      const calls = await listCalls(args, how.calls);
      const whole = new Set(
        slot.lines.filter(({ kind }) => kind === 'blob').map(({ digest }) => digest),
      );
      const ends = new Map<string, number>();
      for (const at of pickSome(calls.length)) {
        restoreTree(slot.base, slot.before);
        const report = join(slot.folder, 'reads');
        const file = join(slot.folder, `plan-${how.calls}-${at}`);
        const env = shim.environment({ root: slot.root, report, at, ...how });
        const run = await cli.regsweep([...args, '-o', file], { env });
        const blobs = run.code === 1 ? [] : [...cli.plannedBlobs(cli.readPlan(file)).keys()];
        ends.set(`exit ${run.code}`, (ends.get(`exit ${run.code}`) ?? 0) + 1);
        expect([0, 1, 3], calls[at - 1]).toContain(run.code);
        expect(
          blobs.filter((digest) => !whole.has(digest)),
          calls[at - 1],
        ).toEqual([]);
        if (run.code === 3) expect(blobs, calls[at - 1]).toEqual([]);
      }
      console.log(`${title} in a plan, ${calls.length} to choose from:`, Object.fromEntries(ends));
    },
  );

  test('too few descriptors for the whole process: all or nothing', async () => {
    const whole = cli.readPlan(slot.plan).filter(({ kind }) => kind === 'blob');
    const ends: string[] = [];
    for (const limit of [24, 40, 44, 48, 64]) {
      restoreTree(slot.base, slot.before);
      const wrapper = ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh'];
      const file = join(slot.folder, `limited-${limit}`);
      const run = await cli.regsweep(['plan', slot.root, ...FLAGS, '-o', file], { wrapper });
      if (run.code === 0)
        expect(cli.readPlan(file).filter(({ kind }) => kind === 'blob')).toEqual(whole);
      const sweep = await cli.regsweep(slot.command, { wrapper });
      if (sweep.code === 0) expect(unlike(slot.after, captureTree(slot.base))).toEqual([]);
      else if (countPlannedBlobs(slot) === whole.length) expect(violationsOf(slot)).toEqual([]);
      ends.push(`${limit}: plan ${run.code}, sweep ${sweep.code}`);
    }
    console.log(`ulimit -n: ${ends.join('; ')}`);
  });

  test('getdents64 that fails with ENOENT part-way, by strace', async () => {
    const trace = join(slot.folder, 'trace');
    const traced = (...flags: string[]): string[] => [
      'strace',
      '-f',
      '-y',
      '-qq',
      '-o',
      trace,
      '-e',
      'trace=getdents64',
      ...flags,
    ];
    restoreTree(slot.base, slot.before);
    cli.mustSucceed(await cli.regsweep(slot.command, { wrapper: traced() }));
    const lines = readFileSync(trace, 'utf8').split('\n');
    const own = lines.flatMap((line, i) => (line.includes(`<${slot.base}/`) ? [i + 1] : []));
    const ends = new Map<string, number>();
    // The first third of them is the sweep's own derivation, before anything is changed.
    const early = own.slice(0, Math.floor(own.length / 3));
    for (const at of createPrng(SEED).shuffle(early).slice(0, 8)) {
      restoreTree(slot.base, slot.before);
      const inject = ['-e', `inject=getdents64:error=ENOENT:when=${at}`];
      const run = await cli.regsweep(slot.command, { wrapper: traced(...inject) });
      const end = `exit ${run.code}`;
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const left = countPlannedBlobs(slot);
      if (run.code === 0) {
        // The failed call was the last one of its listing, which had all names already.
        expect(unlike(slot.after, captureTree(slot.base)), lines[at - 1]).toEqual([]);
      } else {
        expect([3, 6], lines[at - 1]).toContain(run.code);
        expect(left, lines[at - 1]).toBe(planned());
        expect(differences(slot.before, captureTree(slot.base))).toEqual([]);
      }
    }
    console.log(
      `getdents64 with ENOENT, ${early.length} to choose from:`,
      Object.fromEntries(ends),
    );
  });
});
