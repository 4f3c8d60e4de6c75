import type { Digest } from '../registry/digest.js';
import type { RepositoryName } from '../registry/reference.js';
import type { Pulls } from './pull-log.js';

/**
 * Makes a function that tells when a tag was last pulled (milliseconds since 1970): by its name,
 * or by the digest of the manifest that it is on. Without a tag it is about the digest alone.
 *
 * A client that pulls an index by tag goes on with one of its manifests by digest, and others
 * are told the child's digest in the first place; so a pull of a child is one of the index.
 *
 * @param parentsOf the indexes of the same repository that list a digest.
 */
export function pullsOf(
  pulls: Pulls,
  repository: RepositoryName,
  parentsOf: (repository: RepositoryName, digest: Digest) => Iterable<Digest>,
): (tag: string | undefined, digest: Digest) => number | undefined {
  const times = new Map<Digest, number>();
  const waiting: [Digest, number][] = [...(pulls.repositories.get(repository)?.digests ?? [])];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const [digest, timeMs] = at;
    // Also what ends the walk where indexes list each other.
    if (timeMs <= (times.get(digest) ?? -Infinity)) continue;
    times.set(digest, timeMs);
    for (const parent of parentsOf(repository, digest)) waiting.push([parent, timeMs]);
  }
  return (tag, digest) => {
    const byTag = tag === undefined ? undefined : pulls.pulledMs(repository, tag);
    return newest(byTag, times.get(digest));
  };
}

/** The later of two times that may not be known. */
export function newest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}
