import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { displayName, toBytePath } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import { makeReadFs } from '../fs/node-fs.js';
import { makeOutFs } from '../fs/out-fs.js';
import type { OutFile } from '../fs/out-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { openState } from '../fs/state-fs.js';
import type { StateFs } from '../fs/state-fs.js';
import type { Action } from '../plan/action.js';
import { parsePlan } from '../plan/read-plan.js';
import type { Plan } from '../plan/read-plan.js';
import { BLOBS, REPOSITORIES, repositoryDirectory } from '../registry/layout.js';
import { escapeName, safeJson } from '../report/escape.js';
import { formatBytes } from '../report/format.js';
import { makeStyle, wantsColor } from '../report/style.js';
import type { ColorChoice, Style } from '../report/style.js';
import { renderSweepResult } from '../report/sweep-text.js';
import { mountsBelow, readMounts } from '../scan/mounts.js';
import type { StoreRoot } from '../scan/root.js';
import { takeLock } from '../sweep/lock.js';
import { describeProcess, lookForRegistry } from '../sweep/quiescence.js';
import type { Look } from '../sweep/quiescence.js';
import { assertSameRoot, runSweep } from '../sweep/sweep.js';
import { undoPolicy } from '../sweep/undo.js';
import type { SweepResult } from '../sweep/sweep.js';
import { EXIT } from './exit.js';
import { print, reportWidth } from './output.js';
import { readPlanBytes } from './plan-input.js';
import { openSession, runInSession } from './session.js';
import type { Session, SessionFlags } from './session.js';
import { confirmSweep } from './sweep-question.js';
import type { PlanToSweep } from './sweep-question.js';
import { parseClock, parseDuration } from './values.js';

export interface SweepFlags extends Omit<SessionFlags, 'writeOff' | 'allowMount'> {
  readonly yes?: boolean;
  readonly linksOnly?: boolean;
  readonly undo?: string;
  readonly until?: string;
  readonly maxDuration?: string;
  readonly stateDir?: string;
  readonly registryStopped?: boolean;
  readonly color: ColorChoice;
}

/** A longer one fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Carries out a plan. Returns the exit code. */
export async function runSweepCommand(source: string, flags: SweepFlags): Promise<number> {
  const stopsAtMs = readDeadline(flags);
  if (flags.linksOnly === true && flags.undo === undefined) {
    throw new AppError(
      'usage',
      '--links-only needs --undo FILE, where what is removed is kept',
      [],
    );
  }
  if (flags.undo === '-') {
    throw new AppError('usage', '--undo - is no file: what is removed has to be kept on a disk', [
      'name a new file, outside the registry',
    ]);
  }
  const { plan, hash } = readPlan(source);
  const removesBlobs = plan.actions.some(({ kind }) => kind === 'blob');
  if (flags.undo !== undefined && flags.linksOnly !== true && removesBlobs) {
    throw new AppError(
      'usage',
      '--undo goes with --links-only: removed blobs cannot be put back',
      [],
    );
  }
  const interactive = source !== '-' && process.stdin.isTTY;
  if (flags.yes !== true && !interactive) {
    throw new AppError(
      'usage',
      'there is nobody to ask: give --yes to sweep without a terminal',
      [],
    );
  }
  const session = await openSession(displayName(plan.header.root), {
    ...flags,
    writeOff: plan.header.options.writeOff,
    allowMount: plan.header.options.allowMounts,
  });
  return await runInSession(session, async () => {
    assertSameRoot(plan, session.root);
    return await sweepSession(session, { plan, hash, stopsAtMs }, flags);
  });
}

/** A plan, and the sha256 of its file; the bytes are not kept, and may be many. */
function readPlan(source: string): { plan: Plan; hash: string } {
  const bytes = readPlanBytes(source);
  const plan = parsePlan(bytes, source === '-' ? 'standard input' : source);
  return { plan, hash: createHash('sha256').update(bytes).digest('hex') };
}

/** When to stop, in milliseconds since 1970; undefined for never. */
function readDeadline(flags: SweepFlags): number | undefined {
  const limits: number[] = [];
  if (flags.maxDuration !== undefined) {
    limits.push(parseDuration(flags.maxDuration, '--max-duration'));
  }
  if (flags.until !== undefined) limits.push(parseClock(flags.until, '--until', new Date()));
  return limits.length === 0 ? undefined : Date.now() + Math.min(...limits);
}

async function sweepSession(
  session: Session,
  read: PlanToSweep,
  flags: SweepFlags,
): Promise<number> {
  const { root, fs } = session;
  const { plan, stopsAtMs } = read;
  const style = makeStyle(wantsColor(flags.color, process.stdout.isTTY, process.env));
  const state = openState(root.root, root.dev, flags.stateDir, process.env);
  const lock = await takeLock(root, state);
  const log = openLog(state);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  session.onStop(() => Atomics.store(stop, 0, 1));
  const timer =
    stopsAtMs === undefined
      ? undefined
      : setTimeout(
          () => Atomics.store(stop, 0, 1),
          Math.min(Math.max(0, stopsAtMs - Date.now()), LONGEST_TIMER_MS),
        );
  const started = performance.now();
  const undoFile = flags.undo;
  try {
    const result = await runSweep({
      plan,
      fs,
      root,
      scan: session.scan,
      devices: devicesOf(fs, root, plan.actions),
      threads: session.threads,
      linksOnly: flags.linksOnly === true,
      undo:
        undoFile === undefined || isUndoOf(plan, undoFile)
          ? undefined
          : () => makeOutFs(root.root).create(undoFile),
      stop,
      assertStopped: async () => {
        if (flags.registryStopped !== true) assertStopped(await lookForRegistry(fs, root));
      },
      confirm: () => confirmSweep(session, read, flags),
      onAction: (action, outcome) => log.write(`${safeJson({ ...action, outcome })}\n`),
      onProgress: (phase, done, total, freed) => {
        const note = `${formatBytes(freed)} of ${formatBytes(plan.trailer.bytes)}`;
        session.progress.update(phase, done, total, phase === 'blobs' ? note : undefined);
      },
      // A sweep that fails has done things, too.
    }).finally(() => log.finish());
    session.progress.stop();
    const seconds = (performance.now() - started) / 1000;
    return report(session, result, flags, { seconds, log: state, style });
  } finally {
    clearTimeout(timer);
    lock.release();
  }
}

