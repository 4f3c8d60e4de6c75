import { keepEverything } from '../graph/liveness.js';
import type { StoreIndex } from '../graph/store-index.js';
import { surveyStore } from '../plan/derive.js';
import type { Survey } from '../plan/derive.js';
import { measureData, readAllLinks } from '../scan/closer-look.js';
import { NO_DATA } from '../scan/data-shard.js';
import type { DataFacts } from '../scan/data-shard.js';
import { READ } from '../scan/facts.js';
import { HASHED } from '../scan/hash-shard.js';
import { EVERYTHING } from '../scan/link-look.js';
import type { CloseLook } from '../scan/link-look.js';
import type { LinkFacts } from '../scan/link-shard.js';
import type { ScanOptions } from '../scan/scan.js';
import { sizeProofs } from './blobs.js';
import { newestOnly, soundTags } from './closeness.js';
import { spread } from './facts.js';
import { hashBlobs, runHashPass } from './hash-pass.js';
import type { HashOptions, HashPass, Measured } from './hash-pass.js';
import { linkProofs } from './links.js';
import { findUnlinked, unlinkedProofs } from './structure.js';
import type { Unlinked } from './structure.js';

export interface GatherOptions {
  readonly scan: ScanOptions;
  /**
   * So many tags and manifests, the newest, have their links read and their directories listed;
   * of the others' links the inodes tell. With `hash`, all have.
   */
  readonly newest: number;
  /** Reads every blob; undefined looks at structure and sizes alone. */
  readonly hash: HashOptions | undefined;
}

/** What was read of a store, and not judged yet. */
export interface Gathered extends Measured {
  readonly survey: Survey;
  readonly index: StoreIndex;
  readonly links: LinkFacts;
  readonly data: DataFacts;
  /** Digests that have a directory among the blobs. */
  readonly blobs: Uint32Array;
  readonly unlinked: readonly Unlinked[];
  readonly close: CloseLook;
  readonly hash: HashPass | undefined;
}

/** Scans, looks at every link, measures every blob, and reads the data that has to be read. */
export async function gather({ scan, newest, hash: wanted }: GatherOptions): Promise<Gathered> {
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
  return { ...measured, survey, index, links, data, blobs, unlinked, close, hash };
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
