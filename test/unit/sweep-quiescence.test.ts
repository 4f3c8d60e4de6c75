import { memfs } from 'memfs';
import { describe, expect, test } from 'vitest';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import type { StoreRoot } from '../../src/scan/root.ts';
import { lookForRegistry } from '../../src/sweep/quiescence.ts';
import type { Look } from '../../src/sweep/quiescence.ts';
import type { FsLike } from '../support/store.ts';
import { asNodeFs } from '../support/survey.ts';

const STORE = '/srv/registry';
const MOUNTS = '21 1 8:1 / / rw - ext4 /dev/sda1 rw\n';

interface Process {
  readonly args: readonly string[];
  readonly exe?: string;
  readonly env?: readonly string[];
  /** Where its root directory is; `/` by default. */
  readonly root?: string;
  readonly cwd?: string;
}

/** A host: its processes from pid 10 on, and its files. */
class Host {
  readonly fs = memfs().fs as unknown as FsLike;

  constructor(mounts = MOUNTS) {
    this.write(`${STORE}/docker/registry/v2/blobs/x`, '');
    this.write('/proc/2/comm', 'kthreadd\n');
    this.write('/proc/2/cmdline', '');
    this.write('/proc/self/mountinfo', mounts);
    this.write('/proc/meminfo', '');
  }

  write(path: string, text: string): void {
    this.fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
    this.fs.writeFileSync(path, text);
  }

  link(path: string, target: string): void {
    this.fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
    this.fs.symlinkSync(target, path);
  }

  run(pid: number, { args, exe, env = [], root = '/', cwd = '/' }: Process): void {
    const list = (parts: readonly string[]): string => parts.map((part) => `${part}\0`).join('');
    this.write(`/proc/${pid}/cmdline`, list(args));
    this.write(`/proc/${pid}/environ`, list(env));
    this.link(`/proc/${pid}/root`, root);
    this.link(`/proc/${pid}/cwd`, cwd);
    if (exe !== undefined) this.write(exe, '');
    if (exe !== undefined) this.link(`/proc/${pid}/exe`, exe);
  }

  look(store = STORE, wrap: (fs: ReadFs) => ReadFs = (fs) => fs): Promise<Look> {
    const read = makeReadFs(asNodeFs(this.fs));
    const base = `${store}/docker/registry/v2`;
    const stat = read.stat(base);
    if (stat === undefined) throw new Error(`no store at ${store}`);
    const root: StoreRoot = { root: store, base, dev: stat.dev, ino: stat.ino, foreign: undefined };
    return lookForRegistry(wrap(read), root);
  }
}

const config = (root: string): string =>
  `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${root}\nhttp:\n  addr: :5000\n`;
const serve = (file: string): Process => ({ args: ['/usr/bin/docker-registry', 'serve', file] });

/** One registry on a host, whose configuration is this text. */
function withConfig(text: string, more: Partial<Process> = {}): Promise<Look> {
  const host = new Host();
  host.write('/etc/registry.yml', text);
  host.run(10, { ...serve('/etc/registry.yml'), ...more });
  return host.look();
}

const hit = [{ pid: 10, command: expect.any(String) as string, certain: true }];
const maybe = [{ pid: 10, command: expect.any(String) as string, certain: false }];

