import type { StoreIndex } from '../graph/store-index.js';
import { EDGE } from '../registry/edges.js';
import { READ } from '../scan/facts.js';
import { readCreatedTimes } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';

export type CreatedSource = 'annotation' | 'config';

/**
 * When images say that they were made, each manifest and each config read once. Of an index
 * without an annotation it is the newest of its children. Milliseconds since 1970.
 */
export class CreatedTimes {
  readonly #scan: ScanOptions;
  readonly #sources: readonly CreatedSource[];
  /** By digest: NaN where nothing says. */
  readonly #known = new Map<number, number>();

  constructor(scan: ScanOptions, sources: readonly CreatedSource[]) {
    this.#scan = scan;
    this.#sources = sources;
  }

  /** Reads what is not known yet of some manifests and the children of those that are indexes. */
  async read(index: StoreIndex, digests: Iterable<number>): Promise<void> {
    const wanted = new Set<number>();
    const want = (digest: number): void => {
      if (this.#known.has(digest) || index.digests.isOther(digest)) return;
      if (index.status[digest] === READ.good) wanted.add(digest);
    };
    for (const digest of digests) {
      want(digest);
      for (const child of childrenOf(index, digest)) want(child);
    }
    const ids = Uint32Array.from(wanted).sort();
    const configs = this.#sources.includes('config');
    const facts = await readCreatedTimes(this.#scan, index.digests.pack(ids), configs);
    ids.forEach((digest, i) => {
      const times = this.#sources.map((source) => facts[source][i] as number);
      this.#known.set(digest, times.find((time) => !Number.isNaN(time)) ?? Number.NaN);
    });
  }

  /** Undefined where nothing says. */
  of(index: StoreIndex, digest: number): number | undefined {
    const own = this.#known.get(digest);
    if (own !== undefined && !Number.isNaN(own)) return own;
    let newest: number | undefined;
    for (const child of childrenOf(index, digest)) {
      const time = this.#known.get(child);
      if (time === undefined || Number.isNaN(time)) continue;
      if (newest === undefined || time > newest) newest = time;
    }
    return newest;
  }
}

function childrenOf({ edges, edgeFlags }: StoreIndex, digest: number): number[] {
  const children: number[] = [];
  const end = edges.offsets[digest + 1] as number;
  for (let i = edges.offsets[digest] as number; i < end; i++) {
    if (((edgeFlags[i] as number) & EDGE.child) !== 0) children.push(edges.items[i] as number);
  }
  return children;
}
