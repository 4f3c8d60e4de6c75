import { EDGE } from '../registry/edges.js';
import { KIND } from '../registry/media-type.js';
import { READ } from '../scan/facts.js';
import type { ManifestFacts } from '../scan/facts.js';
import type { Portrait } from '../scan/portrait-shard.js';
import type { DigestTable } from './digest-table.js';
import { Bits, F64List, U32List, U8List } from './lists.js';
import { NOT_READ } from './store-index.js';
import type { StoreIndex } from './store-index.js';

type ManifestArrays = Pick<
  StoreIndex,
  'status' | 'kind' | 'bytes' | 'edges' | 'edgeFlags' | 'subjects' | 'portraits'
>;

/** The manifests of a store as they are read: which are wanted, and what each one names. */
export class ManifestTable {
  /** Blobs that were listed and turn out to have no data. */
  readonly hollow = new Bits();
  readonly #digests: DigestTable;
  readonly #present: Bits;
  readonly #queued = new Bits(1 << 16);
  #queue = new U32List();
  readonly #manifest = new U32List();
  readonly #status = new U8List();
  readonly #kind = new U8List();
  readonly #bytes = new F64List();
  readonly #edgeCount = new U32List();
  readonly #edgeTarget = new U32List();
  readonly #edgeFlags = new U8List();
  /**
   * By digest: the largest size that a descriptor says, or -1, and of a manifest its own once it was
   * asked for; those at the end may be left out.
   */
  readonly #said = new F64List();
  readonly #referrer = new U32List();
  readonly #subject = new U32List();
  readonly #portraits = new Map<number, Portrait>();

  /** `present` loses the blobs that turn out to be hollow. */
  constructor(digests: DigestTable, present: Bits) {
    this.#digests = digests;
    this.#present = present;
  }

  /** Asks for a digest to be read as a manifest, if it was not asked for before. */
  want(id: number): void {
    if (this.#queued.add(id)) this.#queue.push(id);
  }

  /** The digests wanted since the last call, packed; those without a blob are missing at once. */
  takeWanted(): Uint8Array {
    const ids = new U32List();
    for (const id of this.#queue.view()) {
      if (this.#digests.isOther(id)) continue;
      if (this.#present.has(id)) ids.push(id);
      else this.#addManifest(id, READ.missing, 0, 0, 0);
    }
    this.#queue = new U32List();
    return this.#digests.pack(ids.view());
  }

  /** Those of some digests that were not read yet, packed. */
  packUnread(ids: readonly number[]): Uint8Array {
    return this.#digests.pack(Uint32Array.from(ids.filter((id) => !this.#queued.has(id))));
  }

  /** Adds the manifests of a shard, with their edges. */
  add(asked: Uint8Array, facts: ManifestFacts): void {
    this.#addSome(asked, facts, () => true);
  }

  /** Adds what declares itself a manifest, or cannot be read, of blobs that nothing wanted; returns them. */
  addPeeked(asked: Uint8Array, facts: ManifestFacts): number[] {
    const added: number[] = [];
    this.#addSome(asked, facts, (id, at) => {
      const status = facts.status[at] as number;
      const isManifest = status === READ.good && facts.declared[at] === 1;
      if (!isManifest && status !== READ.unreadable) return false;
      if (!this.#queued.add(id)) return false;
      added.push(id);
      return true;
    });
    return added;
  }

  /** The digests of all manifests of schema 1. */
  schema1(): Set<number> {
    const kinds = this.#kind.view();
    const schema1 = new Set<number>();
    this.#manifest.view().forEach((id, at) => {
      if (kinds[at] === KIND.schema1) schema1.add(id);
    });
    return schema1;
  }

