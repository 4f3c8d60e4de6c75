/** A small store that is swept again and again, each time with a fault at another system call. */
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { PlanLine, Run } from '../support/cli.ts';
import {
  captureTree,
  dangling,
  differences,
  makeBook,
  pathsOf,
  restoreTree,
  unlike,
} from '../support/consistency.ts';
import type { Book, Tree } from '../support/consistency.ts';
import { readCalls } from '../support/shim.ts';
import type { Fault, Shim } from '../support/shim.ts';

export type Cli = typeof import('../support/cli.ts');

/** The helpers for the command line, on another program: a mutant. */
export async function cliOf(program: string): Promise<Cli> {
  vi.resetModules();
  vi.stubEnv('REGSWEEP_TEST_PROGRAM', program);
  try {
    return await import('../support/cli.ts');
  } finally {
    vi.unstubAllEnvs();
    vi.resetModules();
  }
}

/** In memory where that can be: thousands of tiny files come and go. */
export function makeFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return mkdtempSync('/dev/shm/regsweep-faults-');
  } catch {
    return mkdtempSync(join(tmpdir(), 'regsweep-faults-'));
  }
}

export interface Slot {
  readonly cli: Cli;
  readonly shim: Shim;
  readonly folder: string;
  readonly root: string;
  readonly base: string;
  readonly plan: string;
  readonly lines: readonly PlanLine[];
  /** `sweep PLAN` and its flags. */
  readonly command: readonly string[];
  /** As it was before, and what there was to pull when it was whole. */
  readonly before: Tree;
  readonly book: Book;
  /** What a sweep without faults leaves. */
  readonly after: Tree;
  /** The calls of such a sweep. */
  readonly calls: readonly string[];
}

export interface Verdict {
  readonly fault: Fault;
  readonly at: number;
  readonly call: string;
  /** How the run with the fault ended: an exit code or a signal. */
  readonly ended: string;
  /** What was wrong right after it. */
  readonly violations: readonly string[];
  /** How the same command ended without a fault, and how what it left differs from a clean sweep's. */
  readonly again: string;
  readonly unlike: readonly string[];
}

export interface SlotOptions {
  readonly cli: Cli;
  readonly shim: Shim;
  /** Makes the store. */
  readonly make: (root: string) => void;
  /** Makes the plan, and may sweep something first: the state before the sweep is what it leaves. */
  readonly prepare: (slot: { cli: Cli; root: string; folder: string }) => Promise<string>;
}

/** Prepares a store and its plan, and sweeps once without faults, to know the calls and the outcome. */
export async function openSlot(options: SlotOptions): Promise<Slot> {
  const { cli, shim, make, prepare } = options;
  const folder = makeFolder();
  const root = join(folder, 'registry');
  const base = join(root, 'docker/registry/v2');
  mkdirSync(join(folder, 'state'));
  make(root);
  const book = makeBook(root);
  const plan = await prepare({ cli, root, folder });
  const before = captureTree(base);
  const command = ['sweep', plan, '--yes', '--registry-stopped', '--threads', '1', '--no-progress'];
  const report = join(folder, 'calls');
  writeFileSync(report, '');
  const env = { XDG_STATE_HOME: join(folder, 'state'), ...shim.environment({ root, report }) };
  cli.mustSucceed(await cli.regsweep(command, { env }));
  const after = captureTree(base);
  const lines = cli.readPlan(plan);
  const calls = readCalls(report);
  return { cli, shim, folder, root, base, plan, lines, command, before, book, after, calls };
}

export function closeSlot(slot: Slot): void {
  rmSync(slot.folder, { recursive: true });
}

/** One fault: the sweep with it, the state it leaves, and the same sweep again. */
export async function tryFault(slot: Slot, fault: Fault, at: number): Promise<Verdict> {
  const { cli, shim, root, base, folder, command } = slot;
  restoreTree(base, slot.before);
  const report = join(folder, 'calls');
  writeFileSync(report, '');
  const env = { XDG_STATE_HOME: join(folder, 'state') };
  const injection = shim.environment({ root, report, fault, at });
  const first = await cli.regsweep(command, { env: { ...env, ...injection } });
  const call = readCalls(report)[at - 1] ?? 'never reached';
  const violations = violationsOf(slot);
  const second = await cli.regsweep(command, { env });
  const state = captureTree(base);
  // What a killed undo was about to rename is left to a later plan, which finds it.
  const left = unlike(slot.after, withoutTemporaries(state));
  return {
    fault,
    at,
    call,
    ended: endOf(first),
    violations,
    again: endOf(second),
    unlike: second.code === 0 ? left : [second.stderr.trim(), ...left],
  };
}

/** What must not be, at any instant. */
export function violationsOf({ root, base, before, after, lines, book }: Slot): string[] {
  const now = withoutTemporaries(captureTree(base));
  return [
    ...dangling(book, root),
    ...differences(before, now, { removed: pathsOf(lines), added: after }),
  ];
}

/** Names that the registry's own drivers give to what they are about to rename; a plan removes them. */
function withoutTemporaries(tree: Tree): Tree {
  return new Map([...tree].filter(([path]) => !/\/link\.[0-9a-zA-Z-]+\.tmp$/.test(path)));
}

function endOf({ code, signal }: Run): string {
  return code === null ? (signal ?? '?') : `exit ${code}`;
}

/** Tries each fault at each call, on all slots side by side. */
export async function tryAll(
  slots: readonly Slot[],
  faults: readonly Fault[],
  each = 1,
): Promise<Verdict[]> {
  const calls = slots[0]?.calls.length ?? 0;
  const jobs: (readonly [Fault, number])[] = [];
  for (let at = 1; at <= calls; at += each) for (const fault of faults) jobs.push([fault, at]);
  const verdicts: Verdict[] = [];
  const work = async (slot: Slot): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      verdicts.push(await tryFault(slot, ...job));
    }
  };
  await Promise.all(slots.map(work));
  return verdicts;
}

/** One line for each fault: what was tried, how it ended, what was wrong. */
export function tableOf(title: string, slot: Slot, verdicts: readonly Verdict[]): string {
  const rows = [...new Set(verdicts.map(({ fault }) => fault))].map((fault) => {
    const these = verdicts.filter((verdict) => verdict.fault === fault);
    const ends = [...new Set(these.map(({ ended }) => ended))].sort();
    return [
      fault,
      these.length,
      these.filter(({ violations }) => violations.length > 0).length,
      these.reduce((sum, { violations }) => sum + violations.length, 0),
      these.filter((verdict) => verdict.again === 'exit 0' && verdict.unlike.length === 0).length,
      ends.map((end) => `${end} x${these.filter(({ ended }) => ended === end).length}`).join(', '),
    ];
  });
  const header = ['fault', 'tried', 'violating', 'violations', 'converged', 'ended'];
  const lines = [header, ...rows].map((row) => row.map((cell) => String(cell).padEnd(12)).join(''));
  const byName = new Map<string, number>();
  for (const call of slot.calls) {
    const [name = ''] = call.split(' ');
    byName.set(name, (byName.get(name) ?? 0) + 1);
  }
  const calls = [...byName].map(([name, count]) => `${count} ${name}`).join(', ');
  return [`${title}: ${slot.calls.length} calls (${calls})`, ...lines].map((l) => l.trimEnd()).join('\n');
}
