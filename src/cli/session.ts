import { availableParallelism } from 'node:os';
import { toBytePath } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import { makeReadFs } from '../fs/node-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { DEFAULT_ROOT } from '../registry/layout.js';
import { barProgress, lineProgress, SILENT } from '../report/progress.js';
import type { Progress } from '../report/progress.js';
import { openRoot } from '../scan/root.js';
import type { StoreRoot } from '../scan/root.js';
import { Runner } from '../scan/runner.js';
import type { ScanOptions, ScanStage } from '../scan/scan.js';
import { EXIT } from './exit.js';
import { print } from './output.js';
import { parseWhole } from './values.js';

/** The flags of every command that reads a store. */
export interface SessionFlags {
  readonly writeOff: readonly string[];
  readonly allowMount: readonly string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
  readonly threads?: string;
}

/** A store that is open for reading, and what a long run needs. */
export interface Session {
  readonly fs: ReadFs;
  readonly root: StoreRoot;
  /** The root as the user named it. */
  readonly shownAs: string;
  readonly scan: ScanOptions;
  readonly progress: Progress;
  readonly threads: number;
  /** Calls back when a signal asks to stop. */
  onStop(listener: () => void): void;
  /** The exit code of a run that a signal stopped; undefined when none came. */
  stoppedBy(): number | undefined;
  close(): Promise<void>;
}

const MOST_THREADS = 256;
/** Threads that read at most, where `--threads` says nothing, when they wait for the disk. */
const DEEPEST = 8;

/**
 * Runs a command on a session, and closes it. A run that a signal ended before anything was
 * changed says so and gets the signal's exit code.
 */
export async function runInSession(
  session: Session,
  run: (session: Session) => Promise<number>,
): Promise<number> {
  try {
    return await run(session);
  } catch (error) {
    const code = session.stoppedBy();
    if (code === undefined || !(error instanceof AppError) || error.code !== 'stopped') throw error;
    session.progress.stop();
    print(2, 'Stopped; nothing was changed.\n');
    return code;
  } finally {
    await session.close();
  }
}

/**
 * Opens a store for reading: finds it, listens for signals and chooses how to show progress.
 * @throws AppError `usage` and `no-store`.
 */
export async function openSession(
  argument: string | undefined,
  flags: SessionFlags,
): Promise<Session> {
  const threads =
    flags.threads === undefined
      ? availableParallelism()
      : parseWhole(flags.threads, '--threads', MOST_THREADS);
  const fs = makeReadFs();
  const shownAs = chooseRoot(argument, process.env['REGSWEEP_ROOT']);
  const root = await openRoot(fs, shownAs, { env: process.env, allowMounts: flags.allowMount });
  const stop = new AbortController();
  const signals = listen(stop);
  const deepest = flags.threads === undefined ? Math.max(threads, DEEPEST) : threads;
  const runner = new Runner({ fs, threads, deepest, signal: stop.signal });
  const progress = await chooseProgress(flags);
  const scan: ScanOptions = {
    base: root.base,
    fs,
    runner,
    writeOff: flags.writeOff.map((path) => relativeTo(root.base, toBytePath(path))),
    tagTimes: false,
    portraits: false,
    onProgress: (stage, done, total) => progress.update(STAGES[stage], done, total),
  };
  return {
    fs,
    root,
    shownAs,
    scan,
    progress,
    threads,
    onStop: (listener) => stop.signal.addEventListener('abort', listener, { once: true }),
    stoppedBy: signals.code,
    async close() {
      progress.stop();
      signals.release();
      await runner.close();
    },
  };
}

/** An empty ROOT would mean the current folder, and come of a variable that is not set. */
function chooseRoot(argument: string | undefined, environment = ''): string {
  if (argument === '') {
    throw new AppError('usage', 'ROOT is empty', [
      'was a variable not set? without ROOT it is $REGSWEEP_ROOT, then /var/lib/registry',
    ]);
  }
  return argument ?? (environment === '' ? DEFAULT_ROOT : environment);
}

const STAGES: Readonly<Record<ScanStage, string>> = {
  repositories: 'repositories',
  blobs: 'blobs',
  manifests: 'manifests',
  details: 'sizes',
  created: 'image ages',
  links: 'links',
};

function relativeTo(base: string, path: string): string {
  const below = path.startsWith(`${base}/`) ? path.slice(base.length + 1) : path;
  return below.replace(/\/+$/, '');
}

/** SIGINT and SIGTERM stop at a safe point; a second one ends the process at once. */
function listen(stop: AbortController): {
  code: () => number | undefined;
  release: () => void;
} {
  let code: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    code = signal === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
    stop.abort();
    release();
  };
  const release = (): void => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { code: () => code, release };
}

async function chooseProgress(flags: SessionFlags): Promise<Progress> {
  if (!flags.progress || flags.quiet === true) return SILENT;
  const now = (): number => performance.now();
  if (process.stderr.isTTY && process.env['TERM'] !== 'dumb') return await barProgress(now);
  return lineProgress((text) => print(2, text), now);
}
