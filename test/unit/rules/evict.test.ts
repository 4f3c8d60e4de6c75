/** What `--evict-to` takes from a cache and in which order, on stores small enough to be counted by hand. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccessTimes } from '../../../src/evidence/access-times.ts';
import { mustSucceed, regsweep } from '../../support/cli.ts';
import { setTimesBelow } from '../../support/store.ts';
import type { StoreBuilder, Written } from '../../support/store.ts';
import { newStoreOnDisk, plan } from './bench.ts';

const NOW = Date.UTC(2026, 2, 1);
const DAY = 86_400_000;

interface Evict {
  readonly totalBytes: number;
  readonly remainingBytes: number;
  readonly missingBytes: number;
  readonly usedBy: readonly string[];
  readonly steps: readonly { readonly name: string; readonly idleSeconds: number }[];
}

let store: StoreBuilder & { remove(): void };

beforeEach(() => {
  store = newStoreOnDisk();
  nodeFs.writeFileSync(`${store.root}/scheduler-state.json`, '{}');
});
afterEach(() => {
  store.remove();
});

/** An image of one layer, with a config of its own. */
function image(repository: string, name: string, bytes: number, tag?: string): Written {
  const options = { layers: [Buffer.alloc(bytes, `${name}.`)], config: Buffer.from(name) };
  return store.image(repository, tag === undefined ? options : { ...options, tag });
}

/** Makes everything 300 days old, and links of tags or manifests as old as they are said to be. */
function age(ages: Readonly<Record<string, number>>): void {
  setTimesBelow(store.fs, store.root, new Date(NOW - 300 * DAY));
  for (const [name, days] of Object.entries(ages)) {
    const [repository = '', digest] = name.split('@');
    const [own = '', tag = ''] = repository.split(':');
    const path =
      digest === undefined
        ? `${store.tagPath(own, tag)}/current/link`
        : store.revisionPath(repository, digest);
    const time = new Date(NOW - days * DAY);
    nodeFs.utimesSync(`${store.base}/${path}`, time, time);
  }
}

async function evict(size: string, ...flags: string[]): Promise<Evict> {
  const words = ['plan', store.root, '--evict-to', size, '--json', '--now', '2026-03-01'];
  const run = mustSucceed(await regsweep([...words, ...flags], { cwd: store.root }));
  return (run.json as { evict: Evict }).evict;
}

const namesOf = ({ steps }: Evict): string[] => steps.map(({ name }) => name);

describe('what goes first', () => {
  it('is what was fetched longest ago, with a tag or without one, whole', async () => {
    const old = image('lib/a', 'old', 5000, 'old');
    const loose = image('lib/a', 'loose', 700);
    const amd = image('lib/b', 'amd', 3000);
    const arm = image('lib/b', 'arm', 4000);
    const index = store.index('lib/b', [amd, arm], { tag: 'multi' });
    image('lib/c', 'new', 2000, 'new');
    const ages = { 'lib/a:old': 90, [`lib/a@${loose.digest}`]: 100, 'lib/b:multi': 50 };
    age({ ...ages, 'lib/c:new': 3 });

    const first = await evict(`${(await evict('1PiB')).totalBytes - 1}B`);
    expect(namesOf(first)).toEqual([`lib/a@${loose.digest}`]);
    expect(first.remainingBytes).toBe(first.totalBytes - (700 + 5 + loose.size));
    const all = await evict('0');
    expect(namesOf(all)).toEqual([
      `lib/a@${loose.digest}`,
      'lib/a:old',
      'lib/b:multi',
      'lib/c:new',
    ]);
    expect(all.steps.map(({ idleSeconds }) => idleSeconds / 86_400)).toEqual([100, 90, 50, 3]);
    expect(all).toMatchObject({
      remainingBytes: 0,
      missingBytes: 0,
      usedBy: ['the times of links'],
    });
    const left = first.remainingBytes - (5000 + 3 + old.size);
    const two = await evict(`${left}B`);
    expect(namesOf(two)).toEqual([`lib/a@${loose.digest}`, 'lib/a:old']);
    expect(two.remainingBytes).toBe(left);
    // Its children are no steps of their own: the index takes them along.
    const multi = 3000 + 3 + amd.size + 4000 + 3 + arm.size + index.size;
    const three = await evict(`${left - multi}B`);
    expect(namesOf(three)).toEqual([...namesOf(two), 'lib/b:multi']);
    // What is not needed for it stays, though it was unused longer.
    const spared = await evict(`${first.totalBytes - 5000}B`);
    expect(namesOf(spared)).toEqual(['lib/a:old']);
  });

  it('and a layer that something else holds stays', async () => {
    const shared = Buffer.alloc(9000, 'shared');
    const one = store.image('lib/a', { layers: [shared], config: Buffer.from('1'), tag: 'one' });
    store.image('lib/b', { layers: [shared], config: Buffer.from('2'), tag: 'two' });
    age({ 'lib/a:one': 90, 'lib/b:two': 3 });
    const { totalBytes } = await evict('1PiB');
    const found = await evict(`${totalBytes - 1}B`);
    expect(namesOf(found)).toEqual(['lib/a:one']);
    expect(found.remainingBytes).toBe(totalBytes - 1 - one.size);
  });

  it('is what the access logs say was not asked for, by tag, by digest or by a child', async () => {
    image('lib/a', 'busy', 1000, 'busy');
    image('lib/a', 'idle', 1000, 'idle');
    const loose = image('lib/a', 'loose', 1000);
    const child = image('lib/b', 'child', 1000);
    store.index('lib/b', [child], { tag: 'multi' });
    age({ 'lib/a:busy': 200, 'lib/a:idle': 20 });
    const get = (day: number, path: string): string =>
      `10.0.0.1 - - [${String(day).padStart(2, '0')}/Feb/2026:10:00:00 +0000] "GET /v2/${path} HTTP/1.1" 200 500 "-" "docker"\n`;
    nodeFs.writeFileSync(
      join(store.root, 'access.log'),
      get(26, `lib/b/manifests/${child.digest}`) +
        get(27, `lib/a/manifests/${loose.digest}`) +
        get(28, 'lib/a/manifests/busy'),
    );
    const found = await evict('0', '--access-log', 'access.log');
    expect(namesOf(found)).toEqual([
      'lib/a:idle',
      'lib/b:multi',
      `lib/a@${loose.digest}`,
      'lib/a:busy',
    ]);
    expect(found.usedBy).toEqual(['access logs', 'the times of links']);
    expect(namesOf(await evict('0'))).not.toEqual(namesOf(found));
  });
});

