import { describe, expect, it } from 'vitest';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { PACKED, packHex, unpackDigest } from '../../src/registry/digest.ts';
import { KIND } from '../../src/registry/media-type.ts';
import { BARE, BLOB } from '../../src/scan/detail-shard.ts';
import { discover } from '../../src/scan/discovery.ts';
import { READ, REVISION, TAG } from '../../src/scan/facts.ts';
import { runTask } from '../../src/scan/handlers.ts';
import { NOTHING } from '../../src/scan/scan.ts';
import { ShardReader } from '../../src/scan/shard.ts';
import { digestOf, digestPath } from '../support/store.ts';
import type { StoreBuilder } from '../support/store.ts';
import { asNodeFs } from '../support/survey.ts';
import { OLD, image, layer, newStore } from './rules/bench.ts';

function reading(store: StoreBuilder): {
  fs: ReadFs;
  context: { base: string; writeOff: string[] };
} {
  return { fs: makeReadFs(asNodeFs(store.fs)), context: { base: store.base, writeOff: [] } };
}

function pack(...digests: readonly string[]): Uint8Array {
  const packed = new Uint8Array(digests.length * PACKED);
  digests.forEach((digest, i) => packHex(digest, 7, packed, i * PACKED));
  return packed;
}

function unpack(packed: Uint8Array): string[] {
  return Array.from({ length: packed.length / PACKED }, (_, i) => unpackDigest(packed, i * PACKED));
}

/** A disk on which no link can be looked at. */
function withoutLooks(fs: ReadFs): ReadFs {
  return {
    ...fs,
    quickStat: () => {
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    },
  };
}

describe('discovery', () => {
  it('finds what has _manifests, _layers or _uploads, nested too, in order', async () => {
    const store = newStore();
    for (const path of [
      'b/_layers',
      'a/_manifests',
      'a/b/c/_uploads',
      'a/b/c/_layers',
      '_trash/x/_layers',
      '_trash/empty',
      'e/f',
    ]) {
      store.mkdir(`repositories/${path}`);
    }
    store.writeFile('repositories/.DS_Store', 'x');
    store.writeFile('repositories/_trash/y/file', 'x');
    const { fs, context } = reading(store);
    const reader = new ShardReader(fs, context);
    const { repositories, empty } = discover(reader);
    expect(repositories).toEqual([
      { path: '_trash/x', marks: ['_layers'], frozen: expect.any(String) as string },
      { path: 'a', marks: ['_manifests'], frozen: undefined },
      { path: 'a/b/c', marks: ['_layers', '_uploads'], frozen: undefined },
      { path: 'b', marks: ['_layers'], frozen: undefined },
    ]);
    expect(empty).toEqual(['e/f', 'e']);
    expect(reader.findings.map(({ code, path }) => `${code} ${path}`).sort()).toEqual([
      'bad-name repositories/_trash/x',
      'stray repositories/.DS_Store',
      'stray repositories/_trash',
    ]);
  });

  it.each([
    'Shop/Web',
    '_shop',
    'a b',
    'x\ny',
    '*',
    '[ab]',
    '{a,b}',
    '!a',
    '.hidden',
    '@(a)',
    "it's",
  ])('finds %j, and it is kept whole', (name) => {
    const store = newStore();
    store.mkdir(`repositories/${name}/_layers`);
    const { fs, context } = reading(store);
    const { repositories } = discover(new ShardReader(fs, context));
    expect(repositories).toMatchObject([{ path: name, frozen: expect.any(String) as string }]);
  });
});

describe('a symlink among the repositories', () => {
  it.each([
    ['y/_uploads/moved', ['alias', 'y']],
    ['y/_uploads', ['alias/moved', 'y']],
    // What is seen anyway is not read twice.
    ['y', ['y']],
    ['.', ['y']],
  ])('that leads to %s is followed unless that is walked anyway', (target, found) => {
    const store = newStore();
    store.mkdir('repositories/y/_uploads/moved/_layers');
    const repositories = `${store.base}/repositories`;
    store.fs.symlinkSync(`${repositories}/${target}`, `${repositories}/alias`);
    const { fs, context } = reading(store);
    const { repositories: all } = discover(new ShardReader(fs, context));
    expect(all.map(({ path }) => path)).toEqual(found);
    for (const { path, frozen } of all) expect(frozen !== undefined).toBe(path !== 'y');
  });
});

