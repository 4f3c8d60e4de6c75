import type { Steps } from '../../src/graph/first-holder.ts';
import { computeLiveness, keepEverything } from '../../src/graph/liveness.ts';
import type { Decisions } from '../../src/graph/liveness.ts';
import { findRevision, NO_DIGEST } from '../../src/graph/store-index.ts';
import type { StoreIndex } from '../../src/graph/store-index.ts';
import { KIND } from '../../src/registry/media-type.ts';
import { parseFallbackTag } from '../../src/registry/reference.ts';
import { READ, REVISION } from '../../src/scan/facts.ts';
import { damageStore } from './damage.ts';
import { inMemory } from './arbitraries.ts';
import type { StoreShape } from './generate.ts';
import { createPrng } from './prng.ts';
import type { Prng } from './prng.ts';
import { StoreBuilder } from './store.ts';
import { planStore } from './survey.ts';

/** The naive side of the tests of `--free` and what-if: one whole run of liveness a question. */

/** Bytes of blobs that are there, live when nothing is dropped, and do not under these decisions. */
export function freedBy(index: StoreIndex, decisions: Decisions): number {
  const before = computeLiveness(index, keepEverything(index));
  const after = computeLiveness(index, decisions);
  if (after.blind.length > 0) return 0;
  let bytes = 0;
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (!index.present.has(digest) || !before.blobLive.has(digest)) continue;
    if (!after.blobLive.has(digest)) bytes += Math.max(0, index.bytes[digest] ?? 0);
  }
  return bytes;
}

/** By revision: whether a tag that is no fallback tag is on it. */
export function taggedRevisions(index: StoreIndex): boolean[] {
  const tagged = Array.from(index.revisions.digest, () => false);
  index.tags.digest.forEach((digest, tag) => {
    if (digest === NO_DIGEST || isFallback(index, tag)) return;
    const entry = findRevision(index, index.tags.repository[tag] as number, digest);
    if (entry >= 0) tagged[entry] = true;
  });
  return tagged;
}

/** A tag that belongs to another manifest: not the one that it is on, nor by a list that is none. */
export function isFallback(index: StoreIndex, tag: number): boolean {
  const fallback = parseFallbackTag(index.tags.name[tag] as string);
  const digest = index.tags.digest[tag] as number;
  if (fallback === undefined || digest === NO_DIGEST) return fallback !== undefined;
  const isList = index.status[digest] !== READ.good || index.kind[digest] === KIND.index;
  if (fallback.isList && !isList) return false;
  return index.digests.text(digest) !== `${fallback.algorithm}:${fallback.hex}`;
}

export function isLinked(index: StoreIndex, entry: number): boolean {
  return ((index.revisions.flags[entry] as number) & REVISION.linked) !== 0;
}

/** The index of a generated store with a few tags more, so that digests have several. */
export async function indexOf(shape: StoreShape, seed: number, injured = 0): Promise<StoreIndex> {
  const { fs, root } = inMemory(shape);
  const prng = createPrng(seed);
  const plain = await planStore(fs, root, { now: shape.now?.getTime() ?? 0 });
  const { index } = plain.survey;
  for (let i = prng.int(5); i > 0; i--) {
    const entry = prng.int(index.revisions.digest.length);
    const repository = index.repositories[index.revisions.repository[entry] as number] as string;
    const digest = index.digests.text(index.revisions.digest[entry] as number);
    new StoreBuilder(fs, root).tag(repository, `more-${i}`, digest);
  }
  if (injured > 0) damageStore(fs, root, prng, { count: injured });
  const again = await planStore(fs, root, { untagged: true, now: shape.now?.getTime() ?? 0 });
  return again.survey.index;
}

/** A policy's decisions, as they could be: most goes, some is protected. */
export function randomDecisions(index: StoreIndex, prng: Prng): Decisions {
  const decisions = keepEverything(index);
  const tagged = taggedRevisions(index);
  const share = prng.pick([0.5, 0.8, 1]);
  index.tags.digest.forEach((_, tag) => {
    const wanted = prng.chance(isFallback(index, tag) ? 0.3 : share);
    if (wanted) decisions.tagDropped[tag] = 1;
  });
  tagged.forEach((isTagged, entry) => {
    if (prng.chance(isTagged ? 0.9 : share)) decisions.revisionDroppable[entry] = 1;
  });
  return decisions;
}

/**
 * The steps of some decisions: untagged manifests and tags, each in random order. With
 * `loose`, some of the manifests that others hold are left out.
 */
export function randomSteps(
  index: StoreIndex,
  decisions: Decisions,
  prng: Prng,
  loose = false,
): Steps {
  const tagged = taggedRevisions(index);
  const revisions: number[] = [];
  decisions.revisionDroppable.forEach((droppable, entry) => {
    if (droppable === 0 || tagged[entry] === true || !isLinked(index, entry)) return;
    if (!loose || prng.chance(0.4)) revisions.push(entry);
  });
  const tags: number[] = [];
  decisions.tagDropped.forEach((dropped, tag) => {
    if (dropped === 1) tags.push(tag);
  });
  const ordered = [
    ...prng.shuffle(revisions).map((item) => ({ item, isTag: 0 })),
    ...prng.shuffle(tags).map((item) => ({ item, isTag: 1 })),
  ];
  return stepsOf(prng.chance(0.5) ? prng.shuffle(ordered) : ordered);
}

export function stepsOf(steps: readonly { item: number; isTag: number }[]): Steps {
  return {
    isTag: Uint8Array.from(steps, ({ isTag }) => isTag),
    item: Uint32Array.from(steps, ({ item }) => item),
  };
}
