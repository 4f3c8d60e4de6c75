import { isLinked, NOT_READ, numbersOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { REPAIRS } from '../plan/action.js';
import type { Survey } from '../plan/derive.js';
import { blobData } from '../registry/layout.js';
import type { Finding, FindingCode } from '../registry/finding.js';
import { NO_DATA } from '../scan/data-shard.js';
import { EVERYTHING } from '../scan/link-look.js';
import type { StoreRoot } from '../scan/root.js';
import type { ScanOptions } from '../scan/scan.js';
import { blobFindings } from './blobs.js';
import { Breaks, parsePlatforms } from './breaks.js';
import { usualOf } from './facts.js';
import type { CheckFacts } from './facts.js';
import { sortFindings, unmended } from './finding.js';
import type { CheckFinding } from './finding.js';
import type { Gathered } from './gather.js';
import type { HashPass } from './hash-pass.js';
import { foreignFindings, leftoverFindings } from './leftovers.js';
import { linkFindings } from './links.js';
import { shoppingList } from './shopping.js';
import type { ShoppingItem } from './shopping.js';
import { unlinkedFindings } from './structure.js';
import { allowLostTags, deadTagFindings } from './tags.js';
import { timeFindings } from './times.js';

export interface JudgeOptions {
  readonly scan: ScanOptions;
  readonly root: StoreRoot;
  readonly nowMs: number;
}

export interface CheckReport {
  readonly survey: Survey;
  /** Sorted: the worst first, then by path. */
  readonly findings: readonly CheckFinding[];
  readonly shopping: readonly ShoppingItem[];
  /** Manifests that a repository has a link of. */
  readonly manifests: number;
  /** Blobs that have data, and its apparent bytes. */
  readonly blobs: number;
  readonly bytes: number;
  /** Whether every link was read, and not the newest alone. */
  readonly links: boolean;
  readonly hash: HashPass | undefined;
}

/** Says what is broken of what was read, what that means for those who pull, and what mends it. */
export async function judge(
  { scan, root, nowMs }: JudgeOptions,
  gathered: Gathered,
): Promise<CheckReport> {
  const { blobs, unlinked, close, hash, ...read } = gathered;
  const { survey, index, links, data } = read;
  const facts = {
    ...read,
    breaks: new Breaks(index, platformReader(scan, index)),
    root,
    nowMs,
    usual: usualLinks(links, scan),
    numbers: numbersOf(index),
  };
  const findings = [
    ...(await allowLostTags(scan, facts, linkFindings(facts))),
    ...unlinkedFindings(facts, unlinked),
    ...blobFindings(facts),
    ...(await deadTagFindings(scan, facts)),
    ...leftoverFindings(facts, blobs),
    ...foreignFindings(scan.fs, facts.root),
    ...(await timeFindings(scan, facts)),
  ];
  return {
    survey,
    findings: sortFindings(
      withSeen(findings, [survey, links, data]).map((found) => withinSight(found, survey)),
    ),
    shopping: shoppingList(findings, (digest) => saidBytes(index, digest)),
    manifests: index.revisions.digest.reduce(
      (count, _, entry) => count + (isLinked(index, entry) ? 1 : 0),
      0,
    ),
    ...totals(blobs, facts.sizes),
    links: close.sinceMs === EVERYTHING,
    hash,
  };
}

function usualLinks(
  { ownership }: CheckFacts['links'],
  { fs, base }: ScanOptions,
): CheckFacts['usual'] {
  const usual = usualOf(ownership, 'link');
  if (usual !== undefined) return usual;
  const stat = fs.stat(base);
  return { mode: 0o644, uid: stat?.uid ?? 0, gid: stat?.gid ?? 0 };
}

const INDEX_LIMIT = 4 * 1024 * 1024;

/** Reads the platforms of an index when they are first asked for. */
function platformReader(
  { fs, base }: ScanOptions,
  index: StoreIndex,
): (digest: number) => ReadonlyMap<number, string> {
  const known = new Map<number, ReadonlyMap<number, string>>();
  return (digest) => {
    let platforms = known.get(digest);
    if (platforms !== undefined) return platforms;
    const buffer = new Uint8Array(INDEX_LIMIT);
    try {
      const length = fs.read(`${base}/${blobData(index.digests.text(digest))}`, buffer);
      platforms = parsePlatforms(Buffer.from(buffer.buffer, 0, length).toString('utf8'), index);
    } catch {
      // It was read a moment ago: without it, children are told by their digests.
      platforms = new Map();
    }
    known.set(digest, platforms);
    return platforms;
  };
}

function saidBytes(index: StoreIndex, digest: string): number | undefined {
  const id = index.digests.find(digest as Parameters<StoreIndex['digests']['find']>[0]);
  const bytes = id === undefined ? -1 : (index.bytes[id] as number);
  return bytes > 0 || (id !== undefined && index.status[id] === NOT_READ && bytes >= 0)
    ? bytes
    : undefined;
}

/** While something is hidden, nothing goes that it may need: a sweep would refuse. */
function withinSight(finding: CheckFinding, { blind }: Survey): CheckFinding {
  if (blind.length === 0 || finding.actions.every(({ kind }) => REPAIRS.has(kind))) return finding;
  const { allow: _allow, ...rest } = finding;
  return { ...unmended(rest), actions: [], mend: 'mend first what cannot be read' };
}

/** Findings of the scan that the check has not looked at closer. */
const SEEN: ReadonlyMap<FindingCode, string> = new Map<FindingCode, string>([
  ['unreadable', 'mend the disk or its permissions'],
  ['short-listing', 'mend the disk'],
  ['symlink', 'look at it by hand'],
  ['stray', 'left alone'],
  ['bad-name', 'left alone'],
  ['orphan-referrer-tag', 'kept'],
  ['written-off', 'given up'],
]);

function withSeen(
  findings: readonly CheckFinding[],
  sources: readonly { readonly findings: readonly Finding[] }[],
): CheckFinding[] {
  const all = new Map(findings.map((finding) => [keyOf(finding), finding]));
  for (const finding of sources.flatMap((source) => source.findings)) {
    const mend = SEEN.get(finding.code);
    if (mend === undefined || all.has(keyOf(finding))) continue;
    all.set(keyOf(finding), unmended({ ...finding, mend }));
  }
  return [...all.values()];
}

function keyOf({ code, path }: Pick<CheckFinding, 'code' | 'path'>): string {
  return `${code} ${path}`;
}

function totals(blobs: Uint32Array, sizes: Float64Array): { blobs: number; bytes: number } {
  let count = 0;
  let bytes = 0;
  for (const digest of blobs) {
    const size = sizes[digest] as number;
    if (size <= NO_DATA) continue;
    count++;
    bytes += size;
  }
  return { blobs: count, bytes };
}
