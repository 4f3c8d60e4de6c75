import { Bits } from '../graph/lists.js';
import { eachOf, isLinked, lengthOf, NOT_READ, reverseOf } from '../graph/store-index.js';
import { DIGEST_OF_NOTHING } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { EDGE } from '../registry/edges.js';
import { hiddenTeller } from '../registry/finding.js';
import { blobData } from '../registry/layout.js';
import { NO_DATA, ODD_DATA } from '../scan/data-shard.js';
import { READ } from '../scan/facts.js';
import { HASHED } from '../scan/hash-shard.js';
import type { CheckFacts } from './facts.js';
import { unmended } from './finding.js';
import type { CheckCode, CheckDraft, CheckFinding } from './finding.js';

/** The registry takes no manifest larger than this (distribution registry/handlers/manifests.go). */
const LARGEST_MANIFEST = 4 * 1024 * 1024;

/** Blobs with another size than a descriptor says: one of the two is wrong, and the data tells. */
export function sizeProofs({ index, sizes }: Pick<CheckFacts, 'index' | 'sizes'>): number[] {
  const found: number[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    const isLarge = index.status[digest] === READ.oversized;
    if (!isLarge && !disagrees(index, sizes, digest)) continue;
    if ((sizes[digest] as number) > 0) found.push(digest);
  }
  return found;
}

function disagrees(index: CheckFacts['index'], sizes: Float64Array, digest: number): boolean {
  const said = index.bytes[digest] as number;
  const size = sizes[digest] as number;
  return size > NO_DATA && said >= 0 && said !== size && index.status[digest] !== READ.good;
}

/** Blobs that are missing, short, or other than their digests; manifests among them. */
export function blobFindings(facts: CheckFacts): CheckFinding[] {
  const { index } = facts;
  const needed = neededBlobs(facts);
  const isHidden = hiddenTeller(index.findings);
  const found: CheckFinding[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (index.digests.isOther(digest)) continue;
    if (facts.sizes[digest] === NO_DATA && isHidden(blobData(index.digests.text(digest)))) continue;
    const finding = isManifest(facts, digest)
      ? manifestFinding(facts, digest)
      : dataFinding(facts, digest, needed);
    if (finding !== undefined) found.push(finding);
  }
  return found;
}

/** Read as a manifest because something takes it for one. */
function isManifest({ index }: CheckFacts, digest: number): boolean {
  const status = index.status[digest];
  if (status === NOT_READ) return false;
  // A layer that a layer link or a history led to is no broken manifest.
  const { revisions } = reverseOf(index);
  return status === READ.good || lengthOf(revisions, digest) > 0 || isTyped(index, digest);
}

function isTyped(index: CheckFacts['index'], digest: number): boolean {
  const { parents, tags } = reverseOf(index);
  if (lengthOf(tags, digest) > 0) return true;
  for (
    let i = parents.offsets[digest] as number;
    i < (parents.offsets[digest + 1] as number);
    i++
  ) {
    const parent = parents.items[i] as number;
    const end = index.edges.offsets[parent + 1] as number;
    for (let edge = index.edges.offsets[parent] as number; edge < end; edge++) {
      if (index.edges.items[edge] !== digest) continue;
      if (((index.edgeFlags[edge] as number) & EDGE.manifest) !== 0) return true;
    }
  }
  return false;
}

const MANIFEST_WORDS: ReadonlyMap<number, [CheckCode, string]> = new Map([
  [READ.missing, ['missing-manifest', 'the manifest is not there']],
  [READ.empty, ['empty-manifest', 'an empty manifest']],
  [READ.corrupt, ['corrupt-manifest', 'a manifest that is not what its digest says']],
  [READ.oversized, ['oversized-manifest', 'larger than any manifest']],
  [READ.unreadable, ['unreadable', 'the manifest cannot be read']],
  [READ.malformed, ['malformed-manifest', 'what its digest says, and no manifest']],
  [READ.writtenOff, ['written-off', 'the manifest cannot be read, and was given up']],
]);

