/** Every kind of finding, by hand: what it is called, whom it breaks, and what mends it. */
import nodeFs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CheckReport } from '../../../src/check/judge.ts';
import { brokenText } from '../../../src/check/finding.ts';
import type { CheckFinding } from '../../../src/check/finding.ts';
import { mendOf } from '../../../src/check/mend.ts';
import { breaksOf, check, damageIn, mendPlan, namesOf } from '../../support/check.ts';
import { sweepInProcess } from '../../support/in-process.ts';
import { describeUnless, isRoot } from '../../support/packages.ts';
import { digestOf, digestPath, MEDIA } from '../../support/store.ts';
import type { StoreBuilder, Written } from '../../support/store.ts';
import { image, layer, newStoreOnDisk } from '../rules/bench.ts';

let store: StoreBuilder & { remove(): void };
let web: Written;
/** An index of two platforms, and its images. */
let multi: Written;
let children: Written[];

beforeEach(() => {
  store = newStoreOnDisk();
  web = image(store, 'shop/web', '1');
  children = [image(store, 'shop/multi'), image(store, 'shop/multi')];
  multi = store.index('shop/multi', children, {
    tag: '1',
    platforms: ['linux/amd64', 'linux/arm64'],
  });
});
afterEach(() => store.remove());

const at = (path: string): string => `${store.base}/${path}`;
const write = (path: string, content: string | Uint8Array): void =>
  nodeFs.writeFileSync(at(path), content);
const remove = (path: string): void => nodeFs.rmSync(at(path), { recursive: true });
const tagLink = (repository: string, tag: string): string =>
  `${store.tagPath(repository, tag)}/current/link`;
const revisionLink = (repository: string, { digest }: Written): string =>
  store.revisionPath(repository, digest);
const edge = ({ edges }: Written, i = 1): string => edges[i] as string;

async function look(hash = false): Promise<CheckReport> {
  return await check(nodeFs, store.root, { hash });
}

/** The one finding of a code. */
async function find(code: string, hash = false): Promise<CheckFinding> {
  const { findings } = await look(hash);
  const found = findings.filter((finding) => finding.code === code);
  expect(found.length, `${code} among ${namesOf(findings).join(', ')}`).toBe(1);
  return found[0] as CheckFinding;
}

async function mend(...allowed: Parameters<typeof mendPlan>[2] & object): Promise<CheckReport> {
  const result = await sweepInProcess(store.root, mendPlan(store.root, await look(true), allowed));
  expect(result.ended).toBe('complete');
  expect(result.verification?.lost).toEqual([]);
  return await look(true);
}

const breaks = (finding: CheckFinding): string[] => finding.breaks.map(brokenText);

test('a healthy store has nothing to find', async () => {
  expect((await look(true)).findings).toEqual([]);
});

