import type { ReadFs } from '../fs/read-fs.js';
import { PACKED, unpackDigest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { blobDirectory, DATA, isTemporaryName } from '../registry/layout.js';
import type { FoundFile } from './facts.js';
import { OwnershipCounts } from './ownership.js';
import type { OwnershipCount } from './ownership.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';

export interface DataShard extends ShardContext {
  /** Packed digests of blobs that have a directory. */
  readonly digests: Uint8Array;
  /** Lists every blob's directory, for what may stand beside its data. */
  readonly listAll: boolean;
}

/** A blob's size where there is none to tell. */
export const NO_DATA = -1;
export const ODD_DATA = -2;
export const UNREAD_DATA = -3;

export interface DataFacts {
  /** Apparent bytes of `data`; `NO_DATA`, `ODD_DATA` for what is no file, `UNREAD_DATA`. */
  readonly sizes: Float64Array;
  /** Milliseconds since 1970. */
  readonly mtimes: Float64Array;
  /** 1 where the directory has nothing but temporary files in it. */
  readonly empty: Uint8Array;
  readonly temporaries: readonly FoundFile[];
  readonly ownership: readonly OwnershipCount[];
  readonly findings: readonly Finding[];
}

/** Measures every blob, and lists the directories of those that have no data, or of all. */
export function readData(fs: ReadFs, shard: DataShard): DataFacts {
  const reader = new ShardReader(fs, shard);
  const count = shard.digests.length / PACKED;
  const facts = {
    sizes: new Float64Array(count).fill(UNREAD_DATA),
    mtimes: new Float64Array(count),
    empty: new Uint8Array(count),
    temporaries: [] as FoundFile[],
  };
  const ownership = new OwnershipCounts();
  for (let i = 0; i < count; i++) {
    const directory = blobDirectory(unpackDigest(shard.digests, i * PACKED));
    const data = `${directory}/${DATA}`;
    const stat = reader.try(data, (absolute) => reader.fs.quickStat(absolute));
    if (shard.listAll || stat === undefined) {
      const names = reader.try(directory, (absolute) => reader.fs.names(absolute));
      if (names === undefined) continue;
      let others = 0;
      for (const name of names) {
        if (name !== DATA && !isTemporary(reader, directory, name, facts.temporaries)) others++;
      }
      if (!names.includes(DATA)) {
        facts.empty[i] = others === 0 ? 1 : 0;
        facts.sizes[i] = NO_DATA;
        continue;
      }
    }
    if (stat === undefined) continue;
    facts.sizes[i] = stat.isFile ? stat.size : ODD_DATA;
    facts.mtimes[i] = stat.mtimeMs;
    if (stat.isFile) ownership.add('data', data, stat);
  }
  return { ...facts, ownership: ownership.list(), findings: reader.findings };
}

function isTemporary(
  reader: ShardReader,
  directory: string,
  name: string,
  temporaries: FoundFile[],
): boolean {
  const path = `${directory}/${name}`;
  const stat = isTemporaryName(name)
    ? reader.try(path, (absolute) => reader.fs.stat(absolute))
    : undefined;
  if (stat?.kind === 'file') {
    const { size: bytes, allocated, mtimeMs } = stat;
    temporaries.push({ path, bytes, allocated, mtimeMs });
    return true;
  }
  reader.note('stray', 'notice', path, 'not of the registry; left alone');
  return false;
}