describe('a registry on this store is seen', async () => {
  test('that has a store of its own, and the blobs of this one', async () => {
    const elsewhere = '/other/docker/registry/v2';
    const shared = async (make: (host: Host) => void): Promise<Look> => {
      const host = new Host();
      host.write(`${elsewhere}/repositories/x`, '');
      host.write('/etc/registry.yml', config('/other'));
      host.run(10, serve('/etc/registry.yml'));
      make(host);
      return await host.look();
    };
    const apart = await shared((host) => host.write(`${elsewhere}/blobs/x`, ''));
    expect(apart.processes).toEqual([]);
    // A link could lead anywhere in the process's own root.
    const linked = await shared((host) => host.link(`${elsewhere}/blobs`, '/x/blobs'));
    expect(linked.processes).toEqual(maybe);
    const prefix = await shared((host) => host.link(`${elsewhere}/blobs/sha256`, '/x/sha256'));
    expect(prefix.processes).toEqual(maybe);
    // memfs mounts nothing: two names of one directory stand in for it.
    const host = new Host();
    host.write(`${elsewhere}/blobs/x`, '');
    host.write('/etc/registry.yml', config('/other'));
    host.run(10, serve('/etc/registry.yml'));
    const asMounted = (fs: ReadFs): ReadFs => ({
      ...fs,
      stat: (path) =>
        fs.stat(path.endsWith(`${elsewhere}/blobs`) ? `${STORE}/docker/registry/v2/blobs` : path),
    });
    expect((await host.look(STORE, asMounted)).processes).toEqual(hit);
  });

  test('by its configuration, and is named', async () => {
    const { processes, blind } = await withConfig(config(STORE));
    expect(processes).toEqual([
      { pid: 10, command: '/usr/bin/docker-registry serve /etc/registry.yml', certain: true },
    ]);
    expect(blind).toBeUndefined();
  });

  test.each([
    `"${STORE}"`,
    `'${STORE}'`,
    `${STORE}   # the big disk`,
    `${STORE}/`,
    `${STORE}\r`,
    '/srv/../srv/registry',
  ])('with a rootdirectory written as %j', async (text) => {
    expect((await withConfig(config(text))).processes).toEqual(hit);
  });

  test('written on one line', async () => {
    const text = `storage: { filesystem: { rootdirectory: ${STORE}, maxthreads: 100 } }`;
    expect((await withConfig(text)).processes).toEqual(hit);
  });

  test('when another rootdirectory stands in a comment above it', async () => {
    const text = config(STORE).replace(
      '    rootdirectory',
      '    # rootdirectory: /srv/old\n    rootdirectory',
    );
    expect((await withConfig(text)).processes).not.toEqual([]);
  });

  test.each([
    '&root /srv/registry',
    '>-\n      /srv/registry',
    '"/srv/\\x72egistry"',
    '!!str /srv/registry',
  ])('or may be, when its rootdirectory is written as %j', async (text) => {
    expect((await withConfig(config(text))).processes).not.toEqual([]);
  });

  test('through an alias', async () => {
    const text = `x: &root ${STORE}\nstorage:\n  filesystem:\n    rootdirectory: *root\n`;
    expect((await withConfig(text)).processes).not.toEqual([]);
  });

  test('whose path has a comma or a hash in it', async () => {
    for (const store of ['/srv/a,b', '/srv/a#b', "/srv/a'b"]) {
      const host = new Host();
      host.write(`${store}/docker/registry/v2/blobs/x`, '');
      host.write('/etc/registry.yml', config(store));
      host.run(10, serve('/etc/registry.yml'));
      expect((await host.look(store)).processes, store).not.toEqual([]);
    }
  });

  test('by its environment, which wins over the file', async () => {
    const env = [`REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=${STORE}`];
    expect((await withConfig(config('/srv/other'), { env })).processes).toEqual(hit);
  });

  test.each(['storage: filesystem\n', 'storage:\n  filesystem:\n    maxthreads: 100\n'])(
    'at the default root, with %j',
    async (text) => {
      const host = new Host();
      host.write('/var/lib/registry/docker/registry/v2/blobs/x', '');
      host.write('/etc/registry.yml', text);
      host.run(10, serve('/etc/registry.yml'));
      expect((await host.look('/var/lib/registry')).processes).toEqual(hit);
      expect((await host.look()).processes).toEqual([]);
    },
  );

  test('by a configuration that the environment names', async () => {
    const args = ['registry', 'serve'];
    const env = ['REGISTRY_CONFIGURATION_PATH=/etc/registry.yml'];
    expect((await withConfig(config(STORE), { args, env })).processes).toEqual(hit);
  });

  test('by a relative configuration and a relative root', async () => {
    const host = new Host();
    host.write('/srv/config.yml', config('registry'));
    host.run(10, { ...serve('config.yml'), cwd: '/srv' });
    expect((await host.look()).processes).toEqual(hit);
  });

  test.each<Partial<Process>>([
    { args: ['/usr/bin/dockerregistry', '/etc/registry.yml'] },
    { args: ['dockerregistry', '-v=2', '/etc/registry.yml'] },
    {
      args: ['/usr/bin/dockerregistry'],
      env: ['REGISTRY_CONFIGURATION_PATH=/etc/registry.yml'],
    },
  ])("as OpenShift's starts, without a command: %j", async (more) => {
    expect((await withConfig(config(STORE), more)).processes).toEqual(hit);
    expect((await withConfig(config('/srv/other'), more)).processes).toEqual([]);
  });

  test.each([
    ['registry', undefined],
    ['/bin/registry', undefined],
    ['/usr/bin/docker-registry', undefined],
    ['/usr/bin/registry_DO_NOT_USE_GC', undefined],
    ['harbor_registryctl', undefined],
    ['/home/harbor/harbor_registryctl', undefined],
    ['renamed', '/usr/bin/docker-registry'],
  ])('as %s (%s)', async (program, exe) => {
    const args = [program, 'serve', '/etc/registry.yml'];
    const more = exe === undefined ? { args } : { args, exe };
    expect((await withConfig(config(STORE), more)).processes).toEqual(hit);
  });

  test('whatever flags come before its configuration', async () => {
    const args = ['registry', 'serve', '--debug', '/etc/registry.yml'];
    expect((await withConfig(config(STORE), { args })).processes).toEqual(hit);
  });

  test('among others, each of them', async () => {
    const host = new Host();
    host.write('/etc/a.yml', config(STORE));
    host.write('/etc/b.yml', config('/srv/none'));
    host.run(10, serve('/etc/a.yml'));
    host.run(11, serve('/etc/b.yml'));
    host.run(12, serve('/etc/a.yml'));
    expect((await host.look()).processes.map(({ pid }) => pid)).toEqual([10, 12]);
  });
});

