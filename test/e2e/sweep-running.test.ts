/** A sweep and a registry that runs, or starts in the middle of it; and two sweeps at once. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { plannedBlobs, regsweep } from '../support/cli.ts';
import type { PlanLine, PlanReport } from '../support/cli.ts';
import { describeUnless, describeWithPackages, isRoot } from '../support/packages.ts';
import { startRegistry } from '../support/registry.ts';
import type { Registry } from '../support/registry.ts';
import { buildShim, readCalls, SHIM_PACKAGES, untilStopped } from '../support/shim.ts';
import { digestOf } from '../support/store.ts';
import {
  addOrphans,
  brokenIn,
  countBlobs,
  makeFolder,
  makeStore,
  obstacleToLooking,
  start,
  STOPPED,
  treeOf,
  until,
  writePlan,
} from '../support/sweep.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder = '';
let root = '';
let file = '';
let lines: PlanLine[] = [];
let count = 0;

beforeAll(() => {
  folder = makeFolder('sweep-running');
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

beforeEach(async () => {
  root = join(folder, `store-${++count}`);
  file = join(folder, `plan-${count}`);
  makeStore(root, { features: ['cosign', 'uploads', 'deleted'] });
  addOrphans(root, 20);
  lines = await writePlan(root, file);
});

const children: ChildProcess[] = [];
const registries: Registry[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const registry of registries.splice(0)) await registry.stop();
});

async function serve(store: string): Promise<Registry> {
  const registry = await startRegistry({ root: store });
  registries.push(registry);
  return registry;
}

/** As the user starts it: without a word about the registry. */
const sweep = (flags: readonly string[] = []): ReturnType<typeof regsweep> =>
  regsweep(['sweep', file, '--yes', ...flags]);

