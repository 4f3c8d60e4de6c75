import { digestText, eachOf, isLinked, lengthOf, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { parseDigest } from '../registry/digest.js';
import { KIND } from '../registry/media-type.js';
import { brokenText } from './finding.js';
import type { Broken } from './finding.js';

/** The platforms of an index's children, by their digests' numbers. */
export type PlatformsOf = (digest: number) => ReadonlyMap<number, string>;

/** Tells who cannot pull what when a blob or a link is broken. */
export class Breaks {
  readonly #index: StoreIndex;
  readonly #platformsOf: PlatformsOf;
  readonly #aliasNames = new Map<number, number[]>();

  constructor(index: StoreIndex, platformsOf: PlatformsOf) {
    this.#index = index;
    this.#platformsOf = platformsOf;
    for (const { name, target } of index.aliases) {
      if (target === undefined) continue;
      this.#aliasNames.set(target, [...(this.#aliasNames.get(target) ?? []), name]);
    }
  }

  /**
   * The tags, and where there are none the manifests, that need a digest, with the platform
   * where it is one of an index's. Sorted.
   * @param only a repository: what others offer is whole.
   */
  of(digest: number, only?: number): Broken[] {
    const reached = this.#climb(digest);
    const names = new Map<string, Broken>();
    for (const [at, labels] of reached) this.#addTags(at, labels, only, names);
    if (names.size === 0) for (const at of reached.keys()) this.#addUntagged(at, only, names);
    return [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, broken]) => broken);
  }

  /** Every digest that needs another, with the platforms it is needed for; '' is all of them. */
  #climb(start: number): Map<number, Set<string>> {
    const { parents } = reverseOf(this.#index);
    const reached = new Map<number, Set<string>>();
    const stack: [number, string][] = [[start, '']];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const [at, label] = next;
      const labels = reached.get(at) ?? new Set();
      if (labels.has(label)) continue;
      reached.set(at, labels.add(label));
      for (const name of this.#aliasNames.get(at) ?? []) stack.push([name, label]);
      eachOf(parents, at, (parent) => stack.push([parent, this.#labelIn(parent, at, label)]));
    }
    return reached;
  }

  #labelIn(parent: number, child: number, label: string): string {
    if (label !== '' || this.#index.kind[parent] !== KIND.index) return label;
    return this.#platformsOf(parent).get(child) ?? digestText(this.#index, child);
  }

  #addTags(
    at: number,
    labels: ReadonlySet<string>,
    only: number | undefined,
    into: Map<string, Broken>,
  ): void {
    const { tags, repositories } = this.#index;
    eachOf(reverseOf(this.#index).tags, at, (tag) => {
      const repository = tags.repository[tag] as number;
      if (only !== undefined && repository !== only) return;
      const broken = {
        repository: repositories[repository] as string,
        tag: tags.name[tag] as string,
      };
      if (labels.has('')) add(broken, into);
      else for (const platform of labels) add({ ...broken, platform }, into);
    });
  }

  #addUntagged(at: number, only: number | undefined, into: Map<string, Broken>): void {
    const { revisions, repositories } = this.#index;
    const { parents, revisions: rows } = reverseOf(this.#index);
    if (lengthOf(parents, at) > 0) return;
    eachOf(rows, at, (entry) => {
      const repository = revisions.repository[entry] as number;
      if ((only !== undefined && repository !== only) || !isLinked(this.#index, entry)) return;
      const digest = digestText(this.#index, at);
      add({ repository: repositories[repository] as string, digest }, into);
    });
  }
}

function add(broken: Broken, into: Map<string, Broken>): void {
  into.set(brokenText(broken), broken);
}

type Tree = Readonly<Record<string, unknown>>;

/** Reads the platforms of an index's children from its text. */
export function parsePlatforms(text: string, index: StoreIndex): Map<number, string> {
  const found = new Map<number, string>();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Changed since it was read: its children are told by their digests.
    return found;
  }
  const manifests = isTree(value) ? value['manifests'] : undefined;
  for (const entry of Array.isArray(manifests) ? (manifests as unknown[]) : []) {
    if (!isTree(entry) || typeof entry['digest'] !== 'string') continue;
    const digest = parseDigest(entry['digest']);
    const id = digest === undefined ? undefined : index.digests.find(digest);
    const platform = platformText(entry['platform']);
    if (id !== undefined && platform !== undefined) found.set(id, platform);
  }
  return found;
}

function platformText(value: unknown): string | undefined {
  if (!isTree(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  const parts = [os, architecture, ...(typeof variant === 'string' ? [variant] : [])];
  // Anybody's text, and it stands in a name: nothing that could end it.
  return parts
    .join('/')
    .replaceAll(/[^\w./-]/g, '?')
    .slice(0, 80);
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