describe('a symlink in the place of a link', () => {
  function readLinked(wrap: (fs: ReadFs) => ReadFs = (fs) => fs, target = '/elsewhere/link') {
    const store = newStore();
    store.mkdir('repositories/a/_manifests/tags/latest/current');
    store.fs.mkdirSync('/elsewhere', { recursive: true });
    store.fs.writeFileSync('/elsewhere/link', digestOf('x'));
    const link = `${store.base}/${store.tagPath('a', 'latest')}/current/link`;
    store.fs.symlinkSync(target, link);
    const { fs, context } = reading(store);
    const repositories = [{ path: 'a', marks: ['_manifests'], frozen: undefined }];
    return runTask(wrap(fs), 'repositories', { ...context, repositories, tagTimes: false });
  }

  it('is read through, and its repository loses nothing', async () => {
    const facts = await readLinked();
    expect(unpack(facts.tags)).toEqual([digestOf('x')]);
    expect([...facts.tagFlags]).toEqual([TAG.good]);
    expect(facts.frozen).toHaveLength(1);
    expect(facts.findings).toMatchObject([{ code: 'symlink', severity: 'damage' }]);
  });

  it('says nothing when it leads nowhere', async () => {
    const facts = await readLinked(undefined, '/nowhere');
    expect([...facts.tagFlags]).toEqual([TAG.unreadable]);
    expect(facts.findings).toMatchObject([{ code: 'empty-link', severity: 'damage' }]);
  });

  it.each(['EACCES', 'EIO'])(
    'hides what it leads to when it cannot be followed: %s',
    async (code) => {
      const resolve = (): never => {
        throw Object.assign(new Error(code), { code });
      };
      const facts = await readLinked((fs) => ({ ...fs, resolve }));
      expect(facts.findings).toContainEqual(
        expect.objectContaining({ code: 'unreadable', severity: 'blind' }),
      );
    },
  );
});

describe('a symlink where a blob is to be', () => {
  it.each([
    ['ENOENT', 'notice'],
    ['ELOOP', 'notice'],
    ['EACCES', 'blind'],
    ['EIO', 'blind'],
  ])('that cannot be followed for %s: %s', (code, severity) => {
    const { fs, context } = reading(newStore());
    const resolve = (): never => {
      throw Object.assign(new Error(code), { code });
    };
    const reader = new ShardReader({ ...fs, resolve }, context);
    reader.noteLink('blobs/sha256/aa');
    expect(reader.findings).toMatchObject([{ severity, path: 'blobs/sha256/aa' }]);
  });
});

