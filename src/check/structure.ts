import { Bits } from '../graph/lists.js';
import { NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { EDGE } from '../registry/edges.js';
import { layerDirectory, revisionDirectory, tagCurrentDirectory } from '../registry/layout.js';
import { KIND } from '../registry/media-type.js';
import { READ, REVISION, TAG } from '../scan/facts.js';
import { hasData, hasRevision, isProven, isSafe, linkAction } from './facts.js';
import type { CheckFacts } from './facts.js';
import { mended, unmended } from './finding.js';
import type { CheckDraft, CheckFinding } from './finding.js';

/** A link that a repository lacks: what it needs is there, and the registry does not find it. */
export interface Unlinked {
  readonly code: 'unlinked-tag' | 'unlinked-child' | 'unlinked-layer';
  readonly repository: number;
  readonly digest: number;
  readonly tag?: number;
}

/**
 * What a repository's tags and manifests name, and it has no link of, though the blob is there.
 * Manifests that are to be linked again are looked into as well.
 */
export function findUnlinked(index: StoreIndex, links: CheckFacts['links']): Unlinked[] {
  const found: Unlinked[] = [];
  const linked = new LayerLinks(index, links);
  for (let repository = 0; repository < index.repositories.length; repository++) {
    linked.enter(repository);
    lookIn(index, repository, linked, found);
  }
  return found;
}

function lookIn(
  index: StoreIndex,
  repository: number,
  linked: LayerLinks,
  found: Unlinked[],
): void {
  const stack: number[] = [];
  const seen = new Set<number>();
  const visit = (digest: number): void => {
    if (index.status[digest] !== READ.good || seen.has(digest)) return;
    seen.add(digest);
    stack.push(digest);
  };
  startIn(index, repository, found, visit);
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    eachEdge(index, at, (target, isManifest) => {
      if (isManifest) {
        if (index.status[target] !== READ.good || seen.has(target)) return;
        if (!hasRevision(index, repository, target)) {
          found.push({ code: 'unlinked-child', repository, digest: target });
        }
        visit(target);
      } else if (index.present.has(target) && linked.add(target)) {
        // The same blob may be a manifest that is linked as such.
        if (hasRevision(index, repository, target)) return;
        found.push({ code: 'unlinked-layer', repository, digest: target });
      }
    });
  }
}

/** The manifests that a repository's links and tags lead to, and tags that lead past the links. */
function startIn(
  index: StoreIndex,
  repository: number,
  found: Unlinked[],
  visit: (digest: number) => void,
): void {
  eachIn(index.revisions.start, repository, (entry) => {
    const flags = index.revisions.flags[entry] as number;
    if ((flags & REVISION.linked) !== 0) visit(index.revisions.digest[entry] as number);
  });
  eachIn(index.tags.start, repository, (tag) => {
    const digest = index.tags.digest[tag] as number;
    if (digest === NO_DIGEST || index.tags.flags[tag] !== TAG.good) return;
    if (index.status[digest] !== READ.good || hasRevision(index, repository, digest)) return;
    found.push({ code: 'unlinked-tag', repository, digest, tag });
    visit(digest);
  });
}

/** The edges of a manifest that a pull follows inside of its repository. */
function eachEdge(
  index: StoreIndex,
  digest: number,
  each: (target: number, isManifest: boolean) => void,
): void {
  const kind = index.kind[digest];
  // What is named by a text of an unknown kind need not be a layer of it.
  if (kind === KIND.unknown || kind === KIND.malformed) return;
  const end = index.edges.offsets[digest + 1] as number;
  for (let i = index.edges.offsets[digest] as number; i < end; i++) {
    const flags = index.edgeFlags[i] as number;
    if ((flags & (EDGE.foreign | EDGE.other)) !== 0) continue;
    each(index.edges.items[i] as number, (flags & EDGE.manifest) !== 0);
  }
}