describe('in a container', () => {
  const inside = (path: string): { host: Host; root: string } => {
    const host = new Host();
    const root = '/var/lib/docker/rootfs';
    host.write(`${root}${path}/docker/registry/v2/blobs/x`, '');
    return { host, root };
  };

  test('its paths are those of its own root', async () => {
    const { host, root } = inside('/var/lib/registry');
    host.write(`${root}/etc/config.yml`, config('/var/lib/registry'));
    host.run(10, { ...serve('/etc/config.yml'), root });
    expect((await host.look(`${root}/var/lib/registry`)).processes).toEqual(hit);
    // The same path outside is another store.
    expect((await host.look()).processes).toEqual([]);
  });

  test.each(['/data', '../../data'])(
    'a root that is a symbolic link to %s counts, or may',
    async (target) => {
      const { host, root } = inside('/data');
      host.link(`${root}/var/lib/registry`, target);
      host.write(`${root}/etc/config.yml`, config('/var/lib/registry'));
      host.run(10, { ...serve('/etc/config.yml'), root });
      expect((await host.look(`${root}/data`)).processes).not.toEqual([]);
    },
  );

  test('a configuration that is a symbolic link, as Kubernetes makes them, counts, or may', async () => {
    const { host, root } = inside('/data');
    host.write(`${root}/etc/..2026/config.yml`, config('/data'));
    host.link(`${root}/etc/config.yml`, '..2026/config.yml');
    host.run(10, { ...serve('/etc/config.yml'), root });
    expect((await host.look(`${root}/data`)).processes).not.toEqual([]);
  });
});

describe('a registry is no hit', async () => {
  test('on another store', async () => {
    const host = new Host();
    host.write('/srv/other/docker/registry/v2/blobs/x', '');
    host.write('/etc/registry.yml', config('/srv/other'));
    host.run(10, serve('/etc/registry.yml'));
    expect(await host.look()).toEqual({ processes: [], blind: undefined });
  });

  test('on a root where nothing was pushed yet', async () => {
    expect((await withConfig(config('/srv/fresh'))).processes).toEqual([]);
  });

  test('on s3 with a prefix; and without one it is never sure to be', async () => {
    const s3 = (more: string): string =>
      `storage:\n  s3:\n    region: us-1\n    bucket: b\n${more}`;
    expect((await withConfig(s3('    rootdirectory: /prefix\n'))).processes).toEqual([]);
    expect((await withConfig(s3(''))).processes.filter(({ certain }) => certain)).toEqual([]);
  });

  test("but Harbor's controller, which deletes from the store, may be one", async () => {
    const text = 'protocol: http\nport: 8080\nregistry_config: /etc/registry/config.yml\n';
    const args = ['/home/harbor/harbor_registryctl', '-c', '/etc/registry.yml'];
    expect((await withConfig(text, { args })).processes).toEqual(maybe);
  });

  test.each([
    ['its own client', ['docker', 'push', 'registry/x']],
    ['a shell that names it', ['/bin/sh', '-c', 'registry serve /etc/registry.yml']],
    ['an editor of its configuration', ['vi', '/etc/registry.yml']],
    ['a thread of the kernel', []],
  ])('%s', async (_, args) => {
    expect((await withConfig(config(STORE), { args })).processes).toEqual([]);
  });

  test('that ends while it is looked at', async () => {
    const host = new Host();
    host.write('/etc/registry.yml', config(STORE));
    host.run(10, serve('/etc/registry.yml'));
    const ending = (fs: ReadFs): ReadFs => ({
      ...fs,
      read(path, buffer) {
        if (path.endsWith('/environ')) host.fs.rmSync('/proc/10', { recursive: true, force: true });
        return fs.read(path, buffer);
      },
    });
    expect((await host.look(STORE, ending)).processes).toEqual([]);
  });

  test('that is this very process', async () => {
    const host = new Host();
    host.write('/etc/registry.yml', config(STORE));
    host.run(process.pid, serve('/etc/registry.yml'));
    expect((await host.look()).processes).toEqual([]);
  });
});

