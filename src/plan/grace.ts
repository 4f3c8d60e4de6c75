import { append } from '../graph/lists.js';
import { digestText } from '../graph/store-index.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { layerDirectory, LINK } from '../registry/layout.js';
import { showTime } from '../registry/time.js';
import type { DetailFacts } from '../scan/detail-shard.js';
import type { GarbageOptions, Question } from './disk-question.js';
import { explainers } from './leftovers.js';

/** Whether something is too young to go; a time in the future, or none, counts as now. */
function isYoung(options: GarbageOptions, timeMs: number): boolean {
  return Math.max(0, options.nowMs - timeMs) < options.graceMs;
}

/** Whether a layer link is too young to go; one that cannot be told is, whatever the grace. */
export function isLinkYoung(options: GarbageOptions, timeMs: number): boolean {
  return timeMs === Infinity || isYoung(options, timeMs);
}

/**
 * Blobs that a layer link names and no manifest of its repository does, dropped or deleted
 * ones included, are an interrupted push: while the newest of their data and their links is
 * younger than the grace, and while an upload goes on there (rules 12 and 13).
 */
export function gracedBlobs(
  question: Question,
  details: DetailFacts,
  busy: ReadonlySet<number>,
): Map<number, number> {
  const { survey, options, candidates, links, linkRepository } = question;
  const { index } = survey;
  const { digest: digestAt } = index.layers;
  /** By digest: its place among the candidates, from 1. */
  const places = new Uint32Array(index.digests.size);
  for (let i = 0; i < candidates.length; i++) places[candidates[i] as number] = i + 1;
  /** By place: the newest of its links, milliseconds since 1970. */
  const newest = new Float64Array(candidates.length + 1).fill(-Infinity);
  for (let i = 0; i < links.length; i++) {
    const place = places[digestAt[links[i] as number] as number] as number;
    const time = details.linkTimes[i] as number;
    if (time > (newest[place] as number)) newest[place] = time;
  }
  const aliases = index.aliases.filter(({ where }) => where === 'layer');
  for (const { target, mtimeMs } of aliases) {
    const place = target === undefined ? 0 : (places[target] as number);
    if (mtimeMs > (newest[place] as number)) newest[place] = mtimeMs;
  }
  const isYoungAt = (place: number): boolean => {
    const dataMs = Number((details.blobMtimes[place - 1] as bigint) / 1_000_000n);
    const linkMs = newest[place] as number;
    return isYoung(options, Math.max(dataMs, linkMs === -Infinity ? 0 : linkMs));
  };
  const graced = new Map<number, number>();
  const explains = explainers(survey);
  const look = (repository: number, digest: number): void => {
    const place = places[digest] as number;
    if (place === 0 || graced.has(digest)) return;
    if (!isYoungAt(place) && !busy.has(repository) && options.keepsLinked !== true) return;
    if (!explains(repository, digest)) graced.set(digest, details.blobBytes[place - 1] as number);
  };
  for (let i = 0; i < links.length; i++) {
    look(linkRepository[i] as number, digestAt[links[i] as number] as number);
  }
  // A layer that was pushed by another algorithm may have that link alone.
  for (const { repository, target } of aliases) if (target !== undefined) look(repository, target);
  return graced;
}

/** What stays for a link alone that cannot be told, or is dated too late. */
export interface Held {
  /** Blobs, by digest. */
  readonly blobs: ReadonlySet<number>;
  /** One for each link that is dated too late; one that cannot be told has its own. */
  readonly findings: readonly Finding[];
}

/**
 * Adds to `graced` the blobs that a link names which stays and which a sweep would take for a
 * push, or could not tell from one: it would refuse the whole plan for it.
 */
export function keepLateLinked(
  { survey, options, candidates, links, linkRepository }: Question,
  { blobBytes, linkTimes }: DetailFacts,
  busy: ReadonlySet<number>,
  graced: Map<number, number>,
): Held {
  const { layers, repositories } = survey.index;
  /** By digest: the links that stay though nothing else keeps their blob. */
  const late = new Map<number, number[]>();
  const blobs = new Set<number>();
  linkTimes.forEach((time, i) => {
    const digest = layers.digest[links[i] as number] as number;
    if (time <= options.startedMs || Number.isNaN(time)) return;
    if (graced.has(digest)) {
      // Its time counts as of now for want of another: no grace lets it go.
      if (time === Infinity) blobs.add(digest);
      return;
    }
    if (busy.has(linkRepository[i] as number) || isLinkYoung(options, time))
      append(late, digest, i);
  });
  const findings: Finding[] = [];
  candidates.forEach((digest, at) => {
    const found = late.get(digest);
    if (found === undefined) return;
    graced.set(digest, blobBytes[at] as number);
    blobs.add(digest);
    for (const i of found) {
      const time = linkTimes[i] as number;
      if (time === Infinity) continue;
      const repository = repositories[linkRepository[i] as number] as string;
      findings.push(lateFinding(repository, digestText(survey.index, digest), time));
    }
  });
  return { blobs, findings };
}

function lateFinding(repository: string, digest: Digest, timeMs: number): Finding {
  return {
    code: 'future-time',
    severity: 'notice',
    path: `${layerDirectory(repository, digest)}/${LINK}`,
    detail: `dated ${showTime(timeMs)}, after this plan was begun: its blob stays`,
  };
}
