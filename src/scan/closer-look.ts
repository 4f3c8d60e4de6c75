import { PACKED } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import type { DataFacts } from './data-shard.js';
import type { FoundFile } from './facts.js';
import type { HashFacts } from './hash-shard.js';
import type { CloseLook } from './link-look.js';
import type { KnownTags, LinkFacts } from './link-shard.js';
import { OwnershipCounts } from './ownership.js';
import { chunksOf, contextOf, inParts } from './scan.js';
import type { ScanOptions } from './scan.js';

/** What only a check asks for: how every link is, every blob's size and data. */

const REPOSITORIES_A_SHARD = 8;
const BLOBS_A_SHARD = 2048;

/** Looks at every link of some repositories. */
export async function readAllLinks(
  scan: ScanOptions,
  repositories: readonly KnownTags[],
  { sinceMs }: CloseLook,
): Promise<LinkFacts> {
  const shards = inParts(repositories, REPOSITORIES_A_SHARD).map((part) => ({
    ...contextOf(scan),
    repositories: part,
    sinceMs,
  }));
  const joined = {
    faults: [] as LinkFacts['faults'][number][],
    unnoted: [] as LinkFacts['unnoted'][number][],
    bareLayers: [] as LinkFacts['bareLayers'][number][],
    uploads: [] as LinkFacts['uploads'][number][],
    temporaries: [] as FoundFile[],
    findings: [] as Finding[],
  };
  const ownership = new OwnershipCounts();
  let newestMs = 0;
  let done = 0;
  for await (const facts of scan.runner.run('links', shards)) {
    for (const fault of facts.faults) joined.faults.push(fault);
    for (const unnoted of facts.unnoted) joined.unnoted.push(unnoted);
    for (const bare of facts.bareLayers) joined.bareLayers.push(bare);
    for (const upload of facts.uploads) joined.uploads.push(upload);
    for (const temporary of facts.temporaries) joined.temporaries.push(temporary);
    for (const finding of facts.findings) joined.findings.push(finding);
    ownership.merge(facts.ownership);
    newestMs = Math.max(newestMs, facts.newestMs);
    done += REPOSITORIES_A_SHARD;
    scan.onProgress?.('links', Math.min(done, repositories.length), repositories.length);
  }
  return { ...joined, ownership: ownership.list(), newestMs };
}

/** Measures blobs (packed digests); the answers are in their order. */
export async function measureData(
  scan: ScanOptions,
  digests: Uint8Array,
  listAll: boolean,
): Promise<DataFacts> {
  const count = digests.length / PACKED;
  const joined = {
    sizes: new Float64Array(count),
    mtimes: new Float64Array(count),
    empty: new Uint8Array(count),
    temporaries: [] as FoundFile[],
    findings: [] as Finding[],
  };
  const ownership = new OwnershipCounts();
  const shards = chunksOf(digests, BLOBS_A_SHARD * PACKED).map((part) => ({
    ...contextOf(scan),
    digests: part,
    listAll,
  }));
  let done = 0;
  for await (const facts of scan.runner.run('data', shards)) {
    joined.sizes.set(facts.sizes, done);
    joined.mtimes.set(facts.mtimes, done);
    joined.empty.set(facts.empty, done);
    for (const temporary of facts.temporaries) joined.temporaries.push(temporary);
    for (const finding of facts.findings) joined.findings.push(finding);
    ownership.merge(facts.ownership);
    done += facts.sizes.length;
    scan.onProgress?.('details', done, count);
  }
  return { ...joined, ownership: ownership.list() };
}

/**
 * Holds blobs against their digests, shard by shard in the order given (packed digests each).
 * @param deadlineMs when to stop, milliseconds since 1970.
 */
export async function* hashShards(
  scan: ScanOptions,
  parts: readonly Uint8Array[],
  deadlineMs: number,
): AsyncGenerator<HashFacts> {
  const shards = parts.map((digests) => ({ ...contextOf(scan), digests, deadlineMs }));
  yield* scan.runner.run('hash', shards);
}
