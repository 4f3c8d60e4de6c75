/** Plans and sweeps in this process, for tests that do many: the command line only adds flags and text. */
import nodeFs from 'node:fs';
import type { OutFile } from '../../src/fs/out-fs.ts';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { StoreIndex } from '../../src/graph/store-index.ts';
import type { Action } from '../../src/plan/action.ts';
import { planLines } from '../../src/plan/plan-file.ts';
import { parsePlan } from '../../src/plan/read-plan.ts';
import type { Plan } from '../../src/plan/read-plan.ts';
import { survivorsOf } from '../../src/plan/survivors.ts';
import { openRoot } from '../../src/scan/root.ts';
import { Runner } from '../../src/scan/runner.ts';
import { runSweep } from '../../src/sweep/sweep.ts';
import type { SweepResult } from '../../src/sweep/sweep.ts';
import { planHeader } from './plan-header.ts';
import { planStore } from './survey.ts';
import type { PlanOptions } from './survey.ts';

interface Planned {
  readonly index: StoreIndex;
  readonly actions: readonly Action[];
  readonly policy?: string;
  readonly counts?: Readonly<Record<string, number>>;
  readonly bytes?: number;
}

/** A plan through its file's text, as a sweep would be given it. */
export function throughText(
  root: string,
  { index, actions, policy = '', counts = {}, bytes = 0 }: Planned,
): Plan {
  const base = nodeFs.realpathSync(`${root}/docker/registry/v2`);
  const { dev, ino } = nodeFs.statSync(base, { bigint: true });
  const header = planHeader({
    created: new Date().toISOString(),
    root: base,
    dev: Number(dev),
    ino: String(ino),
    policy,
    counts,
    survivors: survivorsOf(index, actions),
  });
  return parsePlan(Buffer.from([...planLines(header, actions, bytes)].join('')), 'plan');
}

export async function planInProcess(
  root: string,
  options: PlanOptions,
): Promise<{ plan: Plan; blind: boolean }> {
  const { survey, actions } = await planStore(nodeFs, root, options);
  const plan = throughText(root, { index: survey.index, actions });
  return { plan, blind: survey.blind.length > 0 };
}

/** `stopAfter`: asks for the end when so many actions are done. */
export async function sweepInProcess(
  root: string,
  toDo: Plan,
  { undo, stopAfter = Infinity }: { undo?: () => OutFile; stopAfter?: number } = {},
): Promise<SweepResult> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  let actions = 0;
  const fs = makeReadFs();
  const found = await openRoot(fs, root, { env: {}, allowMounts: [] });
  const runner = new Runner({ fs, threads: 1 });
  const scan = { base: found.base, fs, runner, writeOff: [], tagTimes: false, portraits: false };
  return await runSweep({
    plan: toDo,
    fs,
    root: found,
    scan,
    devices: [],
    threads: 1,
    linksOnly: false,
    undo,
    stop,
    assertStopped: () => Promise.resolve(),
    confirm: () => Promise.resolve(true),
    onAction: () => {
      if (++actions >= stopAfter) stop[0] = 1;
    },
    onProgress: () => undefined,
  });
}
