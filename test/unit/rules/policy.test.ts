/** What a policy's decisions do to a store: tags, the manifests below them, and what follows others. */
import { describe, expect, it } from 'vitest';
import { tagRows } from '../../../src/plan/tag-rows.ts';
import type { PolicyDecisions } from '../../../src/policy/decide.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { factsOfStore, NO_EVIDENCE } from '../../../src/policy/store-facts.ts';
import { digestOf } from '../../support/store.ts';
import type { StoreBuilder, Written } from '../../support/store.ts';
import type { PlannedStore, PlanOptions } from '../../support/survey.ts';
import { age, closure, image, layer, newStore, NOW, ofKind, plan, sorted } from './bench.ts';

/** A policy for all repositories, in which no tag stays but by its rules. */
const drop = (rules: string, more = ''): string =>
  `version: 1\nlimits: { allow-empty-repository: true }\n${more}\npolicies:\n  - name: p\n    repositories: ['**']\n    rules: [${rules}]\n`;
const DROP_OLD = drop("{ name: r, tags: ['old*'], drop: always }");

async function under(
  yaml: string,
  store: StoreBuilder,
  options: PlanOptions = {},
): Promise<PlannedStore> {
  return await plan(store, { policy: await parsePolicy(yaml, 'p.yaml'), ...options });
}

const tagsOf = (planned: PlannedStore): string[] =>
  planned.actions.flatMap((action) =>
    action.kind === 'tag' ? [`${action.repository}:${action.tag}`] : [],
  );

function isGone(planned: PlannedStore, ...images: readonly Written[]): boolean {
  return closure(...images).every((digest) => planned.planned.has(digest));
}

describe('a dropped tag', () => {
  it('that stays because its repository loses nothing keeps what its history names', async () => {
    const store = newStore();
    const before = image(store, 'a', 'old');
    image(store, 'a', 'old');
    image(store, 'a', 'new');
    // Nothing says what this one was on, and no revision any more says that there are others.
    store.fs.rmSync(`${store.base}/${store.tagPath('a', 'new')}/index`, {
      recursive: true,
      force: true,
    });
    store.fs.writeFileSync(`${store.base}/${store.tagPath('a', 'new')}/current/link`, '');
    store.fs.rmSync(`${store.base}/repositories/a/_manifests/revisions`, {
      recursive: true,
      force: true,
    });
    age(store);
    const planned = await under(DROP_OLD, store);
    expect(tagsOf(planned)).toEqual([]);
    expect(closure(before).filter((digest) => planned.planned.has(digest))).toEqual([]);
  });

  it('takes its manifest along, and says why', async () => {
    const store = newStore();
    const old = image(store, 'a', 'old');
    const kept = image(store, 'a', 'new');
    age(store);
    const planned = await under(DROP_OLD, store);
    expect(ofKind(planned, 'tag')).toMatchObject([{ tag: 'old', reason: 'p/r: drop always' }]);
    expect(ofKind(planned, 'revision')).toMatchObject([{ reason: 'its tag old goes' }]);
    expect(isGone(planned, old)).toBe(true);
    expect(closure(kept).some((digest) => planned.planned.has(digest))).toBe(false);
  });

  it('explains what its manifest names, though that has no revision and an upload goes on', async () => {
    const store = newStore();
    const old = image(store, 'a', 'old');
    image(store, 'a', 'new');
    const revision = `${store.base}/${store.revisionPath('a', old.digest)}`;
    store.fs.rmSync(revision, { recursive: true, force: true });
    const pushed = store.blob(layer());
    store.layerLink('a', pushed);
    store.upload('a', '01234567-89ab-4cde-8f01-23456789abcd', { bytes: 9, startedAt: NOW });
    age(store);
    const planned = await under(DROP_OLD, store);
    expect(isGone(planned, old)).toBe(true);
    expect(planned.planned.has(pushed)).toBe(false);
    expect(ofKind(planned, 'layer-link')).toEqual([]);
  });

  it('leaves its manifest to another tag, here or in another repository', async () => {
    const store = newStore();
    const old = image(store, 'a', 'old');
    store.tag('a', 'new', old.digest);
    const elsewhere = image(store, 'b', 'old-b');
    store.revision('c', elsewhere.digest);
    store.tag('c', 'kept', elsewhere.digest);
    age(store);
    const planned = await under(DROP_OLD, store);
    expect(tagsOf(planned)).toEqual(['a:old', 'b:old-b']);
    expect(sorted(planned.dropped)).toEqual([`b@${elsewhere.digest}`]);
    expect(planned.planned.size).toBe(0);
  });

  it('takes the children of its index along, but for those that another index or tag holds', async () => {
    const store = newStore();
    const [alone, shared, tagged] = [image(store, 'a'), image(store, 'a'), image(store, 'a')];
    const [one, two] = [store.index('a', [alone, shared, tagged]), store.index('a', [shared])];
    store.tag('a', 'old', one.digest);
    store.tag('a', 'new', two.digest);
    store.tag('a', 'child', tagged.digest);
    age(store);
    const planned = await under(DROP_OLD, store);
    expect(sorted(planned.dropped)).toEqual(sorted([`a@${one.digest}`, `a@${alone.digest}`]));
    expect(isGone(planned, alone)).toBe(true);
    expect(closure(shared, tagged).some((digest) => planned.planned.has(digest))).toBe(false);
  });

  it('takes signatures and referrers along, unless a policy protects them', async () => {
    const store = newStore();
    const old = image(store, 'a', 'old');
    const sig = image(store, 'a', `${old.digest.replace(':', '-')}.sig`);
    age(store);
    expect(isGone(await under(DROP_OLD, store), old, sig)).toBe(true);
    const protect = drop(
      "{ name: r, tags: ['old*'], drop: always }",
      "protect: [{ tags: ['*.sig'] }]",
    );
    const planned = await under(protect, store);
    expect(tagsOf(planned)).toEqual(['a:old']);
    expect(closure(sig).some((digest) => planned.planned.has(digest))).toBe(false);
  });

  it("that names nothing is no policy's to drop", async () => {
    const store = newStore();
    store.tag('a', 'old', digestOf('nothing'));
    image(store, 'a', 'kept');
    age(store);
    expect(tagsOf(await under(DROP_OLD, store))).toEqual([]);
  });
});

