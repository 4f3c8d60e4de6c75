import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PhaseReport } from './phases.ts';
import type { Contestant } from './race.ts';
import type { Store } from './stores.ts';
import { isInstalled } from './tools.ts';
import type { Tools } from './tools.ts';

/** Where everything is that takes part. */
export interface Place {
  /** The project. */
  readonly root: string;
  /** The benchmark, compiled. */
  readonly out: string;
  /** A folder for what lasts as long as the run. */
  readonly temporary: string;
  readonly tools: Tools;
}

/** Names that ratios refer to. */
export const FLOOR = 'floor';
export const REFERENCE = 'docker-registry garbage-collect -m --dry-run';
export const PLAN = 'regsweep plan -m';

export function planOf(place: Place, store: Store, runs: number, threads?: number): Contestant {
  const { blobs, orphans, untagged } = store.truth;
  const flags = ['plan', store.root, '-m', '--registry-stopped', '--json', '--no-progress'];
  if (threads !== undefined) flags.push('--threads', String(threads));
  return {
    name: threads === undefined ? PLAN : `${PLAN} --threads ${threads}`,
    command: [process.execPath, join(place.root, 'bin/regsweep.js'), ...flags],
    runs,
    check(output) {
      const plan = JSON.parse(output) as { blobs: { total: number; dropped: number } };
      expectEqual('blobs', plan.blobs.total, blobs);
      expectEqual('blobs that go', plan.blobs.dropped, orphans.blobs + untagged.blobs);
    },
  };
}

/**
 * The floor, in C and by Node, each without and with what a plan has to look at besides: `looks`,
 * of `writeLooks`.
 */
export function floorsOf(
  { tools, out }: Place,
  store: Store,
  runs: number,
  threads: number,
  looks: string,
): Contestant[] {
  const byNode = [process.execPath, join(out, 'test/bench/node-floor.js')];
  return [
    lowestOf(FLOOR, [tools.floor], store, runs, threads),
    lowestOf(FLOOR, [tools.floor], store, runs, threads, looks),
    lowestOf(`${FLOOR} by Node`, byNode, store, runs, threads),
    lowestOf(`${FLOOR} by Node`, byNode, store, runs, threads, looks),
  ];
}

function lowestOf(
  name: string,
  program: readonly string[],
  store: Store,
  runs: number,
  threads: number,
  looks?: string,
): Contestant {
  const base = `${store.root}/docker/registry/v2`;
  return {
    name: `${name}${looks === undefined ? '' : " and the plan's looks"}, ${threads} threads`,
    command: [...program, base, String(threads), ...(looks === undefined ? [] : [looks])],
    runs,
    check(output) {
      const seen = JSON.parse(output) as Record<string, number>;
      for (const kind of ['repositories', 'tags', 'manifests', 'layerLinks', 'blobs'] as const) {
        expectEqual(`${kind} of the floor`, seen[kind], store.truth[kind]);
      }
    },
  };
}

/** Makes the list of what a plan measures: the blobs that go, and the layer links. */
export function writeLooks({ root, temporary }: Place, store: Store): string {
  const plan = join(temporary, 'plan.ndjson');
  const flags = ['-m', '--registry-stopped', '--no-progress', '-o', plan];
  const command = [join(root, 'bin/regsweep.js'), 'plan', store.root, ...flags];
  const { status } = spawnSync(process.execPath, command, { stdio: ['ignore', 'ignore', 2] });
  if (status !== 0) throw new Error('no plan; nothing was measured');
  const paths: string[] = [];
  for (const line of readFileSync(plan, 'utf8').split('\n')) {
    if (!/^\{"kind":"(?:blob|layer-link)"/.test(line)) continue;
    const { digest, repository } = JSON.parse(line) as { digest: string; repository?: string };
    const hex = digest.slice('sha256:'.length);
    paths.push(
      repository === undefined
        ? `blobs/sha256/${hex.slice(0, 2)}/${hex}/data\n`
        : `repositories/${repository}/_layers/sha256/${hex}/link\n`,
    );
  }
  const looks = join(temporary, 'looks');
  writeFileSync(looks, paths.join(''));
  rmSync(plan);
  return looks;
}

/** The plan within one process, part by part. */
export function phasesOf(place: Place, store: Store, runs: number, rules = 0): Contestant {
  const flags = [store.root, '2', String(rules)];
  return {
    name: rules === 0 ? 'phases' : 'policy',
    command: [process.execPath, join(place.out, 'test/bench/phases.js'), ...flags],
    runs,
    check(output) {
      const report = JSON.parse(output) as PhaseReport;
      expectEqual('tags', report.tags, store.truth.tags);
      expectEqual('blobs', report.blobs, store.truth.blobs);
    },
  };
}

/** What others do about the same store, once each, and what of it is not installed. */
export function othersOf(
  { temporary }: Place,
  { root }: Store,
): { readonly others: readonly Contestant[]; readonly missing: readonly string[] } {
  const config = join(temporary, 'config.yml');
  // JSON is YAML.
  const storage = { filesystem: { rootdirectory: root } };
  writeFileSync(config, JSON.stringify({ version: '0.1', storage }));
  const commands: readonly (readonly [string, string, ...string[]])[] = [
    ['find -type f', 'find', root, '-type', 'f'],
    ['du -s', 'du', '-s', root],
    [REFERENCE, 'docker-registry', 'garbage-collect', '-m', '--dry-run', config],
  ];
  return {
    others: commands
      .filter(([, program]) => isInstalled(program))
      .map(([name, ...command]) => ({ name, command, runs: 1 })),
    missing: commands.filter(([, program]) => !isInstalled(program)).map(([name]) => name),
  };
}

/** What a run costs where there is next to nothing to do. */
export function startsOf({ root }: Place, demo: string, runs: number): Contestant[] {
  const regsweep = [process.execPath, join(root, 'bin/regsweep.js')];
  const plan = ['plan', demo, '-m', '--registry-stopped', '--no-progress'];
  return [
    { name: 'node -e 0', command: [process.execPath, '-e', '0'], runs },
    { name: 'regsweep --help', command: [...regsweep, '--help'], runs },
    { name: 'regsweep plan -m, demo store', command: [...regsweep, ...plan], runs },
  ];
}

function expectEqual(what: string, found: number | undefined, expected: number): void {
  if (found !== expected) {
    throw new Error(`${what}: ${String(found)} instead of ${expected}; nothing was measured`);
  }
}
