import { execFileSync } from 'node:child_process';
import nodeFs, { constants } from 'node:fs';
import os from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { NodeLikeFs } from '../../src/fs/node-fs.ts';
import { ShortListingError } from '../../src/fs/read-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { regsweep } from '../support/cli.ts';
import { StoreBuilder } from '../support/store.ts';
import type { Written } from '../support/store.ts';
import { planStore } from '../support/survey.ts';
import { image, layer, plan, sorted } from './rules/bench.ts';

const parent = nodeFs.mkdtempSync(
  `${nodeFs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir()}/regsweep-scan-`,
);
afterAll(() => nodeFs.rmSync(parent, { recursive: true, force: true }));

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** `node:fs` with some calls replaced. */
function withCalls(calls: Partial<Record<keyof NodeLikeFs, unknown>>): NodeLikeFs {
  return Object.assign({ ...nodeFs }, calls as Partial<NodeLikeFs>);
}

describe('the disk, read', () => {
  const folder = `${parent}/disk`;
  beforeAll(() => {
    for (let i = 0; i < 20; i++) nodeFs.mkdirSync(`${folder}/many/d${i}`, { recursive: true });
    nodeFs.writeFileSync(`${folder}/file`, 'content');
    nodeFs.symlinkSync('many', `${folder}/link`);
    execFileSync('mkfifo', [`${folder}/fifo`]);
  });

  /** Cuts every listing, as getdents64 with ENOENT part-way does: names so far, and no error. */
  const cut = (keep: number): NodeLikeFs =>
    withCalls({
      readdirSync: (path: string, options: object) =>
        nodeFs.readdirSync(path, options as never).slice(0, keep),
    });

  it('a short listing is an error, in either form', () => {
    for (const keep of [0, 1, 19]) {
      expect(() => makeReadFs(cut(keep)).directories(`${folder}/many`)).toThrow(ShortListingError);
      expect(() => makeReadFs(cut(keep)).entries(`${folder}/many`)).toThrow(ShortListingError);
    }
    expect(makeReadFs(cut(20)).directories(`${folder}/many`).names).toHaveLength(20);
  });

  it('where the link count tells nothing (btrfs), a listing is believed', () => {
    const flat = withCalls({
      lstatSync: (path: string, options: object) =>
        Object.assign(nodeFs.lstatSync(path, options as never), { nlink: 1 }),
    });
    expect(makeReadFs(flat).directories(`${folder}/many`).names).toHaveLength(20);
  });

  it('a directory that changes while it is read is read again, and then given up', () => {
    let calls = 0;
    const restless = (times: number): NodeLikeFs =>
      withCalls({
        readdirSync: (path: string, options: object) => {
          if (calls++ < times) nodeFs.utimesSync(path, new Date(), new Date(calls * 1000));
          return nodeFs.readdirSync(path, options as never);
        },
      });
    expect(makeReadFs(restless(1)).entries(`${folder}/many`)).toHaveLength(20);
    calls = 0;
    expect(() => makeReadFs(restless(99)).entries(`${folder}/many`)).toThrow(ShortListingError);
  });

  it('no symlink is followed, no FIFO waited for', () => {
    const fs = makeReadFs();
    const buffer = new Uint8Array(16);
    expect(() => fs.directories(`${folder}/link`)).toThrow(
      expect.objectContaining({ code: 'ELOOP' }) as Error,
    );
    expect(() => fs.read(`${folder}/link`, buffer)).toThrow(
      expect.objectContaining({ code: 'ELOOP' }) as Error,
    );
    expect(fs.read(`${folder}/fifo`, buffer)).toBe(0);
    expect(fs.stat(`${folder}/fifo`)?.kind).toBe('other');
    expect(fs.stat(`${folder}/link`)?.kind).toBe('symlink');
    expect(fs.resolve(`${folder}/link`)).toBe(`${folder}/many`);
  });

  it('absent is undefined for the stats and an error for the rest', () => {
    const fs = makeReadFs();
    expect(fs.stat(`${folder}/none`)).toBeUndefined();
    expect(fs.quickStat(`${folder}/file/below`)).toBeUndefined();
    expect(() => fs.read(`${folder}/none`, new Uint8Array(1))).toThrow(/ENOENT/);
    expect(() => fs.directories(`${folder}/none`)).toThrow(/ENOENT/);
  });

  it('other errors of the stats are passed on', () => {
    const fs = makeReadFs(
      withCalls({
        lstatSync: () => {
          throw errno('EIO');
        },
      }),
    );
    expect(() => fs.stat('/x')).toThrow('EIO');
    expect(() => fs.quickStat('/x')).toThrow('EIO');
  });

  it('reading leaves the atime, and goes on without O_NOATIME where that is not allowed', () => {
    const flags: number[] = [];
    const refusing = withCalls({
      openSync: (path: string, flag: number) => {
        flags.push(flag);
        if ((flag & constants.O_NOATIME) !== 0) throw errno('EPERM');
        return nodeFs.openSync(path, flag);
      },
    });
    const buffer = new Uint8Array(16);
    expect(makeReadFs(refusing).read(`${folder}/file`, buffer)).toBe(7);
    expect(flags.map((flag) => (flag & constants.O_NOATIME) !== 0)).toEqual([true, false]);
    const old = new Date('2020-01-01');
    nodeFs.utimesSync(`${folder}/file`, old, new Date('2021-01-01'));
    makeReadFs().read(`${folder}/file`, buffer);
    expect(nodeFs.statSync(`${folder}/file`).atimeMs).toBe(old.getTime());
  });

  it('any other error of open is not hidden by the second try', () => {
    const fs = makeReadFs(
      withCalls({
        openSync: () => {
          throw errno('EACCES');
        },
      }),
    );
    expect(() => fs.read(`${folder}/file`, new Uint8Array(1))).toThrow('EACCES');
  });

  it('names that are not UTF-8 come back as bytes that open again', () => {
    nodeFs.mkdirSync(Buffer.from(`${folder}/odd/\xff\xfe`, 'latin1'), { recursive: true });
    const fs = makeReadFs();
    expect(fs.directories(`${folder}/odd`).names).toEqual(['\xff\xfe']);
    expect(fs.stat(`${folder}/odd/\xff\xfe`)?.kind).toBe('directory');
  });
});

