import type { StoreIndex } from '../graph/store-index.js';
import type { KnownTags } from '../scan/link-shard.js';
import { TAG } from '../scan/facts.js';
import { EVERYTHING } from '../scan/link-look.js';
import type { CloseLook } from '../scan/link-look.js';

/** A look into what was written last: later than all but so many tags and revisions. */
export function newestOnly({ revisions, tags }: StoreIndex, count: number): CloseLook {
  const times = new Float64Array(revisions.time.length + tags.time.length);
  times.set(revisions.time);
  times.set(tags.time, revisions.time.length);
  const known = times.filter(Number.isFinite).sort();
  return { sinceMs: known[known.length - 1 - count] ?? EVERYTHING };
}

/** By repository: the tags whose links the scan has read and found in order. */
export function soundTags({ repositories, tags, digests }: StoreIndex): KnownTags[] {
  return repositories.map((repository, number) => {
    const names: string[] = [];
    const on: number[] = [];
    const end = tags.start[number + 1] as number;
    for (let tag = tags.start[number] as number; tag < end; tag++) {
      if (tags.flags[tag] !== TAG.good) continue;
      names.push(tags.name[tag] as string);
      on.push(tags.digest[tag] as number);
    }
    return { repository, tags: names, digests: digests.pack(Uint32Array.from(on)) };
  });
}