describe('what stays', () => {
  it('is what is protected, and what is younger than the grace without a tag', async () => {
    image('lib/a', 'stable', 1000, 'stable');
    image('lib/a', 'other', 1000, 'other');
    const young = image('lib/b', 'young', 1000);
    const listed = image('lib/c', 'listed', 1000);
    age({ [`lib/b@${young.digest}`]: 0 });
    nodeFs.writeFileSync(join(store.root, 'in-use.txt'), `${listed.digest}\n`);
    nodeFs.writeFileSync(
      join(store.root, 'policy.yaml'),
      `version: 1
limits: { allow-empty-repository: true }
protect:
  - { tags: [stable], reason: base images }
  - { digests-file: in-use.txt }
policies:
  - { name: cache, repositories: ['**'], otherwise: drop, untagged: drop }
`,
    );
    const found = await evict('10B', '--policy', 'policy.yaml');
    expect(namesOf(found)).toEqual(['lib/a:other']);
    expect(found.missingBytes).toBe(found.remainingBytes - 10);
    expect(namesOf(await evict('0', '--protect', 'stable', '--grace', '0')).sort()).toEqual(
      ['lib/a:other', `lib/b@${young.digest}`, `lib/c@${listed.digest}`].sort(),
    );
  });

  it.each([
    [['--older-than', '30d'], ['lib/a:old']],
    [['--repository', 'lib/b'], ['lib/b:old']],
    [['--tag', 'new'], ['lib/a:new']],
  ])('is what %j does not let go', async (flags, names) => {
    image('lib/a', 'old', 1000, 'old');
    image('lib/a', 'new', 1000, 'new');
    image('lib/a', 'loose', 1000);
    image('lib/b', 'more', 1000, 'old');
    age({ 'lib/a:old': 90, 'lib/a:new': 3, 'lib/b:old': 3 });
    expect(namesOf(await evict('0', ...flags))).toEqual(names);
  });

  it('is a layer that was asked for by its sha512', async () => {
    const bytes = Buffer.alloc(5000, 'alias');
    const alias = store.sha512Layer('lib/a', bytes);
    store.image('lib/a', { layers: [alias], config: Buffer.from('1'), tag: 'new' });
    image('lib/a', 'old', 1000, 'old');
    age({ 'lib/a:old': 90, 'lib/a:new': 3 });
    const { totalBytes } = await evict('1PiB');
    const found = await evict(`${totalBytes - 1}B`);
    expect(namesOf(found)).toEqual(['lib/a:old']);
    expect(found.remainingBytes).toBeGreaterThan(5000);
  });
});

