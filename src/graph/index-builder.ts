import type { BytePath } from '../fs/read-fs.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { KIND } from '../registry/media-type.js';
import { EDGE } from '../registry/edges.js';
import { tagDirectory } from '../registry/layout.js';
import type { TagHistory } from '../scan/detail-shard.js';
import { hidesSomething, READ, TAG } from '../scan/facts.js';
import type {
  BlobFacts,
  FoundAlias,
  FoundFile,
  FoundRepository,
  FoundUpload,
  ManifestFacts,
  RepositoryFacts,
} from '../scan/facts.js';
import type { Portrait } from '../scan/portrait-shard.js';
import type { ScanSink } from '../scan/scan.js';
import { DigestTable } from './digest-table.js';
import { Bits, F64List, U32List, U8List } from './lists.js';
import { NO_DIGEST, NOT_READ } from './store-index.js';
import type { Alias, Pin, StoreIndex } from './store-index.js';

/** Takes the facts of a scan and makes the index of them. */
export class IndexBuilder implements ScanSink {
  readonly #digests = new DigestTable();
  readonly #repositories: BytePath[] = [];
  readonly #frozen = new Map<number, string>();
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
  readonly #pins: Pin[] = [];
  readonly #aliases: Alias[] = [];
  readonly #present = new Bits(1 << 16);
  readonly #hollow = new Bits();
  /** Broken tags whose histories were asked for. */
  readonly #pinned = new Set<number>();
  readonly #manifest = new U32List();
  readonly #manifestStatus = new U8List();
  readonly #manifestKind = new U8List();
  readonly #manifestBytes = new F64List();
  readonly #edgeCount = new U32List();
  readonly #edgeTarget = new U32List();
  readonly #edgeFlags = new U8List();
  readonly #edgeBytes = new F64List();
  readonly #referrer = new U32List();
  readonly #subject = new U32List();
  readonly #portraits = new Map<number, Portrait>();
  readonly #uploads: FoundUpload[] = [];
  readonly #temporaries: FoundFile[] = [];
  readonly #findings: Finding[] = [];
  readonly #empty: BytePath[] = [];
  readonly #queued = new Bits(1 << 16);
  #queue = new U32List();

  structure(found: readonly FoundRepository[], facts: RepositoryFacts): void {
    const first = this.#repositories.length;
    for (const { path } of found) this.#repositories.push(path);
    for (const listed of facts.layersListed) this.#layersListed.push(listed);
    for (const { repository, why } of facts.frozen) this.#freeze(first + repository, why);
    this.#addRevisions(first, facts);
    this.#addTags(first, facts);
    this.#addLayers(facts);
    for (const alias of facts.aliases) this.#addAlias(first, alias);
    for (const upload of facts.uploads) {
      this.#uploads.push({ ...upload, repository: first + upload.repository });
    }
    this.#temporaries.push(...facts.temporaries);
  }

  blobs(facts: BlobFacts): void {
    this.#digests.internAll(facts.digests, (id) => this.#present.add(id));
  }

  note(findings: readonly Finding[]): void {
    for (const finding of findings) this.#findings.push(finding);
  }

  emptyDirectories(paths: readonly BytePath[]): void {
    this.#empty.push(...paths);
  }

  /** Tags whose current link names no blob that is there: their histories stand in for it. */
  brokenTags(): { repository: BytePath; tag: string }[] {
    return this.#broken().map((tag) => this.#tagAt(tag));
  }