describe('links', () => {
  const tags = ['shop/web:1'];

  test.each([
    ['empty-link', ''],
    ['short-link', 'sha256:0123'],
    ['short-link', 'sha2'],
    ['garbled-link', '\u0000'.repeat(71)],
    ['padded-link', 'the digest and a line feed'],
  ])("%s of a tag: its history's only entry mends it", async (code, content) => {
    write(tagLink('shop/web', '1'), code === 'padded-link' ? `${web.digest}\n` : content);
    const finding = await find(code);
    expect(finding).toMatchObject({
      severity: 'damage',
      repository: 'shop/web',
      tag: '1',
      mendable: true,
    });
    expect(breaks(finding)).toEqual(tags);
    expect((await mend()).findings).toEqual([]);
    expect(nodeFs.readFileSync(at(tagLink('shop/web', '1')), 'utf8')).toBe(web.digest);
  });

  test('missing-link of a tag is mended likewise', async () => {
    remove(`${store.tagPath('shop/web', '1')}/current`);
    expect(await find('missing-link')).toMatchObject({ mendable: true });
    expect((await mend()).findings).toEqual([]);
  });

  test('of a tag with several valid entries in its history nothing is guessed', async () => {
    const second = image(store, 'shop/web', '1');
    write(tagLink('shop/web', '1'), '');
    const finding = await find('empty-link');
    expect(finding).toMatchObject({ mendable: false, actions: [] });
    expect(finding.mend).toContain('push again');
    expect(second.digest).not.toBe(web.digest);
    expect((await look()).shopping).toMatchObject([
      { repository: 'shop/web', tag: '1', blobs: [] },
    ]);
  });

  test.each([
    ['empty-link', () => ''],
    ['short-link', (digest: string) => digest.slice(0, 40)],
    ['garbled-link', () => 'x'.repeat(71)],
    ['padded-link', (digest: string) => ` ${digest}`],
    ['mismatched-link', () => digestOf('another')],
  ] as const)(
    '%s of a manifest or a layer: its directory says what it is',
    async (code, change) => {
      write(revisionLink('shop/web', web), change(web.digest));
      expect(breaks(await find(code))).toEqual(tags);
      expect((await mend()).findings).toEqual([]);
      const link = store.layerLinkPath('shop/web', edge(web));
      write(link, change(edge(web)));
      expect(breaks(await find(code))).toEqual(tags);
      expect((await mend()).findings).toEqual([]);
      expect(nodeFs.readFileSync(at(link), 'utf8')).toBe(edge(web));
    },
  );

  test('a broken layer link without its blob is removed, as a push cannot ask about it', async () => {
    write(store.layerLinkPath('shop/web', edge(web)), '');
    remove(store.blobPath(edge(web)).replace('/data', ''));
    expect(await find('empty-link')).toMatchObject({
      mendable: true,
      actions: [{ kind: 'layer-link' }],
    });
    expect(damageIn(await mend())).toEqual([`missing-blob ${store.blobPath(edge(web))}`]);
  });

  test('a broken entry of a history is a notice', async () => {
    write(`${store.tagPath('shop/web', '1')}/index/${digestPath(web.digest)}/link`, '');
    expect(await find('empty-link')).toMatchObject({
      severity: 'notice',
      breaks: [],
      mendable: true,
    });
    expect((await mend()).findings).toEqual([]);
  });

  test('a tag without any history gets it again', async () => {
    remove(`${store.tagPath('shop/web', '1')}/index`);
    expect(await find('missing-history')).toMatchObject({ severity: 'notice', mendable: true });
    expect((await mend()).findings).toEqual([]);
  });

  test('in a repository that no plan may name, nothing is mended', async () => {
    image(store, 'Shop/Web', '1');
    write(tagLink('Shop/Web', '1'), '');
    expect(await find('empty-link')).toMatchObject({ mendable: false, actions: [] });
  });
});

describe('links that are older than the newest', () => {
  const OLD = new Date('2026-01-01T00:00:00Z');

  /** Codes of what is found by inodes alone. */
  async function byInodes(): Promise<string[]> {
    store.ageEverything(OLD);
    const report = await check(nodeFs, store.root, { newest: 0 });
    expect(report.links).toBe(false);
    return report.findings.map(({ code }) => code);
  }

  test.each(['revision', 'layer', 'history'])('a wrong size is found (%s)', async (place) => {
    const link = {
      revision: revisionLink('shop/web', web),
      layer: store.layerLinkPath('shop/web', edge(web)),
      history: `${store.tagPath('shop/web', '1')}/index/${digestPath(web.digest)}/link`,
    }[place] as string;
    expect(await byInodes()).toEqual([]);
    write(link, '');
    expect(await byInodes()).toEqual(['empty-link']);
    write(link, 'sha256:0123');
    expect(await byInodes()).toEqual(['short-link']);
    remove(link);
    nodeFs.mkdirSync(at(link));
    expect(await byInodes()).toEqual(['garbled-link']);
  });

  test('wrong bytes of the right size are found where they were written last', async () => {
    write(revisionLink('shop/web', web), digestOf('another'));
    expect(await byInodes()).toEqual([]);
    expect((await look()).findings.map(({ code }) => code)).toEqual(['mismatched-link']);
    write(revisionLink('shop/web', web), digestOf('another'));
    const { findings } = await check(nodeFs, store.root, { newest: 1 });
    expect(findings.map(({ code }) => code)).toEqual(['mismatched-link']);
  });

  test('whatever a tag is on is held against its history', async () => {
    image(store, 'shop/web', '1');
    expect(await byInodes()).toEqual([]);
    remove(`${store.tagPath('shop/web', '1')}/index/${digestPath(web.digest)}/link`);
    expect(await byInodes()).toEqual([]);
    write(`${store.tagPath('shop/web', '1')}/index/${digestPath(web.digest)}/link`, '');
    expect(await byInodes()).toEqual(['empty-link']);
    remove(`${store.tagPath('shop/web', '1')}/index/sha256`);
    expect(await byInodes()).toEqual(['missing-history']);
  });

  test('what stands where a link is missing is found, and beside one only in a close look', async () => {
    const id = '11111111-2222-4333-8444-555555555555';
    store.temp(`${revisionLink('shop/web', web)}.${id}.tmp`);
    store.temp(`${store.blobPath(edge(web))}.${id}.tmp`);
    expect(await byInodes()).toEqual([]);
    const { findings } = await look();
    expect(findings.map(({ code }) => code)).toEqual(['temporary-file', 'temporary-file']);
    remove(revisionLink('shop/web', web));
    expect(await byInodes()).toEqual(['unlinked-tag', 'temporary-file']);
  });
});

