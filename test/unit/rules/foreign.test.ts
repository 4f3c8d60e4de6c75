import nodeFs from 'node:fs';
import { memfs } from 'memfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReadFs } from '../../../src/fs/node-fs.ts';
import { openRoot } from '../../../src/scan/root.ts';
import type { StoreRoot } from '../../../src/scan/root.ts';
import { plan as planByCommand, regsweep } from '../../support/cli.ts';
import { StoreBuilder } from '../../support/store.ts';
import type { FsLike } from '../../support/store.ts';
import { asNodeFs } from '../../support/survey.ts';
import { image, layer, newStoreOnDisk } from './bench.ts';

async function open(
  store: StoreBuilder,
  argument: string,
  env: Readonly<Record<string, string>> = {},
  allowMounts: readonly string[] = [],
): Promise<StoreRoot> {
  return await openRoot(makeReadFs(asNodeFs(store.fs)), argument, { env, allowMounts });
}

function storeAt(root: string): StoreBuilder {
  const store = new StoreBuilder(memfs().fs, root);
  image(store, 'a', 'latest');
  return store;
}

const config = (root: string, rest = ''): string =>
  `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${root}\n${rest}`;

describe('ROOT', () => {
  it('is a rootdirectory, its docker/registry/v2, or a config.yml', async () => {
    const store = storeAt('/data/registry');
    store.fs.writeFileSync('/config.yml', config('/data/registry'));
    for (const argument of ['/data/registry', '/data/registry/', store.base, '/config.yml']) {
      expect(await open(store, argument), argument).toMatchObject({
        root: '/data/registry',
        base: '/data/registry/docker/registry/v2',
        foreign: undefined,
      });
    }
  });

  it("the environment's rootdirectory wins, as it does for the registry", async () => {
    const store = storeAt('/data/registry');
    store.fs.writeFileSync('/config.yml', config('/nowhere'));
    const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/data/registry' };
    expect((await open(store, '/config.yml', env)).root).toBe('/data/registry');
  });

  it('may be a symlink; blobs and repositories may not', async () => {
    const store = storeAt('/data/registry');
    store.fs.symlinkSync('/data/registry', '/link');
    expect((await open(store, '/link')).root).toBe('/data/registry');
    store.fs.mkdirSync('/other', { recursive: true });
    store.fs.rmSync(`${store.base}/repositories`, { recursive: true, force: true });
    store.fs.symlinkSync('/other', `${store.base}/repositories`);
    await expect(open(store, '/data/registry')).rejects.toMatchObject({ code: 'refused' });
  });

  it.each([
    [
      'registry v1',
      (fs: FsLike) => {
        fs.mkdirSync('/x/images/abc', { recursive: true });
        fs.mkdirSync('/x/repositories/library/busybox', { recursive: true });
        fs.writeFileSync('/x/repositories/library/busybox/_index_images', '[]');
      },
      /v1/,
    ],
    [
      'an OCI image layout',
      (fs: FsLike) => {
        fs.mkdirSync('/x/blobs/sha256', { recursive: true });
        fs.writeFileSync('/x/oci-layout', '{}');
      },
      /OCI image layout/,
    ],
    [
      'an empty directory',
      (fs: FsLike) => fs.mkdirSync('/x', { recursive: true }),
      /holds no registry/,
    ],
    ['nothing', () => undefined, /no such root/],
    [
      'a v2 directory with nothing in it',
      (fs: FsLike) => fs.mkdirSync('/x/docker/registry/v2', { recursive: true }),
      /empty registry/,
    ],
  ])('%s is no store', async (_, arrange, message) => {
    const store = storeAt('/r');
    arrange(store.fs);
    await expect(open(store, '/x')).rejects.toMatchObject({
      code: 'no-store',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('mounts below the store', () => {
  const TEAM = '/r/docker/registry/v2/repositories/team';

  /** A store on a host with these mount points; without any, where /proc is not mounted. */
  function storeWith(...points: readonly string[]): StoreBuilder {
    const store = storeAt('/r');
    store.mkdir('repositories/team');
    const lines = points.map((point, n) => `${n} 1 0:${n} / ${point} rw - tmpfs none rw\n`);
    if (points.length > 0) store.fs.mkdirSync('/proc/self', { recursive: true });
    if (points.length > 0) store.fs.writeFileSync('/proc/self/mountinfo', lines.join(''));
    return store;
  }

  it('are refused, and the refusal names the flag that allows them', async () => {
    await expect(open(storeWith('/', TEAM), '/r')).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(TEAM) as string,
      hint: expect.arrayContaining([expect.stringContaining(`--allow-mount ${TEAM}`)]) as string[],
    });
  });

  describe('and parts of the store that show in another place', () => {
    const BASE = '/r/docker/registry/v2';
    /** A disk that is mounted at `/r`, from a folder of it, and one more mount of that disk. */
    const withPart = (root: string, point: string, device = '8:1'): StoreBuilder => {
      const store = storeWith('/');
      const disk = `2 1 8:1 /disk /r rw - ext4 /dev/sda1 rw\n`;
      const part = `3 1 ${device} ${root} ${point} rw - ext4 /dev/sda1 rw\n`;
      store.fs.writeFileSync('/proc/self/mountinfo', `${disk}${part}`);
      return store;
    };

    it.each([`/disk/docker/registry/v2/blobs`, `/disk/docker/registry/v2/blobs/sha256/00`])(
      'are refused, unless they are allowed: %s',
      async (part) => {
        await expect(open(withPart(part, '/other'), '/r')).rejects.toMatchObject({
          code: 'refused',
          message: 'a part of the store is mounted elsewhere too, at /other',
        });
        expect((await open(withPart(part, '/other'), '/r', {}, ['/other'])).base).toBe(BASE);
      },
    );

    it('are refused always where that place is in the store', async () => {
      const store = withPart('/disk/docker/registry/v2/repositories/a', TEAM);
      await expect(open(store, '/r', {}, [TEAM])).rejects.toMatchObject({
        code: 'refused',
        message: `a part of the store shows a second time, at ${TEAM}`,
      });
    });

    it.each([TEAM, `${TEAM}/`])(
      'are as any mount where they show what is there: %s',
      async (one) => {
        const store = withPart('/disk/docker/registry/v2/repositories/team', TEAM);
        await expect(open(store, '/r')).rejects.toMatchObject({
          message: expect.stringContaining('something is mounted below') as string,
        });
        expect((await open(store, '/r', {}, [one])).base).toBe(BASE);
      },
    );

    /** A store whose v2 is the top of a disk, and more mounts of that. */
    const atTop = (...more: readonly string[]): StoreBuilder => {
      const store = storeWith('/');
      const own = `2 1 8:1 / ${BASE} rw - ext4 /dev/sda1 rw\n`;
      store.fs.writeFileSync('/proc/self/mountinfo', `${own}${more.join('')}`);
      return store;
    };

    it('are none where docker/registry/v2 is the top of its disk, nor where that shows again', async () => {
      expect((await open(atTop(), '/r')).base).toBe(BASE);
      const again = '3 1 8:1 / /other rw - ext4 /dev/sda1 rw\n';
      expect((await open(atTop(again), '/r')).base).toBe(BASE);
      const part = '3 1 8:1 /blobs /other rw - ext4 /dev/sda1 rw\n';
      await expect(open(atTop(part), '/r')).rejects.toMatchObject({ code: 'refused' });
    });

    const BLOBS = `${BASE}/blobs`;
    const shared = `3 1 8:2 /blobs ${BLOBS} rw - ext4 /dev/sdb1 rw\n`;

    it('are refused where two stores have their blobs from a third place', async () => {
      const other = '4 1 8:2 /blobs /s/docker/registry/v2/blobs rw - ext4 /dev/sdb1 rw\n';
      await expect(open(atTop(shared, other), '/r', {}, [BLOBS])).rejects.toMatchObject({
        message: 'a part of the store is mounted elsewhere too, at /s/docker/registry/v2/blobs',
      });
      expect((await open(atTop(shared), '/r', {}, [BLOBS])).base).toBe(BASE);
    });

    it('are refused where the blobs are from beside the repositories of another store', async () => {
      const disk = '4 1 8:2 / /s rw - ext4 /dev/sdb1 rw\n';
      const moved = `3 1 8:2 /v2/blobs ${BLOBS} rw - ext4 /dev/sdb1 rw\n`;
      const alone = atTop(moved, disk);
      alone.fs.mkdirSync('/s/v2/blobs', { recursive: true });
      expect((await open(alone, '/r', {}, [BLOBS])).base).toBe(BASE);
      const store = atTop(moved, disk);
      store.fs.mkdirSync('/s/v2/repositories', { recursive: true });
      await expect(open(store, '/r', {}, [BLOBS])).rejects.toMatchObject({
        message: 'the blobs are those of another store, at /s/v2',
      });
    });

    it.each([
      ['the whole store', '/disk/docker/registry/v2', '8:1'],
      ['what it is in', '/disk', '8:1'],
      ['what is beside it', '/disk/docker/registry/v2-old/blobs', '8:1'],
      ['another disk', '/disk/docker/registry/v2/blobs', '8:2'],
    ])('are none where it is %s', async (_, root, device) => {
      expect((await open(withPart(root, '/other', device), '/r')).base).toBe(BASE);
    });
  });

  it('are none of its business elsewhere', async () => {
    const { base } = await open(storeWith('/', '/r', '/r/docker/registry/v2-old/x'), '/r');
    expect(base).toBe('/r/docker/registry/v2');
  });

  it.each([[[TEAM]], [['/', TEAM]], [[TEAM, `${TEAM}/`]]])(
    'are taken as announced: %j',
    async (allowed) => {
      expect((await open(storeWith('/', TEAM), '/r', {}, allowed)).root).toBe('/r');
    },
  );

  it.each([
    ['as it is listed', TEAM],
    ['with a slash at its end', `${TEAM}/`],
    ['through a link', '/link/docker/registry/v2/repositories/team'],
    ['whose folder is gone, too', `${TEAM}/gone`],
    ['that never was one', '/nowhere'],
  ])('one that is announced and not mounted is refused: %s', async (_, allowed) => {
    const store = storeWith('/', '/boot');
    store.fs.symlinkSync('/r', '/link');
    await expect(open(store, '/r', {}, [allowed])).rejects.toMatchObject({
      code: 'refused',
      message: `${allowed} is not mounted`,
    });
  });

  it('one of two that is not mounted is refused', async () => {
    const store = storeWith('/', TEAM);
    const { base } = store;
    await expect(open(store, '/r', {}, [TEAM, `${base}/blobs`])).rejects.toMatchObject({
      code: 'refused',
      message: `${base}/blobs is not mounted`,
    });
  });

  it('announced ones are refused where nothing tells what is mounted', async () => {
    const store = storeWith();
    await expect(open(store, '/r', {}, [TEAM])).rejects.toMatchObject({
      code: 'refused',
      message: `whether ${TEAM} is mounted cannot be told`,
    });
    expect((await open(store, '/r')).root).toBe('/r');
  });
});

describe('stores whose roots are elsewhere', () => {
  it('Harbor, by the realm of its configuration', async () => {
    const store = storeAt('/storage');
    const auth = 'auth:\n  htpasswd:\n    realm: harbor-registry-basic-realm\n';
    store.fs.writeFileSync('/config.yml', config('/storage', auth));
    expect((await open(store, '/config.yml')).foreign?.kind).toBe('harbor');
  });

  it.each([
    [['database', 'redis', 'job_logs'], 'harbor'],
    [['database', 'job_logs'], 'harbor'],
    [['redis'], undefined],
  ])('Harbor, by what is beside the root: %j', async (siblings, kind) => {
    const store = storeAt('/data/registry');
    for (const name of siblings) store.fs.mkdirSync(`/data/${name}`, { recursive: true });
    expect((await open(store, '/data/registry')).foreign?.kind).toBe(kind);
  });

  it("GitLab's registry with its database, by its lock file", async () => {
    const store = storeAt('/r');
    store.fs.mkdirSync('/r/docker/registry/lockfiles', { recursive: true });
    store.fs.writeFileSync('/r/docker/registry/lockfiles/filesystem-in-use', '');
    expect((await open(store, '/r')).foreign).toBeUndefined();
    store.fs.writeFileSync('/r/docker/registry/lockfiles/database-in-use', '');
    expect((await open(store, '/r')).foreign?.kind).toBe('gitlab');
  });

  const WAYS: readonly [string, string, (fs: FsLike) => void, readonly string[]][] = [
    [
      'the root is a symlink',
      '/data/registry',
      (fs) => fs.symlinkSync('../big/registry', '/data/registry'),
      [
        '/data/registry',
        '/data/registry/',
        '/data/registry/docker/registry/v2',
        '/data/../data/registry',
      ],
    ],
    [
      'a symlink leads to that symlink',
      '/data/registry',
      (fs) => {
        fs.symlinkSync('/big/registry', '/data/registry');
        fs.symlinkSync('data', '/old');
        fs.mkdirSync('/srv', { recursive: true });
        fs.symlinkSync('../old/registry', '/srv/current');
      },
      ['/srv/current', '/old/registry', '/srv/current/docker/registry/v2'],
    ],
    [
      'docker/registry/v2 is a symlink',
      '/data/registry',
      (fs) => {
        fs.mkdirSync('/data/registry/docker/registry', { recursive: true });
        fs.symlinkSync('/big/registry/docker/registry/v2', '/data/registry/docker/registry/v2');
      },
      ['/data/registry', '/data/registry/docker/registry/v2'],
    ],
    [
      'docker is a symlink',
      '/data/registry',
      (fs) => {
        fs.mkdirSync('/data/registry', { recursive: true });
        fs.symlinkSync('/big/registry/docker', '/data/registry/docker');
      },
      ['/data/registry'],
    ],
  ];

  describe.each(WAYS)('the store is on another disk, and %s', (_, root, link, arguments_) => {
    it.each(arguments_)('%s shows what it is', async (argument) => {
      const storeOnDisk = (): StoreBuilder => {
        const store = storeAt('/big/registry');
        store.fs.mkdirSync('/data', { recursive: true });
        link(store.fs);
        return store;
      };
      const plain = storeOnDisk();
      expect((await open(plain, argument)).foreign).toBeUndefined();
      const harbor = storeOnDisk();
      for (const name of ['database', 'redis'])
        harbor.fs.mkdirSync(`/data/${name}`, { recursive: true });
      expect((await open(harbor, argument)).foreign?.kind).toBe('harbor');
      const cache = storeOnDisk();
      cache.fs.writeFileSync(`${root}/scheduler-state.json`, '{}');
      expect((await open(cache, argument)).foreign?.kind).toBe('cache');
      const gitlab = storeOnDisk();
      gitlab.fs.mkdirSync(`${root}/docker/registry/lockfiles`, { recursive: true });
      gitlab.fs.writeFileSync(`${root}/docker/registry/lockfiles/database-in-use`, '');
      expect((await open(gitlab, argument)).foreign?.kind).toBe('gitlab');
    });
  });

  it('a pull-through cache, by its configuration or its scheduler', async () => {
    const store = storeAt('/r');
    store.fs.writeFileSync(
      '/config.yml',
      config('/r', 'proxy:\n  remoteurl: https://registry-1.docker.io\n'),
    );
    expect((await open(store, '/config.yml')).foreign?.kind).toBe('cache');
    store.fs.writeFileSync('/r/scheduler-state.json', '{}');
    expect((await open(store, '/r')).foreign?.kind).toBe('cache');
  });
});

describe('the command on such stores', () => {
  const stores: { remove(): void }[] = [];
  let root = '';
  let store: StoreBuilder;
  let orphan = '';
  let pushed = '';
  beforeAll(() => {
    const made = newStoreOnDisk();
    stores.push(made);
    ({ root } = made);
    store = made;
    image(store, 'a');
    image(store, 'a', 'latest');
    pushed = store.blob(layer());
    store.layerLink('a', pushed);
    orphan = store.blob(layer());
    store.ageEverything(new Date(Date.now() - 30 * 86_400_000));
  });
  afterAll(() => {
    for (const made of stores) made.remove();
  });

  it.each([['a cache', 'scheduler-state.json', 'pull-through']])(
    '%s: -m is refused, without it only what nothing links goes',
    async (_, sign, word) => {
      nodeFs.writeFileSync(`${root}/${sign}`, '{}');
      try {
        const refused = await regsweep(['plan', root, '-m']);
        expect(refused.code).toBe(3);
        expect(refused.stderr).toContain(word);
        expect([...(await planByCommand(root)).blobs.keys()]).toEqual([orphan]);
        const { blobs, report } = await planByCommand(root, ['-m', '--disk-is-authority']);
        expect(blobs.has(pushed)).toBe(true);
        expect(report.manifests.dropped).toBe(1);
      } finally {
        nodeFs.rmSync(`${root}/${sign}`);
      }
    },
  );

  it('Harbor: -m is refused, without it only what nothing links goes', async () => {
    const file = `${root}/config.yml`;
    nodeFs.writeFileSync(
      file,
      config(root, 'auth:\n  htpasswd:\n    realm: harbor-registry-basic-realm\n'),
    );
    const refused = await regsweep(['plan', file, '-m']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('Harbor');
    expect([...(await planByCommand(file)).blobs.keys()]).toEqual([orphan]);
  });

  it('GitLab with its database: nothing is planned', async () => {
    const folder = `${root}/docker/registry/lockfiles`;
    nodeFs.mkdirSync(folder);
    nodeFs.writeFileSync(`${folder}/database-in-use`, '');
    const run = await regsweep(['plan', root]);
    nodeFs.rmSync(folder, { recursive: true });
    expect(run.code).toBe(3);
    expect(run.stderr).toContain('GitLab');
  });

  it('blobs without any repository: refused', async () => {
    const empty = newStoreOnDisk();
    stores.push(empty);
    empty.blob(layer());
    const run = await regsweep(['plan', empty.root]);
    expect(run.code).toBe(3);
    expect(run.stderr).toContain('not one repository');
  });

  it('registry v1: said, and refused', async () => {
    const old = newStoreOnDisk();
    stores.push(old);
    nodeFs.mkdirSync(`${old.root}/v1/images/abc`, { recursive: true });
    nodeFs.mkdirSync(`${old.root}/v1/repositories/library`, { recursive: true });
    const run = await regsweep(['plan', `${old.root}/v1`]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('v1');
  });
});
