import type { BytePath } from '../fs/read-fs.js';
import type { Digest } from '../registry/digest.js';
import { TAG } from '../scan/facts.js';
import type { FoundRepository, RepositoryFacts } from '../scan/facts.js';
import type { DigestTable } from './digest-table.js';
import { F64List, U32List, U8List } from './lists.js';
import type { Bits } from './lists.js';
import type { ManifestTable } from './manifest-table.js';
import { NO_DIGEST } from './store-index.js';
import type { StoreIndex } from './store-index.js';

type LinkArrays = Pick<StoreIndex, 'layersListed' | 'revisions' | 'tags' | 'layers'>;

/** The links of a store's repositories: revisions, tags and layers, by repository. */
export class LinkTable {
  readonly repositories: BytePath[] = [];
  readonly #digests: DigestTable;
  readonly #manifests: ManifestTable;
  readonly #layersListed = new U8List();
  readonly #revisionStart = new U32List();
  readonly #revisionRepository = new U32List();
  readonly #revisionDigest = new U32List();
  readonly #revisionFlags = new U8List();
  readonly #revisionTime = new F64List();
  readonly #revisionAccess = new F64List();
  readonly #tagStart = new U32List();
  readonly #tagRepository = new U32List();
  readonly #tagDigest = new U32List();
  readonly #tagFlags = new U8List();
  readonly #tagTime = new F64List();
  readonly #tagAccess = new F64List();
  readonly #tagName: string[] = [];
  readonly #layerStart = new U32List();
  readonly #layerDigest = new U32List();

  /** `manifests` is told to want what revisions and tags link. */
  constructor(digests: DigestTable, manifests: ManifestTable) {
    this.#digests = digests;
    this.#manifests = manifests;
  }

  /** Adds a shard of repositories with their links. */
  add(found: readonly FoundRepository[], facts: RepositoryFacts): void {
    const first = this.repositories.length;
    for (const { path } of found) this.repositories.push(path);
    for (const listed of facts.layersListed) this.#layersListed.push(listed);
    this.#addRevisions(first, facts);
    this.#addTags(first, facts);
    this.#addLayers(facts);
  }

  /** The number of a tag's repository. */
  repositoryOfTag(tag: number): number {
    return this.#tagRepository.at(tag);
  }

  /** The digest that a tag is on, or `NO_DIGEST`. */
  digestOfTag(tag: number): number {
    return this.#tagDigest.at(tag);
  }

  /** Whether a tag's current link could be read. */
  isReadable(tag: number): boolean {
    return this.#tagFlags.view()[tag] === TAG.good;
  }

  /** A tag by the names that its path is made of. */
  tagAt(tag: number): { repository: BytePath; tag: string } {
    const repository = this.repositories[this.#tagRepository.at(tag)] as BytePath;
    return { repository, tag: this.#tagName[tag] as string };
  }

  /** The tags of some repositories. */
  tagsOf(repositories: ReadonlySet<number>): number[] {
    const tags: number[] = [];
    this.#tagRepository.view().forEach((repository, tag) => {
      if (repositories.has(repository)) tags.push(tag);
    });
    return tags;
  }

