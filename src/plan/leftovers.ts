import type { BytePath } from '../fs/read-fs.js';
import { addClosure } from '../graph/liveness.js';
import type { Liveness } from '../graph/liveness.js';
import { digestText, lengthOf, NO_DIGEST, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { compareText } from '../policy/natural.js';
import { REPOSITORIES, repositoryDirectory, revisionDirectory } from '../registry/layout.js';
import { parseRepositoryName } from '../registry/reference.js';
import { REVISION, TAG } from '../scan/facts.js';
import type { FoundUpload } from '../scan/facts.js';
import type { Survey } from './derive.js';

/** What interrupted pushes, deletions and crashes leave behind besides blobs. */

/**
 * Uploads that go: older than asked for, with nothing unknown inside, and in a repository
 * whose name is safe to build a path from.
 */
export function oldUploads(
  index: StoreIndex,
  options: { readonly nowMs: number; readonly uploadsOlderThanMs: number },
): FoundUpload[] {
  const nameOf = ({ repository }: FoundUpload): string => index.repositories[repository] as string;
  return index.uploads
    .filter((upload) => {
      const old = options.nowMs - upload.startedMs >= options.uploadsOlderThanMs;
      return old && upload.files !== undefined && !index.frozen.has(upload.repository);
    })
    .sort((a, b) => compareText(nameOf(a), nameOf(b)) || compareText(a.id, b.id));
}

/**
 * Tells whether a path is in a repository that is read as it is, and never changed: through a
 * symbolic link in it a sweep would go where it was not sent, and so it refuses.
 */
export function frozenTeller({ frozen, repositories }: StoreIndex): (path: BytePath) => boolean {
  const directories = new Set(
    [...frozen.keys()].map((repository) => repositoryDirectory(repositories[repository] as string)),
  );
  return (path) => directories.has(path.replace(/\/_(?:manifests|layers|uploads)(?:\/.*)?$/s, ''));
}

/** Repositories with an upload that may still go on. */
export function busyRepositories(index: StoreIndex, going: readonly FoundUpload[]): Set<number> {
  const gone = new Set(going);
  const ongoing = index.uploads.filter((upload) => !gone.has(upload));
  return new Set(ongoing.map(({ repository }) => repository));
}

/**
 * Tells whether a repository's own dropped or deleted manifests name a digest, however deep.
 * Repositories are walked when they are first asked about.
 */
export function explainers({
  index,
  liveness,
}: Survey): (repository: number, digest: number) => boolean {
  const known = new Map<number, Set<number>>();
  return (repository, digest) => {
    let reached = known.get(repository);
    if (reached === undefined) {
      reached = reachOfGone(index, liveness, repository);
      known.set(repository, reached);
    }
    return reached.has(digest);
  };
}

function reachOfGone(index: StoreIndex, liveness: Liveness, repository: number): Set<number> {
  const gone: number[] = [];
  const end = index.revisions.start[repository + 1] as number;
  for (let entry = index.revisions.start[repository] as number; entry < end; entry++) {
    if (liveness.revisionKept[entry] === 0) gone.push(index.revisions.digest[entry] as number);
  }
  const lastTag = index.tags.start[repository + 1] as number;
  for (let tag = index.tags.start[repository] as number; tag < lastTag; tag++) {
    const digest = index.tags.digest[tag] as number;
    // A dropped tag's manifest may have no revision here, and goes all the same.
    if (liveness.tagKept[tag] === 0 && digest !== NO_DIGEST) gone.push(digest);
  }
  const reached = new Set<number>();
  addClosure(index, gone, reached);
  return reached;
}

/** A blob that no repository links, neither as a layer nor as a manifest, deleted or not. */
export function isOrphan(index: StoreIndex, digest: number): boolean {
  const { layers, revisions } = reverseOf(index);
  if (lengthOf(layers, digest) > 0 || lengthOf(revisions, digest) > 0) return false;
  return !index.aliases.some(({ target }) => target === digest);
}

/** Tags of repositories that lose, or already lost, a manifest or a tag: whose history is stale. */
export function tagsOfLosers({ index, liveness }: Survey): number[] {
  const losers = new Set<number>();
  const { revisions, tags } = index;
  liveness.revisionKept.forEach((kept, entry) => {
    if (kept === 0) losers.add(revisions.repository[entry] as number);
  });
  liveness.tagKept.forEach((kept, tag) => {
    if (kept === 0) losers.add(tags.repository[tag] as number);
  });
  const found: number[] = [];
  tags.repository.forEach((repository, tag) => {
    const readable = tags.flags[tag] === TAG.good;
    if (readable && losers.has(repository) && !liveness.tainted.has(repository)) found.push(tag);
  });
  return found;
}

/** Directories of manifests that were deleted by the API: no link, and nothing else. */
export function bareRevisions({ index, liveness }: Survey): string[] {
  const { revisions } = index;
  const found: string[] = [];
  revisions.flags.forEach((flags, entry) => {
    const repository = revisions.repository[entry] as number;
    if ((flags & REVISION.bare) === 0 || liveness.tainted.has(repository)) return;
    const digest = digestText(index, revisions.digest[entry] as number);
    found.push(revisionDirectory(index.repositories[repository] as string, digest));
  });
  return found;
}

/** Namespaces that are empty, and those that are once `dead` repositories are gone. */
export function emptyNamespaces({ index, findings }: Survey, dead: readonly number[]): string[] {
  const going = new Set(dead);
  const held = new Set<string>();
  const hold = (path: string): void => {
    for (const above of foldersAbove(path)) held.add(above);
  };
  index.repositories.forEach((name, repository) => {
    if (going.has(repository)) return;
    held.add(name);
    hold(name);
  });
  const below = `${REPOSITORIES}/`;
  for (const { path } of findings) if (path.startsWith(below)) hold(path.slice(below.length));
  const empty = new Set<string>(index.emptyDirectories);
  for (const repository of dead) {
    for (const above of foldersAbove(index.repositories[repository] as string)) {
      if (!held.has(above)) empty.add(above);
    }
  }
  return [...empty].map((path) => `${REPOSITORIES}/${path}`);
}

/** `a/b` and `a` of `a/b/c`. */
function foldersAbove(path: string): string[] {
  const found: string[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    found.push(path.slice(0, at));
  }
  return found;
}

/**
 * Repositories that hold nothing once `gone` layer directories, the dropped tags and
 * manifests and the old uploads are gone.
 */
export function deadRepositories(
  { index, liveness, findings }: Survey,
  uploads: readonly FoundUpload[],
  gone: ReadonlyMap<number, number>,
): number[] {
  const alive = new Set<number>(liveness.tainted.keys());
  for (const { repository } of index.aliases) alive.add(repository);
  const going = new Set(uploads);
  for (const upload of index.uploads) if (!going.has(upload)) alive.add(upload.repository);
  const { revisions, tags, layers } = index;
  liveness.revisionKept.forEach((kept, entry) => {
    const flags = revisions.flags[entry] as number;
    const stays = (flags & REVISION.linked) === 0 ? (flags & REVISION.bare) === 0 : kept === 1;
    if (stays) alive.add(revisions.repository[entry] as number);
  });
  liveness.tagKept.forEach((kept, tag) => {
    if (kept === 1 || tags.flags[tag] !== TAG.good) alive.add(tags.repository[tag] as number);
  });
  const dead: number[] = [];
  index.repositories.forEach((name, repository) => {
    const links = (layers.start[repository + 1] as number) - (layers.start[repository] as number);
    if (alive.has(repository) || links !== (gone.get(repository) ?? 0)) return;
    const inside = `${repositoryDirectory(name)}/_`;
    const strays = findings.some(({ path }) => path.startsWith(inside));
    if (!strays && parseRepositoryName(name) !== undefined) dead.push(repository);
  });
  return dead;
}
