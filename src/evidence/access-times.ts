import { eachOf, findRevision, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';

const HOUR = 3_600_000;
/** With `relatime`, a link's atime is renewed once a day at most. */
const GRANULARITY = 24 * HOUR;
/** As many links as these, and as large a share within one hour, were read by a backup. */
const LEAST_LINKS = 50;
const LEAST_SHARE = 0.8;

/** What links' atimes tell of pulls, milliseconds since 1970. */
export interface AccessTimes {
  /** The latest that a tag (by place) can have been pulled; undefined where nothing tells. */
  readonly pulledMs: (tag: number) => number | undefined;
  /** The same of a manifest (by place) that was asked for by its digest. */
  readonly revisionPulledMs: (entry: number) => number | undefined;
  /** False where the mount notes no access, or a backup did all of it. */
  readonly usable: boolean;
  readonly notes: readonly string[];
}

/**
 * Reads pulls off the atimes of links: a pull by tag reads the tag's, one by digest the
 * manifest's (tried on registry 2.8.2 with relatime). An atime that is no later than its mtime
 * says nothing.
 * @param mountOptions of the store's file system, as /proc/self/mountinfo has them.
 */
export function readAccessTimes(
  index: StoreIndex,
  mountOptions: readonly string[],
  nowMs: number,
): AccessTimes {
  if (mountOptions.includes('noatime')) {
    return {
      pulledMs: () => undefined,
      revisionPulledMs: () => undefined,
      usable: false,
      notes: ['the store is mounted noatime: atimes tell nothing of pulls'],
    };
  }
  const { tags, revisions } = index;
  const latest = (times: readonly (number | undefined)[]): number | undefined => {
    const known = times.filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.min(nowMs, Math.max(...known) + GRANULARITY);
  };
  const notes = backupNotes(index);
  return {
    pulledMs: (tag) => {
      const repository = tags.repository[tag] as number;
      const digest = tags.digest[tag] as number;
      const byTag = seen(tags.time[tag], tags.access[tag]);
      return latest([byTag, ...revisionTimes(index, repository, digest)]);
    },
    revisionPulledMs: (entry) => {
      const repository = revisions.repository[entry] as number;
      return latest(revisionTimes(index, repository, revisions.digest[entry] as number));
    },
    usable: notes.length === 0,
    notes,
  };
}

/** Of a manifest, and of the children of an index. */
function revisionTimes(
  index: StoreIndex,
  repository: number,
  digest: number,
): (number | undefined)[] {
  const { revisions, edges } = index;
  if (digest === NO_DIGEST) return [];
  const found: (number | undefined)[] = [];
  const look = (manifest: number): void => {
    const entry = findRevision(index, repository, manifest);
    if (entry >= 0) found.push(seen(revisions.time[entry], revisions.access[entry]));
  };
  look(digest);
  eachOf(edges, digest, look);
  return found;
}

function seen(mtimeMs: number | undefined, atimeMs: number | undefined): number | undefined {
  if (mtimeMs === undefined || atimeMs === undefined || !Number.isFinite(atimeMs)) return undefined;
  return atimeMs > mtimeMs ? atimeMs : undefined;
}

function backupNotes({ tags }: StoreIndex): string[] {
  const times = tags.access.filter((time, tag) => seen(tags.time[tag], time) !== undefined);
  if (times.length < LEAST_LINKS) return [];
  times.sort();
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] as number) - (times[first] as number) > HOUR) first++;
    most = Math.max(most, last - first + 1);
  }
  if (most < LEAST_SHARE * times.length) return [];
  return [
    `${most} of ${times.length} tags were read within one hour: a backup read them, and no pull`,
  ];
}
