import nodeFs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { mustSucceed, readPlan, regsweep } from '../../support/cli.ts';
import { digestOf, digestPath } from '../../support/store.ts';
import type { StoreBuilder } from '../../support/store.ts';
import type { PlannedStore } from '../../support/survey.ts';
import { mustSweep } from '../../support/sweep.ts';
import {
  FUTURE,
  NOW,
  OLD,
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

const ID = '01234567-89ab-4cde-8f01-23456789abcd';
const HOUR = 3_600_000;

/** A layer that was pushed to `a`, and no manifest after it. */
function interrupted(store: StoreBuilder): string {
  const digest = store.blob(layer());
  store.layerLink('a', digest);
  return digest;
}

/** Has the host say that something is mounted at these places. */
function mountAt(store: StoreBuilder, paths: readonly string[]): void {
  const points = ['/', ...paths.map((path) => `${store.base}/${path}`)];
  const lines = points.map((point, n) => `${n} 1 0:${n} / ${point} rw - tmpfs none rw\n`);
  store.fs.mkdirSync('/proc/self', { recursive: true });
  store.fs.writeFileSync('/proc/self/mountinfo', lines.join(''));
}

/** The repositories of a plan's lines of one kind. */
function namesOf(planned: PlannedStore, kind: string): string[] {
  return ofKind(planned, kind).map((action) =>
    'repository' in action ? String(action.repository) : '',
  );
}

describe('rule 12: layer links', () => {
  it('go when no surviving manifest of that repository needs them, though the blob stays', async () => {
    const store = newStore();
    const shared = layer();
    store.image('b', { layers: [shared], config: layer(), tag: 'latest' });
    image(store, 'a', 'latest');
    store.layerLink('a', digestOf(shared));
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'layer-link')).toEqual([
      {
        kind: 'layer-link',
        repository: 'a',
        digest: digestOf(shared),
        mtimeMs: expect.any(Number) as number,
      },
    ]);
    expect(planned.planned.size).toBe(0);
  });

  it('stay within the grace', async () => {
    const store = newStore();
    const shared = layer();
    store.image('b', { layers: [shared], config: layer(), tag: 'latest' });
    image(store, 'a', 'latest');
    store.layerLink('a', digestOf(shared));
    age(store, [store.layerLinkPath('a', digestOf(shared))]);
    expect(ofKind(await plan(store), 'layer-link')).toEqual([]);
  });

  it.each([
    ['young by its startedat', new Date(NOW.getTime() - HOUR), true],
    ['old by its startedat', new Date(NOW.getTime() - 169 * HOUR), false],
    ['without one, and old', undefined, false],
  ])('with an upload in progress there: %s', async (_, startedAt, stays) => {
    const store = newStore();
    image(store, 'a', 'latest');
    const pushed = interrupted(store);
    store.upload('a', ID, startedAt === undefined ? { bytes: 9 } : { bytes: 9, startedAt });
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'layer-link')).toHaveLength(stays ? 0 : 1);
    expect(ofKind(planned, 'upload')).toHaveLength(stays ? 0 : 1);
    expect(planned.planned.has(pushed)).toBe(!stays);
  });

  it('with an upload that was begun on no day that there is', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const pushed = interrupted(store);
    store.upload('a', ID, { bytes: 9, startedAt: OLD });
    store.writeFile(`repositories/a/_uploads/${ID}/startedat`, '2025-02-31T00:00:00Z');
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'upload')).toEqual([]);
    expect(planned.planned.has(pushed)).toBe(false);
  });

  it.each([
    ['an upload in progress there', { startedAt: NOW }, OLD, true],
    ['a blob within the grace', undefined, NOW, true],
    ['neither', undefined, OLD, false],
  ])('whose link file is gone: the directory holds on with %s', async (_, upload, time, stays) => {
    const store = newStore();
    image(store, 'a', 'latest');
    const pushed = store.blob(layer());
    const directory = `repositories/a/_layers/${digestPath(pushed)}`;
    store.mkdir(directory);
    if (upload !== undefined) store.upload('a', ID, { bytes: 9, ...upload });
    age(store);
    store.setTimes(store.blobPath(pushed), time);
    const planned = await plan(store);
    expect(planned.planned.has(pushed)).toBe(!stays);
    expect(ofKind(planned, 'empty-directory')).toEqual(
      stays ? [] : [{ kind: 'empty-directory', path: directory }],
    );
  });

  it('an upload in another repository protects nothing here', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const pushed = interrupted(store);
    store.upload('b', ID, { bytes: 9, startedAt: NOW });
    age(store);
    expect((await plan(store)).planned).toEqual(new Set([pushed]));
  });

  it('a manifest of the 2.1 era that only a layer link names is a revision', async () => {
    const store = newStore();
    const old = store.schema1('a', { layers: [layer()], revision: false });
    store.layerLink('a', old.digest);
    const orphan = store.blob(layer());
    age(store);
    const planned = await plan(store);
    expect(sorted(planned.planned)).toEqual([orphan]);
    expect(ofKind(planned, 'layer-link')).toEqual([]);
  });

  it('a config, which is JSON too, is none', async () => {
    const store = newStore();
    const inner = store.blob(layer());
    const config = store.blob(JSON.stringify({ architecture: 'amd64', x: { digest: inner } }));
    store.layerLink('a', config);
    image(store, 'a', 'latest');
    age(store);
    expect(sorted((await plan(store)).planned)).toEqual(sorted([inner, config]));
  });

  it('pushed by sha512: both links and the blob stay while the manifest names it', async () => {
    const store = newStore();
    const bytes = layer();
    const alias = store.sha512Layer('a', bytes);
    const { digest } = store.image('a', { layers: [alias], config: layer(), tag: 'latest' });
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.planned.size).toBe(0);
    expect(ofKind(planned, 'layer-link')).toEqual([]);
    store.deleteRevision('a', digest);
    store.fs.rmSync(`${store.base}/${store.tagPath('a', 'latest')}`, {
      recursive: true,
      force: true,
    });
    age(store);
    expect((await plan(store)).planned.has(digestOf(bytes))).toBe(true);
  });
});