interface Scene {
  readonly store: StoreBuilder;
  readonly tagged: Written;
  readonly orphan: string;
}

function scene(name: string): Scene {
  const store = new StoreBuilder(nodeFs, `${parent}/${name}`);
  const tagged = image(store, 'team/a', 'latest');
  image(store, 'team/a', '2.0');
  image(store, 'b', 'latest');
  const orphan = store.blob(layer());
  store.ageEverything(new Date(Date.now() - 30 * 86_400_000));
  return { store, tagged, orphan };
}

/** The same disk, on which one directory cannot be listed. */
function failing(path: string, error: Error): (fs: ReadFs) => ReadFs {
  return (fs) => {
    const check = (asked: string): void => {
      if (asked.endsWith(path)) throw error;
    };
    return {
      ...fs,
      directories: (asked) => (check(asked), fs.directories(asked)),
      entries: (asked) => (check(asked), fs.entries(asked)),
    };
  };
}

describe('a scan that could not see everything', () => {
  const deciding = [
    'repositories',
    'repositories/team',
    'repositories/team/a',
    'repositories/team/a/_manifests/revisions',
    'repositories/team/a/_manifests/revisions/sha256',
    'repositories/team/a/_manifests/tags',
    'repositories/team/a/_layers',
    'repositories/team/a/_layers/sha256',
  ];
  const errors = [errno('EIO'), errno('EACCES'), new ShortListingError('x', '1 of 2')];
  const made = scene('blind');

  it.each(deciding.flatMap((path) => errors.map((error) => [path, error] as const)))(
    '%s: %s means that no blob is swept',
    async (path, error) => {
      const planned = await plan(made.store, {
        untagged: true,
        wrap: failing(path, error),
        now: Date.now(),
      });
      expect(planned.blind.length).toBeGreaterThan(0);
      expect(planned.planned.size + planned.dropped.size).toBe(0);
      const isShort = error instanceof ShortListingError;
      expect(planned.findings).toContain(`${isShort ? 'short-listing' : 'unreadable'} ${path}`);
    },
  );

  it.each(['blobs', 'blobs/sha256'])('%s likewise', async (path) => {
    const planned = await plan(made.store, { wrap: failing(path, errno('EIO')), now: Date.now() });
    expect(planned.blind.length).toBeGreaterThan(0);
    expect(planned.planned.size).toBe(0);
  });

  it.each([...deciding, 'blobs', 'blobs/sha256'])(
    '%s: descriptors that run out are no finding, and end the scan',
    async (path) => {
      const wrap = failing(path, errno('EMFILE'));
      await expect(plan(made.store, { wrap, now: Date.now() })).rejects.toMatchObject({
        code: 'io',
        message: expect.stringContaining(path) as string,
      });
    },
  );

  it('--write-off gives a path up, and the rest is swept', async () => {
    const path = 'repositories/team/a';
    const options = {
      wrap: failing(path, errno('EIO')),
      writeOff: ['repositories/team'],
      now: Date.now(),
    };
    const planned = await plan(made.store, options);
    expect(planned.blind).toEqual([]);
    expect(planned.findings).toContain(`written-off ${path}`);
    expect(planned.planned.has(made.orphan)).toBe(true);
    expect(planned.planned.has(made.tagged.digest)).toBe(true);
  });

  it('--write-off of a name that only begins alike gives nothing up', async () => {
    const options = {
      wrap: failing('repositories/team', errno('EIO')),
      writeOff: ['repositories/te'],
      now: Date.now(),
    };
    expect((await plan(made.store, options)).planned.size).toBe(0);
  });
});

