import nodeFs from 'node:fs';
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import type { ReadFs } from '../../../src/fs/read-fs.ts';
import type { Policy } from '../../../src/policy/model.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { MEDIA, digestOf, digestPath } from '../../support/store.ts';
import type { StoreBuilder, Written } from '../../support/store.ts';
import {
  age,
  closure,
  codes,
  image,
  layer,
  newStore,
  newStoreOnDisk,
  ofKind,
  plan,
  sorted,
} from './bench.ts';

interface Scene {
  readonly store: StoreBuilder;
  readonly tagged: Written;
  /** Of the same repository, untagged. */
  readonly untagged: Written;
  /** An untagged manifest of another repository, which no damage here may keep. */
  readonly other: Written;
  /** A blob that nothing links. */
  readonly orphan: string;
}

function scene(store: StoreBuilder): Scene {
  const untagged = image(store, 'a', 'latest');
  const tagged = image(store, 'a', 'latest');
  const other = image(store, 'b');
  image(store, 'b', 'latest');
  return { store, tagged, untagged, other, orphan: store.blob(layer()) };
}

function overwrite(store: StoreBuilder, digest: string, content: string | Uint8Array): void {
  store.fs.writeFileSync(`${store.base}/${store.blobPath(digest)}`, content);
}

function remove(store: StoreBuilder, path: string): void {
  store.fs.rmSync(`${store.base}/${path}`, { recursive: true, force: true });
}

/** The same disk, on which one file cannot be read. */
function failingRead(path: string, code: string): (fs: ReadFs) => ReadFs {
  return (fs) => ({
    ...fs,
    read: (asked, buffer) => {
      if (asked.endsWith(path)) throw Object.assign(new Error(code), { code });
      return fs.read(asked, buffer);
    },
  });
}

/** A keeps everything, b loses its untagged manifest, and the orphan goes. */
async function expectIsolated({ store, other, orphan }: Scene): Promise<void> {
  age(store);
  const planned = await plan(store, { untagged: true });
  expect(planned.blind).toEqual([]);
  expect(sorted(planned.tainted)).toEqual(['a']);
  expect(sorted(planned.dropped)).toEqual([`b@${other.digest}`]);
  expect(sorted(planned.planned)).toEqual(sorted([...closure(other), orphan]));
}

/** The damage is told of, and keeps nothing but itself. */
async function expectHarmless({ store, untagged, other, orphan }: Scene): Promise<void> {
  age(store);
  const planned = await plan(store, { untagged: true });
  expect(planned.blind).toEqual([]);
  expect(sorted(planned.tainted)).toEqual([]);
  expect(sorted(planned.dropped)).toEqual(sorted([`a@${untagged.digest}`, `b@${other.digest}`]));
  expect(planned.planned.has(orphan)).toBe(true);
}

async function expectNothingSwept({ store }: Scene): Promise<void> {
  age(store);
  for (const untagged of [false, true]) {
    const planned = await plan(store, { untagged });
    expect(planned.blind).not.toEqual([]);
    expect(planned.planned.size + planned.dropped.size).toBe(0);
  }
}

const link = (store: StoreBuilder): string => `${store.tagPath('a', 'latest')}/current/link`;