describe('rule 13: grace', () => {
  it('an interrupted push by sha512 has that link alone', async () => {
    const bytes = layer();
    const made = (young: boolean): StoreBuilder => {
      const store = newStore();
      image(store, 'a', 'latest');
      const link = store.layerLinkPath('a', digestOf(bytes, 'sha512'));
      store.writeLink(link, store.blob(bytes));
      age(store, young ? [link] : []);
      return store;
    };
    expect((await plan(made(true))).planned.size).toBe(0);
    expect((await plan(made(false))).planned).toEqual(new Set([digestOf(bytes)]));
    // Where roots are elsewhere, only what no link names may go, at any age.
    expect((await plan(made(false), { orphansOnly: true })).planned.size).toBe(0);
  });

  it('a time that 64 bits of nanoseconds cannot hold is in the future', async () => {
    const store = newStoreOnDisk();
    try {
      image(store, 'a', 'latest');
      const pushed = interrupted(store);
      age(store);
      const path = store.blobPath(pushed);
      store.setTimes(path, new Date('2300-01-01T00:00:00Z'));
      const kept = nodeFs.statSync(`${store.base}/${path}`).mtimeMs;
      // A file system of 32 bits of seconds holds another time, and there is nothing to see.
      if (kept > Date.UTC(2290)) expect((await plan(store)).planned.size).toBe(0);
    } finally {
      store.remove();
    }
  });

  it('an interrupted push stays while the newest of its data and links is young', async () => {
    for (const young of ['link', 'data', 'other link', 'none'] as const) {
      const store = newStore();
      image(store, 'a', 'latest');
      const pushed = interrupted(store);
      store.layerLink('b', pushed);
      const path = {
        link: [store.layerLinkPath('a', pushed)],
        data: [store.blobPath(pushed)],
        'other link': [store.layerLinkPath('b', pushed)],
        none: [],
      }[young];
      age(store, path);
      const planned = await plan(store);
      expect(planned.planned.has(pushed), young).toBe(young === 'none');
      expect(planned.garbage.graced.size, young).toBe(young === 'none' ? 0 : 1);
      expect((await plan(store, { graceMs: 0 })).planned.has(pushed), young).toBe(true);
    }
  });

  it('a blob without any link needs none', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const orphan = store.blob(layer());
    age(store, [store.blobPath(orphan)]);
    expect((await plan(store)).planned).toEqual(new Set([orphan]));
  });

  it('push, delete, collect: everything goes at once', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const deleted = image(store, 'a');
    store.deleteRevision('a', deleted.digest);
    // Everything happened just now.
    store.ageEverything(NOW);
    expect(sorted((await plan(store)).planned)).toEqual(sorted(closure(deleted)));
  });

  it('a deleted index frees its children, which were deleted too, and what they name', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const child = image(store, 'a');
    const index = store.index('a', [child]);
    for (const { digest } of [child, index]) store.deleteRevision('a', digest);
    store.ageEverything(NOW);
    expect(sorted((await plan(store)).planned)).toEqual(sorted([index.digest, ...closure(child)]));
  });

  it("another repository's deletion does not explain a link here", async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const deleted = image(store, 'b');
    image(store, 'b', 'latest');
    store.deleteRevision('b', deleted.digest);
    store.layerLink('a', deleted.edges[1] as string);
    store.ageEverything(NOW);
    const planned = await plan(store);
    expect(planned.planned).toEqual(new Set([deleted.digest, deleted.edges[0]]));
  });

  it('times in the future count as now', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const untagged = image(store, 'a');
    const pushed = interrupted(store);
    age(store);
    store.setTimes(store.revisionPath('a', untagged.digest), FUTURE);
    store.setTimes(store.layerLinkPath('a', pushed), FUTURE);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.size + planned.planned.size).toBe(0);
    const withoutGrace = await plan(store, { untagged: true, graceMs: 0 });
    expect(withoutGrace.dropped.size, 'no grace, no protection').toBe(1);
    expect(withoutGrace.planned.has(pushed)).toBe(true);
  });
});