describe('the command on such a disk', () => {
  const canTrace = ((): boolean => {
    try {
      execFileSync('strace', ['-qq', '-e', 'trace=none', 'true'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

  it.skipIf(!canTrace)(
    'a listing that ends early: exit 3, and no blob is planned',
    async () => {
      const { store } = scene('traced');
      let refused = 0;
      // Whichever listing of the store it is; Node's own start lists nothing.
      for (const nth of [1, 2, 4, 6]) {
        const inject = `inject=getdents64:error=ENOENT:when=${nth}`;
        const wrapper = [
          'strace',
          '-f',
          '--seccomp-bpf',
          '-qq',
          '-o',
          '/dev/null',
          '-e',
          'trace=getdents64',
          '-e',
          inject,
        ];
        const run = await regsweep(['plan', store.root, '--json', '--threads', '1'], { wrapper });
        expect([0, 3], run.stderr).toContain(run.code);
        if (run.code === 3) refused++;
        // A store that seems to have no repository at all is refused before there is anything to report.
        if (run.code === 3 && run.stdout === '') continue;
        const { blobs } = run.json as { blobs: { dropped: number } };
        expect(blobs.dropped).toBe(run.code === 3 ? 0 : 1);
      }
      expect(refused).toBeGreaterThan(0);
    },
    120_000,
  );

  it('a path that cannot be entered: exit 3 and the way out, and with it exit 0', async () => {
    const { store } = scene('loop');
    // Neither root nor anybody else can list what is too long a name to resolve: a loop of links behind a link.
    nodeFs.mkdirSync(`${parent}/outside/ns`, { recursive: true });
    nodeFs.symlinkSync('other', `${parent}/outside/ns/one`);
    nodeFs.symlinkSync('one', `${parent}/outside/ns/other`);
    nodeFs.symlinkSync(`${parent}/outside/ns`, `${store.base}/repositories/moved`);
    const refused = await regsweep(['plan', store.root]);
    expect(refused.code).toBe(3);
    expect(refused.stdout + refused.stderr).toContain('--write-off');
    const writeOff = ['--write-off', `${store.base}/repositories/moved`];
    const given = await regsweep(['plan', store.root, '--json', ...writeOff]);
    expect(given.code).toBe(0);
    expect(given.json).toMatchObject({ blobs: { dropped: 1 } });
  });

  it('is the same plan, whether names are UTF-8 or not', async () => {
    const { store, orphan } = scene('bytes');
    const path = `${store.base}/repositories/n\xff/_layers`;
    nodeFs.mkdirSync(Buffer.from(path, 'latin1'), { recursive: true });
    const planned = await planStore(nodeFs, store.root, { now: Date.now() });
    expect(sorted(planned.planned)).toEqual([orphan]);
    expect(sorted(planned.tainted)).toEqual(['n\xff']);
    const run = await regsweep(['plan', store.root, '--json']);
    expect(run.code).toBe(0);
    expect(run.json).toMatchObject({ blobs: { dropped: 1 } });
  });
});