describe('what cannot be read never counts as another store', async () => {
  const denied =
    (pattern: RegExp) =>
    (fs: ReadFs): ReadFs => {
      const guard = <T>(path: string, call: () => T): T => {
        if (pattern.test(path)) throw Object.assign(new Error('denied'), { code: 'EACCES' });
        return call();
      };
      return {
        ...fs,
        read: (path, buffer) => guard(path, () => fs.read(path, buffer)),
        stat: (path) => guard(path, () => fs.stat(path)),
        resolve: (path) => guard(path, () => fs.resolve(path)),
        names: (path) => guard(path, () => fs.names(path)),
      };
    };

  test.each([
    ["another user's process", /^\/proc\/10\/(?:environ|exe|root|cwd)/],
    ['its root', /^\/proc\/10\/root/],
    ['its configuration', /registry\.yml/],
    ['the directory of its store', /\/v2$/],
  ])('%s', async (_, pattern) => {
    const host = new Host();
    host.write('/etc/registry.yml', config('/srv/other'));
    host.run(10, serve('/etc/registry.yml'));
    expect((await host.look(STORE, denied(pattern))).processes).toEqual(maybe);
  });

  test.each([
    ['no configuration named', '', { args: ['registry', 'serve'] }],
    ['a configuration that is gone', '', { args: ['registry', 'serve', '/etc/gone.yml'] }],
    ['an empty configuration', '', {}],
    ['a configuration that is no YAML', '{', {}],
  ])('%s', async (_, text, more) => {
    expect((await withConfig(text, more)).processes).toEqual(maybe);
  });

  test('a store that is a symbolic link there', async () => {
    const host = new Host();
    host.link('/srv/linked/docker/registry/v2', `${STORE}/docker/registry/v2`);
    host.write('/etc/registry.yml', config('/srv/linked'));
    host.run(10, serve('/etc/registry.yml'));
    expect((await host.look()).processes).toEqual(maybe);
  });

  test('a command with control characters shows on one line', async () => {
    const args = ['registry', 'serve', '/etc/registry.yml', 'x'.repeat(500)];
    const [found] = (await withConfig(config(STORE), { args })).processes;
    expect(found?.command.length).toBeLessThanOrEqual(200);
  });

  test('no /proc at all is blind', async () => {
    const look = await new Host().look(STORE, denied(/^\/proc/));
    expect(look.processes).toEqual([]);
    expect(look.blind).toContain('container');
  });

  test('a container or hidden processes are blind', async () => {
    const host = new Host();
    host.write('/proc/2/comm', 'sh\n');
    expect((await host.look()).blind).toContain('container');
    expect((await new Host().look(STORE, denied(/^\/proc\/2\//))).blind).toContain('hidden');
  });

  test.each(['nfs', 'nfs4', 'cifs', 'ceph', 'fuse.sshfs', 'fuse.glusterfs', '9p', 'lustre'])(
    'a store on %s is blind: other hosts may serve it',
    async (type) => {
      const look = await new Host(`${MOUNTS}22 21 0:40 / /srv rw - ${type} server:/x rw\n`).look();
      expect(look.blind).toContain(type);
    },
  );

  test.each(['ext4', 'xfs', 'btrfs', 'tmpfs', 'zfs', 'overlay'])(
    'a store on %s is not',
    async (type) => {
      expect(
        (await new Host(`${MOUNTS}22 21 0:40 / /srv rw - ${type} x rw\n`).look()).blind,
      ).toBeUndefined();
    },
  );
});