  /** What the index says of manifests, by digest. */
  arrays(): ManifestArrays {
    const count = this.#digests.size;
    const status = new Uint8Array(count).fill(NOT_READ);
    const kind = new Uint8Array(count);
    const statuses = this.#status.view();
    const kinds = this.#kind.view();
    const lengths = this.#bytes.view();
    this.#manifest.view().forEach((id, at) => {
      status[id] = statuses[at] as number;
      kind[id] = kinds[at] as number;
      if (status[id] === READ.good) {
        this.#fill(id);
        this.#said.set(id, lengths[at] as number);
      }
    });
    this.#fill(count - 1);
    return {
      status,
      kind,
      bytes: this.#said.view(),
      ...this.#edgeRows(count),
      subjects: { referrer: this.#referrer.view(), subject: this.#subject.view() },
      portraits: new Map([...this.#portraits].sort(([a], [b]) => a - b)),
    };
  }

  /** Adds those manifests of a shard, with their edges, that `takes` says yes to. */
  #addSome(
    asked: Uint8Array,
    facts: ManifestFacts,
    takes: (id: number, at: number) => boolean,
  ): void {
    const ids = this.#digests.idsOf(asked);
    const targets = this.#digests.idsOf(facts.edges);
    for (const { edge, digest } of facts.others) targets[edge] = this.#digests.internText(digest);
    const portraits = new Map(facts.portraits.map(({ at, portrait }) => [at, portrait]));
    let from = 0;
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at] as number;
      const to = from + (facts.edgeCounts[at] as number);
      if (takes(id, at)) {
        const portrait = portraits.get(at);
        if (portrait !== undefined) this.#portraits.set(id, portrait);
        let own = 0;
        for (let edge = from; edge < to; edge++) {
          if (this.#addEdge(id, edge, targets, facts)) own++;
        }
        const status = facts.status[at] as number;
        this.#addManifest(id, status, facts.kinds[at] as number, facts.sizes[at] as number, own);
      }
      from = to;
    }
  }

  /** `edges`: how many of the edges that were added last are its own. */
  #addManifest(id: number, status: number, kind: number, bytes: number, edges: number): void {
    if (status === READ.missing && this.#present.has(id)) {
      this.#present.remove(id);
      this.hollow.add(id);
    }
    this.#manifest.push(id);
    this.#status.push(status);
    this.#kind.push(kind);
    this.#bytes.push(bytes);
    this.#edgeCount.push(edges);
  }

  /** False for a subject, which is no edge of its row. */
  #addEdge(source: number, edge: number, targets: Uint32Array, facts: ManifestFacts): boolean {
    const flags = facts.edgeFlags[edge] as number;
    const target = targets[edge] as number;
    if ((flags & EDGE.subject) !== 0) {
      this.#referrer.push(source);
      this.#subject.push(target);
      return false;
    }
    this.#edgeTarget.push(target);
    this.#edgeFlags.push(flags);
    if ((flags & EDGE.sized) !== 0) this.#say(target, facts.edgeSizes[edge] as number);
    if ((flags & EDGE.manifest) !== 0) this.want(target);
    return true;
  }

  /** Descriptors may disagree; the largest is the same in any order of visits. */
  #say(target: number, bytes: number): void {
    this.#fill(target);
    this.#said.raise(target, bytes);
  }

  /** Of what nothing was said so far, up to a digest, nothing is known. */
  #fill(last: number): void {
    while (this.#said.length <= last) this.#said.push(-1);
  }

  /** The edges by digest; they were added manifest by manifest. */
  #edgeRows(count: number): Pick<ManifestArrays, 'edges' | 'edgeFlags'> {
    const offsets = new Uint32Array(count + 1);
    const counts = this.#edgeCount.view();
    this.#manifest.view().forEach((id, at) => {
      offsets[id + 1] = counts[at] as number;
    });
    for (let i = 0; i < count; i++) {
      offsets[i + 1] = (offsets[i + 1] as number) + (offsets[i] as number);
    }
    const targets = this.#edgeTarget.view();
    const flags = this.#edgeFlags.view();
    const items = new Uint32Array(targets.length);
    const edgeFlags = new Uint8Array(targets.length);
    let edge = 0;
    this.#manifest.view().forEach((id, at) => {
      const from = offsets[id] as number;
      const own = counts[at] as number;
      for (let i = 0; i < own; i++, edge++) {
        items[from + i] = targets[edge] as number;
        edgeFlags[from + i] = flags[edge] as number;
      }
    });
    return { edges: { offsets, items }, edgeFlags };
  }
}
