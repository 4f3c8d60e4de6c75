import { showTime } from '../registry/time.js';
import type { RepositoryFacts, TagFacts } from './facts.js';
import { isBelievable } from './ranking.js';
import type { TimeBounds } from './ranking.js';

const HOUR = 3_600_000;
const LEAST_TAGS = 50;
const LEAST_SHARE = 0.8;
const LEAST_SPREAD = 30 * 86_400_000;

/** The hour into which a copy or a restore has put the times of push. */
export interface ResetWindow {
  readonly from: number;
  readonly to: number;
  /** Tags in the window, and in all. */
  readonly inside: number;
  readonly total: number;
}

/** Where times of push are not to be believed. */
export interface ResetTimes {
  readonly everywhere: ResetWindow | undefined;
  readonly byRepository: ReadonlyMap<string, ResetWindow>;
}

/**
 * Looks for reset times in the whole store and in each repository by itself: a store is copied as
 * a whole, and single repositories are mirrored.
 */
export function findResets(
  repositories: readonly RepositoryFacts[],
  bounds: TimeBounds,
): ResetTimes {
  const byRepository = new Map<string, ResetWindow>();
  for (const { name, tags } of repositories) {
    const window = findReset([tags], bounds);
    if (window !== undefined) byRepository.set(name, window);
  }
  return { everywhere: findReset(everyTag(repositories), bounds), byRepository };
}

/**
 * Whether times of creation have to be looked at: times of push crowd into an hour somewhere,
 * which a busy hour explains as well as a copy does.
 */
export function suspectResets(
  repositories: readonly RepositoryFacts[],
  bounds: TimeBounds,
): boolean {
  const crowded = ({ tags }: RepositoryFacts): boolean => crowdedHour([tags], bounds) !== undefined;
  return repositories.some(crowded) || crowdedHour(everyTag(repositories), bounds) !== undefined;
}

type TagLists = readonly (readonly TagFacts[])[];

function everyTag(repositories: readonly RepositoryFacts[]): TagLists {
  return repositories.map(({ tags }) => tags);
}

function crowdedHour(lists: TagLists, bounds: TimeBounds): ResetWindow | undefined {
  const length = lists.reduce((sum, tags) => sum + tags.length, 0);
  // Most repositories are too small to tell anything by themselves.
  if (length < LEAST_TAGS) return undefined;
  const pushed = new Float64Array(length);
  let size = 0;
  for (const tags of lists) {
    for (const { pushedMs, fallback } of tags) {
      if (!fallback && isBelievable(pushedMs, bounds)) pushed[size++] = pushedMs;
    }
  }
  if (size < LEAST_TAGS) return undefined;
  const window = fullestHour(pushed.subarray(0, size).sort());
  return window.inside < LEAST_SHARE * size ? undefined : window;
}

/** The window, when enough tags share an hour of push and were created over a month or more. */
function findReset(lists: TagLists, bounds: TimeBounds): ResetWindow | undefined {
  const window = crowdedHour(lists, bounds);
  if (window === undefined) return undefined;
  let earliest = Infinity;
  let latest = -Infinity;
  for (const { pushedMs, createdMs, fallback } of lists.flat()) {
    if (fallback || pushedMs === undefined) continue;
    if (pushedMs < window.from || pushedMs > window.to) continue;
    if (createdMs === undefined || !isBelievable(createdMs, bounds)) continue;
    earliest = Math.min(earliest, createdMs);
    latest = Math.max(latest, createdMs);
  }
  return latest - earliest >= LEAST_SPREAD ? window : undefined;
}

/** Of sorted times, the hour with the most of them. */
function fullestHour(sorted: Float64Array): ResetWindow {
  let start = 0;
  let best = { start: 0, end: 0 };
  for (let end = 0; end < sorted.length; end++) {
    while ((sorted[end] ?? 0) - (sorted[start] ?? 0) > HOUR) start++;
    if (end - start > best.end - best.start) best = { start, end };
  }
  const [from = 0, to = 0] = [sorted[best.start], sorted[best.end]];
  return { from, to, inside: best.end - best.start + 1, total: sorted.length };
}

/** `95 of 100 tags were pushed between ... and ...` */
export function describeWindow({ from, to, inside, total }: ResetWindow): string {
  return `${inside} of ${total} tags have a time of push between ${showTime(from)} and ${showTime(to)}`;
}