describe('the shard of repositories', () => {
  it('reads revisions, tags, layer links and uploads', async () => {
    const store = newStore();
    const tagged = image(store, 'a', 'latest');
    const deleted = image(store, 'a');
    store.deleteRevision('a', deleted.digest);
    store.tag('a', 'broken', tagged.digest);
    store.writeLink('repositories/a/_manifests/tags/broken/current/link', '');
    store.upload('a', '01234567-89ab-4cde-8f01-23456789abcd', { bytes: 5, startedAt: OLD });
    store.ageEverything(OLD);
    const { fs, context } = reading(store);
    const repositories = [
      { path: 'a', marks: ['_layers', '_manifests', '_uploads'], frozen: undefined },
      { path: 'none', marks: ['_layers', '_manifests'], frozen: undefined },
    ];
    const facts = await runTask(fs, 'repositories', { ...context, repositories, tagTimes: true });
    expect([...facts.counts]).toEqual([2, 2, 4, 0, 0, 0]);
    expect([...facts.layersListed]).toEqual([1, 0]);
    const flags = new Map(
      unpack(facts.revisions).map((digest, i) => [digest, facts.revisionFlags[i]]),
    );
    expect(flags.get(tagged.digest)).toBe(REVISION.linked);
    expect(flags.get(deleted.digest)).toBe(REVISION.bare);
    const tags = new Map(facts.tagNames.map((name, i) => [name, facts.tagFlags[i]]));
    expect(Object.fromEntries(tags)).toEqual({ latest: TAG.good, broken: TAG.unreadable });
    expect([...facts.tagTimes]).toEqual([OLD.getTime(), OLD.getTime()]);
    expect(facts.uploads).toMatchObject([{ repository: 0, startedMs: OLD.getTime() }]);
    expect(facts.findings.map(({ code }) => code)).toEqual(['empty-link']);
    expect(facts.frozen).toEqual([]);
  });

  it('reads the link where the algorithm is not sha256', async () => {
    const store = newStore();
    const bytes = layer();
    const alias = store.sha512Layer('a', bytes);
    const broken = digestOf('x', 'sha512');
    store.writeLink(`repositories/a/_layers/${digestPath(broken)}/link`, '');
    const { fs, context } = reading(store);
    const repositories = [{ path: 'a', marks: ['_layers'], frozen: undefined }];
    const facts = await runTask(fs, 'repositories', { ...context, repositories, tagTimes: false });
    const byName = new Map(
      facts.aliases.map(({ name, target }) => [name as string, target as string | undefined]),
    );
    expect(byName).toEqual(
      new Map([
        [alias, digestOf(bytes)],
        [broken, undefined],
      ]),
    );
    expect(facts.frozen).toHaveLength(1);
    const path = `repositories/a/_layers/${digestPath(broken)}/link`;
    expect(facts.findings).toMatchObject([{ code: 'empty-link', severity: 'blind', path }]);
  });

  it('reads links by an algorithm that is not known, however their directories nest', async () => {
    const store = newStore();
    const hex = 'ab'.repeat(32);
    const [one, two, three] = [digestOf('1'), digestOf('2'), digestOf('3')];
    store.writeLink(`repositories/a/_layers/tarsum/v1/sha256/${hex}/link`, one);
    store.writeLink(`repositories/a/_layers/blake3/${hex}/link`, two);
    store.writeLink(`repositories/a/_manifests/revisions/blake3/${hex}/link`, three);
    store.mkdir('repositories/b/_layers/blake3');
    const { fs, context } = reading(store);
    const marks = ['_layers', '_manifests'];
    const repositories = ['a', 'b'].map((path) => ({ path, marks, frozen: undefined }));
    const facts = await runTask(fs, 'repositories', { ...context, repositories, tagTimes: false });
    expect(facts.pins.map(({ where, digest }) => `${where} ${digest}`).sort()).toEqual(
      [`layer ${one}`, `layer ${two}`, `revision ${three}`].sort(),
    );
    expect(new Set(facts.frozen.map(({ repository }) => repository))).toEqual(new Set([0]));
  });
});

describe('the shard of blobs', () => {
  it('takes directories for digests, and leaves the rest', async () => {
    const store = newStore();
    const digest = store.blob(layer());
    const prefix = digest.slice(7, 9);
    for (const stray of [
      'README',
      'f'.repeat(63),
      `${prefix === '00' ? '11' : '00'}${'0'.repeat(62)}`,
    ]) {
      store.mkdir(`blobs/sha256/${prefix}/${stray}`);
    }
    store.writeFile(`blobs/sha256/${prefix}/file`, '');
    const { fs, context } = reading(store);
    const facts = await runTask(fs, 'blobs', { ...context, prefixes: [prefix, 'no'] });
    expect(unpack(facts.digests)).toEqual([digest]);
    expect(facts.findings).toHaveLength(4);
  });
});

describe('the shard of manifests', () => {
  it('hashes before it believes, and says how each reading ended', async () => {
    const store = newStore();
    const { digest: good } = image(store, 'a');
    const texts = ['[1]', ' {"layers":[]}', 'corrupt', 'empty'];
    const [array, spaced, corrupt, empty] = texts.map((text) => store.blob(text)) as [
      string,
      string,
      string,
      string,
    ];
    store.fs.writeFileSync(`${store.base}/${store.blobPath(corrupt)}`, 'other');
    store.fs.writeFileSync(`${store.base}/${store.blobPath(empty)}`, '');
    const large = store.blob(Buffer.alloc(9 * 1024 * 1024, 32));
    const medium = store.blob(`{"layers":[]}${' '.repeat(100_000)}`);
    const nothing = store.blob('');
    const asked = [good, array, spaced, corrupt, empty, large, medium, nothing, digestOf('absent')];
    const { fs, context } = reading(store);
    const facts = await runTask(fs, 'manifests', {
      ...context,
      digests: pack(...asked),
      onlyLikely: false,
      portraits: false,
    });
    expect([...facts.status]).toEqual([
      READ.good,
      READ.malformed,
      READ.good,
      READ.corrupt,
      READ.empty,
      READ.oversized,
      READ.good,
      READ.malformed,
      READ.missing,
    ]);
    expect([...facts.edgeCounts]).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(facts.kinds[0]).toBe(KIND.image);
    expect(facts.declared[0]).toBe(1);
    const likely = await runTask(fs, 'manifests', {
      ...context,
      digests: pack(...asked),
      onlyLikely: true,
      portraits: false,
    });
    expect([...likely.status].slice(0, 3)).toEqual([READ.good, READ.malformed, READ.good]);
    expect(likely.status[5]).toBe(READ.malformed);
  });

  it('an error that is not absence hides what is there', async () => {
    const store = newStore();
    const { digest } = image(store, 'a');
    const { fs, context } = reading(store);
    const failing = {
      ...fs,
      read: () => {
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      },
    };
    const facts = await runTask(failing, 'manifests', {
      ...context,
      digests: pack(digest),
      onlyLikely: false,
      portraits: false,
    });
    expect([...facts.status]).toEqual([READ.unreadable]);
    expect(facts.findings).toMatchObject([{ code: 'unreadable', digest }]);
    const given = await runTask(failing, 'manifests', {
      ...context,
      writeOff: [store.blobPath(digest)],
      digests: pack(digest),
      onlyLikely: false,
      portraits: false,
    });
    expect([...given.status]).toEqual([READ.writtenOff]);
    expect(given.findings).toMatchObject([{ code: 'written-off', severity: 'notice', digest }]);
  });
});

