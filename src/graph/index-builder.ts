import type { BytePath } from '../fs/read-fs.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { tagDirectory } from '../registry/layout.js';
import type { TagHistory } from '../scan/detail-shard.js';
import { hidesSomething, ledIntoBy } from '../scan/facts.js';
import type {
  BlobFacts,
  FoundAlias,
  FoundFile,
  FoundPin,
  FoundRepository,
  FoundUpload,
  Lead,
  ManifestFacts,
  RepositoryFacts,
} from '../scan/facts.js';
import type { ScanSink } from '../scan/scan.js';
import { DigestTable } from './digest-table.js';
import { LinkTable } from './link-table.js';
import { Bits } from './lists.js';
import { ManifestTable } from './manifest-table.js';
import { NO_DIGEST } from './store-index.js';
import type { Alias, Pin, StoreIndex } from './store-index.js';

/** Takes the facts of a scan and makes the index of them. */
export class IndexBuilder implements ScanSink {
  readonly #digests = new DigestTable();
  readonly #present = new Bits(1 << 16);
  readonly #manifests = new ManifestTable(this.#digests, this.#present);
  readonly #links = new LinkTable(this.#digests, this.#manifests);
  readonly #frozen = new Map<number, string>();
  readonly #pins: Pin[] = [];
  readonly #aliases: Alias[] = [];
  /** Broken tags whose histories were asked for. */
  readonly #pinned = new Set<number>();
  readonly #uploads: FoundUpload[] = [];
  readonly #temporaries: FoundFile[] = [];
  readonly #leads: Lead[] = [];
  readonly #findings: Finding[] = [];
  readonly #empty: BytePath[] = [];

  structure(found: readonly FoundRepository[], facts: RepositoryFacts): void {
    const first = this.#links.repositories.length;
    this.#links.add(found, facts);
    for (const { repository, why } of facts.frozen) this.#freeze(first + repository, why);
    for (const alias of facts.aliases) this.#addAlias(first, alias);
    for (const pin of facts.pins) this.#addPin(first, pin);
    for (const upload of facts.uploads) {
      this.#uploads.push({ ...upload, repository: first + upload.repository });
    }
    for (const path of facts.temporaries) this.#temporaries.push(path);
    this.leads(facts.leads);
  }