describe('what has no tag', () => {
  it('stays, unless the policy says otherwise; and within the grace in any case', async () => {
    const store = newStore();
    image(store, 'a', 'kept');
    const old = image(store, 'a');
    const young = image(store, 'a');
    const untagged = DROP_OLD.replace('rules:', 'untagged: drop\n    rules:');
    age(store, [store.revisionPath('a', young.digest)]);
    expect((await under(DROP_OLD, store)).dropped.size).toBe(0);
    const planned = await under(untagged, store);
    expect(sorted(planned.dropped)).toEqual([`a@${old.digest}`]);
    expect(planned.survey.decisions.young).toHaveLength(1);
  });

  it('agrees with -m', async () => {
    const store = newStore();
    const [child, kept] = [image(store, 'a'), image(store, 'a', 'kept')];
    const index = store.index('a', [child]);
    image(store, 'a');
    image(store, 'untagged-only');
    store.tag('a', 'multi', index.digest);
    age(store, [store.revisionPath('a', kept.digest)]);
    const untagged = "version: 1\npolicies: [{ name: m, repositories: ['**'], untagged: drop }]\n";
    const [by, plain] = [await under(untagged, store), await plan(store, { untagged: true })];
    expect(sorted(by.dropped)).toEqual(sorted(plain.dropped));
    expect(sorted(by.planned)).toEqual(sorted(plain.planned));
  });
});