describe('rule 11: a kept manifest that cannot be read', () => {
  it.each([
    ['empty', (s: Scene) => overwrite(s.store, s.tagged.digest, '')],
    ['cut short', (s: Scene) => overwrite(s.store, s.tagged.digest, '{"schemaVersion":2,"lay')],
    ['of another content', (s: Scene) => overwrite(s.store, s.tagged.digest, '{"layers":[]}')],
    [
      'larger than any manifest',
      (s: Scene) => overwrite(s.store, s.tagged.digest, Buffer.alloc(9 << 20, 32)),
    ],
    ['without data', (s: Scene) => remove(s.store, s.store.blobPath(s.tagged.digest))],
    ['gone', (s: Scene) => remove(s.store, s.store.blobPath(s.tagged.digest).slice(0, -5))],
  ])('%s: its repository loses nothing, others do', async (_, injure) => {
    const made = scene(newStore());
    injure(made);
    await expectIsolated(made);
  });

  it('JSON of the right digest that is no object', async () => {
    const made = scene(newStore());
    const array = made.store.blob('[1]');
    made.store.revision('a', array);
    made.store.tag('a', 'array', array);
    await expectIsolated(made);
  });

  it('reached as a child of an index', async () => {
    const made = scene(newStore());
    const child = image(made.store, 'a');
    made.store.index('a', [child], { tag: 'index' });
    overwrite(made.store, child.digest, '');
    await expectIsolated(made);
  });

  it('reached from another repository, it taints that one as well', async () => {
    const made = scene(newStore());
    const child = image(made.store, 'a', 'child');
    made.store.index('c', [child], { tag: 'index' });
    const untagged = image(made.store, 'c');
    overwrite(made.store, child.digest, '');
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    expect(sorted(planned.tainted)).toEqual(['a', 'c']);
    expect(planned.dropped.has(`c@${untagged.digest}`)).toBe(false);
  });

  it('keeps what only _layers names', async () => {
    const made = scene(newStore());
    const pushed = made.store.blob(layer());
    made.store.layerLink('a', pushed);
    overwrite(made.store, made.tagged.digest, '');
    await expectIsolated(made);
  });

  it('without _layers, no blob is swept', async () => {
    const made = scene(newStore());
    overwrite(made.store, made.tagged.digest, '');
    remove(made.store, 'repositories/a/_layers');
    await expectNothingSwept(made);
  });

  it('two broken tags in one repository without _layers are one reason', async () => {
    const made = scene(newStore());
    image(made.store, 'a', 'other');
    for (const tag of ['latest', 'other']) {
      remove(made.store, `${made.store.tagPath('a', tag)}/current/link`);
      remove(made.store, `${made.store.tagPath('a', tag)}/index`);
    }
    remove(made.store, 'repositories/a/_layers');
    age(made.store);
    expect((await plan(made.store)).blind).toEqual([
      'a: nothing says what a broken tag in it was on, and no _layers says what it needs',
    ]);
  });

  it('dropped anyway, it taints nothing', async () => {
    const made = scene(newStore());
    overwrite(made.store, made.untagged.digest, '');
    await expectHarmless(made);
  });

  it('an absent child that is no revision only warns', async () => {
    const made = scene(newStore());
    const absent = { digest: digestOf('x'), size: 1, mediaType: MEDIA.ociManifest, edges: [] };
    made.store.index('a', [absent, made.tagged], { tag: 'sparse' });
    await expectHarmless(made);
    expect(codes(await plan(made.store))).toEqual(['missing-child']);
  });
});

