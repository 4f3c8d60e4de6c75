/** The command line as users start it: `node bin/regsweep.js`, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's own, unless the environment names another: an installed package, or a mutant. */
export const PROGRAM =
  process.env['REGSWEEP_TEST_PROGRAM'] ??
  fileURLToPath(new URL('../../bin/regsweep.js', import.meta.url));

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** What to put before `node bin/regsweep.js`: `['strace', '-f']`, `['unshare', '-m', ...]`. */
  readonly wrapper?: readonly string[];
}

export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as one JSON document; throws, with what was printed, if it is none. */
  readonly json: unknown;
}

/** What `plan --json` prints at least. */
export interface PlanReport {
  readonly root: string;
  readonly repositories: number;
  readonly tags: Counts;
  readonly manifests: Counts;
  readonly blobs: Counts & { readonly bytes: number | null; readonly droppedBytes: number };
  readonly layerLinks: { readonly total: number; readonly dropped: number };
  readonly uploads: {
    readonly total: number;
    readonly dropped: number;
    readonly droppedBytes: number;
  };
  readonly freed: { readonly bytes: number; readonly allocatedBytes: number };
  readonly damage: readonly unknown[];
  readonly warnings: readonly unknown[];
  readonly seconds: number;
}

export interface Counts {
  readonly total: number;
  readonly kept: number;
  readonly dropped: number;
}

/** A line of a plan file, with the parts that its kind has. */
export interface PlanLine {
  readonly kind: string;
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly bytes?: number;
  readonly reason?: string;
  /** Of the header. */
  readonly options?: unknown;
}

export interface Planned {
  readonly run: Run;
  readonly report: PlanReport;
  readonly lines: readonly PlanLine[];
  /** Each blob of the plan and its bytes. */
  readonly blobs: ReadonlyMap<string, number>;
}

/** No run of a test takes this long: one that hangs ends with SIGKILL, and its test fails. */
const LIMIT_MS = 240_000;

/** Runs the program and waits for its end; its state goes to a temporary folder. */
export async function regsweep(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const state = mkdtempSync(join(tmpdir(), 'regsweep-state-'));
  try {
    const [program = '', ...rest] = [
      ...(options.wrapper ?? []),
      process.execPath,
      PROGRAM,
      ...args,
    ];
    const env = { ...environment(), XDG_STATE_HOME: state, ...options.env };
    const child = spawn(program, rest, {
      env,
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program that ends without reading its input is no error of the test's.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return asRun(code, signal, Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString());
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/** `plan ROOT --json FLAGS` and the plan it writes; throws unless it exits 0. */
export async function plan(
  root: string,
  flags: readonly string[] = [],
  options: RunOptions = {},
): Promise<Planned> {
  const folder = mkdtempSync(join(tmpdir(), 'regsweep-plan-'));
  try {
    const file = join(folder, 'plan');
    const run = mustSucceed(
      await regsweep(['plan', root, '--json', '-o', file, ...flags], options),
    );
    const lines = readPlan(file);
    return { run, report: run.json as PlanReport, lines, blobs: plannedBlobs(lines) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A plan file's lines, header and trailer included. */
export function readPlan(file: string): PlanLine[] {
  return parseLines(readFileSync(file, 'utf8'));
}

/** NDJSON, line by line. */
export function parseLines(text: string): PlanLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as PlanLine);
}

/** The blob lines of a plan: digest and bytes. */
export function plannedBlobs(lines: readonly PlanLine[]): Map<string, number> {
  const blobs = new Map<string, number>();
  for (const { kind, digest, bytes } of lines) {
    if (kind === 'blob' && digest !== undefined) blobs.set(digest, bytes ?? -1);
  }
  return blobs;
}

/** The run itself; throws, with what was printed, unless it exited 0. */
export function mustSucceed(run: Run): Run {
  if (run.code !== 0)
    throw new Error(`exit ${run.code ?? run.signal}\n${run.stdout}\n${run.stderr}`);
  return run;
}

function asRun(
  code: number | null,
  signal: NodeJS.Signals | null,
  stdout: string,
  stderr: string,
): Run {
  return {
    code,
    signal,
    stdout,
    stderr,
    get json(): unknown {
      try {
        return JSON.parse(stdout);
      } catch (cause) {
        throw new Error(`not one JSON document (exit ${code}): ${stdout}\n${stderr}`, { cause });
      }
    },
  };
}

/** Without what would change the answer: a configured root, colours, vitest's own NODE_OPTIONS. */
function environment(): NodeJS.ProcessEnv {
  const changes = /^(REGISTRY_|REGSWEEP_|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !changes.test(name)));
}
