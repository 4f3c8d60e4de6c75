/** What the tests of the sweep share: plans, runs that can be signalled, and second opinions on what is left. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM, mustSucceed, parseLines, regsweep } from './cli.ts';
import type { PlanLine, Run, RunOptions } from './cli.ts';
import { generateStore } from './generate.ts';
import type { StoreShape, StoreTruth } from './generate.ts';
import { liveBlobs } from './oracle.ts';
import { readModel } from './oracle-read.ts';

const BASE = 'docker/registry/v2';

/** What `sweep --json` prints at least. */
export interface SweepReport {
  readonly ended: 'complete' | 'stopped' | 'declined';
  readonly done: number;
  readonly already: number;
  readonly remaining: number;
  readonly freedBytes: number;
  readonly blobs: number;
  readonly left: readonly string[];
  readonly verification: { readonly checked: number; readonly lost: readonly string[] } | null;
}

/** Why a sweep that is not told so cannot know the registry stopped here; undefined on a plain host. */
export function obstacleToLooking(): string | undefined {
  try {
    if (fs.readFileSync('/proc/2/comm', 'utf8').trim() === 'kthreadd') return undefined;
  } catch {
    // Hidden, as in a container.
  }
  return 'processes of the host do not show in a container';
}

/** For the tests that are not about looking: other tests run registries meanwhile, or this is a container. */
export const STOPPED: readonly string[] = ['--registry-stopped'];

/** Makes a plan file and returns its lines. */
export async function writePlan(
  root: string,
  file: string,
  flags: readonly string[] = ['-m', '--grace', '0'],
): Promise<PlanLine[]> {
  mustSucceed(await regsweep(['plan', root, '-q', '-o', file, ...flags]));
  return parseLines(fs.readFileSync(file, 'utf8'));
}

/** `sweep PLAN --yes --json`. */
export async function sweep(
  file: string,
  flags: readonly string[] = [],
  options: RunOptions = {},
): Promise<Run> {
  return await regsweep(['sweep', file, '--yes', '--json', ...STOPPED, ...flags], options);
}

/** The report of a sweep that has to succeed. */
export async function mustSweep(
  file: string,
  flags: readonly string[] = [],
  options: RunOptions = {},
): Promise<SweepReport> {
  return mustSucceed(await sweep(file, flags, options)).json as SweepReport;
}

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly done: Promise<Pick<Run, 'code' | 'signal' | 'stdout' | 'stderr'>>;
}

/** Starts the program without waiting for its end; `wrapper` goes before `node bin/regsweep.js`. */
export function start(
  args: readonly string[],
  state: string,
  wrapper: readonly string[] = [],
): Started {
  const [program = '', ...rest] = [...wrapper, process.execPath, PROGRAM, ...args];
  const { NODE_OPTIONS: _options, ...inherited } = process.env;
  const child = spawn(program, rest, {
    env: { ...inherited, XDG_STATE_HOME: state },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const done = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return { child, pid: child.pid ?? -1, done };
}

/** Waits until something is so, asking every millisecond; throws after ten seconds. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !isSo(); await sleep(1)) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
  }
}

/** Every path below a root, relative to it, with what it is: a file's bytes by their hash. Names are byte strings. */
export function treeOf(root: string, withTimes = true): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (below: string): void => {
    const path = Buffer.from(below === '' ? root : `${root}/${below}`, 'latin1');
    const stat = fs.lstatSync(path);
    if (stat.isSymbolicLink()) found.set(below, `-> ${fs.readlinkSync(path)}`);
    else if (stat.isFile()) {
      const hash = createHash('sha256').update(fs.readFileSync(path)).digest('hex');
      const time = withTimes ? `${stat.mtimeMs}` : '';
      found.set(below, `${stat.size} ${hash} ${time} ${stat.mode} ${stat.uid}:${stat.gid}`);
    } else if (stat.isDirectory()) {
      found.set(`${below}/`, `directory ${stat.mode} ${stat.uid}:${stat.gid}`);
      for (const name of fs.readdirSync(path, { encoding: 'latin1' }).sort()) {
        visit(below === '' ? name : `${below}/${name}`);
      }
    } else found.set(below, 'other');
  };
  visit('');
  return found;
}

/**
 * What a walk of its own finds broken: tags without their manifest's link, and links and manifests
 * without a blob that they need. Empty for a healthy store, at every instant of a sweep.
 */
export function brokenIn(root: string): string[] {
  const model = readModel(fs, root);
  const found: string[] = [];
  const has = (digest: string): boolean => model.dataTimes.has(digest);
  for (const { name, tags, revisions } of model.repositories) {
    for (const [tag, { current }] of tags) {
      if (current === undefined) found.push(`${name}:${tag} has no link`);
      else if (!revisions.has(current)) found.push(`${name}:${tag} leads to no manifest`);
    }
    for (const digest of revisions.keys()) {
      if (!has(digest)) found.push(`${name}@${digest} has no blob`);
    }
  }
  // No push counts as going on: a layer link that it left may lead to nothing.
  const options = { untagged: false, graceMs: 0, uploadsOlderThanMs: 0, now: Date.now() };
  const { live, present } = liveBlobs(fs, root, options);
  for (const digest of live) if (!present.has(digest)) found.push(`${digest} is missing`);
  return found;
}

/** A store on disk that is whole and has garbage of every kind; on a tmpfs where there is one. */
export function makeStore(folder: string, shape: Partial<StoreShape> = {}): StoreTruth {
  return generateStore(fs, folder, {
    seed: 7,
    repositories: 6,
    tagsPerRepository: 5,
    overwritten: 0.4,
    multiArch: 0.2,
    orphans: 0.1,
    ...shape,
  });
}

/** Blobs that nothing links: the quickest garbage to make many of. */
export function addOrphans(root: string, count: number): void {
  const age = new Date(Date.now() - 30 * 86_400_000);
  for (let i = 0; i < count; i++) {
    const bytes = `orphan ${i}`;
    const hex = createHash('sha256').update(bytes).digest('hex');
    const directory = `${root}/${BASE}/blobs/sha256/${hex.slice(0, 2)}/${hex}`;
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(`${directory}/data`, bytes);
    fs.utimesSync(`${directory}/data`, age, age);
  }
}

/** How many blobs have data. */
export function countBlobs(root: string): number {
  return readModel(fs, root).dataTimes.size;
}

/** A new folder, in memory where that is possible. */
export function makeFolder(name: string): string {
  const base = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  return fs.mkdtempSync(join(base, `regsweep-${name}-`));
}