describe('rule 11: a manifest that nobody could look into', () => {
  const ERRORS = ['EACCES', 'EIO', 'ESTALE'];
  const UNREADABLE = 'cannot be read: what names it cannot be pulled';

  async function dropV1(): Promise<Policy> {
    const text = `version: 1
limits: { allow-empty-repository: true }
policies:
  - { name: p, repositories: ['a'], rules: [{ name: r, tags: ['v1'], drop: always }] }
`;
    return await parsePolicy(text, 'p.yaml');
  }

  it.each(ERRORS)('%s: untagged, it stays, and its repository loses nothing', async (code) => {
    const { store, untagged, other, orphan } = scene(newStore());
    age(store);
    const wrap = failingRead(store.blobPath(untagged.digest), code);
    const planned = await plan(store, { untagged: true, wrap });
    expect(planned.blind).toEqual([]);
    expect(sorted(planned.tainted)).toEqual(['a']);
    expect(sorted(planned.dropped)).toEqual([`b@${other.digest}`]);
    expect(sorted(planned.planned)).toEqual(sorted([...closure(other), orphan]));
    // Once: the scan that met the error says what it was.
    expect(planned.survey.findings).toMatchObject([
      { code: 'unreadable', severity: 'damage', detail: `${code}: ${UNREADABLE}` },
    ]);
  });

  it('is told once where a layer link alone names it, and it may be no manifest', async () => {
    const { store, tagged } = scene(newStore());
    const linked = store.blob(layer());
    store.layerLink('a', linked);
    age(store);
    overwrite(store, tagged.digest, '');
    const planned = await plan(store, { wrap: failingRead(store.blobPath(linked), 'EACCES') });
    const { findings } = planned.survey;
    expect(findings.filter(({ code }) => code === 'unreadable')).toHaveLength(1);
  });

  it('a signature of what lives stays with it', async () => {
    const store = newStore();
    const subject = image(store, 'a', 'latest');
    const signature = store.image('b', { layers: [layer()], config: layer(), subject });
    image(store, 'b', 'latest');
    age(store);
    const wrap = failingRead(store.blobPath(signature.digest), 'EACCES');
    const planned = await plan(store, { untagged: true, wrap });
    expect(planned.dropped.size + planned.planned.size).toBe(0);
  });

  it('given up by --write-off, it goes as a damaged one does', async () => {
    const { store, untagged, other, orphan } = scene(newStore());
    age(store);
    const path = store.blobPath(untagged.digest);
    const options = { untagged: true, wrap: failingRead(path, 'EACCES'), writeOff: [path] };
    const planned = await plan(store, options);
    expect(sorted(planned.tainted)).toEqual([]);
    expect(sorted(planned.dropped)).toEqual(sorted([`a@${untagged.digest}`, `b@${other.digest}`]));
    expect(planned.planned.has(orphan)).toBe(true);
    expect(planned.findings).toContain(`written-off ${path}`);
  });

  it('given up, and kept by its tag, it keeps its repository', async () => {
    const { store, tagged, untagged } = scene(newStore());
    age(store);
    const path = store.blobPath(tagged.digest);
    const options = { untagged: true, wrap: failingRead(path, 'EACCES'), writeOff: [path] };
    const planned = await plan(store, options);
    expect(sorted(planned.tainted)).toEqual(['a']);
    expect(planned.dropped.has(`a@${untagged.digest}`)).toBe(false);
  });

  it('a policy that drops its tag drops it only when it is given up', async () => {
    const store = newStore();
    const dropped = image(store, 'a', 'v1');
    image(store, 'a', 'latest');
    age(store);
    const policy = await dropV1();
    const path = store.blobPath(dropped.digest);
    const wrap = failingRead(path, 'EACCES');
    const kept = await plan(store, { policy, wrap });
    expect(sorted(kept.tainted)).toEqual(['a']);
    expect(kept.actions).toEqual([]);
    const given = await plan(store, { policy, wrap, writeOff: [path] });
    expect(sorted(given.dropped)).toEqual([`a@${dropped.digest}`]);
    expect(ofKind(given, 'tag')).toMatchObject([{ tag: 'v1' }]);
  });
});