describe('what is there and not linked', () => {
  test("a tag's manifest", async () => {
    remove(revisionLink('shop/web', web));
    expect(breaks(await find('unlinked-tag'))).toEqual(['shop/web:1']);
    expect((await mend()).findings).toEqual([]);
  });

  test("an index's child, with its platform", async () => {
    remove(revisionLink('shop/multi', children[1] as Written));
    expect(breaks(await find('unlinked-child'))).toEqual(['shop/multi:1 (linux/arm64)']);
    expect((await mend()).findings).toEqual([]);
  });

  test('all layers of a repository', async () => {
    remove('repositories/shop/multi/_layers');
    expect(breaksOf(await look(), 'unlinked-layer')).toEqual([
      'shop/multi:1 (linux/amd64)',
      'shop/multi:1 (linux/arm64)',
    ]);
    expect((await mend()).findings).toEqual([]);
  });

  test('a layer that is damaged is not linked again', async () => {
    remove(store.layerLinkPath('shop/web', edge(web)));
    const path = store.blobPath(edge(web));
    const data = nodeFs.readFileSync(at(path));
    data[0] = (data[0] as number) ^ 1;
    write(path, data);
    // Without `--hash`, too: whatever is to be linked is read first.
    expect(await find('unlinked-layer')).toMatchObject({ mendable: false, actions: [] });
    expect(await find('corrupt-blob')).toMatchObject({ mendable: false });
  });
});