function manifestFinding(facts: CheckFacts, id: number): CheckFinding | undefined {
  const { index, breaks } = facts;
  const read = index.status[id] as number;
  const digest = index.digests.text(id);
  const path = blobData(digest);
  if (read === READ.good) {
    if ((index.bytes[id] as number) <= LARGEST_MANIFEST) return undefined;
    return unmended({
      code: 'oversized-manifest',
      severity: 'notice',
      path,
      detail: 'larger than the 4 MiB that a registry takes',
      digest,
      mend: 'harmless',
    });
  }
  const [code, detail] = MANIFEST_WORDS.get(read) ?? ['corrupt-manifest', 'damaged'];
  const isLive = facts.survey.liveness.blobLive.has(id);
  // Of what was deleted nothing is missed; a tag that leads to nothing is a finding of its own.
  if (read === READ.missing && !isLive) return undefined;
  if (read === READ.missing && !isHeld(index, id)) {
    if (lengthOf(reverseOf(index).parents, id) === 0) return undefined;
    // Sparse indexes and caches have such; whoever wants that platform cannot have it.
    return unmended({
      code: 'missing-child',
      severity: 'notice',
      path,
      detail: 'an index names a manifest that is nowhere: left out on purpose, or lost',
      digest,
      breaks: breaks.of(id),
      needs: [digest],
      mend: 'push again',
    });
  }
  const draft = { code, severity: 'damage', path, detail, digest, breaks: breaks.of(id) } as const;
  if (read === READ.malformed) return unmended({ ...draft, mend: 'push another' });
  // A push would skip what is there, and it may well be whole.
  if (read === READ.unreadable) {
    return unmended({ ...draft, mend: 'make it readable, or give it up by --write-off' });
  }
  if (read === READ.writtenOff) return unmended({ ...draft, mend: 'make it readable' });
  return lost(facts, id, draft, read === READ.empty || facts.hashed[id] === HASHED.corrupt);
}

/** Whether some repository has a link of a manifest. */
function isHeld(index: CheckFacts['index'], digest: number): boolean {
  let held = false;
  eachOf(reverseOf(index).revisions, digest, (entry) => {
    held ||= isLinked(index, entry);
  });
  return held;
}

/** Digests that a manifest names as a layer or config, but for those that may be elsewhere. */
function neededBlobs({ index, survey }: CheckFacts): Bits {
  const needed = new Bits(index.digests.size);
  index.status.forEach((read, source) => {
    if (read !== READ.good || !survey.liveness.blobLive.has(source)) return;
    const end = index.edges.offsets[source + 1] as number;
    for (let i = index.edges.offsets[source] as number; i < end; i++) {
      const flags = index.edgeFlags[i] as number;
      if ((flags & (EDGE.foreign | EDGE.manifest | EDGE.other)) !== 0) continue;
      needed.add(index.edges.items[i] as number);
    }
  });
  return needed;
}

function dataFinding(facts: CheckFacts, id: number, needed: Bits): CheckFinding | undefined {
  const { index, sizes, hashed } = facts;
  const size = sizes[id] as number;
  const digest = index.digests.text(id);
  const draft = { severity: 'damage', path: blobData(digest), digest } as const;
  if (size === NO_DATA) {
    if (!needed.has(id)) return undefined;
    const gone = {
      ...draft,
      code: 'missing-blob',
      detail: 'a layer or config is not there',
    } as const;
    return lost(facts, id, gone, false);
  }
  if (size === ODD_DATA) {
    const odd = { ...draft, code: 'odd-blob', detail: 'no regular file' } as const;
    return unmended({ ...odd, breaks: facts.breaks.of(id), mend: 'look at it by hand' });
  }
  if (size === 0 && digest !== DIGEST_OF_NOTHING) {
    return lost(facts, id, { ...draft, code: 'empty-blob', detail: 'empty data' }, true);
  }
  if (hashed[id] === HASHED.unreadable) {
    const unread = { ...draft, code: 'unreadable', detail: 'its data cannot be read' } as const;
    return unmended({ ...unread, breaks: facts.breaks.of(id), mend: 'look at the disk' });
  }
  const said = index.bytes[id] as number;
  if (hashed[id] === HASHED.corrupt)
    return lost(facts, id, { ...draft, ...wrongData(size, said) }, true);
  if (!disagrees(index, sizes, id)) return undefined;
  if (hashed[id] !== HASHED.good) {
    // Too much to read unasked; the size alone says that a pull fails.
    return lost(facts, id, { ...draft, ...wrongData(size, said) }, false);
  }
  return unmended({
    ...draft,
    code: 'wrong-descriptor',
    severity: 'notice',
    detail: `a manifest says ${said} bytes, and the right data has ${size}`,
    mend: 'push another manifest',
  });
}

function wrongData(size: number, said: number): { code: CheckCode; detail: string } {
  if (said < 0 || size === said) {
    return { code: 'corrupt-blob', detail: 'its data is not what its digest says' };
  }
  const code = size < said ? 'truncated-blob' : 'overlong-blob';
  return { code, detail: `${size} of ${said} bytes` };
}

/** What only a push brings back; damaged data goes first, as a push skips what is there. */
function lost(
  facts: CheckFacts,
  id: number,
  draft: CheckDraft & { readonly digest: Digest },
  removable: boolean,
): CheckFinding {
  const { digest } = draft;
  const bytes = facts.sizes[id] as number;
  const isFile = bytes > NO_DATA;
  const finding = unmended({
    ...draft,
    breaks: facts.breaks.of(id),
    needs: [digest],
    mend: 'push again',
  });
  if (!removable || !isFile) return finding;
  return { ...finding, actions: [{ kind: 'corrupt-blob', digest, bytes }] };
}