describe('portraits that come with manifests', () => {
  it('are those that a reading of their own gives: of indexes and referrers alone', async () => {
    const store = newStore();
    const [one, two] = [image(store, 'a'), image(store, 'a')];
    const index = store.index('a', [one, two], { platforms: ['linux/arm64'] });
    const referrer = store.image('a', {
      layers: [layer()],
      mediaType: 'oci',
      artifactType: 'application/vnd.example+json',
      subject: one,
    });
    const large = store.blob(`{"manifests":[{"digest":"${one.digest}"}]}${' '.repeat(5 << 20)}`);
    const absent = digestOf('absent');
    const asked = [one.digest, index.digest, absent, referrer.digest, large, two.digest];
    const { fs, context } = reading(store);
    const digests = pack(...asked);
    const shard = { ...context, digests, onlyLikely: false };
    const { portraits } = await runTask(fs, 'manifests', { ...shard, portraits: true });
    expect(portraits.map(({ at }) => asked[at])).toEqual([index.digest, referrer.digest, large]);
    const { portraits: alone } = await runTask(fs, 'portraits', {
      ...context,
      digests,
      configs: false,
    });
    expect(portraits.map(({ portrait }) => portrait)).toEqual(portraits.map(({ at }) => alone[at]));
    expect(portraits[0]?.portrait.children).toMatchObject([
      { digest: one.digest, platform: 'linux/arm64' },
      { digest: two.digest },
    ]);
    const none = await runTask(fs, 'manifests', { ...shard, portraits: false });
    expect(none.portraits).toEqual([]);
  });
});

