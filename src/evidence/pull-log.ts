import type { Digest } from '../registry/digest.js';
import type { RepositoryName, Tag } from '../registry/reference.js';
import { makeActivity } from './activity.js';
import type { LogCoverage } from './activity.js';
import type { LogLine, PullLine } from './request.js';

/** The newest pull of each, milliseconds since 1970. */
export interface RepositoryPulls {
  readonly tags: ReadonlyMap<Tag, number>;
  readonly digests: ReadonlyMap<Digest, number>;
}

/** When images were pulled, as far as it was seen. */
export interface Pulls {
  readonly repositories: ReadonlyMap<RepositoryName, RepositoryPulls>;
  /** The newest pull by this tag, milliseconds since 1970; undefined when none was seen. */
  readonly pulledMs: (repository: string, tag: string) => number | undefined;
  /** The newest pull by this digest. */
  readonly pulledDigestMs: (repository: string, digest: string) => number | undefined;
}

/** What was read of one file. */
export interface FileTally {
  readonly name: string;
  lines: number;
  /** Lines of a known format with a time that can be right. */
  recognised: number;
  /** Those of them that are requests to the registry's API. */
  requests: number;
  pulls: number;
  /** Lines whose time is before 2013 or more than a day ahead; nothing is made of them. */
  mistimed: number;
  /** The first and last time of a recognised line, milliseconds since 1970. */
  fromMs: number | undefined;
  toMs: number | undefined;
}

/** The counts of one file, all zero. */
export function makeTally(name: string): FileTally {
  const counts = { lines: 0, recognised: 0, requests: 0, pulls: 0, mistimed: 0 };
  return { name, ...counts, fromMs: undefined, toMs: undefined };
}

/**
 * Gathers lines of all files: the order of lines and files, and lines that say the same pull
 * twice (the registry's message and its access log), make no difference. Takes room by the
 * number of distinct tags and digests, not of lines.
 */
export interface PullLog extends Pulls {
  add(tally: FileTally, line: LogLine): void;
  /** @param silenceMs the longest time without a request that is no hole; a day by default. */
  coverage(silenceMs?: number): LogCoverage | undefined;
}

interface Gathered {
  readonly tags: Map<Tag, number>;
  readonly digests: Map<Digest, number>;
}

/** An empty log of pulls; what is dated more than a day after `nowMs` is not taken. */
export function makePullLog(nowMs: number): PullLog {
  const repositories = new Map<RepositoryName, Gathered>();
  const activity = makeActivity(nowMs);
  // A name that is not in the grammar is no key of these maps: looking it up finds nothing.
  const pullsOf = (repository: string): Gathered | undefined =>
    repositories.get(repository as RepositoryName);
  return {
    repositories,
    add(tally, line) {
      if (!activity.mark(line.timeMs, line.sign)) {
        tally.mistimed++;
        return;
      }
      count(tally, line);
      if (line.kind === 'pull') gather(repositories, line);
    },
    pulledMs: (repository, tag) => pullsOf(repository)?.tags.get(tag as Tag),
    pulledDigestMs: (repository, digest) => pullsOf(repository)?.digests.get(digest as Digest),
    coverage: (silenceMs) => activity.coverage(silenceMs),
  };
}

function count(tally: FileTally, line: LogLine): void {
  const { timeMs } = line;
  tally.recognised++;
  if (line.sign !== 'none') tally.requests++;
  if (line.kind === 'pull') tally.pulls++;
  if (!(timeMs >= (tally.fromMs ?? Infinity))) tally.fromMs = timeMs;
  if (!(timeMs <= (tally.toMs ?? -Infinity))) tally.toMs = timeMs;
}

function gather(repositories: Map<RepositoryName, Gathered>, line: PullLine): void {
  let pulls = repositories.get(line.repository);
  if (pulls === undefined) {
    pulls = { tags: new Map(), digests: new Map() };
    repositories.set(line.repository, pulls);
  }
  const { reference, timeMs } = line;
  if ('tag' in reference) keepNewest(pulls.tags, reference.tag, timeMs);
  else keepNewest(pulls.digests, reference.digest, timeMs);
}

function keepNewest<K>(times: Map<K, number>, key: K, timeMs: number): void {
  if (timeMs > (times.get(key) ?? -Infinity)) times.set(key, timeMs);
}
