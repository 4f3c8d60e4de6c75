/** Harbor's stores, as its installer lays them out: what is in use is in a database, and a list of it can be given. */
import nodeFs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plan, regsweep } from '../../support/cli.ts';
import type { Planned, Run } from '../../support/cli.ts';
import { dangling, makeBook } from '../../support/consistency.ts';
import { StoreBuilder } from '../../support/store.ts';
import type { Written } from '../../support/store.ts';
import { mustSweep } from '../../support/sweep.ts';
import { closure, image, layer, newStoreOnDisk, sorted } from './bench.ts';

const POLICY = `version: 1
protect:
  - { digests-file: in-use.txt, reason: an artifact of Harbor }
policies:
  - { name: harbor, repositories: ['**'], untagged: drop }
`;

let place: { readonly root: string; remove(): void };
let store: StoreBuilder;
/** Harbor 2.15 and later writes no tag: all of these are used by digest. */
let used: Written;
let index: Written;
let deleted: Written;
/** What Harbor stores as a mere blob: the CSV of an export of scan data. */
let own = '';
let orphan = '';

beforeEach(() => {
  place = newStoreOnDisk();
  for (const name of ['job_logs', 'ca_download', 'secret']) {
    nodeFs.mkdirSync(`${place.root}/data/${name}`, { recursive: true });
  }
  store = new StoreBuilder(nodeFs, `${place.root}/data/registry`);
  used = image(store, 'library/app');
  index = store.index('library/multi', [
    image(store, 'library/multi'),
    image(store, 'library/multi'),
  ]);
  deleted = image(store, 'library/app');
  image(store, 'gone/app');
  own = store.blob(layer());
  store.layerLink('sys_harb0r/scan_data_export/csv', own);
  orphan = store.blob(layer());
  store.ageEverything(new Date(Date.now() - 60 * 86_400_000));
  nodeFs.writeFileSync(`${place.root}/harbor.yaml`, POLICY);
});
afterEach(() => place.remove());

/** The output of `psql -At`: a row a line. */
function list(rows: readonly string[]): void {
  nodeFs.writeFileSync(`${place.root}/in-use.txt`, rows.map((row) => `${row}\n`).join(''));
}

const flags = (): string[] => ['--policy', `${place.root}/harbor.yaml`];

async function planned(): Promise<Planned> {
  return await plan(store.root, flags());
}

async function refused(code: number, ...words: string[]): Promise<Run> {
  const run = await regsweep(['plan', store.root, ...words]);
  expect([run.code, run.stdout]).toEqual([code, '']);
  return run;
}

describe('without a list', () => {
  it('only what nothing links goes, and a rule is refused, with what to do', async () => {
    const { blobs, report } = await plan(store.root);
    expect([...blobs.keys()]).toEqual([orphan]);
    expect(report.warnings.join()).toMatch(
      /Harbor's store \(job_logs\/, ca_download\/ beside the root\)/,
    );
    for (const words of [['-m'], ['--keep-last', '1']]) {
      expect((await refused(3, ...words)).stderr).toMatch(
        /list what is in use .* \(digests-file\)/,
      );
    }
  });

  it("what Harbor keeps without a manifest stays, even by the operator's word", async () => {
    const { blobs } = await plan(store.root, ['-m', '--disk-is-authority', '--grace', '0']);
    expect([...blobs.keys()]).toEqual([orphan]);
  });
});

describe("with a list of the database's artifacts", () => {
  it.each([
    ['image@digest', (name: string, digest: string) => `${name}@${digest}`],
    ['digests', (_: string, digest: string) => digest],
  ])('of %s, all else goes, of repositories without any tag too', async (_, row) => {
    list([row('library/app', used.digest), row('library/multi', index.digest)]);
    const { blobs, lines, report } = await planned();
    const kept = [...closure(used, index), own];
    for (const digest of kept) expect(blobs.has(digest), digest).toBe(false);
    const revisions = lines.filter(({ kind }) => kind === 'revision');
    expect(revisions).toHaveLength(2);
    expect(blobs.has(deleted.digest)).toBe(true);
    expect(blobs.has(orphan)).toBe(true);
    expect(report.warnings.join()).toContain('lists 2 digests, of which the store has 2');
  });

  it('what is on it can be pulled after the sweep as before', async () => {
    list([used.digest, index.digest]);
    const book = makeBook(store.root);
    const file = `${place.root}/plan`;
    expect((await regsweep(['plan', store.root, ...flags(), '-q', '-o', file])).code).toBe(0);
    await mustSweep(file);
    expect(dangling(book, store.root)).toEqual([]);
    const left = makeBook(store.root);
    const children = index.edges.map((digest) => `library/multi@${digest}`);
    expect(sorted(left.revisions.keys())).toEqual(
      sorted([`library/app@${used.digest}`, `library/multi@${index.digest}`, ...children]),
    );
    expect(nodeFs.existsSync(`${store.base}/${store.blobPath(own)}`)).toBe(true);
  });

  it('a manifest that is younger than the grace stays, though it is not on it', async () => {
    list([used.digest, index.digest]);
    const young = image(store, 'library/app');
    expect((await planned()).blobs.has(young.digest)).toBe(false);
  });

  it('and it is refused when it is empty, or of another Harbor', async () => {
    list([]);
    expect((await refused(2, ...flags())).stderr).toMatch(/in-use\.txt lists no digest/);
    list([used.digest, ...'123'.split('').map((digit) => `sha256:${digit.repeat(64)}`)]);
    expect((await refused(3, ...flags())).stderr).toMatch(
      /has 1 of its 4 digests\n.*another Harbor/,
    );
    list([used.digest, 'library/app@sha256:cut']);
    expect((await refused(2, ...flags())).stderr).toMatch(/in-use\.txt:2:1: no digest in/);
  });
});