  blobs(facts: BlobFacts): void {
    for (const id of this.#digests.idsOf(facts.digests)) this.#present.add(id);
  }

  note(findings: readonly Finding[]): void {
    for (const finding of findings) this.#findings.push(finding);
  }

  leads(leads: readonly Lead[]): void {
    for (const lead of leads) this.#leads.push(lead);
  }

  /** Repositories that may lose nothing, by name. */
  freeze(names: ReadonlySet<BytePath>, why: string): void {
    this.#links.repositories.forEach((name, repository) => {
      if (names.has(name)) this.#freeze(repository, why);
    });
  }

  emptyDirectories(paths: readonly BytePath[]): void {
    for (const path of paths) this.#empty.push(path);
  }

  /** Tags whose current link names no blob that is there: their histories stand in for it. */
  brokenTags(): { repository: BytePath; tag: string }[] {
    return this.#broken().map((tag) => this.#links.tagAt(tag));
  }

  histories(histories: readonly TagHistory[]): void {
    this.#broken().forEach((tag, at) => {
      this.#pinned.add(tag);
      this.#pinHistory(tag, histories[at]);
    });
  }

  /** The tags of some repositories, to ask for their histories. */
  tagsOf(repositories: ReadonlySet<number>): number[] {
    return this.#links.tagsOf(repositories);
  }

  /** Makes everything in the histories of some tags a root: their repositories lose nothing. */
  pinHistories(tags: readonly number[], histories: readonly TagHistory[]): void {
    tags.forEach((tag, at) => {
      const repository = this.#links.repositoryOfTag(tag);
      for (const text of histories[at]?.digests ?? []) {
        const digest = this.#digests.internText(text);
        this.#pins.push({ repository, digest, tag });
        this.#manifests.want(digest);
      }
    });
  }

  wanted(): Uint8Array {
    return this.#manifests.takeWanted();
  }

  schema1(): { repository: BytePath; digest: Digest }[] {
    return this.#schema1Entries().map((entry) => this.#links.revisionAt(entry));
  }

  /**
   * Registries of 2.0 to 2.3 kept a schema 1 manifest's signatures as blobs of their own,
   * linked below its revision, and served the manifest from both: they are pinned.
   */
  signatures(signatures: readonly TagHistory[]): void {
    this.#schema1Entries().forEach((entry, at) => {
      const repository = this.#links.repositoryOfRevision(entry);
      const named = signatures[at];
      if (named?.whole !== true) this.#freeze(repository, 'signatures in it are not readable');
      for (const digest of named?.digests ?? []) {
        this.#pins.push({ repository, digest: this.#digests.internText(digest), tag: NO_DIGEST });
      }
    });
  }

  manifests(asked: Uint8Array, facts: ManifestFacts): void {
    this.#manifests.add(asked, facts);
    this.note(facts.findings);
  }

  /** Digests, packed, that `peeked` may be asked about: those not read yet. */
  packUnread(ids: readonly number[]): Uint8Array {
    return this.#manifests.packUnread(ids);
  }

  /**
   * Takes manifests found by `peekManifests`: blobs that only a layer link names and that
   * declare themselves manifests (stores of the 2.1 era). Returns how many there were.
   */
  peeked(asked: Uint8Array, facts: ManifestFacts): number {
    const found = this.#manifests.addPeeked(asked, facts);
    for (const digest of found) {
      for (const repository of this.#links.repositoriesOfLayer(digest)) {
        this.#pins.push({ repository, digest, tag: NO_DIGEST });
      }
    }
    this.note(facts.findings);
    return found.length;
  }

  /** The index of everything so far. */
  finish(): StoreIndex {
    this.#freezeLed();
    const { layersListed, revisions, tags, layers } = this.#links.arrays();
    const { status, kind, bytes, edges, edgeFlags, subjects, portraits } = this.#manifests.arrays();
    return {
      digests: this.#digests,
      repositories: this.#links.repositories,
      frozen: this.#frozen,
      layersListed,
      revisions,
      tags,
      layers,
      pins: this.#pins,
      aliases: this.#aliases,
      present: this.#present,
      hollow: this.#manifests.hollow,
      status,
      kind,
      bytes,
      edges,
      edgeFlags,
      subjects,
      portraits,
      uploads: this.#uploads,
      temporaries: this.#temporaries,
      emptyDirectories: this.#empty,
      findings: this.#findings,
    };
  }

  #schema1Entries(): number[] {
    return this.#links.revisionsOf(this.#manifests.schema1());
  }

  #addAlias(first: number, alias: FoundAlias): void {
    const repository = first + alias.repository;
    const name = this.#digests.internText(alias.name);
    const target = alias.target === undefined ? undefined : this.#digests.internText(alias.target);
    const { where, mtimeMs } = alias;
    this.#aliases.push({ repository, where, name, target, mtimeMs });
    if (where !== 'revision') return;
    this.#freeze(repository, 'it has a manifest that was pushed under another algorithm');
    if (target !== undefined) this.#manifests.want(target);
  }

  /** Such a link's repository was frozen where it was read. */
  #addPin(first: number, { repository, where, digest }: FoundPin): void {
    const id = this.#digests.internText(digest);
    this.#pins.push({ repository: first + repository, digest: id, tag: NO_DIGEST });
    if (where === 'revision') this.#manifests.want(id);
  }

  #broken(): number[] {
    return this.#links.brokenTags(this.#present).filter((tag) => !this.#pinned.has(tag));
  }

  #pinHistory(tag: number, history: TagHistory | undefined): void {
    const repository = this.#links.repositoryOfTag(tag);
    const readable = this.#links.isReadable(tag);
    const silent = !readable && history?.digests.length === 0;
    // Nothing, or not all, says what the tag was on: its repository may lose nothing.
    if (history?.whole !== true || silent) this.#pins.push({ repository, digest: NO_DIGEST, tag });
    let alive = 0;
    const current = this.#links.digestOfTag(tag);
    const ids = (history?.digests ?? []).map((digest) => this.#digests.internText(digest));
    for (const id of current === NO_DIGEST ? ids : [...ids, current]) {
      if (this.#present.has(id)) alive++;
      this.#pins.push({ repository, digest: id, tag });
      this.#manifests.want(id);
    }
    const { repository: name, tag: tagName } = this.#links.tagAt(tag);
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

  /**
   * What a symlink leads into loses nothing: every repository at or below the place, and any that
   * the place is in. Whose they are is known only when all repositories are.
   */
  #freezeLed(): void {
    for (const { path, into } of this.#leads.splice(0)) {
      this.#links.repositories.forEach((name, repository) => {
        const isLed = isAtOrBelow(name, into) || isAtOrBelow(into, name);
        if (isLed) this.#freeze(repository, ledIntoBy(path));
      });
    }
  }

  #freeze(repository: number, why: string): void {
    const known = this.#frozen.get(repository);
    // What hides something weighs more than a name that is merely odd.
    if (known === undefined || (!hidesSomething(known) && hidesSomething(why))) {
      this.#frozen.set(repository, why);
    }
  }
}

/** Whether a path below `repositories/` is another or in it; all are in the empty one. */
function isAtOrBelow(path: BytePath, other: BytePath): boolean {
  return other === '' || path === other || path.startsWith(`${other}/`);
}
