/** A small store that is swept again and again, each time with a fault at another system call. */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { PlanLine, Run } from '../support/cli.ts';
import {
  captureTree,
  dangling,
  differences,
  makeBook,
  mendedPathsOf,
  pathsOf,
  restoreTree,
  unlike,
} from '../support/consistency.ts';
import type { Book, Tree } from '../support/consistency.ts';
import { FLAGS } from './every-action.ts';
import { readCalls } from '../support/shim.ts';
import type { Fault, Injection, Shim } from '../support/shim.ts';

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
  /** By the state that a fault left. */
  readonly reruns: Map<string, Again>;
}

/** Plans for all that can go. */
export async function planAll({ cli, root, folder }: Place): Promise<string> {
  const file = join(folder, 'plan');
  cli.mustSucceed(await cli.regsweep(['plan', root, ...FLAGS, '-o', file]));
  return file;
}

export interface Verdict extends Again {
  readonly fault: Fault | 'short';
  readonly at: number;
  readonly call: string;
  /** How the run with the fault ended: an exit code or a signal. */
  readonly ended: string;
  readonly stderr: string;
  /** How many of the planned blobs are still there. */
  readonly blobs: number;
  /** What was wrong right after it. */
  readonly violations: readonly string[];
}

/** How the same command ended without a fault, and how what it left differs from a clean sweep's. */
interface Again {
  readonly again: string;
  readonly unlike: readonly string[];
}

export interface Place {
  readonly cli: Cli;
  readonly root: string;
  /** For plans and the like. */
  readonly folder: string;
}

export interface SlotOptions {
  readonly cli: Cli;
  readonly shim: Shim;
  /** Where the store goes; by default a folder in memory. Plans and state go elsewhere. */
  readonly root?: string;
  /** Makes the store. */
  readonly make: (root: string) => void;
  /** Makes the plan, and may sweep something first: the state before the sweep is what it leaves. */
  readonly prepare: (place: Place) => Promise<string>;
}