describe('a store that is no cache is refused', () => {
  const config = (rest: string): string =>
    `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${store.root}\n${rest}`;

  async function refusal(argument: string, ...flags: string[]): Promise<string> {
    const run = await regsweep(['plan', argument, '--evict-to', '0', ...flags]);
    expect([run.code, run.stdout]).toEqual([3, '']);
    return run.stderr;
  }

  beforeEach(() => {
    image('a', 'x', 100, 'v1');
    age({});
  });

  it('when nothing says so, unless the operator does', async () => {
    nodeFs.rmSync(`${store.root}/scheduler-state.json`);
    expect(await refusal(store.root)).toMatch(/nothing says .* cache\n.*\n.*--is-cache\n.*--free/);
    expect(namesOf(await evict('0', '--is-cache'))).toEqual(['a:v1']);
  });

  it('when its configuration names no upstream though it once was a cache', async () => {
    const file = `${store.root}/config.yml`;
    nodeFs.writeFileSync(file, config(''));
    expect(await refusal(file)).toMatch(/was a pull-through cache .* names no upstream/);
    const env = { REGISTRY_PROXY_REMOTEURL: 'https://registry-1.docker.io' };
    mustSucceed(await regsweep(['plan', file, '--evict-to', '0', '-q'], { env }));
    mustSucceed(await regsweep(['plan', file, '--evict-to', '0', '-q', '--is-cache']));
    nodeFs.rmSync(`${store.root}/scheduler-state.json`);
    nodeFs.writeFileSync(file, config('proxy: { remoteurl: https://registry-1.docker.io }\n'));
    mustSucceed(await regsweep(['plan', file, '--evict-to', '0', '-q']));
  });

  it("when it is Harbor's or GitLab's, whatever the operator says", async () => {
    const file = `${store.root}/config.yml`;
    nodeFs.writeFileSync(
      file,
      config('auth: { htpasswd: { realm: harbor-registry-basic-realm } }\n'),
    );
    expect(await refusal(file, '--is-cache')).toMatch(/Harbor's store/);
    nodeFs.mkdirSync(`${store.root}/docker/registry/lockfiles`);
    nodeFs.writeFileSync(`${store.root}/docker/registry/lockfiles/database-in-use`, '');
    expect(await refusal(store.root, '--is-cache')).toMatch(/GitLab's registry/);
  });

  it.each([
    [['--evict-to', '1GiB', '--free', '1GiB'], /--free and --evict-to are two goals/],
    [['--is-cache'], /--is-cache goes with --evict-to/],
    [['--evict-to', 'much'], /--evict-to: /],
  ])('and %j is a usage error', async (flags, message) => {
    const run = await regsweep(['plan', store.root, ...flags]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(message);
  });
});

it('access times tell of manifests without a tag, too, and of the children of an index', async () => {
  const loose = image('lib/a', 'loose', 100);
  const child = image('lib/b', 'child', 100);
  const index = store.index('lib/b', [child], {});
  const survey = (await plan(store)).survey.index;
  const { revisions, digests } = survey;
  const entryOf = (digest: string): number =>
    revisions.digest.findIndex((at) => digests.text(at) === digest);
  const access = new Float64Array(revisions.time.length);
  access[entryOf(child.digest)] = NOW - 5 * DAY;
  const time = new Float64Array(access.length).fill(NOW - 9 * DAY);
  const told = { ...survey, revisions: { ...revisions, time, access } };
  const { revisionPulledMs } = readAccessTimes(told, ['rw', 'relatime'], NOW);
  // An access time is up to a day late.
  expect(revisionPulledMs(entryOf(child.digest))).toBe(NOW - 4 * DAY);
  expect(revisionPulledMs(entryOf(index.digest))).toBe(NOW - 4 * DAY);
  expect(revisionPulledMs(entryOf(loose.digest))).toBeUndefined();
  const none = readAccessTimes(told, ['rw', 'noatime'], NOW);
  expect(none.revisionPulledMs(entryOf(child.digest))).toBeUndefined();
});

it('the report says what is evicted, in which order, what it reaches and what is missing', async () => {
  image('lib/a', 'old', 3000, 'old');
  image('lib/a', 'new', 3000, 'new');
  age({ 'lib/a:old': 90, 'lib/a:new': 3 });
  const flags = ['--now', '2026-03-01', '--protect', 'new'];
  const text = async (size: string): Promise<string> =>
    mustSucceed(await regsweep(['plan', store.root, '--evict-to', size, ...flags])).stdout;
  expect(await text('5kB')).toMatch(
    /\n {2}EVICTION {13}to 4\.88 KiB: 3\.\d+ KiB remain of 6\.\d+ KiB\n {4}1 of 1 that may go are evicted, those unused longest first\n {4}\(by the times of links\)\n {6}1\. lib\/a:old {2}\(unused 90d, 3\.\d+ KiB remain\)\n/,
  );
  expect(await text('1kB')).toMatch(
    /EVICTION {13}to 0\.98 KiB CANNOT BE REACHED: 2\.\d+ KiB too much remain\n(?:.*\n){2} {4}more would go with less protection/,
  );
  expect(await text('5kB')).toMatch(/--protect new --evict-to 5kB .*-o plan\.ndjson/);
});