describeUnless(obstacleToLooking(), 'a sweep', () => {
  describeWithPackages(['docker-registry'], 'while a registry runs', () => {
    test('on its store exits 5, names it, and changes nothing', async () => {
      const { pid, configPath } = await serve(root);
      const before = treeOf(root);
      const run = await sweep();
      expect(run.code).toBe(5);
      expect(run.stdout).toBe('');
      const [first] = run.stderr.split('\n');
      expect(first).toBe(
        `error: a registry uses this store: pid ${pid}, docker-registry serve ${configPath}`,
      );
      expect(run.stderr).toContain('--registry-stopped');
      expect(treeOf(root)).toEqual(before);
    });

    test('on another store goes on', async () => {
      const other = join(folder, `other-${count}`);
      makeStore(other);
      await serve(other);
      expect((await sweep()).code).toBe(0);
    });

    test('on an empty root, or on none yet, goes on', async () => {
      await serve(join(folder, `empty-${count}`));
      expect((await sweep()).code).toBe(0);
    });

    test('on its store by its environment alone exits 5', async () => {
      const config = join(folder, `config-${count}.yml`);
      fs.writeFileSync(
        config,
        `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/elsewhere\nhttp:\n  addr: 127.0.0.1:0\n`,
      );
      const child = spawn('docker-registry', ['serve', config], {
        env: { PATH: process.env['PATH'], REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root },
        stdio: 'ignore',
      });
      children.push(child);
      await until('it runs', () => commandOf(child.pid).startsWith('docker-registry'));
      const run = await sweep();
      expect(run.code).toBe(5);
      expect(run.stderr).toContain(`pid ${child.pid}`);
    });

    test('through another path to the same store exits 5', async () => {
      const link = join(folder, `link-${count}`);
      fs.symlinkSync(root, link);
      const { pid } = await serve(link);
      const run = await sweep();
      expect(run.code).toBe(5);
      expect(run.stderr).toContain(`pid ${pid}`);
    });

    test("goes on at the operator's word", async () => {
      await serve(root);
      const run = await sweep(['--registry-stopped']);
      expect(run.code).toBe(0);
      expect(run.stdout).toContain('the registry is stopped, as you say');
      expect(brokenIn(root)).toEqual([]);
    });

    test('is warned of by a plan, which is made all the same', async () => {
      const { pid } = await serve(root);
      const json = await regsweep(['plan', root, '--json']);
      expect(json.code).toBe(0);
      const { warnings } = json.json as PlanReport;
      expect(warnings).toEqual([expect.stringContaining(`pid ${pid}, docker-registry serve`)]);
      const text = await regsweep(['plan', root]);
      expect(text.stdout).toContain(`pid ${pid}`);
      const told = await regsweep(['plan', root, '--json', '--registry-stopped']);
      expect((told.json as PlanReport).warnings).toEqual([]);
    });
  });

  describeWithPackages(['docker-registry', 'strace'], 'during which a registry starts', () => {
    test('removes no blob, and leaves the store whole', async () => {
      // Many links: it is to be caught before its blobs.
      const { run, stopped } = await startSlowly();
      const registry = await serve(root);
      stopped.go();
      const { code, stderr } = await run.done;
      expect({ code, stderr }).toMatchObject({
        code: 5,
        stderr: expect.stringContaining(`pid ${registry.pid}`) as string,
      });
      expect(countBlobs(root)).toBe(stopped.blobs);
      expect(brokenIn(root)).toEqual([]);
      await registry.stop();
      const again = await sweep();
      expect(again.code).toBe(0);
      expect(again.stdout).toMatch(/were done before/);
      expect(plannedBlobs(await writePlan(root, `${file}-after`)).size).toBe(0);
    });

    test('and takes a push removes no blob either', async () => {
      const { run, stopped } = await startSlowly();
      const registry = await serve(root);
      const [digest = ''] = [...plannedBlobs(lines).keys()].slice(-1);
      const { fetchStatus } = await mountInto(registry, digest);
      expect(fetchStatus).toBeLessThan(500);
      await registry.stop();
      // It is gone again when the sweep looks, and what it wrote is not.
      fs.mkdirSync(
        join(root, 'docker/registry/v2/repositories/shop/new/_layers/sha256', digest.slice(7)),
        { recursive: true },
      );
      fs.writeFileSync(
        join(
          root,
          'docker/registry/v2/repositories/shop/new/_layers/sha256',
          digest.slice(7),
          'link',
        ),
        digest,
      );
      stopped.go();
      const { code, stderr } = await run.done;
      expect(code).toBe(5);
      expect(stderr).toContain('no blob was removed, and the store is consistent');
      expect(countBlobs(root)).toBe(stopped.blobs);
      expect(brokenIn(root)).toEqual([]);
    });
  });

  describeWithPackages(
    ['docker-registry', ...SHIM_PACKAGES],
    'during whose blobs a registry starts',
    () => {
      let shim: ReturnType<typeof buildShim>;
      beforeAll(() => {
        shim = buildShim();
      });
      afterAll(() => shim.remove());

      const throughShim = (injection: Parameters<typeof shim.environment>[0]): string[] => {
        const settings = Object.entries(shim.environment(injection));
        return ['env', ...settings.map(([name, value]) => `${name}=${value}`)];
      };

      /** Which change of a sweep of this store takes its first blob, by a sweep of its copy. */
      async function firstBlob(): Promise<number> {
        const copy = join(folder, `copy-${count}`);
        const report = join(folder, `counted-${count}`);
        fs.cpSync(root, copy, { recursive: true, preserveTimestamps: true });
        await writePlan(copy, `${file}-copy`);
        const wrapper = throughShim({ root: copy, report });
        const run = await regsweep(['sweep', `${file}-copy`, '--yes', ...STOPPED], { wrapper });
        expect(run.code).toBe(0);
        return readCalls(report).findIndex((call) => /^unlink.*\/blobs\//.test(call)) + 1;
      }

      /** Stops a sweep right before its first blob, and pushes again what it has dropped. */
      async function pushMeanwhile(): Promise<{
        run: ReturnType<typeof start>;
        registry: Registry;
        pushed: string;
      }> {
        const at = await firstBlob();
        const [repository, text] = droppedImage();
        const report = join(folder, `calls-${count}`);
        fs.writeFileSync(report, '');
        const wrapper = throughShim({ root, report, fault: 'stop', at });
        const run = start(['sweep', file, '--yes'], join(folder, `state-${count}`), wrapper);
        children.push(run.child);
        expect(await untilStopped(report, run.done)).toBe(run.pid);
        const registry = await serve(root);
        const { mediaType } = JSON.parse(text) as { mediaType: string };
        const answer = await fetch(`${registry.url}/v2/${repository}/manifests/again`, {
          method: 'PUT',
          headers: { 'Content-Type': mediaType },
          body: text,
        });
        expect(answer.status).toBe(201);
        return { run, registry, pushed: `${repository}:again ${digestOf(text)}` };
      }

      /** An image that the plan drops: its repository, and its manifest. */
      function droppedImage(): [string, string] {
        const blobs = plannedBlobs(lines);
        for (const { kind, repository = '', digest = '' } of lines) {
          if (kind !== 'revision' || !blobs.has(digest)) continue;
          const hex = digest.slice('sha256:'.length);
          const data = `${root}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
          const text = fs.readFileSync(data, 'utf8');
          if (/"layers"/.test(text) && /"mediaType"/.test(text)) return [repository, text];
        }
        throw new Error('the plan drops no image');
      }

      test('and runs at their end: exit 5, and what is left to do stays', async () => {
        const { run, registry } = await pushMeanwhile();
        run.child.kill('SIGCONT');
        const { code, stderr } = await run.done;
        expect({ code, stderr }).toMatchObject({
          code: 5,
          stderr: expect.stringContaining(`pid ${registry.pid}`) as string,
        });
        expect(stderr).toContain('what was pushed meanwhile may lack some');
        await registry.stop();
        // What was pushed again is none of the plan's any more.
        expect((await sweep()).code).toBe(6);
      });

      test('takes a push, and is gone again: exit 7, and what was pushed is named', async () => {
        const { run, registry, pushed } = await pushMeanwhile();
        await registry.stop();
        run.child.kill('SIGCONT');
        const { code, stdout } = await run.done;
        expect({ code, stdout }).toMatchObject({
          code: 7,
          stdout: expect.stringContaining('PUSHED WHILE THIS RAN') as string,
        });
        expect(stdout).toContain(pushed);
      });
    },
  );

  describeUnless(obstacleToContainers(), 'while a registry runs in a container', () => {
    /** A process that looks like a registry, in a root and a mount namespace of its own, where the store is `/mnt/data`. */
    async function contain(rootDirectory: string): Promise<number> {
      const inner = join(folder, `container-${count}`);
      fs.mkdirSync(inner);
      const script = [
        'set -e',
        `mount --bind / "${inner}"`,
        `mount -t tmpfs none "${inner}/mnt"`,
        `mkdir "${inner}/mnt/data"`,
        `mount --bind "${root}" "${inner}/mnt/data"`,
        `ln -s /mnt/data "${inner}/mnt/absolute"`,
        `ln -s data "${inner}/mnt/relative"`,
        `exec chroot "${inner}" env REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=${rootDirectory} bash -c 'exec -a docker-registry sleep 60'`,
      ].join('\n');
      const child = spawn('unshare', ['-m', 'bash', '-c', script], { stdio: 'ignore' });
      children.push(child);
      await until('it runs', () => commandOf(child.pid).startsWith('docker-registry'));
      return child.pid ?? -1;
    }

    test.each(['/mnt/data', '/mnt/relative', '/mnt/absolute'])('at %s exits 5', async (path) => {
      const pid = await contain(path);
      const run = await sweep();
      expect(run.code).toBe(5);
      expect(run.stderr).toContain(`pid ${pid}`);
    });

    test('on a store of its own goes on', async () => {
      await contain('/mnt/none');
      expect((await sweep()).code).toBe(0);
    });
  });

  /** Starts a sweep that is held up once its first link is gone, before any blob is. */
  async function startSlowly(): Promise<{
    run: ReturnType<typeof start>;
    stopped: { go: () => void; blobs: number };
  }> {
    const blobs = countBlobs(root);
    const tag = lines.find(({ kind }) => kind === 'tag' || kind === 'revision');
    const path =
      tag?.kind === 'tag'
        ? `_manifests/tags/${tag.tag}/current/link`
        : `_manifests/revisions/sha256/${tag?.digest?.slice(7)}/link`;
    const link = `${root}/docker/registry/v2/repositories/${tag?.repository}/${path}`;
    expect(fs.existsSync(link)).toBe(true);
    const wrapper = [
      'strace',
      '-f',
      '-o',
      '/dev/null',
      '-e',
      'trace=unlink',
      '-e',
      'inject=unlink:delay_exit=40000',
    ];
    const run = start(['sweep', file, '--yes'], join(folder, `state-${count}`), wrapper);
    children.push(run.child);
    await until('the first link is gone', () => !fs.existsSync(link));
    const pid = childOf(run.pid);
    process.kill(pid, 'SIGSTOP');
    return { run, stopped: { go: () => process.kill(pid, 'SIGCONT'), blobs } };
  }

  function childOf(pid: number): number {
    return Number.parseInt(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10);
  }

  async function mountInto(registry: Registry, digest: string): Promise<{ fetchStatus: number }> {
    const query = new URLSearchParams({ mount: digest, from: 'shop/app-0' });
    const answer = await fetch(`${registry.url}/v2/shop/new/blobs/uploads/?${query.toString()}`, {
      method: 'POST',
    });
    return { fetchStatus: answer.status };
  }
});

describeWithPackages(SHIM_PACKAGES, 'two sweeps at once', () => {
  const state = (): string => join(folder, `state-${count}`);
  const lockFile = (): string => {
    const { dev, ino } = fs.statSync(join(root, 'docker/registry/v2'), { bigint: true });
    return join(state(), 'regsweep', `regsweep-${dev}-${ino}.lock`);
  };
  const inState = (flags: readonly string[] = []): ReturnType<typeof regsweep> =>
    regsweep(['sweep', file, '--yes', ...STOPPED, ...flags], { env: { XDG_STATE_HOME: state() } });

  let shim: ReturnType<typeof buildShim>;
  beforeAll(() => {
    shim = buildShim();
  });
  afterAll(() => shim.remove());

  /** Starts a sweep that stops before its first change, with the lock taken. */
  async function begin(): Promise<ReturnType<typeof start>> {
    const report = join(folder, `calls-${count}`);
    fs.writeFileSync(report, '');
    const settings = Object.entries(shim.environment({ root, report, fault: 'stop', at: 1 }));
    const wrapper = ['env', ...settings.map(([name, value]) => `${name}=${value}`)];
    const one = start(['sweep', file, '--yes', ...STOPPED], state(), wrapper);
    children.push(one.child);
    expect(await untilStopped(report, one.done)).toBe(one.pid);
    expect(fs.existsSync(lockFile())).toBe(true);
    return one;
  }

  test('one works and the other is told so', async () => {
    const one = await begin();
    const before = treeOf(root);
    // The same state, another state, and another place for it: the socket tells in all of them.
    for (const flags of [[], ['--state-dir', join(folder, `other-state-${count}`)]]) {
      const other = await inState(flags);
      expect(other.code).toBe(5);
      expect(other.stderr).toContain('another run');
      expect(other.stdout).toBe('');
    }
    expect(treeOf(root)).toEqual(before);
    one.child.kill('SIGCONT');
    expect((await one.done).code).toBe(0);
    expect(fs.existsSync(lockFile())).toBe(false);
    expect((await inState()).code).toBe(0);
  });

  test('on two stores do not mind each other', async () => {
    const one = await begin();
    const otherRoot = join(folder, `second-${count}`);
    makeStore(otherRoot);
    await writePlan(otherRoot, `${file}-second`);
    const other = await regsweep(['sweep', `${file}-second`, '--yes', ...STOPPED]);
    one.child.kill('SIGCONT');
    expect(other.code).toBe(0);
    expect((await one.done).code).toBe(0);
  });

  test('one of which was killed: the next goes on where it was', async () => {
    const one = await begin();
    one.child.kill('SIGKILL');
    await one.done;
    expect(fs.existsSync(lockFile())).toBe(true);
    expect(brokenIn(root)).toEqual([]);
    expect((await inState()).code).toBe(0);
    expect(fs.existsSync(lockFile())).toBe(false);
  });

  test('one of which is in another network namespace, and shares its state', async () => {
    fs.mkdirSync(join(state(), 'regsweep'), { recursive: true });
    const stat = fs.readFileSync('/proc/self/stat', 'utf8');
    fs.writeFileSync(
      lockFile(),
      JSON.stringify({
        pid: process.pid,
        start: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19],
        boot: fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
        namespace: String(fs.statSync('/proc/self/ns/pid').ino),
        since: '2026-01-15T12:00:00.000Z',
      }),
    );
    const before = treeOf(root);
    const run = await inState();
    expect(run.code).toBe(5);
    expect(run.stderr).toContain(`pid ${process.pid}, since 2026-01-15T12:00:00.000Z`);
    expect(treeOf(root)).toEqual(before);
    expect(fs.existsSync(lockFile())).toBe(true);
  });
});

function commandOf(pid: number | undefined): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function obstacleToContainers(): string | undefined {
  if (!isRoot()) return 'needs root';
  const { status } = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return status === 0 ? undefined : 'needs the right to mount';
}