describe('rule 11: links that say nothing', () => {
  it.each([
    ['empty', ''],
    ['cut short', 'sha256:0123'],
    ['garbled', Buffer.alloc(71, 7).toString('latin1')],
    ['with a newline', 'newline'],
  ])('a tag whose link is %s: its history is pinned, and nothing else', async (_, content) => {
    const made = scene(newStore());
    const loose = image(made.store, 'a');
    const text = content === 'newline' ? `${made.tagged.digest}\n` : content;
    made.store.writeLink(link(made.store), text);
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    expect(planned.blind).toEqual([]);
    expect(sorted(planned.dropped)).toEqual(
      sorted([`a@${loose.digest}`, `b@${made.other.digest}`]),
    );
    const pinned = closure(made.tagged, made.untagged);
    expect(pinned.filter((digest) => planned.planned.has(digest))).toEqual([]);
  });

  it.each([
    ['missing', (s: Scene) => remove(s.store, link(s.store))],
    ['without its directory', (s: Scene) => remove(s.store, link(s.store).slice(0, -5))],
  ])('a tag whose link is %s likewise', async (_, injure) => {
    const made = scene(newStore());
    injure(made);
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`b@${made.other.digest}`]);
  });

  it('a history that names a revision without a blob is pinned like any other', async () => {
    const made = scene(newStore());
    const lost = image(made.store, 'a', 'lost');
    made.store.writeLink('repositories/a/_manifests/tags/lost/current/link', '');
    remove(made.store, made.store.blobPath(lost.digest).slice(0, -5));
    await expectIsolated(made);
  });

  it('a tag without a history and without a digest keeps its repository', async () => {
    const made = scene(newStore());
    made.store.writeLink(link(made.store), '');
    remove(made.store, `${made.store.tagPath('a', 'latest')}/index`);
    await expectIsolated(made);
  });

  it.each(['', 'sha256:12', Buffer.alloc(71, 1).toString('latin1')])(
    'a revision link that holds %j: its directory says it',
    async (content) => {
      const made = scene(newStore());
      made.store.writeLink(made.store.revisionPath('a', made.tagged.digest), content);
      await expectHarmless(made);
      expect(closure(made.tagged).some((d) => made.store.sizes.get(d) === undefined)).toBe(false);
    },
  );

  it('a tag that names nothing, with a history that does, is not dead', async () => {
    const made = scene(newStore());
    made.store.tag('a', 'latest', digestOf('nothing'));
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`b@${made.other.digest}`]);
    expect(codes(planned)).toContain('dead-tag');
  });
});

describe('rule 11: links by another algorithm than sha256', () => {
  const sha512 = digestPath(digestOf('x', 'sha512'));

  // Unlike those by sha256, their directories do not say which blob they are.
  it.each([
    ['an empty layer link', `_layers/${sha512}/link`, ''],
    ['a layer link that was cut short', `_layers/${sha512}/link`, 'sha256:0123'],
    ['a layer link that holds its own name', `_layers/${sha512}/link`, digestOf('x', 'sha512')],
    ['an empty revision link', `_manifests/revisions/${sha512}/link`, ''],
    ['an empty link of an unknown algorithm', `_layers/blake3/${'ab'.repeat(32)}/link`, ''],
  ])('%s may name any blob: nothing is swept', async (_, path, content) => {
    const made = scene(newStore());
    made.store.writeLink(`repositories/a/${path}`, content);
    await expectNothingSwept(made);
    const given = { untagged: true, writeOff: [`repositories/a/${path}`] };
    const planned = await plan(made.store, given);
    expect(planned.blind).toEqual([]);
    expect(planned.planned.has(made.orphan)).toBe(true);
  });

  it.each([`_layers/${sha512}`, `_manifests/revisions/${sha512}`])(
    '%s without its link was deleted: its repository loses nothing',
    async (path) => {
      const made = scene(newStore());
      made.store.mkdir(`repositories/a/${path}`);
      await expectIsolated(made);
    },
  );
});

