/** Faults at a chosen system call of the program: a shim in C, built once a run, put in by LD_PRELOAD. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What building the shim takes, for `describeWithPackages`. */
export const SHIM_PACKAGES = ['gcc', 'libc6-dev'];

export const FAULTS = ['fail', 'kill-before', 'kill-after'] as const;

/** `fail`: an error in place of the call. The kills: SIGKILL before it, or when it is done. */
export type Fault = (typeof FAULTS)[number];

export interface Injection {
  /** Only calls on something below it count; resolved here. */
  readonly root: string;
  /** Calls that change something, opens of files and directories, or listings of directories; by default the first. */
  readonly calls?: 'changes' | 'opens' | 'lists';
  /** A file that gets a line for each counted call; not below the root. */
  readonly report: string;
  /**
   * Without it the calls are only counted. `short`: a listing loses its second half, and nothing tells. `stop`: it
   * stops before the call, until `whenStopped` lets it go on.
   */
  readonly fault?: Fault | 'short' | 'stop';
  /** Of `fail`, such as 'EMFILE'; EIO without it. */
  readonly error?: keyof typeof constants.errno;
  /** Which call, from 1. */
  readonly at?: number;
}

export interface Shim {
  /** The environment that puts it into a program. */
  environment(injection: Injection): Record<string, string>;
  remove(): void;
}

/** Compiles the shim into a temporary folder. */
export function buildShim(): Shim {
  const folder = mkdtempSync(join(tmpdir(), 'regsweep-shim-'));
  const library = join(folder, 'shim.so');
  const source = fileURLToPath(new URL('shim.c', import.meta.url));
  execFileSync('cc', [
    '-shared',
    '-fPIC',
    '-O1',
    '-Wall',
    '-Werror',
    '-o',
    library,
    source,
    '-ldl',
  ]);
  return {
    environment: ({ root, report, calls, fault, error, at }) => ({
      LD_PRELOAD: library,
      SHIM_ROOT: realpathSync(root),
      SHIM_REPORT: report,
      SHIM_MODE: fault ?? 'count',
      SHIM_CALLS: calls ?? 'changes',
      SHIM_ERRNO: String(constants.errno[error ?? 'EIO']),
      SHIM_AT: String(at ?? 0),
    }),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/**
 * Waits until a program has stopped before the call that was asked for, does something, and lets it go on. Returns
 * false, having done nothing, when the program ended without it.
 */
export async function whenStopped(
  report: string,
  ended: Promise<unknown>,
  act: () => void,
): Promise<boolean> {
  const pid = await untilStopped(report, ended);
  if (pid === undefined) return false;
  act();
  process.kill(pid, 'SIGCONT');
  await ended;
  return true;
}

/** The process that has stopped before the call that was asked for; undefined when the program ended without it. */
export async function untilStopped(
  report: string,
  ended: Promise<unknown>,
): Promise<number | undefined> {
  const state = { over: false };
  const end = (): void => {
    state.over = true;
  };
  // How it ended is for whoever started it to hear.
  ended.then(end, end);
  while (!state.over) {
    const pid = /^stopped (\d+)$/m.exec(readFileSync(report, 'utf8'))?.[1];
    if (pid !== undefined && stateOf(pid) === 'T') return Number(pid);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return undefined;
}

/** The state of a process by proc_pid_stat(5), behind the name in parentheses. */
function stateOf(pid: string): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat[stat.lastIndexOf(')') + 2];
}

/** The calls that were counted, as `name /path/below/the/root`. */
export function readCalls(report: string): string[] {
  return readFileSync(report, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('stopped '));
}