describe('rule 14: leftovers', () => {
  it('an empty repository goes, its namespace with it; a parent of another stays', async () => {
    const store = newStore();
    for (const name of ['team/empty', 'team']) {
      store.mkdir(`repositories/${name}/_layers/sha256`);
      store.mkdir(`repositories/${name}/_uploads`);
    }
    image(store, 'team/full', 'latest');
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'repository')).toMatchObject([
      { repository: 'team/empty', nested: false },
      { repository: 'team', nested: true },
    ]);
  });

  it('the namespaces above it go too, but for what else is in them', async () => {
    const store = newStore();
    for (const name of ['deep/er/dead', 'mixed/dead', 'odd/er/dead']) {
      store.mkdir(`repositories/${name}/_uploads`);
    }
    image(store, 'mixed/full', 'latest');
    store.writeFile('repositories/odd/notes.txt', 'mine');
    age(store);
    expect(ofKind(await plan(store), 'empty-directory')).toEqual(
      ['odd/er', 'deep/er', 'deep'].map((name) => ({
        kind: 'empty-directory',
        path: `repositories/${name}`,
      })),
    );
  });

  it('a repository is emptied by this plan and goes in it', async () => {
    const store = newStore();
    const deleted = image(store, 'dead');
    store.deleteRevision('dead', deleted.digest);
    image(store, 'a', 'latest');
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'repository')).toMatchObject([{ repository: 'dead' }]);
    expect(sorted(planned.planned)).toEqual(sorted(closure(deleted)));
  });

  it('empty namespaces go, the deepest first', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    store.mkdir('repositories/x/y/z');
    age(store);
    expect(ofKind(await plan(store), 'empty-directory')).toEqual(
      ['x/y/z', 'x/y', 'x'].map((name) => ({
        kind: 'empty-directory',
        path: `repositories/${name}`,
      })),
    );
  });

  it('what is a mount point or holds one stays, however empty: no rmdir can remove it', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    for (const name of ['team', 'teams/x/y', 'teams/z']) store.mkdir(`repositories/${name}`);
    for (const name of ['dead', 'own/dead', 'on/dead', 'part/dead', 'party/dead']) {
      store.mkdir(`repositories/${name}/_uploads`);
    }
    const [mounted, lost] = ['mounted', 'lost'].map((name) =>
      store.blobPath(digestOf(name)).replace('/data', ''),
    ) as [string, string];
    for (const path of [mounted, lost]) store.mkdir(path);
    const places = ['team', 'teams/x', 'own/dead', 'on', 'part/dead/_uploads'];
    mountAt(store, [mounted, ...places.map((name) => `repositories/${name}`)]);
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'empty-directory')).toEqual(
      [lost, ...['teams/z', 'teams/x/y', 'party'].map((name) => `repositories/${name}`)].map(
        (path) => ({ kind: 'empty-directory', path }),
      ),
    );
    expect(sorted(namesOf(planned, 'repository'))).toEqual(['dead', 'on/dead', 'party/dead']);
  });

  it('temporary files and directories of blobs without data go', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const digest = digestOf('never');
    const directory = store.blobPath(digest).slice(0, -5);
    store.temp(`${directory}/data.${ID}.tmp`);
    const link = `repositories/a/_layers/${digestPath(digestOf('other'))}`;
    store.temp(`${link}/link.${ID}.tmp`);
    age(store);
    const planned = await plan(store);
    expect(ofKind(planned, 'temp')).toMatchObject([
      { path: `${directory}/data.${ID}.tmp`, bytes: 4 },
      { path: `${link}/link.${ID}.tmp`, bytes: 4 },
    ]);
    const paths = ofKind(planned, 'empty-directory').map((action) =>
      'path' in action ? action.path : '',
    );
    expect(sorted(paths as string[])).toEqual(sorted([directory, link]));
    expect(planned.planned.size).toBe(0);
  });

  it('a temporary file of a repository that loses nothing stays: a link in it leads elsewhere', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    image(store, 'b', 'latest');
    store.fs.mkdirSync('/elsewhere/broken/current', { recursive: true });
    const tags = `${store.base}/repositories/b/_manifests/tags`;
    store.fs.rmSync(tags, { recursive: true, force: true });
    store.fs.symlinkSync('/elsewhere', tags);
    store.temp(`${store.tagPath('b', 'broken')}/current/link.${ID}.tmp`);
    store.temp(`${store.tagPath('a', 'broken')}/current/link.${ID}.tmp`);
    age(store);
    expect(ofKind(await plan(store), 'temp')).toMatchObject([
      { path: `${store.tagPath('a', 'broken')}/current/link.${ID}.tmp` },
    ]);
  });

  it('what an interrupted write left beside the links of a tag goes with the tag, and only then', async () => {
    const store = newStoreOnDisk();
    try {
      const [first, second] = [image(store, 'a'), image(store, 'a')];
      store.tag('a', 'moved', second.digest, { history: [first.digest] });
      image(store, 'a', 'kept');
      const entry = `${store.tagPath('a', 'moved')}/index/${digestPath(digestOf('third'))}`;
      store.temp(`${entry}/link.${ID}.tmp`);
      for (const tag of ['moved', 'kept']) {
        store.temp(`${store.tagPath('a', tag)}/current/link.${ID}.tmp`);
      }
      age(store);
      const file = `${store.root}.plan`;
      const flags = ['--drop', 'a:moved', '-q', '-o', file];
      mustSucceed(await regsweep(['plan', store.root, ...flags]));
      const temporaries = readPlan(file).flatMap((line) =>
        line.kind === 'temp' && 'path' in line ? [String(line.path)] : [],
      );
      expect(sorted(temporaries)).toEqual([
        `${store.tagPath('a', 'moved')}/current/link.${ID}.tmp`,
        `${entry}/link.${ID}.tmp`,
      ]);
      // Without them nothing is left of the tag, which would count as broken otherwise.
      await mustSweep(file);
      nodeFs.rmSync(file);
      const tags = `${store.base}/repositories/a/_manifests/tags`;
      expect(nodeFs.readdirSync(tags)).toEqual(['kept']);
      expect(nodeFs.readdirSync(`${tags}/kept/current`)).toHaveLength(2);
    } finally {
      store.remove();
    }
  });

  it("somebody else's file stays, and so does what it is in", async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const directory = store.blobPath(digestOf('never')).slice(0, -5);
    store.writeFile(`${directory}/notes.txt`, 'mine');
    store.writeFile('repositories/empty/_layers/README', 'mine');
    age(store);
    const planned = await plan(store);
    expect(planned.actions).toEqual([]);
  });

  it('old uploads go with everything in them; one with a stray inside stays', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    store.upload('a', ID, { bytes: 100, startedAt: OLD, hashstates: [0, 100] });
    store.upload('b', ID, { bytes: 100, startedAt: OLD });
    store.writeFile(`repositories/b/_uploads/${ID}/notes.txt`, 'mine');
    age(store);
    expect(ofKind(await plan(store), 'upload')).toMatchObject([{ repository: 'a', id: ID }]);
    const younger = { uploadsOlderThanMs: 100 * 24 * HOUR };
    expect(ofKind(await plan(store, younger), 'upload')).toEqual([]);
  });

  it('stale history goes where a repository loses something', async () => {
    const store = newStore();
    const older = image(store, 'a', 'latest');
    image(store, 'a', 'latest');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(ofKind(planned, 'tag-index')).toEqual([
      { kind: 'tag-index', repository: 'a', tag: 'latest', digest: older.digest },
    ]);
  });

  it('a dead tag is told of and stays', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    store.tag('a', 'dead', digestOf('nothing'));
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(codes(planned)).toEqual(['dead-tag']);
    expect(ofKind(planned, 'tag')).toEqual([]);
  });

  it('the history of a dead tag stays, as long as it holds what it names', async () => {
    const store = newStore();
    const before = image(store, 'a', 'dead');
    image(store, 'a');
    store.tag('a', 'dead', digestOf('nothing'));
    // Its link is gone, as of a repository that was put together from a half copied one.
    store.deleteRevision('a', before.digest);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(ofKind(planned, 'revision')).toHaveLength(1);
    expect(ofKind(planned, 'tag-index')).toEqual([]);
    expect(closure(before).filter((digest) => planned.planned.has(digest))).toEqual([]);
  });

  it('a broken fallback tag stays, though its subject goes, since its history holds something', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const subject = image(store, 'a');
    const tag = subject.digest.replace(':', '-');
    const referrers = image(store, 'a', tag);
    store.tag('a', tag, digestOf('nothing'));
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(ofKind(planned, 'tag')).toEqual([]);
    expect(closure(subject).every((digest) => planned.planned.has(digest))).toBe(true);
    expect(closure(referrers).some((digest) => planned.planned.has(digest))).toBe(false);
  });

  it.each(['its directory is left', 'its directory is gone too'])(
    'a fallback tag whose manifest has no data keeps its history: %s',
    async (state) => {
      const store = newStore();
      image(store, 'a', 'latest');
      const subject = image(store, 'a');
      const tag = `${subject.digest.replace(':', '-')}.sbom`;
      const sbom = image(store, 'a', tag);
      const data = `${store.base}/${store.blobPath(sbom.digest)}`;
      const gone = state.endsWith('too') ? data.slice(0, -'/data'.length) : data;
      store.fs.rmSync(gone, { recursive: true, force: true });
      age(store);
      const planned = await plan(store, { untagged: true });
      expect(codes(planned)).toEqual(['dead-tag', 'missing-manifest']);
      expect([...planned.tainted]).toEqual(['a']);
      expect(
        [...closure(subject), ...sbom.edges].filter((one) => planned.planned.has(one)),
      ).toEqual([]);
    },
  );

  it('a manifest stays when a directory stands where its link belongs', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const odd = image(store, 'a');
    const untagged = image(store, 'a');
    store.deleteRevision('a', odd.digest);
    store.fs.mkdirSync(`${store.base}/${store.revisionPath('a', odd.digest)}`, { recursive: true });
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(closure(odd).filter((digest) => planned.planned.has(digest))).toEqual([]);
    expect(sorted(planned.dropped)).toEqual([`a@${untagged.digest}`]);
  });
});