describe('rule 11: things in the place of others', () => {
  // A listing that fails: what it hides, manifests above all, no layer link names.
  it.each(['_layers', '_manifests/tags', '_manifests/revisions', '_manifests'])(
    'a file instead of %s: no blob is swept',
    async (part) => {
      const made = scene(newStore());
      remove(made.store, `repositories/a/${part}`);
      made.store.fs.writeFileSync(`${made.store.base}/repositories/a/${part}`, 'a file');
      await expectNothingSwept(made);
    },
  );

  it.each(['_layers/sha256', '_manifests/revisions/sha256'])(
    'a file instead of %s likewise',
    async (part) => {
      const made = scene(newStore());
      remove(made.store, `repositories/a/${part}`);
      made.store.fs.writeFileSync(`${made.store.base}/repositories/a/${part}`, 'a file');
      await expectNothingSwept(made);
    },
  );

  it('a file instead of a tag: its repository loses nothing', async () => {
    const made = scene(newStore());
    remove(made.store, made.store.tagPath('a', 'latest'));
    made.store.fs.writeFileSync(`${made.store.base}/${made.store.tagPath('a', 'latest')}`, 'x');
    await expectIsolated(made);
  });

  it("a file instead of a revision's directory: its repository loses nothing", async () => {
    const made = scene(newStore());
    const directory = made.store.revisionPath('a', made.tagged.digest).slice(0, -5);
    remove(made.store, directory);
    made.store.fs.writeFileSync(`${made.store.base}/${directory}`, 'x');
    await expectIsolated(made);
  });

  it('a manifest known by a layer link alone, in a repository that loses nothing', async () => {
    const store = newStore();
    const old = store.image('Shop/Web', { layers: [], config: layer(), revision: false });
    store.layerLink('Shop/Web', old.digest);
    // Its layers are not linked there: what keeps them is that its text names them.
    remove(store, `repositories/Shop/Web/_layers/${(old.edges[0] as string).replace(':', '/')}`);
    image(store, 'b', 'latest');
    age(store);
    const planned = await plan(store);
    expect(sorted(planned.tainted)).toEqual(['Shop/Web']);
    expect(sorted(planned.planned)).toEqual([]);
  });

  it.each([
    ['blake3', '_layers/blake3'],
    ['tarsum', '_layers/tarsum/v1/sha256'],
    ['blake3 to a manifest', '_manifests/revisions/blake3'],
  ])(
    'a repository with links by %s loses nothing, and what they name stays',
    async (_, algorithm) => {
      const store = newStore();
      image(store, 'old', 'latest');
      image(store, 'old');
      const linked = store.image('old', { layers: [layer()], config: layer(), revision: false });
      // That link is all that leads to it.
      const isLayer = algorithm.startsWith('_layers');
      const [named] = isLayer ? linked.edges : [linked.digest];
      for (const edge of linked.edges) remove(store, store.layerLinkPath('old', edge));
      if (isLayer) remove(store, store.blobPath(linked.digest).slice(0, -5));
      for (const edge of isLayer ? linked.edges.slice(1) : []) store.layerLink('old', edge);
      store.writeLink(`repositories/old/${algorithm}/${'ab'.repeat(32)}/link`, named as string);
      store.mkdir('repositories/b/_layers/empty');
      image(store, 'b', 'latest');
      const garbage = image(store, 'b');
      age(store);
      const planned = await plan(store, { untagged: true });
      expect(sorted(planned.tainted)).toEqual(['old']);
      expect(sorted(planned.planned)).toEqual(sorted(closure(garbage)));
    },
  );

  it('a repository that was moved to a name of the reserved kind loses nothing', async () => {
    const store = newStore();
    for (const name of ['_shop', '_team/web']) {
      image(store, name, 'latest');
      image(store, name);
    }
    image(store, 'b', 'latest');
    const garbage = image(store, 'b');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.tainted)).toEqual(['_shop', '_team/web']);
    expect(sorted(planned.planned)).toEqual(sorted(closure(garbage)));
  });
});

