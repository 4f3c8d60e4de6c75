import { isLinked } from './store-index.js';
import type { StoreIndex } from './store-index.js';

/** What is left out of a fingerprint: the things that a plan removes, by place or digest. */
export interface LeftOut {
  readonly blobs: (digest: number) => boolean;
  readonly revisions: (entry: number) => boolean;
  readonly tags: (tag: number) => boolean;
  /** Layer links by place. */
  readonly layers: (at: number) => boolean;
  readonly uploads: (repository: string, id: string) => boolean;
}

/**
 * A number for everything in a store but what is left out: the same before, during and after
 * a sweep that removes just that, and another one when anything was pushed or deleted
 * meanwhile. A sum over the parts, so it does not depend on their order. It guards against
 * accidents; it is no defence against somebody who computes collisions.
 */
export function fingerprintOf(index: StoreIndex, leftOut: LeftOut): string {
  const sum = new Sum();
  const names = index.repositories.map(hashOfText);
  const { revisions, tags, layers } = index;
  const digestHashes = new Uint32Array(index.digests.size);
  for (let digest = 0; digest < digestHashes.length; digest++) {
    digestHashes[digest] = index.digests.hash(digest);
    if (index.present.has(digest) && !leftOut.blobs(digest))
      sum.add(1, digestHashes[digest] ?? 0, 0);
  }
  const hashOf = (digest: number): number => digestHashes[digest] ?? 0;
  revisions.digest.forEach((digest, entry) => {
    if (!isLinked(index, entry)) return;
    if (leftOut.revisions(entry)) return;
    const repository = names[revisions.repository[entry] as number] as number;
    sum.add(2, mix(repository, hashOf(digest)), hashOfNumber(revisions.time[entry] as number));
  });
  tags.digest.forEach((digest, tag) => {
    if (leftOut.tags(tag)) return;
    const repository = names[tags.repository[tag] as number] as number;
    sum.add(3, mix(repository, hashOf(digest)), hashOfText(tags.name[tag] as string));
  });
  for (let repository = 0; repository < names.length; repository++) {
    const end = layers.start[repository + 1] as number;
    for (let at = layers.start[repository] as number; at < end; at++) {
      if (leftOut.layers(at)) continue;
      sum.add(4, names[repository] as number, hashOf(layers.digest[at] as number));
    }
  }
  for (const { repository, id, bytes } of index.uploads) {
    const name = index.repositories[repository] as string;
    if (!leftOut.uploads(name, id)) sum.add(5, hashOfText(`${name}/${id}`), hashOfNumber(bytes));
  }
  return sum.text();
}

class Sum {
  #low = 0;
  #high = 0;
  #count = 0;

  add(kind: number, a: number, b: number): void {
    const first = mix(mix(kind, a), b);
    this.#low = (this.#low + first) >>> 0;
    this.#high = (this.#high + mix(first ^ 0x5bd1e995, b)) >>> 0;
    this.#count++;
  }

  text(): string {
    const hex = (value: number): string => value.toString(16).padStart(8, '0');
    return `${hex(this.#high)}${hex(this.#low)}-${this.#count}`;
  }
}

function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0xc2b2ae35);
  hash ^= hash >>> 16;
  hash = Math.imul(hash ^ b, 0x9e3779b1);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function hashOfNumber(value: number): number {
  return hashOfText(String(value));
}