describe('blobs', () => {
  const needs = (report: CheckReport): string[] =>
    report.shopping.flatMap(({ blobs }) => blobs.map(({ digest }) => digest));

  test.each([
    ['empty-blob', () => ''],
    ['truncated-blob', (data: Buffer) => data.subarray(0, 5)],
    ['overlong-blob', (data: Buffer) => Buffer.concat([data, data])],
  ] as const)('%s is told by its size, removed, and to be pushed again', async (code, change) => {
    const path = store.blobPath(edge(children[0] as Written));
    write(path, change(nodeFs.readFileSync(at(path))));
    const finding = await find(code);
    expect(finding).toMatchObject({
      severity: 'damage',
      path,
      mendable: false,
      mend: 'push again',
    });
    expect(breaks(finding)).toEqual(['shop/multi:1 (linux/amd64)']);
    expect(needs(await look())).toEqual([finding.digest]);
    expect(damageIn(await mend())).toEqual([`missing-blob ${path}`]);
  });

  test('a right size with wrong bytes takes a reading to see', async () => {
    const path = store.blobPath(edge(web));
    write(path, nodeFs.readFileSync(at(path)).reverse());
    expect((await look()).findings).toEqual([]);
    expect(breaks(await find('corrupt-blob', true))).toEqual(['shop/web:1']);
    expect(damageIn(await mend())).toEqual([`missing-blob ${path}`]);
  });

  test('a descriptor that lies about right data is a notice, and the data stays', async () => {
    const bytes = Buffer.from('right');
    const digest = store.blob(bytes);
    store.layerLink('shop/lies', digest);
    const value = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      layers: [{ mediaType: MEDIA.ociLayer, size: 99, digest }],
    };
    store.manifest('shop/lies', value, MEDIA.ociManifest, [digest], { tag: '1' });
    expect(await find('wrong-descriptor')).toMatchObject({ severity: 'notice', actions: [] });
  });

  test('missing-blob, with and without its directory', async () => {
    remove(store.blobPath(edge(web)));
    expect(breaks(await find('missing-blob'))).toEqual(['shop/web:1']);
    expect(await find('empty-directory')).toMatchObject({ severity: 'notice', mendable: true });
    remove(store.blobPath(edge(web, 0)).replace('/data', ''));
    expect(damageIn(await look())).toHaveLength(2);
    expect(damageIn(await mend())).toHaveLength(2);
  });

  test('something else in its place is left alone', async () => {
    remove(store.blobPath(edge(web)));
    nodeFs.mkdirSync(at(store.blobPath(edge(web))));
    expect(await find('odd-blob')).toMatchObject({ mendable: false, actions: [] });
  });

  test.each([
    ['empty-manifest', () => ''],
    ['corrupt-manifest', (text: string) => text.slice(0, -20)],
    ['corrupt-manifest', (text: string) => text.replace('sha256', 'sha257')],
    ['oversized-manifest', () => ' '.repeat(9 * 1024 * 1024)],
  ] as const)('%s', async (code, change) => {
    const path = store.blobPath(web.digest);
    write(path, change(nodeFs.readFileSync(at(path), 'utf8')));
    const finding = await find(code);
    expect(finding).toMatchObject({ severity: 'damage', mendable: false, digest: web.digest });
    expect(breaks(finding)).toEqual(['shop/web:1']);
  });

  test('a manifest that is what its digest says, and no manifest', async () => {
    store.manifest('shop/odd', 'no JSON', MEDIA.ociManifest, [], { tag: '1' });
    expect(await find('malformed-manifest')).toMatchObject({ actions: [], mendable: false });
  });

  test('a manifest of more than 4 MiB is no damage, and no registry takes it', async () => {
    const annotations = { padding: 'x'.repeat(5 * 1024 * 1024) };
    store.image('shop/large', { layers: [layer()], annotations, tag: '1' });
    expect(await find('oversized-manifest')).toMatchObject({ severity: 'notice' });
  });

  test('a revision without its blob', async () => {
    remove(store.blobPath(web.digest).replace('/data', ''));
    expect(breaks(await find('missing-manifest'))).toEqual(['shop/web:1']);
  });

  test('a child that is nowhere may be left out on purpose', async () => {
    const child = children[1] as Written;
    remove(revisionLink('shop/multi', child).replace('/link', ''));
    remove(store.blobPath(child.digest).replace('/data', ''));
    const finding = await find('missing-child');
    expect(finding.severity).toBe('notice');
    expect(breaks(finding)).toEqual(['shop/multi:1 (linux/arm64)']);
    expect((await look()).shopping).toEqual([]);
  });

  test('a damaged blob of an untagged manifest is known by its digest', async () => {
    const untagged = image(store, 'shop/web');
    write(store.blobPath(edge(untagged)), '');
    expect(breaks(await find('empty-blob'))).toEqual([`shop/web@${untagged.digest}`]);
  });
});

describe('tags', () => {
  test('a dead one goes only when that is asked for by name', async () => {
    store.tag('shop/web', 'dead', digestOf('nowhere'));
    const finding = await find('dead-tag');
    expect(finding).toMatchObject({ severity: 'damage', mendable: false, allow: 'drop-dead-tags' });
    expect(breaks(finding)).toEqual(['shop/web:dead']);
    const { findings } = await look();
    expect(mendOf(findings, new Set()).actions).toEqual([]);
    expect((await mend('drop-dead-tags')).findings).toEqual([]);
    expect(nodeFs.existsSync(at(store.tagPath('shop/web', 'dead')))).toBe(false);
  });

  test('one whose history has a manifest is not dropped', async () => {
    store.tag('shop/web', '1', digestOf('nowhere'));
    expect(await find('dead-tag')).toMatchObject({ actions: [] });
  });

  test.each(['', undefined])(
    'one of which nothing is known (%j) goes only when asked for',
    async (content) => {
      const link = tagLink('shop/web', 'lost');
      nodeFs.mkdirSync(at(link.replace('/link', '')), { recursive: true });
      if (content !== undefined) write(link, content);
      const code = content === undefined ? 'missing-link' : 'empty-link';
      expect(await find(code)).toMatchObject({ mendable: false, allow: 'drop-dead-tags' });
      expect(mendOf((await look()).findings, new Set()).actions).toEqual([]);
      expect((await mend('drop-dead-tags')).findings).toEqual([]);
      expect(nodeFs.existsSync(at(store.tagPath('shop/web', 'lost')))).toBe(false);
    },
  );

  test('none at all may be a loss', async () => {
    remove('repositories/shop/web/_manifests/tags');
    expect(await find('no-tags')).toMatchObject({ severity: 'notice', repository: 'shop/web' });
  });
});