describe('rule 11: on a real disk', () => {
  const stores: { remove(): void }[] = [];
  const onDisk = (): Scene => {
    const store = newStoreOnDisk();
    stores.push(store);
    return scene(store);
  };
  afterEach(() => {
    for (const store of stores.splice(0)) store.remove();
  });
  const fifo = (store: StoreBuilder, path: string): void => {
    remove(store, path);
    execFileSync('mkfifo', [`${store.base}/${path}`]);
  };

  it('a FIFO instead of a manifest does not hang, and taints', async () => {
    const made = onDisk();
    fifo(made.store, made.store.blobPath(made.tagged.digest));
    await expectIsolated(made);
  });

  it('a FIFO instead of a revision link: the directory says it', async () => {
    const made = onDisk();
    fifo(made.store, made.store.revisionPath('a', made.tagged.digest));
    await expectHarmless(made);
  });

  it.each([
    ['a FIFO', (path: string) => void execFileSync('mkfifo', [path])],
    ['a directory', (path: string) => nodeFs.mkdirSync(path)],
    ['a symlink', (path: string) => nodeFs.symlinkSync('../../nowhere', path)],
  ])('%s instead of a tag link: the history is pinned, isolated', async (_, put) => {
    const made = onDisk();
    remove(made.store, link(made.store));
    put(`${made.store.base}/${link(made.store)}`);
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    expect(planned.blind).toEqual([]);
    expect(sorted(planned.dropped)).toEqual([`b@${made.other.digest}`]);
  });

  it('a symlink instead of a tag link is followed: its repository loses nothing', async () => {
    const made = onDisk();
    const { store } = made;
    // Nothing else leads to what it is on.
    const lost = store.image('a', { layers: [layer()], config: layer(), revision: false });
    const moved = `${store.root}/moved`;
    nodeFs.writeFileSync(moved, lost.digest);
    store.mkdir(`${store.tagPath('a', 'linked')}/current`);
    nodeFs.symlinkSync(moved, `${store.base}/${store.tagPath('a', 'linked')}/current/link`);
    for (const edge of lost.edges) remove(store, store.layerLinkPath('a', edge));
    await expectIsolated(made);
  });

  it('behind a symlink that leads into _uploads, repositories are read and lose nothing', async () => {
    const made = onDisk();
    const moved = image(made.store, 'b/_uploads/moved', 'latest');
    const path = `${made.store.base}/repositories/alias`;
    nodeFs.symlinkSync('b/_uploads/moved', path);
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    expect(planned.blind).toEqual([]);
    expect(sorted(planned.tainted)).toEqual(['alias', 'b']);
    expect(closure(moved).filter((digest) => planned.planned.has(digest))).toEqual([]);
    expect(planned.planned.has(made.orphan)).toBe(true);
  });

  it.each([
    ['a prefix', (path: string) => path.slice(0, 'blobs/sha256/xx'.length)],
    ["a blob's directory", (path: string) => path.slice(0, -'/data'.length)],
    ["a manifest's data", (path: string) => path],
  ])('a symlink in the place of %s: nothing is swept, unless it leads nowhere', async (_, cut) => {
    const made = onDisk();
    const path = cut(made.store.blobPath(made.untagged.digest));
    const moved = `${made.store.root}/moved`;
    nodeFs.renameSync(`${made.store.base}/${path}`, moved);
    nodeFs.symlinkSync(moved, `${made.store.base}/${path}`);
    await expectNothingSwept(made);
    const given = await plan(made.store, { untagged: true, writeOff: [path] });
    expect(given.blind).toEqual([]);
    nodeFs.rmSync(moved, { recursive: true });
    expect((await plan(made.store, { untagged: true })).blind).toEqual([]);
  });

  it('a name that is not UTF-8 is read through its bytes', async () => {
    const made = onDisk();
    const base = `${made.store.base}/repositories/caf\xe9`;
    const pushed = made.store.image('donor', { layers: [layer()], config: layer() });
    const path = `${base}/_manifests/tags/v\xff/current`;
    nodeFs.mkdirSync(Buffer.from(path, 'latin1'), { recursive: true });
    nodeFs.writeFileSync(Buffer.from(`${path}/link`, 'latin1'), pushed.digest);
    remove(made.store, 'repositories/donor');
    age(made.store);
    const planned = await plan(made.store);
    expect(planned.blind).toEqual([]);
    expect(sorted(planned.tainted)).toEqual(['caf\xe9']);
    expect(closure(pushed).filter((digest) => planned.planned.has(digest))).toEqual([]);
  });

  it('behind a symlink that leads outside, repositories are read and lose nothing', async () => {
    const made = onDisk();
    const moved = image(made.store, 'moved/away');
    const outside = `${made.store.root}-outside`;
    nodeFs.renameSync(`${made.store.base}/repositories/moved`, outside);
    nodeFs.symlinkSync(outside, `${made.store.base}/repositories/moved`);
    age(made.store);
    const planned = await plan(made.store, { untagged: true });
    nodeFs.rmSync(outside, { recursive: true });
    expect(planned.blind).toEqual([]);
    expect(sorted(planned.tainted)).toEqual(['moved/away']);
    expect(closure(moved).filter((digest) => planned.planned.has(digest))).toEqual([]);
    expect(planned.planned.has(made.orphan)).toBe(true);
  });
});
