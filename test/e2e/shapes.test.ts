/** Stores of extreme shapes, and stores on every file system, as root and as somebody else. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mustSucceed, plan, plannedBlobs, PROGRAM, readPlan, regsweep } from '../support/cli.ts';
import type { RunOptions } from '../support/cli.ts';
import { obstacleToLoop } from '../support/loop.ts';
import { describeUnless, requirePackages } from '../support/packages.ts';
import { openPlace, PLACES } from '../support/places.ts';
import type { Place } from '../support/places.ts';
import { collectGarbage, startRegistry, storedBlobs } from '../support/registry.ts';
import { longHistory, longNames, manyRepositories, manyTags } from '../support/shapes.ts';
import type { Shape } from '../support/shapes.ts';
import { brokenIn, makeFolder, makeStore, STOPPED } from '../support/sweep.ts';

/** All of it takes minutes: that is for `REGSWEEP_SHAPES=full`. */
const MANY = process.env['REGSWEEP_SHAPES'] === 'full' ? 100_000 : 1_000;
const FLAGS = ['-m', '--grace', '0', ...STOPPED];
const HAS_REGISTRY = requirePackages(['docker-registry']).length === 0;
/**
 * All of a test takes seconds; a time that grows faster than the store takes it far beyond this.
 * What each command takes is printed and not asserted: a busy machine is no finding.
 */
const LIMIT_MS = 600_000 * Math.max(0.25, MANY / 20_000);

let folder = '';
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('a store of', () => {
  test.each<[string, (root: string) => Shape, boolean]>([
    // The reference's -m looks through all tags for each manifest: not here.
    [`one repository with ${MANY} tags`, (root) => manyTags(root, MANY), false],
    [`${MANY} repositories of one tag`, (root) => manyRepositories(root, MANY), true],
    ['names of 255 characters', longNames, true],
    ['a tag history of 10,000 entries', (root) => longHistory(root, 10_000), true],
  ])(
    '%s is planned and swept',
    async (name, make, referenceTakesM) => {
      folder = makeFolder('shapes');
      const root = join(folder, 'registry');
      const { store, garbage } = make(root);
      const times: string[] = [];
      const time = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
        const started = performance.now();
        const value = await run();
        times.push(`${what} ${((performance.now() - started) / 1000).toFixed(1)} s`);
        return value;
      };
      const file = join(folder, 'plan');
      const words = ['plan', root, '-q', '-o', file, ...FLAGS];
      await time('plan', async () => mustSucceed(await regsweep(words)));
      expect(new Set(plannedBlobs(readPlan(file)).keys())).toEqual(garbage);
      if (HAS_REGISTRY) await expectReferenceToAgree(root, garbage, referenceTakesM);
      const sweep = ['sweep', file, '--yes', '-q', ...STOPPED];
      await time('sweep', async () => mustSucceed(await regsweep(sweep)));
      const left = [...store.sizes.keys()].filter((digest) => !garbage.has(digest)).sort();
      expect([...storedBlobs(root).keys()].sort()).toEqual(left);
      const again = await time('second plan', () => plan(root, FLAGS));
      expect(again.lines.slice(1, -1)).toEqual([]);
      console.log(`${name}: ${times.join(', ')}`);
    },
    LIMIT_MS,
  );
});

async function expectReferenceToAgree(
  root: string,
  garbage: ReadonlySet<string>,
  takesM: boolean,
): Promise<void> {
  const registry = await startRegistry({ root });
  await registry.stop();
  const options = { dryRun: true, deleteUntagged: takesM };
  const { eligible, exitCode } = await collectGarbage(registry.configPath, options);
  expect(exitCode).toBe(0);
  const ours = takesM ? garbage : new Set((await plan(root, ['--grace', '0'])).blobs.keys());
  expect(eligible).toEqual(ours);
}

const NOBODY = 65_534;
/** What is generated depends on it. */
const NOW = new Date('2026-01-15T12:00:00Z');
const USERS = ['root', 'nobody'] as const;

describeUnless(obstacleToPlaces(), 'a store on', () => {
  let expected: string[] = [];
  let place: Place | undefined;

  beforeAll(async () => {
    const root = makeFolder('places');
    makeStore(join(root, 'registry'), { now: NOW });
    expected = [...(await plan(join(root, 'registry'), FLAGS)).blobs.keys()].sort();
    expect(expected.length).toBeGreaterThan(0);
    rmSync(root, { recursive: true });
  });
  afterEach(() => {
    place?.remove();
    place = undefined;
  });

  test.each(PLACES.flatMap((type) => USERS.map((user) => [type, user] as const)))(
    '%s is planned and swept by %s as anywhere else',
    async (type, user) => {
      folder = makeFolder('places');
      place = openPlace(type, (at) => void makeStore(join(at, 'registry'), { now: NOW }));
      const root = join(place.point, 'registry');
      const options = user === 'root' ? {} : asNobody(root, folder);
      const file = join(folder, 'own', 'plan');
      mkdirSync(join(folder, 'own'), { recursive: true });
      if (user === 'nobody') chownSync(join(folder, 'own'), NOBODY, NOBODY);
      mustSucceed(await regsweep(['plan', root, '-q', '-o', file, ...FLAGS], options));
      const lines = readPlan(file);
      expect([...plannedBlobs(lines).keys()].sort()).toEqual(expected);
      mustSucceed(await regsweep(['sweep', file, '--yes', '-q', ...STOPPED], options));
      expect(brokenIn(root)).toEqual([]);
      const again = ['plan', root, '-q', '-o', '-', ...FLAGS];
      const { stdout } = mustSucceed(await regsweep(again, options));
      expect(stdout.trim().split('\n')).toHaveLength(2);
    },
  );
});

/** The store is theirs, and what they run with is as well. */
function asNobody(root: string, around: string): RunOptions {
  chmodSync(around, 0o755);
  chownBelow(root);
  const state = join(around, 'state');
  mkdirSync(state);
  chownSync(state, NOBODY, NOBODY);
  const wrapper = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  return { wrapper, env: { XDG_STATE_HOME: state }, cwd: around };
}

function chownBelow(path: string): void {
  chownSync(path, NOBODY, NOBODY);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) chownBelow(below);
    else chownSync(below, NOBODY, NOBODY);
  }
}

function obstacleToPlaces(): string | undefined {
  const obstacle = obstacleToLoop();
  if (obstacle !== undefined) return obstacle;
  const words = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const probe = spawnSync('setpriv', [...words, process.execPath, PROGRAM, '--version']);
  return probe.status === 0 ? undefined : 'others may not read this checkout';
}