/** The layer links of one repository after the other. */
class LayerLinks {
  readonly #index: StoreIndex;
  readonly #bare: ReadonlyMap<string, readonly number[]>;
  readonly #has = new Bits();
  #entered = -1;
  readonly #added: number[] = [];

  constructor(index: StoreIndex, { bareLayers }: CheckFacts['links']) {
    this.#index = index;
    const bare = new Map<string, number[]>();
    for (const { repository, digest } of bareLayers) {
      const id = index.digests.find(digest);
      const known = bare.get(repository);
      if (id === undefined) continue;
      if (known === undefined) bare.set(repository, [id]);
      else known.push(id);
    }
    this.#bare = bare;
  }

  enter(repository: number): void {
    const { repositories } = this.#index;
    this.#each(this.#entered, (digest) => this.#has.remove(digest));
    for (const digest of this.#added) this.#has.remove(digest);
    this.#added.length = 0;
    this.#entered = repository;
    this.#each(repository, (digest) => this.#has.add(digest));
    for (const digest of this.#bare.get(repositories[repository] as string) ?? []) {
      this.#has.remove(digest);
    }
  }

  /** True when there is no link, the first time it is asked for. */
  add(digest: number): boolean {
    if (!this.#has.add(digest)) return false;
    this.#added.push(digest);
    return true;
  }

  #each(repository: number, each: (digest: number) => void): void {
    if (repository < 0) return;
    const { layers } = this.#index;
    eachIn(layers.start, repository, (at) => each(layers.digest[at] as number));
  }
}

function eachIn(start: Uint32Array, row: number, each: (at: number) => void): void {
  const end = start[row + 1] as number;
  for (let at = start[row] as number; at < end; at++) each(at);
}

/** Blobs whose data has to match before they may be linked. */
export function unlinkedProofs(unlinked: readonly Unlinked[]): number[] {
  return unlinked.map(({ digest }) => digest);
}

/** What is there and has no link in the repository that needs it. */
export function unlinkedFindings(facts: CheckFacts, unlinked: readonly Unlinked[]): CheckFinding[] {
  return unlinked.flatMap((link) => {
    // A blob without data is missing, and told as such.
    return hasData(facts, link.digest) ? [unlinkedFinding(facts, link)] : [];
  });
}

const WORDS: Readonly<Record<Unlinked['code'], string>> = {
  'unlinked-tag': 'its manifest is there and has no link in the repository',
  'unlinked-child': "an index's manifest is there and has no link in the repository",
  'unlinked-layer': 'the blob is there and has no link in the repository',
};

function unlinkedFinding(facts: CheckFacts, unlinked: Unlinked): CheckFinding {
  const { index, root } = facts;
  const { code, repository: number, digest: id } = unlinked;
  const repository = index.repositories[number] as string;
  const digest = index.digests.text(id);
  const tag = unlinked.tag === undefined ? undefined : index.tags.name[unlinked.tag];
  const place = code === 'unlinked-layer' ? 'layer' : 'revision';
  const directory = place === 'layer' ? layerDirectory : revisionDirectory;
  // A pull-through cache links what was pulled, and fetches the rest.
  const isCache = root.foreign?.kind === 'cache';
  const draft: CheckDraft = {
    code,
    severity: isCache ? 'notice' : 'damage',
    path: tag === undefined ? directory(repository, digest) : tagCurrentDirectory(repository, tag),
    detail: WORDS[code],
    repository,
    ...(tag === undefined ? {} : { tag }),
    digest,
    breaks: isCache ? [] : tag === undefined ? facts.breaks.of(id, number) : [{ repository, tag }],
  };
  if (isCache) return unmended({ ...draft, mend: 'usual in a cache' });
  if (!isSafe(facts, repository, tag)) return unmended({ ...draft, mend: 'look at it by hand' });
  if (!isProven(facts, id)) {
    return unmended({ ...draft, mend: 'its blob is not known to be whole: --hash' });
  }
  const mtimeMs = facts.mtimes[id] as number;
  return mended(draft, [linkAction(facts, { place, repository, digest, mtimeMs })]);
}