describe('rule 15: bytes', () => {
  const stores: { remove(): void }[] = [];
  afterEach(() => {
    for (const store of stores.splice(0)) store.remove();
  });

  it('size and allocated blocks; a hard link elsewhere means that nothing is freed', async () => {
    const store = newStoreOnDisk();
    stores.push(store);
    image(store, 'a', 'latest');
    const [alone, shared] = [
      store.blob(Buffer.alloc(10_000, 1)),
      store.blob(Buffer.alloc(9_000, 2)),
    ];
    nodeFs.linkSync(`${store.base}/${store.blobPath(shared)}`, `${store.root}/elsewhere`);
    age(store);
    const { garbage, planned } = await plan(store);
    expect(sorted(planned)).toEqual(sorted([alone, shared]));
    expect([...garbage.blobs.bytes]).toEqual([10_000, 9_000]);
    expect([...garbage.blobs.shared]).toEqual([0, 1]);
    const { blocks } = nodeFs.statSync(`${store.base}/${store.blobPath(alone)}`);
    expect(garbage.blobs.allocated[0]).toBe(blocks * 512);
  });

  it('that a sweep counts as freed are those that its plan said, whatever has other names', async () => {
    const store = newStoreOnDisk();
    stores.push(store);
    image(store, 'a', 'latest');
    const digests = [10_000, 9_000].map((size) => store.blob(Buffer.alloc(size, size)));
    const shared = store.blobPath(digests[1] as string);
    nodeFs.linkSync(`${store.base}/${shared}`, `${store.root}/elsewhere`);
    const gone = digestOf('gone');
    for (const path of [store.blobPath(gone), store.layerLinkPath('a', gone)]) {
      store.temp(`${path}.${ID}.tmp`);
    }
    age(store);
    const file = `${store.root}.plan`;
    stores.push({ remove: () => nodeFs.rmSync(file, { force: true }) });
    const planned = mustSucceed(await regsweep(['plan', store.root, '--json', '-o', file]));
    expect(planned.json).toMatchObject({ freed: { bytes: 10_004 } });
    const kinds = readPlan(file).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'temp')).toHaveLength(2);
    expect(await mustSweep(file)).toMatchObject({ blobs: 2, freedBytes: 10_004, left: [] });
    expect(nodeFs.statSync(`${store.root}/elsewhere`)).toMatchObject({ nlink: 1, size: 9_000 });
  });

  it('of two names that both go are freed with the last one', async () => {
    const store = newStoreOnDisk();
    stores.push(store);
    image(store, 'a', 'latest');
    const digest = store.blob(Buffer.alloc(5_000, 1));
    store.upload('a', ID, { bytes: 1 });
    const upload = `${store.base}/repositories/a/_uploads/${ID}/data`;
    nodeFs.unlinkSync(upload);
    nodeFs.linkSync(`${store.base}/${store.blobPath(digest)}`, upload);
    age(store);
    const file = `${store.root}.plan`;
    stores.push({ remove: () => nodeFs.rmSync(file, { force: true }) });
    mustSucceed(await regsweep(['plan', store.root, '-q', '-o', file]));
    const uploads = readPlan(file).filter(({ kind }) => kind === 'upload');
    expect(uploads).toMatchObject([{ bytes: 0 }]);
    expect(await mustSweep(file)).toMatchObject({ blobs: 1, freedBytes: 5_000, left: [] });
  });
});