  histories(histories: readonly TagHistory[]): void {
    this.#broken().forEach((tag, at) => {
      this.#pinned.add(tag);
      this.#pinHistory(tag, histories[at]);
    });
  }

  /** The tags of some repositories, to ask for their histories. */
  tagsOf(repositories: ReadonlySet<number>): number[] {
    const tags: number[] = [];
    this.#tagRepository.view().forEach((repository, tag) => {
      if (repositories.has(repository)) tags.push(tag);
    });
    return tags;
  }

  /** Makes everything in the histories of some tags a root: their repositories lose nothing. */
  pinHistories(tags: readonly number[], histories: readonly TagHistory[]): void {
    tags.forEach((tag, at) => {
      const repository = this.#tagRepository.at(tag);
      for (const text of histories[at]?.digests ?? []) {
        const digest = this.#digests.internText(text);
        this.#pins.push({ repository, digest, tag });
        this.#enqueue(digest);
      }
    });
  }

  wanted(): Uint8Array {
    const ids: number[] = [];
    for (const id of this.#queue.view()) {
      if (this.#digests.isOther(id)) continue;
      if (this.#present.has(id)) ids.push(id);
      else this.#addManifest(id, READ.missing, 0, 0);
    }
    this.#queue = new U32List();
    return this.#digests.pack(Uint32Array.from(ids));
  }

  schema1(): { repository: BytePath; digest: Digest }[] {
    return this.#schema1Entries().map((entry) => ({
      repository: this.#repositories[this.#revisionRepository.at(entry)] as BytePath,
      digest: this.#digests.text(this.#revisionDigest.at(entry)),
    }));
  }

  /**
   * Registries of 2.0 to 2.3 kept a schema 1 manifest's signatures as blobs of their own,
   * linked below its revision, and served the manifest from both: they are pinned.
   */
  signatures(signatures: readonly TagHistory[]): void {
    this.#schema1Entries().forEach((entry, at) => {
      const repository = this.#revisionRepository.at(entry);
      const named = signatures[at];
      if (named?.whole !== true) this.#freeze(repository, 'signatures in it are not readable');
      for (const digest of named?.digests ?? []) {
        this.#pins.push({ repository, digest: this.#digests.internText(digest), tag: NO_DIGEST });
      }
    });
  }

  #schema1Entries(): number[] {
    const kinds = this.#manifestKind.view();
    const schema1 = new Set<number>();
    this.#manifest.view().forEach((id, at) => {
      if (kinds[at] === KIND.schema1) schema1.add(id);
    });
    const found: number[] = [];
    if (schema1.size === 0) return found;
    this.#revisionDigest.view().forEach((id, entry) => {
      if (schema1.has(id)) found.push(entry);
    });
    return found;
  }

  manifests(asked: Uint8Array, facts: ManifestFacts): void {
    this.#takeManifests(asked, facts, () => true);
  }

  /** Digests, packed, that `peeked` may be asked about: those not read yet. */
  packUnread(ids: readonly number[]): Uint8Array {
    return this.#digests.pack(Uint32Array.from(ids.filter((id) => !this.#queued.has(id))));
  }

  /**
   * Takes manifests found by `peekManifests`: blobs that only a layer link names and that
   * declare themselves manifests (stores of the 2.1 era). Returns how many there were.
   */
  peeked(asked: Uint8Array, facts: ManifestFacts): number {
    let found = 0;
    this.#takeManifests(asked, facts, (id, at) => {
      const status = facts.status[at] as number;
      const isManifest = status === READ.good && facts.declared[at] === 1;
      if (!isManifest && status !== READ.unreadable) return false;
      if (!this.#queued.add(id)) return false;
      found++;
      this.#pinByLayerLinks(id);
      return true;
    });
    return found;
  }

  /** Adds those manifests of a shard, with their edges, that `takes` says yes to. */
  #takeManifests(
    asked: Uint8Array,
    facts: ManifestFacts,
    takes: (id: number, at: number) => boolean,
  ): void {
    const ids = this.#digests.idsOf(asked);
    const targets = this.#digests.idsOf(facts.edges);
    for (const { edge, digest } of facts.others) targets[edge] = this.#digests.internText(digest);
    const portraits = new Map(facts.portraits.map(({ at, portrait }) => [at, portrait]));
    let from = 0;
    ids.forEach((id, at) => {
      const to = from + (facts.edgeCounts[at] as number);
      if (takes(id, at)) {
        const portrait = portraits.get(at);
        if (portrait !== undefined) this.#portraits.set(id, portrait);
        const status = facts.status[at] as number;
        this.#addManifest(id, status, facts.kinds[at] as number, facts.sizes[at] as number);
        for (let edge = from; edge < to; edge++) this.#addEdge(id, edge, targets, facts);
      }
      from = to;
    });
    this.note(facts.findings);
  }

  /** The index of everything so far. */
  finish(): StoreIndex {
    const count = this.#digests.size;
    const status = new Uint8Array(count).fill(NOT_READ);
    const kind = new Uint8Array(count);
    const { offsets, order } = this.#edgeRows(count);
    const items = new Uint32Array(this.#edgeTarget.length);
    const edgeFlags = new Uint8Array(items.length);
    const bytes = new Float64Array(count).fill(-1);
    for (let edge = 0; edge < items.length; edge++) {
      const target = this.#edgeTarget.at(edge);
      const at = order[edge] as number;
      items[at] = target;
      edgeFlags[at] = this.#edgeFlags.view()[edge] as number;
      // Descriptors may disagree; the largest is the same in any order of visits.
      const said = this.#edgeBytes.view()[edge] as number;
      if (said > (bytes[target] as number)) bytes[target] = said;
    }
    this.#manifest.view().forEach((id, at) => {
      status[id] = this.#manifestStatus.view()[at] as number;
      kind[id] = this.#manifestKind.view()[at] as number;
      if (status[id] === READ.good) bytes[id] = this.#manifestBytes.view()[at] as number;
    });
    return {
      digests: this.#digests,
      repositories: this.#repositories,
      frozen: this.#frozen,
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
      layers: {
        start: closed(this.#layerStart, this.#layerDigest.length),
        digest: this.#layerDigest.view(),
      },
      pins: this.#pins,
      aliases: this.#aliases,
      present: this.#present,
      hollow: this.#hollow,
      status,
      kind,
      bytes,
      edges: { offsets, items },
      edgeFlags,
      subjects: { referrer: this.#referrer.view(), subject: this.#subject.view() },
      portraits: new Map([...this.#portraits].sort(([a], [b]) => a - b)),
      uploads: this.#uploads,
      temporaries: this.#temporaries,
      emptyDirectories: this.#empty,
      findings: this.#findings,
    };
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
        this.#enqueue(id);
      }
    });
  }

  #addTags(first: number, facts: RepositoryFacts): void {
    eachRepository(facts.counts, 1, (repository, from, to) => {
      this.#tagStart.push(this.#tagDigest.length);
      for (let i = from; i < to; i++) {
        const packed = facts.tags.slice(i * 32, (i + 1) * 32);
        const known = packed.some((byte) => byte !== 0);
        const id = known ? (this.#digests.idsOf(packed)[0] as number) : NO_DIGEST;
        this.#tagRepository.push(first + repository);
        this.#tagDigest.push(id);
        this.#tagFlags.push(facts.tagFlags[i] as number);
        this.#tagTime.push(facts.tagTimes[i] as number);
        this.#tagAccess.push(facts.tagAccess[i] as number);
        this.#tagName.push(facts.tagNames[i] as string);
        if (known) this.#enqueue(id);
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

  #addAlias(first: number, alias: FoundAlias): void {
    const repository = first + alias.repository;
    const name = this.#digests.internText(alias.name);
    const target = alias.target === undefined ? undefined : this.#digests.internText(alias.target);
    this.#aliases.push({ repository, where: alias.where, name, target });
    if (alias.where !== 'revision') return;
    this.#freeze(repository, 'it has a manifest that was pushed under another algorithm');
    if (target !== undefined) this.#enqueue(target);
  }

  #broken(): number[] {
    const broken: number[] = [];
    this.#tagDigest.view().forEach((id, tag) => {
      if (this.#pinned.has(tag)) return;
      const good = this.#tagFlags.view()[tag] === TAG.good;
      if (!good || id === NO_DIGEST || !this.#present.has(id)) broken.push(tag);
    });
    return broken;
  }

  #tagAt(tag: number): { repository: BytePath; tag: string } {
    const repository = this.#repositories[this.#tagRepository.at(tag)] as BytePath;
    return { repository, tag: this.#tagName[tag] as string };
  }

  #pinHistory(tag: number, history: TagHistory | undefined): void {
    const repository = this.#tagRepository.at(tag);
    const readable = this.#tagFlags.view()[tag] === TAG.good;
    const silent = !readable && history?.digests.length === 0;
    // Nothing, or not all, says what the tag was on: its repository may lose nothing.
    if (history?.whole !== true || silent) this.#pins.push({ repository, digest: NO_DIGEST, tag });
    let alive = 0;
    const current = this.#tagDigest.at(tag);
    const ids = (history?.digests ?? []).map((digest) => this.#digests.internText(digest));
    for (const id of current === NO_DIGEST ? ids : [...ids, current]) {
      if (this.#present.has(id)) alive++;
      this.#pins.push({ repository, digest: id, tag });
      this.#enqueue(id);
    }
    const { repository: name, tag: tagName } = this.#tagAt(tag);
    // What is wrong with a link that cannot be read was said when it was read.
    if (!readable) return;
    this.#findings.push({
      code: 'dead-tag',
      severity: 'damage',
      path: tagDirectory(name, tagName),
      detail: alive > 0 ? 'names no blob; its history does' : 'names no blob, nor does its history',
      repository: name,
      tag: tagName,
    });
  }

  #pinByLayerLinks(id: number): void {
    for (let repository = 0; repository < this.#repositories.length; repository++) {
      const from = this.#layerStart.at(repository);
      const last = repository + 1 === this.#repositories.length;
      const to = last ? this.#layerDigest.length : this.#layerStart.at(repository + 1);
      if (this.#layerDigest.view().subarray(from, to).includes(id)) {
        this.#pins.push({ repository, digest: id, tag: NO_DIGEST });
      }
    }
  }

  #freeze(repository: number, why: string): void {
    const known = this.#frozen.get(repository);
    // What hides something weighs more than a name that is merely odd.
    if (known === undefined || (!hidesSomething(known) && hidesSomething(why))) {
      this.#frozen.set(repository, why);
    }
  }

  #enqueue(id: number): void {
    if (this.#queued.add(id)) this.#queue.push(id);
  }

  #addManifest(id: number, status: number, kind: number, bytes: number): void {
    if (status === READ.missing && this.#present.has(id)) {
      this.#present.remove(id);
      this.#hollow.add(id);
    }
    this.#manifest.push(id);
    this.#manifestStatus.push(status);
    this.#manifestKind.push(kind);
    this.#manifestBytes.push(bytes);
    this.#edgeCount.push(0);
  }

  #addEdge(source: number, edge: number, targets: Uint32Array, facts: ManifestFacts): void {
    const flags = facts.edgeFlags[edge] as number;
    const target = targets[edge] as number;
    if ((flags & EDGE.subject) !== 0) {
      this.#referrer.push(source);
      this.#subject.push(target);
      return;
    }
    const counts = this.#edgeCount.view();
    counts[counts.length - 1] = (counts[counts.length - 1] as number) + 1;
    this.#edgeTarget.push(target);
    this.#edgeFlags.push(flags);
    this.#edgeBytes.push((flags & EDGE.sized) === 0 ? -1 : (facts.edgeSizes[edge] as number));
    if ((flags & EDGE.manifest) !== 0) this.#enqueue(target);
  }

  /** Row offsets by digest, and the place of every edge in its row. */
  #edgeRows(count: number): { offsets: Uint32Array; order: Uint32Array } {
    const offsets = new Uint32Array(count + 1);
    const counts = this.#edgeCount.view();
    this.#manifest.view().forEach((id, at) => {
      offsets[id + 1] = counts[at] as number;
    });
    for (let i = 0; i < count; i++) {
      offsets[i + 1] = (offsets[i + 1] as number) + (offsets[i] as number);
    }
    const order = new Uint32Array(this.#edgeTarget.length);
    let edge = 0;
    this.#manifest.view().forEach((id, at) => {
      const from = offsets[id] as number;
      const edges = counts[at] as number;
      for (let i = 0; i < edges; i++) order[edge++] = from + i;
    });
    return { offsets, order };
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
