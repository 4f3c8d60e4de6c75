import { layerNeedsOf } from '../graph/layer-needs.js';
import { eachOf, isLinked, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Survey } from './derive.js';
import type { Garbage } from './garbage.js';

/** What a repository loses and keeps. */
export interface RepositoryRow {
  readonly name: string;
  readonly tags: number;
  readonly tagsDropped: number;
  readonly manifests: number;
  readonly manifestsDropped: number;
  /** Bytes of dropped blobs; what several repositories held is split among them. */
  readonly freedBytes: number;
  readonly keptBytes: number;
  /** Of the kept bytes, those that other repositories keep too. */
  readonly sharedBytes: number;
}

/** A repository that loses nothing. */
export interface TaintedRow {
  readonly name: string;
  readonly why: string;
  readonly bytes: number;
}

/** The table of repositories, those that free most first. */
export function repositoryRows(survey: Survey, garbage: Garbage): RepositoryRow[] {
  const { index, liveness } = survey;
  const needs = layerNeedsOf(index, liveness);
  const freedBytes = freedByRepository(index, garbage);
  return index.repositories
    .map((name, repository) => {
      const tagsFrom = index.tags.start[repository] as number;
      const tagsTo = index.tags.start[repository + 1] as number;
      let tagsDropped = 0;
      for (let tag = tagsFrom; tag < tagsTo; tag++) if (liveness.tagKept[tag] === 0) tagsDropped++;
      let manifests = 0;
      let manifestsDropped = 0;
      const end = index.revisions.start[repository + 1] as number;
      for (let entry = index.revisions.start[repository] as number; entry < end; entry++) {
        if (!isLinked(index, entry)) continue;
        manifests++;
        if (liveness.revisionKept[entry] === 0) manifestsDropped++;
      }
      return {
        name,
        tags: tagsTo - tagsFrom,
        tagsDropped,
        manifests,
        manifestsDropped,
        freedBytes: freedBytes[repository] as number,
        keptBytes: needs.keptBytes[repository] as number,
        sharedBytes: needs.sharedBytes[repository] as number,
      };
    })
    .sort((a, b) => b.freedBytes - a.freedBytes || (a.name < b.name ? -1 : 1));
}

/** Bytes of dropped blobs by the repositories that link them, in equal parts, whole bytes. */
function freedByRepository(index: StoreIndex, { blobs }: Garbage): Float64Array {
  const freedBytes = new Float64Array(index.repositories.length);
  const { layers, revisions } = reverseOf(index);
  const holders: number[] = [];
  const told = new Uint32Array(index.repositories.length);
  let round = 0;
  const add = (repository: number): void => {
    if (told[repository] === round) return;
    told[repository] = round;
    holders.push(repository);
  };
  const addOf = (entry: number): void => add(index.revisions.repository[entry] as number);
  for (let i = 0; i < blobs.digest.length; i++) {
    const digest = blobs.digest[i] as number;
    holders.length = 0;
    round++;
    eachOf(layers, digest, add);
    eachOf(revisions, digest, addOf);
    if (holders.length === 0 || blobs.shared[i] === 1) continue;
    const bytes = blobs.bytes[i] as number;
    const part = Math.floor(bytes / holders.length);
    let rest = bytes - part * holders.length;
    for (const repository of holders) {
      freedBytes[repository] = (freedBytes[repository] as number) + part + (rest > 0 ? 1 : 0);
      if (rest > 0) rest--;
    }
  }
  return freedBytes;
}

/** The repositories that lose nothing, and what they hold. */
export function taintedRows({ index, liveness }: Survey): TaintedRow[] {
  const { keptBytes } = layerNeedsOf(index, liveness);
  return [...liveness.tainted].map(([repository, why]) => ({
    name: index.repositories[repository] as string,
    why,
    bytes: keptBytes[repository] as number,
  }));
}