describe('leftovers', () => {
  const id = '11111111-2222-4333-8444-555555555555';

  test.each([
    ['missing', { bytes: 7 }, () => undefined],
    [
      'hashstate',
      { bytes: 7, startedAt: new Date(), hashstates: [0] },
      (path: string) => write(`${path}/hashstates/sha256/0`, ''),
    ],
    [
      'empty',
      { bytes: 7, startedAt: new Date() },
      (path: string) => write(`${path}/startedat`, ''),
    ],
    [
      'no time',
      { bytes: 7, startedAt: new Date() },
      (path: string) => write(`${path}/startedat`, 'now'),
    ],
  ] as const)('an upload that cannot go on (%s)', async (why, options, damage) => {
    store.upload('shop/web', id, options);
    damage(`repositories/shop/web/_uploads/${id}`);
    const finding = await find('broken-upload');
    expect(finding.detail).toContain(why);
    expect(finding).toMatchObject({
      severity: 'notice',
      allow: 'drop-broken-uploads',
      mendable: false,
    });
    expect((await mend('drop-broken-uploads')).findings).toEqual([]);
  });

  test('temporary files and empty directories of blobs', async () => {
    const digest = digestOf('half');
    store.temp(`${store.blobPath(digest)}.${id}.tmp`);
    store.temp(`${store.blobPath(edge(web))}.${id}.tmp`);
    store.temp(`${revisionLink('shop/web', web)}.${id}.tmp`);
    store.temp(`${tagLink('shop/web', '1')}.${id}.tmp`);
    const { findings } = await look();
    expect(findings.filter(({ code }) => code === 'temporary-file')).toHaveLength(4);
    expect(await find('empty-directory')).toMatchObject({ mendable: true, digest });
    expect((await mend()).findings).toEqual([]);
  });

  test('what a listing that failed hides is not called missing', async () => {
    const hidden = edge(web);
    const prefix = store.blobPath(hidden).split('/').slice(0, 3).join('/');
    const failing = {
      ...nodeFs,
      readdirSync: (path: string, options: { withFileTypes: true }) => {
        if (path.endsWith(prefix)) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        return nodeFs.readdirSync(path, options);
      },
    };
    const report = await check(failing as never, store.root);
    expect(damageIn(report)).toEqual([`unreadable ${prefix}`]);
    expect(report.shopping).toEqual([]);
    remove(prefix);
    expect(damageIn(await look())).toContain(`missing-blob ${store.blobPath(hidden)}`);
  });

  test('a manifest that cannot be read may be whole: nothing is to be pushed for it', async () => {
    const path = store.blobPath(web.digest);
    const failing = {
      ...nodeFs,
      openSync: (asked: string, flags: number) => {
        if (asked.endsWith(path)) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
        return nodeFs.openSync(asked, flags);
      },
    };
    const report = await check(failing, store.root);
    expect(damageIn(report)).toEqual([`unreadable ${path}`]);
    expect(report.findings[0]).toMatchObject({
      mendable: false,
      mend: expect.stringContaining('--write-off') as string,
    });
    expect(report.shopping).toEqual([]);
  });

  test('strays are named and left alone', async () => {
    store.writeFile('repositories/shop/web/_manifests/.nfs01', '');
    store.writeFile(`${store.tagPath('shop/web', '1')}/note`, '');
    store.writeFile(store.blobPath(edge(web)).replace(/data$/, 'core'), '');
    const { findings } = await look();
    expect(findings.map(({ code }) => code)).toEqual(['stray', 'stray', 'stray']);
    expect(mendOf(findings, new Set()).actions).toEqual([]);
  });

  test('what stands beside the store', async () => {
    nodeFs.mkdirSync(`${store.root}/images/0123`, { recursive: true });
    nodeFs.writeFileSync(`${store.root}/backup.tar`, '');
    nodeFs.mkdirSync(at('oci'));
    const { findings } = await look();
    expect(namesOf(findings)).toEqual([
      'foreign-leftover ../../../backup.tar',
      'foreign-leftover oci',
      'v1-leftover ../../../images',
    ]);
  });

  test('links of the future', async () => {
    nodeFs.utimesSync(at(tagLink('shop/web', '1')), new Date('2099-01-01'), new Date('2099-01-01'));
    expect((await find('future-time')).detail).toContain('2099-01-01');
  });

  test('links of a time beyond all dates, as btrfs and tmpfs hold', async () => {
    const lstatSync = (path: nodeFs.PathLike, options?: nodeFs.StatSyncOptions): unknown => {
      const stat = nodeFs.lstatSync(path, options);
      const isLink = String(path).endsWith(tagLink('shop/web', '1'));
      return isLink && stat?.isFile() === true ? Object.assign(stat, { mtimeMs: 9e15 }) : stat;
    };
    const fs = { ...nodeFs, lstatSync } as typeof nodeFs;
    const { findings } = await check(fs, store.root, {});
    const found = findings.find(({ code }) => code === 'future-time');
    expect(found?.detail).toContain('9000000000000000');
  });

  test('times that a copy has reset', async () => {
    for (let i = 0; i < 60; i++) {
      const created = new Date(Date.UTC(2020, 0, 1 + 20 * i)).toISOString();
      const config = Buffer.from(JSON.stringify({ created, i }));
      store.image('shop/old', { layers: [layer()], config, tag: `v${i}` });
    }
    store.ageEverything(new Date('2025-03-01T00:00:00Z'));
    expect((await find('reset-times')).severity).toBe('notice');
  });
});