describe('the shard of details', () => {
  it('measures blobs, and tells a directory without data', async () => {
    const store = newStore();
    const blob = store.blob(Buffer.alloc(1234));
    const [bare, temporary, stray] = ['1', '2', '3'].map((text) => digestOf(text)) as [
      string,
      string,
      string,
    ];
    const directory = (digest: string): string => store.blobPath(digest).slice(0, -5);
    store.mkdir(directory(bare));
    store.temp(`${directory(temporary)}/data.abc.tmp`);
    store.writeFile(`${directory(stray)}/README`, '');
    store.ageEverything(OLD);
    const { fs, context } = reading(store);
    const blobs = pack(blob, bare, temporary, stray);
    const facts = await runTask(fs, 'details', { ...context, ...NOTHING, blobs });
    expect([...facts.blobStates]).toEqual([BLOB.present, BLOB.absent, BLOB.absent, BLOB.odd]);
    expect(facts.blobBytes[0]).toBe(1234);
    expect(facts.blobMtimes[0]).toBe(BigInt(OLD.getTime()) * 1_000_000n);
    expect(facts.temporaries).toMatchObject([{ bytes: 4 }]);
  });

  it('times of links, histories and skeletons', async () => {
    const store = newStore();
    const old = image(store, 'a', 'latest');
    const current = image(store, 'a', 'latest');
    image(store, 'b', 'new');
    const bare = digestOf('bare');
    // Whose history has what is no digest is left alone.
    for (const name of ['0', '1'.repeat(64), '2'.repeat(64)]) {
      store.mkdir(`repositories/b/_manifests/tags/odd/index/sha256/${name}`);
    }
    store.mkdir(`repositories/a/_layers/${digestPath(bare)}`);
    const tagOf = (tag: string): string => `${store.base}/repositories/${tag}`;
    store.mkdir('repositories/b/_manifests/tags/linked');
    store.fs.symlinkSync(
      tagOf('a/_manifests/tags/latest/index'),
      tagOf('b/_manifests/tags/linked/index'),
    );
    store.ageEverything(OLD);
    const { fs, context } = reading(store);
    const facts = await runTask(fs, 'details', {
      ...context,
      ...NOTHING,
      layerLinks: [{ repository: 'a', digests: pack(current.edges[0] as string, bare) }],
      tags: [
        { repository: 'a', tags: ['latest'] },
        { repository: 'b', tags: ['new', 'none', 'odd', 'linked'] },
      ],
      histories: [
        { repository: 'a', tag: 'latest' },
        { repository: 'a', tag: 'none' },
      ],
      skeletons: ['a'],
    });
    expect([...facts.linkTimes]).toEqual([OLD.getTime(), BARE]);
    // Nor is what stands behind a symlink.
    expect([...facts.entryCounts]).toEqual([2, 0, 0, 0, 0]);
    expect(unpack(facts.entries).sort()).toEqual([old.digest, current.digest].sort());
    expect(facts.histories[0]).toMatchObject({
      digests: [old.digest, current.digest].sort(),
      directories: ['index/sha256', 'index'],
      whole: true,
    });
    expect(facts.histories[1]).toMatchObject({ digests: [], directories: [] });
    expect(facts.skeletons).toEqual([
      [
        '_manifests/revisions/sha256',
        '_layers/sha256',
        '_manifests/revisions',
        '_manifests/tags',
        '_manifests',
        '_layers',
      ],
    ]);
  });

  it('a link that cannot be looked at counts as of now', async () => {
    const store = newStore();
    const { edges } = image(store, 'a');
    const { fs, context } = reading(store);
    const layerLinks = [{ repository: 'a', digests: pack(edges[0] as string) }];
    expect(
      (await runTask(withoutLooks(fs), 'details', { ...context, ...NOTHING, layerLinks }))
        .linkTimes[0],
    ).toBe(Infinity);
  });
});

describe('the shard of symlinks', () => {
  it('says when a plain link was written, and of all else that it needs a closer look', async () => {
    const store = newStore();
    const { edges } = image(store, 'a', 'latest');
    const link = (text: string): string =>
      `${store.base}/repositories/a/_layers/${digestPath(digestOf(text))}/link`;
    for (const text of ['bare', 'leads nowhere', 'leads on']) {
      store.mkdir(`repositories/a/_layers/${digestPath(digestOf(text))}`);
    }
    store.mkdir(`repositories/a/_layers/${digestPath(digestOf('directory'))}/link`);
    store.fs.symlinkSync('/nowhere', link('leads nowhere'));
    store.fs.symlinkSync(link('bare').replace('/link', ''), link('leads on'));
    store.ageEverything(OLD);
    const { fs, context } = reading(store);
    const texts = ['absent', 'bare', 'directory', 'leads nowhere', 'leads on'];
    const facts = await runTask(fs, 'symlinks', {
      ...context,
      layerLinks: [
        {
          repository: 'a',
          digests: pack(edges[0] as string, ...texts.map((text) => digestOf(text))),
        },
        { repository: 'b', digests: pack(edges[0] as string) },
      ],
      tags: [{ repository: 'a', tags: ['latest'] }],
    });
    const unknown = [...texts, 'of another repository'].map(() => Number.NaN);
    expect([...facts.linkTimes]).toEqual([OLD.getTime(), ...unknown]);
    expect(facts.repositories).toEqual(['a']);
  });

  it('leaves a link that cannot be looked at to be looked at again', async () => {
    const store = newStore();
    const { edges } = image(store, 'a');
    const { fs, context } = reading(store);
    const layerLinks = [{ repository: 'a', digests: pack(edges[0] as string) }];
    const facts = await runTask(withoutLooks(fs), 'symlinks', { ...context, layerLinks, tags: [] });
    expect(facts.linkTimes[0]).toBeNaN();
    expect(facts.findings).toMatchObject([{ code: 'unreadable', severity: 'blind' }]);
  });
});
