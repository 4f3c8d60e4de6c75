import type { IndexBuilder } from '../graph/index-builder.js';
import { layerNeedsOf } from '../graph/layer-needs.js';
import { append, Bits } from '../graph/lists.js';
import type { Liveness } from '../graph/liveness.js';
import { eachOf, isLinked, NO_DIGEST, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { findSymlinks } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { HAS_LINK } from '../scan/shard.js';

/** When layer links were written, as far as a survey has looked: milliseconds since 1970. */
export class LinkTimes {
  /** By repository, and by digest. */
  readonly #times = new Map<number, Map<number, number>>();

  /** Takes what the links of a repository say; NaN, which says nothing, is left out. */
  take(repository: number, digests: readonly number[], times: Float64Array): void {
    const known = this.#times.get(repository) ?? new Map<number, number>();
    this.#times.set(repository, known);
    digests.forEach((digest, i) => {
      const time = times[i] as number;
      if (!Number.isNaN(time)) known.set(digest, time);
    });
  }

  of(repository: number, digest: number): number | undefined {
    return this.#times.get(repository)?.get(digest);
  }
}

/**
 * Looks whether a layer link or a tag's `current` or history is a symlink, which the registry
 * follows: both the repository that has it and the one that it leads into then lose nothing. True
 * when there is one that was not known.
 *
 * A scan looks at neither: 25,500 more stats made one of 62,000 files take a quarter longer. But a
 * symlink names the digest that its other end names, so it is enough to look at the links of
 * digests that some repository loses a link of: 3,300 for `-m` there. `looked`: digests that this
 * was done for; `times`: when the layer links were written, so that nobody has to look again.
 */
export async function followLinks(
  scan: ScanOptions,
  builder: IndexBuilder,
  index: StoreIndex,
  liveness: Liveness,
  looked: Bits,
  times: LinkTimes,
): Promise<boolean> {
  const { layers, tags } = reverseOf(index);
  const layersOf = new Map<number, number[]>();
  const tagsOf = new Map<number, string[]>();
  for (const digest of losing(index, liveness)) {
    if (!looked.add(digest)) continue;
    eachOf(layers, digest, (repository) => append(layersOf, repository, digest));
    eachOf(tags, digest, (tag) =>
      append(tagsOf, index.tags.repository[tag] as number, index.tags.name[tag] as string),
    );
  }
  const nameOf = (repository: number): string => index.repositories[repository] as string;
  const found = await findSymlinks(scan, {
    layerLinks: Array.from(layersOf, ([repository, digests]) => ({
      repository: nameOf(repository),
      digests: index.digests.pack(Uint32Array.from(digests)),
    })),
    tags: Array.from(tagsOf, ([repository, names]) => ({
      repository: nameOf(repository),
      tags: names,
    })),
  });
  let at = 0;
  for (const [repository, digests] of layersOf) {
    times.take(repository, digests, found.linkTimes.subarray(at, (at += digests.length)));
  }
  builder.leads(found.leads);
  builder.freeze(new Set(found.repositories), HAS_LINK);
  builder.note(found.findings);
  return found.repositories.length > 0;
}

/** Digests that a tag, a manifest's link or a layer link names which would go. */
function* losing(index: StoreIndex, liveness: Liveness): Generator<number> {
  const { revisions, tags, layers } = index;
  for (let tag = 0; tag < tags.digest.length; tag++) {
    const digest = tags.digest[tag] as number;
    if (liveness.tagKept[tag] === 0 && digest !== NO_DIGEST) yield digest;
  }
  for (let entry = 0; entry < revisions.digest.length; entry++) {
    if (liveness.revisionKept[entry] === 1 || !isLinked(index, entry)) continue;
    yield revisions.digest[entry] as number;
  }
  for (const at of layerNeedsOf(index, liveness).unneeded) yield layers.digest[at] as number;
}
