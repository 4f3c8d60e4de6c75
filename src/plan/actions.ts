import { append } from '../graph/lists.js';
import { digestText, findRevision, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { asBuffer, PACKED, unpackDigest } from '../registry/digest.js';
import { isFollower } from '../graph/subjects.js';
import { plannedTime } from './action.js';
import type { Action } from './action.js';
import type { PlanDecisions } from '../policy/decisions.js';
import type { Survey } from './derive.js';
import type { Garbage } from './garbage.js';

/**
 * The actions of a plan in the order of a sweep: uploads and temporary files, tags,
 * manifests with their histories, blobs by size, and then what the blobs left behind. Links
 * go before the blobs, so that a sweep cut off anywhere leaves no tag without its manifest
 * and no manifest without its blobs.
 */
export function* actionsOf(survey: Survey<PlanDecisions>, garbage: Garbage): Generator<Action> {
  yield* actionsWith(survey, garbage, {
    revisions: () => droppedRevisions(survey),
    blobs: () => blobActions(survey, garbage),
    layerLinks: () => layerLinkActions(survey, garbage),
  });
}

/** Actions of one link, or of one file, of which there are hundreds of thousands. */
export interface ManyActions<T> {
  readonly revisions: T;
  readonly blobs: T;
  readonly layerLinks: T;
}

/** How many there are of those, without making them; and all others of `actionsOf`. */
export function countManyOf(
  survey: Survey<PlanDecisions>,
  garbage: Garbage,
): { readonly many: ManyActions<number>; readonly others: Iterable<Action> } {
  const none = (): Action[] => [];
  const others = actionsWith(survey, garbage, { revisions: none, blobs: none, layerLinks: none });
  if (survey.blind.length > 0) return { many: { revisions: 0, blobs: 0, layerLinks: 0 }, others };
  let revisions = 0;
  for (let entry = 0; entry < survey.liveness.revisionKept.length; entry++) {
    if (isDropped(survey, entry)) revisions++;
  }
  const many = {
    revisions,
    blobs: garbage.blobs.digest.length,
    layerLinks: garbage.layerLinks.at.length,
  };
  return { many, others };
}

function* actionsWith(
  survey: Survey<PlanDecisions>,
  garbage: Garbage,
  many: ManyActions<() => Iterable<Action>>,
): Generator<Action> {
  yield* uploadActions(survey, garbage);
  for (const { path, bytes } of garbage.temporaries) yield { kind: 'temp', path, bytes };
  if (survey.blind.length > 0) return;
  yield* tagActions(survey, garbage);
  yield* many.revisions();
  const stale = staleHistory(survey, garbage);
  yield* stale.filter(({ wasLinked }) => wasLinked).map(({ action }) => action);
  yield* many.blobs();
  yield* many.layerLinks();
  yield* stale.filter(({ wasLinked }) => !wasLinked).map(({ action }) => action);
  const inner = garbage.emptyDirectories.filter((path) => !isNamespacePath(path));
  for (const path of inner) yield { kind: 'empty-directory', path };
  yield* repositoryActions(survey, garbage);
  const outer = garbage.emptyDirectories.filter((path) => isNamespacePath(path));
  // A namespace goes after what is below it.
  for (const path of outer.reverse()) yield { kind: 'empty-directory', path };
}

function isNamespacePath(path: string): boolean {
  return path.startsWith('repositories/') && !path.includes('/_');
}

function* uploadActions({ index }: Survey, garbage: Garbage): Generator<Action> {
  for (const upload of garbage.uploads) {
    const repository = index.repositories[upload.repository] as string;
    const { id, bytes, files } = upload;
    yield { kind: 'upload', repository, id, bytes, files: files ?? [] };
  }
}

function* tagActions(
  { index, liveness, decisions }: Survey<PlanDecisions>,
  garbage: Garbage,
): Generator<Action> {
  for (const tag of sortTags(index, garbage.histories.keys())) {
    const history = garbage.histories.get(tag);
    if (liveness.tagKept[tag] === 1 || history === undefined) continue;
    yield {
      kind: 'tag',
      repository: index.repositories[index.tags.repository[tag] as number] as string,
      tag: index.tags.name[tag] as string,
      digest: digestText(index, index.tags.digest[tag] as number),
      history: history.digests,
      directories: history.directories,
      reason:
        decisions.tagDropped[tag] === 1
          ? decisions.tagReason(tag)
          : 'follows its subject, which goes',
      mtimeMs: plannedTime(history.linkMs),
    };
  }
}

/** Tags by repository and name: a directory lists them in no order. */
function sortTags({ tags }: StoreIndex, listed: Iterable<number>): number[] {
  const name = (tag: number): string => tags.name[tag] as string;
  const repository = (tag: number): number => tags.repository[tag] as number;
  return [...listed].sort((a, b) => repository(a) - repository(b) || (name(a) < name(b) ? -1 : 1));
}

function isDead(index: StoreIndex, tag: number): boolean {
  return !index.present.has(index.tags.digest[tag] as number);
}

function droppedRevisions(survey: Survey<PlanDecisions>): Action[] {
  const { index, liveness, decisions } = survey;
  const { revisions } = index;
  const followers = followersOf(survey);
  const found: (Action & { kind: 'revision' })[] = [];
  for (let entry = 0; entry < liveness.revisionKept.length; entry++) {
    if (!isDropped(survey, entry)) continue;
    const repository = revisions.repository[entry] as number;
    const digest = revisions.digest[entry] as number;
    const follows = followers.has(repository * index.digests.size + digest);
    found.push({
      kind: 'revision',
      repository: index.repositories[repository] as string,
      digest: digestText(index, digest),
      reason: follows ? 'follows its subject, which goes' : decisions.revisionReason(entry),
      mtimeMs: plannedTime(revisions.time[entry] as number),
    });
  }
  return found.sort(byRepositoryAndDigest);
}

function isDropped({ index, liveness }: Survey, entry: number): boolean {
  return liveness.revisionKept[entry] === 0 && isLinked(index, entry);
}

/** Manifests that fallback tags are on, as repository and digest in one number. */
function followersOf({ index }: Survey): Set<number> {
  const found = new Set<number>();
  index.tags.digest.forEach((digest, tag) => {
    if (!isFollower(index, tag)) return;
    const repository = index.tags.repository[tag] as number;
    found.add(repository * index.digests.size + digest);
  });
  return found;
}

interface StaleEntry {
  readonly action: Action & { kind: 'tag-index' };
  /** The entry's manifest is one that this plan drops. */
  readonly wasLinked: boolean;
}

/**
 * History entries of tags that stay whose manifest is gone, or goes now. A broken or dead tag
 * keeps all of them: they are the last that tells what it was on, and may be what holds it.
 */
function staleHistory({ index, liveness }: Survey, { entries }: Garbage): StaleEntry[] {
  const stale = new Map<number, StaleEntry[]>();
  const pinned = new Set(index.pins.map(({ tag }) => tag));
  const packed = asBuffer(entries.packed);
  for (let at = 0; at < entries.tag.length; at++) {
    const tag = entries.tag[at] as number;
    const id = entries.digest[at] as number;
    if (id === index.tags.digest[tag] || pinned.has(tag) || isDead(index, tag)) continue;
    const repository = index.tags.repository[tag] as number;
    const entry = id === NO_DIGEST ? -1 : findRevision(index, repository, id);
    if (entry >= 0 && liveness.revisionKept[entry] === 1) continue;
    append(stale, tag, {
      action: {
        kind: 'tag-index',
        repository: index.repositories[repository] as string,
        tag: index.tags.name[tag] as string,
        digest: unpackDigest(packed, at * PACKED),
      },
      wasLinked: isLinked(index, entry),
    });
  }
  return sortTags(index, stale.keys()).flatMap((tag) =>
    (stale.get(tag) ?? []).sort((a, b) => (a.action.digest < b.action.digest ? -1 : 1)),
  );
}

function* blobActions({ index }: Survey, { blobs }: Garbage): Generator<Action> {
  for (let i = 0; i < blobs.digest.length; i++) {
    yield {
      kind: 'blob',
      digest: digestText(index, blobs.digest[i] as number),
      bytes: blobs.bytes[i] as number,
      mtimeNs: String(blobs.mtimeNs[i]),
    };
  }
}

function* layerLinkActions({ index }: Survey, garbage: Garbage): Generator<Action> {
  let repository = 0;
  let links: (Action & { kind: 'layer-link' })[] = [];
  const { at: places, mtimeMs } = garbage.layerLinks;
  for (let i = 0; i < places.length; i++) {
    const at = places[i] as number;
    const before = repository;
    while ((index.layers.start[repository + 1] as number) <= at) repository++;
    if (repository !== before) {
      yield* links.sort(byRepositoryAndDigest);
      links = [];
    }
    links.push({
      kind: 'layer-link',
      repository: index.repositories[repository] as string,
      digest: digestText(index, index.layers.digest[at] as number),
      mtimeMs: plannedTime(mtimeMs[i] as number),
    });
  }
  yield* links.sort(byRepositoryAndDigest);
}

function* repositoryActions({ index }: Survey, garbage: Garbage): Generator<Action> {
  const names = index.repositories;
  // The deepest first, so that a parent finds its own directory empty.
  const dead = [...garbage.repositories].sort(([a], [b]) => {
    const left = names[a] as string;
    const right = names[b] as string;
    return left < right ? 1 : -1;
  });
  const gone = new Set(dead.map(([repository]) => names[repository] as string));
  for (const [repository, directories] of dead) {
    const name = names[repository] as string;
    const nested = names.some((other) => other.startsWith(`${name}/`) && !gone.has(other));
    yield { kind: 'repository', repository: name, directories, nested };
  }
}

function byRepositoryAndDigest(
  a: { readonly repository: string; readonly digest: string },
  b: { readonly repository: string; readonly digest: string },
): number {
  if (a.repository !== b.repository) return a.repository < b.repository ? -1 : 1;
  return a.digest < b.digest ? -1 : 1;
}