describeUnless(isRoot() ? undefined : 'needs root', 'modes and owners', () => {
  test('that differ from their neighbours are put back', async () => {
    for (const path of nodeFs.readdirSync(store.root, { recursive: true, encoding: 'utf8' })) {
      nodeFs.chownSync(`${store.root}/${path}`, 1234, 1234);
    }
    for (let i = 0; i < 5; i++) store.tag('shop/web', `v${i}`, web.digest);
    for (let i = 0; i < 5; i++) {
      for (const path of nodeFs.readdirSync(at(store.tagPath('shop/web', `v${i}`)), {
        recursive: true,
        encoding: 'utf8',
      })) {
        nodeFs.chownSync(at(`${store.tagPath('shop/web', `v${i}`)}/${path}`), 1234, 1234);
      }
      nodeFs.chownSync(at(store.tagPath('shop/web', `v${i}`)), 1234, 1234);
    }
    expect((await look()).findings).toEqual([]);
    const data = at(store.blobPath(web.digest));
    nodeFs.chownSync(data, 0, 0);
    const link = at(tagLink('shop/web', '1'));
    nodeFs.chmodSync(link, 0o400);
    // Nine of ten have to be alike, and of blobs there are few here.
    for (let i = 0; i < 10; i++) {
      const digest = store.blob(layer());
      for (const path of [store.blobPath(digest), store.blobPath(digest).replace('/data', '')])
        nodeFs.chownSync(at(path), 1234, 1234);
    }
    const { findings } = await look();
    expect(findings.map(({ code, severity }) => `${code} ${severity}`)).toEqual([
      'odd-attributes damage',
      'odd-attributes notice',
    ]);
    expect((await mend()).findings).toEqual([]);
    expect(nodeFs.statSync(data)).toMatchObject({ uid: 1234, gid: 1234 });
    expect(nodeFs.statSync(link).mode & 0o777).toBe(0o644);
  });
});

test('a mend is undone by its plan, but for data', async () => {
  write(tagLink('shop/web', '1'), '');
  remove(revisionLink('shop/multi', children[0] as Written));
  write(store.layerLinkPath('shop/web', edge(web)), 'garbled');
  expect(multi.digest).toContain('sha256:');
  const before = damageIn(await look());
  const plan = mendPlan(store.root, await look());
  const undo = await sweepWithUndo(plan);
  expect(damageIn(await look())).toEqual([]);
  const result = await sweepInProcess(store.root, undo);
  expect(result.verification?.lost).toEqual([]);
  expect(damageIn(await look())).toEqual(before);
  expect(nodeFs.readFileSync(at(store.layerLinkPath('shop/web', edge(web))), 'utf8')).toBe(
    'garbled',
  );
});

async function sweepWithUndo(
  plan: ReturnType<typeof mendPlan>,
): Promise<ReturnType<typeof mendPlan>> {
  const { parsePlan } = await import('../../../src/plan/read-plan.ts');
  let text = '';
  const file = {
    write: (part: string): void => void (text += part),
    finish: (): void => undefined,
    discard: (): void => undefined,
  };
  await sweepInProcess(store.root, plan, { undo: () => file });
  return parsePlan(Buffer.from(text), 'undo');
}