/**
 * Whether a file is the whole undo of this very plan: of a run that was stopped, and that is
 * now to go on. It was complete before the first link went.
 */
function isUndoOf(plan: Plan, file: string): boolean {
  const fs = makeReadFs();
  if (fs.stat(toBytePath(file)) === undefined) return false;
  const { header } = parsePlan(readPlanBytes(file), file);
  return header.policy === undoPolicy(plan.header) && header.ino === plan.header.ino;
}

/** @throws AppError `running` */
function assertStopped(look: Look): void {
  const [first] = look.processes;
  if (first !== undefined) {
    throw new AppError('running', describeProcess(first), [
      'stop it first (systemctl stop docker-registry, docker stop registry),',
      'or, if you know better: --registry-stopped',
    ]);
  }
  if (look.blind !== undefined) {
    throw new AppError('running', `whether the registry is stopped cannot be seen: ${look.blind}`, [
      'stop it, and say so: --registry-stopped',
    ]);
  }
}

/**
 * Devices of the mounts that the plan allows below the root, and of the subvolumes there: btrfs
 * gives each a device of its own, no mount shows it, and it is there whenever the root is.
 */
function devicesOf(fs: ReadFs, root: StoreRoot, actions: readonly Action[]): number[] {
  const parts = new Set<string>([BLOBS, `${BLOBS}/sha256`, REPOSITORIES]);
  for (const action of actions) {
    if (!('repository' in action)) continue;
    let path = repositoryDirectory(action.repository);
    for (; !parts.has(path); path = dirname(path)) parts.add(path);
  }
  const mounts = mountsBelow(readMounts(fs), root.base).map(({ point }) => point);
  const places = [...mounts, ...Array.from(parts, (part) => `${root.base}/${part}`)];
  const devices = places.flatMap((place) => fs.stat(place)?.dev ?? []);
  return [...new Set(devices)];
}

/** Notes what was done, and goes on in silence where there is no room, or none any more. */
function openLog(state: StateFs | undefined): Pick<OutFile, 'write' | 'finish'> {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-');
  let file: OutFile | undefined;
  const attempt = (call: () => void): void => {
    try {
      call();
    } catch (error) {
      // The disk is full or read-only, which is why people sweep: the log is a convenience.
      if (!(error instanceof AppError)) throw error;
      file = undefined;
    }
  };
  attempt(() => {
    file = state?.create(`sweep-${stamp}-${process.pid}.ndjson`);
  });
  return {
    write: (text) => attempt(() => file?.write(text)),
    finish: () => attempt(() => file?.finish()),
  };
}

function report(
  session: Session,
  result: SweepResult,
  flags: SweepFlags,
  { seconds, log, style }: { seconds: number; log: StateFs | undefined; style: Style },
): number {
  const code = exitCodeOf(session, result);
  const { verification } = result;
  if (flags.json === true) {
    const document = {
      root: displayName(session.root.root),
      ...result,
      left: result.left.map(displayName),
      notPutBack: result.notPutBack.map(displayName),
      verification:
        verification === undefined
          ? null
          : {
              ...verification,
              lost: verification.lost.map(displayName),
              pushed: verification.pushed.map(displayName),
              unseen: verification.unseen === undefined ? null : displayName(verification.unseen),
            },
      seconds: Math.round(seconds * 1000) / 1000,
    };
    print(1, `${safeJson(document, 2)}\n`);
  } else if (flags.quiet !== true) {
    const lines = renderSweepResult(
      result,
      { seconds, logDirectory: log?.directory, width: reportWidth(process.env) },
      style,
    );
    print(1, `${lines.join('\n')}\n`);
  }
  if (code === EXIT.unverified && flags.quiet === true) {
    print(2, `error: verification failed: ${escapeName(whyUnverified(result))}\n`);
  }
  return code;
}

function whyUnverified({ verification, notPutBack: [gone] }: SweepResult): string {
  const [lost] = verification?.lost ?? [];
  if (lost !== undefined) return `lost: ${lost}`;
  const [pushed] = verification?.pushed ?? [];
  if (pushed !== undefined) return `pushed while this ran, and lacks blobs that went: ${pushed}`;
  if (verification?.unseen !== undefined) return `cannot read ${verification.unseen}`;
  return `not put back, for its manifest's blob is gone: ${gone ?? ''}`;
}

function exitCodeOf(session: Session, result: SweepResult): number {
  const { verification } = result;
  if (verification !== undefined) {
    const { lost, pushed, unseen } = verification;
    if (lost.length > 0 || pushed.length > 0 || unseen !== undefined) return EXIT.unverified;
  }
  if (result.ended === 'complete') {
    return result.notPutBack.length > 0 ? EXIT.unverified : EXIT.done;
  }
  // Whoever answers no is served; Ctrl-C at the question is no answer.
  return session.stoppedBy() ?? (result.ended === 'stopped' ? EXIT.stopped : EXIT.done);
}