  /** Tags whose current link names no blob that is there. */
  brokenTags(present: Bits): number[] {
    const broken: number[] = [];
    const flags = this.#tagFlags.view();
    this.#tagDigest.view().forEach((id, tag) => {
      const good = flags[tag] === TAG.good;
      if (!good || id === NO_DIGEST || !present.has(id)) broken.push(tag);
    });
    return broken;
  }

  /** The revisions of some digests, by place. */
  revisionsOf(digests: ReadonlySet<number>): number[] {
    const found: number[] = [];
    if (digests.size === 0) return found;
    this.#revisionDigest.view().forEach((id, entry) => {
      if (digests.has(id)) found.push(entry);
    });
    return found;
  }

  /** The number of a revision's repository. */
  repositoryOfRevision(entry: number): number {
    return this.#revisionRepository.at(entry);
  }

  /** A revision by the names that its path is made of. */
  revisionAt(entry: number): { repository: BytePath; digest: Digest } {
    const repository = this.repositories[this.#revisionRepository.at(entry)] as BytePath;
    return { repository, digest: this.#digests.text(this.#revisionDigest.at(entry)) };
  }

  /** The repositories that have a layer link to a digest. */
  repositoriesOfLayer(id: number): number[] {
    const found: number[] = [];
    const { start, digest } = this.#layers();
    for (let repository = 0; repository < this.repositories.length; repository++) {
      if (digest.subarray(start[repository], start[repository + 1]).includes(id)) {
        found.push(repository);
      }
    }
    return found;
  }

  /** What the index says of links, by repository. */
  arrays(): LinkArrays {
    return {
      layersListed: this.#layersListed.view(),
      revisions: {
        start: closed(this.#revisionStart, this.#revisionDigest.length),
        repository: this.#revisionRepository.view(),
        digest: this.#revisionDigest.view(),
        flags: this.#revisionFlags.view(),
        time: this.#revisionTime.view(),
        access: this.#revisionAccess.view(),
      },
      tags: {
        start: closed(this.#tagStart, this.#tagDigest.length),
        repository: this.#tagRepository.view(),
        digest: this.#tagDigest.view(),
        flags: this.#tagFlags.view(),
        time: this.#tagTime.view(),
        access: this.#tagAccess.view(),
        name: this.#tagName,
      },
      layers: this.#layers(),
    };
  }

  #layers(): { start: Uint32Array; digest: Uint32Array } {
    const start = closed(this.#layerStart, this.#layerDigest.length);
    return { start, digest: this.#layerDigest.view() };
  }

  #addRevisions(first: number, facts: RepositoryFacts): void {
    const ids = this.#digests.idsOf(facts.revisions);
    eachRepository(facts.counts, 0, (repository, from, to) => {
      this.#revisionStart.push(this.#revisionDigest.length);
      for (let i = from; i < to; i++) {
        const id = ids[i] as number;
        this.#revisionRepository.push(first + repository);
        this.#revisionDigest.push(id);
        this.#revisionFlags.push(facts.revisionFlags[i] as number);
        this.#revisionTime.push(facts.revisionTimes[i] as number);
        this.#revisionAccess.push(facts.revisionAccess[i] as number);
        this.#manifests.want(id);
      }
    });
  }

  #addTags(first: number, facts: RepositoryFacts): void {
    const ids = this.#digests.idsOf(facts.tags, NO_DIGEST);
    eachRepository(facts.counts, 1, (repository, from, to) => {
      this.#tagStart.push(this.#tagDigest.length);
      for (let i = from; i < to; i++) {
        const id = ids[i] as number;
        this.#tagRepository.push(first + repository);
        this.#tagDigest.push(id);
        this.#tagFlags.push(facts.tagFlags[i] as number);
        this.#tagTime.push(facts.tagTimes[i] as number);
        this.#tagAccess.push(facts.tagAccess[i] as number);
        this.#tagName.push(facts.tagNames[i] as string);
        if (id !== NO_DIGEST) this.#manifests.want(id);
      }
    });
  }

  #addLayers(facts: RepositoryFacts): void {
    const ids = this.#digests.idsOf(facts.layers);
    eachRepository(facts.counts, 2, (_, from, to) => {
      this.#layerStart.push(this.#layerDigest.length);
      for (let i = from; i < to; i++) this.#layerDigest.push(ids[i] as number);
    });
  }
}

/** Walks the parts of one kind (0 revisions, 1 tags, 2 layers) by repository of a shard. */
function eachRepository(
  counts: Uint32Array,
  kind: number,
  each: (repository: number, from: number, to: number) => void,
): void {
  let from = 0;
  for (let repository = 0; repository * 3 < counts.length; repository++) {
    const to = from + (counts[repository * 3 + kind] as number);
    each(repository, from, to);
    from = to;
  }
}

function closed(start: U32List, end: number): Uint32Array {
  const offsets = new Uint32Array(start.length + 1);
  offsets.set(start.view());
  offsets[start.length] = end;
  return offsets;
}
