import type { DetailFacts } from '../scan/detail-shard.js';
import type { GarbageOptions, Question } from './disk-question.js';
import { explainers } from './leftovers.js';

/** What stays because it may be part of a push. */

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

/**
 * Adds to `graced` the blobs that a link names which stays because it cannot be told: a sweep
 * cannot tell either whether it was pushed since, and would refuse the whole plan for it.
 */
export function keepUntold(
  { survey, candidates, links }: Question,
  { blobBytes, linkTimes }: DetailFacts,
  graced: Map<number, number>,
): void {
  const { digest: digestAt } = survey.index.layers;
  const untold = new Set<number>();
  links.forEach((at, i) => {
    if (linkTimes[i] === Infinity) untold.add(digestAt[at] as number);
  });
  if (untold.size === 0) return;
  candidates.forEach((digest, i) => {
    if (untold.has(digest)) graced.set(digest, blobBytes[i] as number);
  });
}
