import { keepEverything } from '../graph/liveness.js';
import { isLinked, NOT_READ } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { REPAIRS } from '../plan/action.js';
import { surveyStore } from '../plan/derive.js';
import type { Survey } from '../plan/derive.js';
import { blobData } from '../registry/layout.js';
import type { Finding, FindingCode } from '../registry/finding.js';
import { measureData, readAllLinks } from '../scan/closer-look.js';
import { NO_DATA } from '../scan/data-shard.js';
import { READ } from '../scan/facts.js';
import { HASHED } from '../scan/hash-shard.js';
import { EVERYTHING } from '../scan/link-look.js';
import type { CloseLook } from '../scan/link-look.js';
import type { StoreRoot } from '../scan/root.js';
import type { ScanOptions } from '../scan/scan.js';
import { blobFindings, sizeProofs } from './blobs.js';
import { Breaks, parsePlatforms } from './breaks.js';
import { newestOnly, soundTags } from './closeness.js';
import { spread, usualOf } from './facts.js';
import type { CheckFacts } from './facts.js';
import { sortFindings, unmended } from './finding.js';
import type { CheckFinding } from './finding.js';
import { hashBlobs, runHashPass } from './hash-pass.js';
import type { HashOptions, HashPass, Measured } from './hash-pass.js';
import { foreignFindings, leftoverFindings } from './leftovers.js';
import { linkFindings, linkProofs } from './links.js';
import { shoppingList } from './shopping.js';
import type { ShoppingItem } from './shopping.js';
import { findUnlinked, unlinkedFindings, unlinkedProofs } from './structure.js';
import { allowLostTags, deadTagFindings } from './tags.js';
import { timeFindings } from './times.js';

export interface CheckOptions {
  readonly scan: ScanOptions;
  readonly root: StoreRoot;
  readonly nowMs: number;
  /**
   * So many tags and manifests, the newest, have their links read and their directories listed;
   * of the others' links the inodes tell. With `hash`, all have.
   */
  readonly newest: number;
  /** Reads every blob; undefined looks at structure and sizes alone. */
  readonly hash: HashOptions | undefined;
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

/** Finds what is broken in a store, and what that means for those who pull. Changes nothing. */
export async function checkStore(options: CheckOptions): Promise<CheckReport> {
  const { scan } = options;
  const { facts, blobs, unlinked, close, hash } = await gather(options);
  const { survey, index, links, data } = facts;
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

interface Gathered {
  readonly facts: CheckFacts;
  readonly blobs: Uint32Array;
  readonly unlinked: ReturnType<typeof findUnlinked>;
  readonly close: CloseLook;
  readonly hash: HashPass | undefined;
}

/** Scans, looks at every link, measures every blob, and reads the data that has to be read. */
async function gather(options: CheckOptions): Promise<Gathered> {
  const { scan, root, nowMs, newest, hash: wanted } = options;
  const survey = await surveyStore({ ...scan, tagTimes: true }, keepEverything);
  const { index } = survey;
  // Whoever reads every blob wants every link read, too.
  const close = wanted === undefined ? newestOnly(index, newest) : { sinceMs: EVERYTHING };
  const links = await readAllLinks(scan, soundTags(index), close);
  const blobs = listBlobs(index);
  const data = await measureData(scan, index.digests.pack(blobs), close.sinceMs === EVERYTHING);
  const measured = {
    sizes: spread(index, blobs, data.sizes, NO_DATA),
    mtimes: spread(index, blobs, data.mtimes, Number.NaN),
    hashed: knownHashes(index, blobs),
  };
  const unlinked = findUnlinked(index, links);
  const proofs = [
    ...linkProofs({ index, links }),
    ...unlinkedProofs(unlinked),
    ...sizeProofs({ index, sizes: measured.sizes }),
  ];
  await prove(scan, index, proofs, measured);
  const hash =
    wanted === undefined
      ? undefined
      : await runHashPass(scan, index, unread(blobs, measured), measured, wanted);
  const breaks = new Breaks(index, platformReader(scan, index));
  const usual = usualLinks(links, scan);
  const numbers = new Map(index.repositories.map((name, i) => [name, i]));
  const facts = { survey, index, links, data, ...measured, breaks, root, nowMs, usual, numbers };
  return { facts, blobs, unlinked, close, hash };
}

function listBlobs(index: StoreIndex): Uint32Array {
  const found: number[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (index.present.has(digest) || index.hollow.has(digest)) found.push(digest);
  }
  return Uint32Array.from(found);
}

/** A manifest was hashed when it was read. */
function knownHashes(index: StoreIndex, blobs: Uint32Array): Uint8Array {
  const hashed = new Uint8Array(index.digests.size);
  for (const digest of blobs) {
    const read = index.status[digest];
    if (read === READ.good || read === READ.malformed) hashed[digest] = HASHED.good;
    if (read === READ.corrupt) hashed[digest] = HASHED.corrupt;
  }
  return hashed;
}

/** Bytes that are read unasked to tell what is true; beyond them, `--hash` has to be given. */
const PROOF_BYTES = 4 * 1024 * 1024 * 1024;

/** Reads the blobs on which a repair or a finding depends, the small ones first. */
async function prove(
  scan: ScanOptions,
  index: StoreIndex,
  digests: readonly number[],
  measured: Measured,
): Promise<void> {
  const { sizes, hashed } = measured;
  const wanted = [...new Set(digests)].filter(
    (digest) => (sizes[digest] as number) > NO_DATA && hashed[digest] === HASHED.notReached,
  );
  wanted.sort((a, b) => (sizes[a] as number) - (sizes[b] as number) || index.digests.compare(a, b));
  let bytes = 0;
  const within = wanted.filter((digest) => {
    bytes += sizes[digest] as number;
    return bytes <= PROOF_BYTES;
  });
  await hashBlobs(scan, index, within, measured);
}

function unread(blobs: Uint32Array, { sizes, hashed }: Measured): number[] {
  return [...blobs].filter(
    (digest) => (sizes[digest] as number) > NO_DATA && hashed[digest] === HASHED.notReached,
  );
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