describe('a list of digests', () => {
  const yaml = drop(
    "{ name: r, tags: ['old*'], drop: always }",
    'protect: [{ digests-file: used }]',
  );
  const listing = (...digests: string[]): PlanOptions => ({
    digestFiles: new Map([['used', digests]]),
  });

  it('protects the tags on it', async () => {
    const store = newStore();
    const used = image(store, 'a', 'old-used');
    const other = image(store, 'a', 'old-other');
    age(store);
    const planned = await under(yaml, store, listing(used.digest));
    expect(tagsOf(planned)).toEqual(['a:old-other']);
    expect(isGone(planned, other)).toBe(true);
    expect(closure(used).some((digest) => planned.planned.has(digest))).toBe(false);
  });

  it('protects a child though its index goes, and what has a config that is listed', async () => {
    const store = newStore();
    const [child, sibling] = [image(store, 'a'), image(store, 'a')];
    store.tag('a', 'old-index', store.index('a', [child, sibling]).digest);
    const config = layer();
    const byConfig = store.image('a', { layers: [layer()], config, tag: 'old-config' });
    age(store);
    const planned = await under(yaml, store, listing(child.digest, digestOf(config)));
    const stays = closure(child, byConfig);
    expect(stays.some((digest) => planned.planned.has(digest))).toBe(false);
    expect(isGone(planned, sibling)).toBe(true);
  });

  it('is named as the reason for each manifest without a tag that it keeps', async () => {
    const store = newStore();
    const child = image(store, 'a');
    store.tag('a', 'old-index', store.index('a', [child]).digest);
    const config = layer();
    const byConfig = store.image('a', { layers: [layer()], config });
    age(store);
    const policy = yaml.replace('rules:', 'untagged: drop\n    rules:');
    const { survey } = await under(policy, store, listing(child.digest, digestOf(config)));
    const facts = factsOfStore(survey.index, NO_EVIDENCE);
    const rows = tagRows(survey, { facts, decisions: survey.decisions as PolicyDecisions });
    const untagged = rows.filter(({ tag }) => tag === undefined);
    expect(untagged.map(({ decision, reasons }) => [decision, reasons[0]])).toEqual([
      ['protect', 'protect digests-file used'],
      ['protect', 'protect digests-file used'],
    ]);
    const digests = untagged.map(({ digest }) => digest ?? '');
    expect(sorted(digests)).toEqual(sorted([child.digest, byConfig.digest]));
  });
});

describe('--drop by name', () => {
  const named = (...targets: string[]): string =>
    `version: 1\ndrop: [${targets.map((target) => `'${target}'`).join(', ')}]\n`;

  it('takes a tag, a manifest with all its tags, a whole repository', async () => {
    const store = newStore();
    const one = image(store, 'a', 'one');
    const two = image(store, 'a', 'two');
    store.tag('a', 'two-again', two.digest);
    image(store, 'a', 'three');
    const dead = [image(store, 'dead', 'x'), image(store, 'dead')];
    age(store);
    const planned = await under(named('a:one', `a@${two.digest}`, 'dead'), store);
    expect(tagsOf(planned)).toEqual(['a:one', 'a:two', 'a:two-again', 'dead:x']);
    expect(isGone(planned, one, two, ...dead)).toBe(true);
    expect(ofKind(planned, 'repository')).toMatchObject([{ repository: 'dead' }]);
  });

  it('is asked for, so no grace holds it', async () => {
    const store = newStore();
    const untagged = image(store, 'dead');
    age(store, [store.revisionPath('dead', untagged.digest)]);
    expect(sorted((await under(named('dead'), store)).dropped)).toEqual([
      `dead@${untagged.digest}`,
    ]);
  });
});

describe('evidence', () => {
  it('of pulls keeps what it shows, and lets go what it covers', async () => {
    const store = newStore();
    const used = image(store, 'a', 'old-used');
    image(store, 'a', 'old-unused');
    age(store);
    const yaml = drop("{ name: r, tags: ['old*'], drop: { not-pulled-for: 30d } }");
    const day = 86_400_000;
    const evidence: PlanOptions = {
      evidence: (index) => ({
        pulledMs: (tag) =>
          index.tags.name[tag] === 'old-used' ? NOW.getTime() - 2 * day : undefined,
      }),
    };
    expect(tagsOf(await under(yaml, store, evidence))).toEqual([]);
    const pulls = { fromMs: NOW.getTime() - 40 * day };
    const planned = await under(yaml, store, { ...evidence, pulls });
    expect(tagsOf(planned)).toEqual(['a:old-unused']);
    expect(closure(used).some((digest) => planned.planned.has(digest))).toBe(false);
  });
});