/** Prepares a store and its plan, and sweeps once without faults, to know the calls and the outcome. */
export async function openSlot(options: SlotOptions): Promise<Slot> {
  const folder = makeFolder();
  try {
    return await fillSlot(folder, options);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

async function fillSlot(folder: string, options: SlotOptions): Promise<Slot> {
  const { cli, shim, make, prepare } = options;
  const root = options.root ?? join(folder, 'registry');
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
  const places = { cli, shim, folder, root, base, plan, lines, command };
  return { ...places, before, book, after, calls, reruns: new Map() };
}

export function closeSlot(slot: Slot): void {
  rmSync(slot.folder, { recursive: true });
}

/**
 * Node 20 can hang at its exit, when all is done: it waits for a compilation in the background, which waits for a
 * garbage collection. About one start in a thousand on a busy machine, so a run that hangs is done once more.
 */
const GUARD = ['timeout', '-s', 'KILL', '60'];
const HUNG = 'exit 137';

/** One fault, and what is done to it before and after the sweep that it befalls. */
export interface Trial extends Pick<Injection, 'calls' | 'error'> {
  readonly fault: Fault | 'short';
  readonly at: number;
  /** When the store is as it was before. */
  readonly before?: () => void;
  /** Right after the sweep with the fault. */
  readonly after?: () => void;
}

/** The sweep with a fault, the state it leaves, and the same sweep again. */
export async function tryFault(slot: Slot, trial: Trial): Promise<Verdict> {
  const verdict = await tryOnce(slot, trial);
  if (verdict.ended !== HUNG && verdict.again !== HUNG) return verdict;
  console.log(`${trial.fault} ${trial.at} hung, and is tried once more`);
  return await tryOnce(slot, trial);
}

async function tryOnce(slot: Slot, trial: Trial): Promise<Verdict> {
  const { cli, shim, root, base, folder, command } = slot;
  const { fault, at, before, after, ...injection } = trial;
  restoreTree(base, slot.before);
  before?.();
  const report = join(folder, 'calls');
  writeFileSync(report, '');
  const env = { XDG_STATE_HOME: join(folder, 'state') };
  const injected = { ...env, ...shim.environment({ root, report, fault, at, ...injection }) };
  const first = await cli.regsweep(command, { env: injected, wrapper: GUARD });
  const call = readCalls(report)[at - 1] ?? 'never reached';
  after?.();
  const violations = violationsOf(slot);
  const blobs = countPlannedBlobs(slot);
  const { again, unlike: left } = await sweepAgain(slot);
  return {
    fault,
    at,
    call,
    ended: endOf(first),
    stderr: first.stderr,
    violations,
    blobs,
    again,
    unlike: left,
  };
}

/**
 * The same sweep without a fault. It is not carried out twice from the same state: what was killed before a call left
 * the same as what was killed after the call before it.
 */
async function sweepAgain(slot: Slot): Promise<Again> {
  const { cli, base, folder, command, reruns } = slot;
  const state = hashOf(captureTree(base));
  const known = reruns.get(state);
  if (known !== undefined) return known;
  const env = { XDG_STATE_HOME: join(folder, 'state') };
  const run = await cli.regsweep(command, { env, wrapper: GUARD });
  const odd = unlike(slot.after, captureTree(base));
  const again = { again: endOf(run), unlike: run.code === 0 ? odd : [run.stderr.trim(), ...odd] };
  if (again.again !== HUNG) reruns.set(state, again);
  return again;
}

/** Of all in a tree but the times of its directories, which tell when things came and went. */
function hashOf(tree: Tree): string {
  const hash = createHash('sha256');
  for (const [path, { kind, mode, uid, gid, mtimeNs, content }] of tree) {
    const time = kind === 'directory' ? '' : mtimeNs;
    hash.update(`${path}\0${kind} ${mode} ${uid} ${gid} ${time} ${content?.toString('hex')}\n`);
  }
  return hash.digest('hex');
}

/** What must not be, at any instant. */
export function violationsOf({ root, base, before, after, lines, book }: Slot): string[] {
  const now = withoutTemporaries(captureTree(base));
  return [
    ...dangling(book, root),
    ...differences(before, now, {
      removed: pathsOf(lines),
      added: after,
      mended: mendedPathsOf(lines),
    }),
  ];
}

/** How many of the blobs that a plan removes are there. */
export function countPlannedBlobs({ base, lines }: Slot): number {
  return [...pathsOf(lines)].filter(
    (path) => /^blobs.*\/data$/.test(path) && existsSync(join(base, path)),
  ).length;
}

/** Names that the registry's own drivers give to what they are about to rename; a plan removes them. */
function withoutTemporaries(tree: Tree): Tree {
  return new Map([...tree].filter(([path]) => !/\/link\.[0-9a-zA-Z-]+\.tmp$/.test(path)));
}

function endOf({ code, signal }: Run): string {
  return code === null ? (signal ?? '?') : `exit ${code}`;
}

/** Each fault at each call. */
export function everyCall({ calls }: Slot, faults: readonly Fault[]): Trial[] {
  return calls.flatMap((_, i) => faults.map((fault) => ({ fault, at: i + 1 })));
}

/** Makes trials, on all slots side by side: all of them, or until one says that it is enough. */
export async function tryAll(
  slots: readonly Slot[],
  trials: readonly Trial[],
  isEnough: (verdicts: readonly Verdict[]) => boolean = () => false,
): Promise<Verdict[]> {
  const jobs = [...trials];
  const verdicts: Verdict[] = [];
  // The slots' stores are alike, so what one knows the others need not try.
  const reruns = new Map<string, Again>();
  const work = async (one: Slot): Promise<void> => {
    const slot = { ...one, reruns };
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      verdicts.push(await tryFault(slot, job));
      if (isEnough(verdicts)) return;
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
  return [`${title}: ${slot.calls.length} calls (${calls})`, ...lines]
    .map((l) => l.trimEnd())
    .join('\n');
}
