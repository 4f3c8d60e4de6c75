import { errnoOf } from '../fs/errors.js';
import type { DirectoryListing, ReadFs } from '../fs/read-fs.js';
import { BLOBS } from '../registry/layout.js';
import type { BlobFacts } from './facts.js';
import { PackedList, ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';

export interface BlobShard extends ShardContext {
  /** Directories below `blobs/sha256`, each of two hex digits. */
  readonly prefixes: readonly string[];
}

/** Lists the blobs of some prefixes. A blob's presence is its directory's name. */
export function readBlobs(fs: ReadFs, shard: BlobShard): BlobFacts {
  const reader = new ShardReader(fs, shard);
  const digests = new PackedList();
  for (const prefix of shard.prefixes) {
    const path = `${BLOBS}/sha256/${prefix}`;
    const listing = listPrefix(reader, path);
    for (const { name, kind } of listing?.others ?? []) {
      if (kind === 'symlink') reader.noteLink(`${path}/${name}`);
      else reader.note('stray', 'notice', `${path}/${name}`, 'not a directory; left alone');
    }
    for (const name of listing?.names ?? []) {
      if (!name.startsWith(prefix) || !digests.pushHex(name)) {
        reader.note('stray', 'notice', `${path}/${name}`, 'no digest of this prefix; left alone');
      }
    }
  }
  return { digests: digests.take(), findings: reader.findings };
}

/** A prefix that is a file holds no blob that could ever be a target. */
function listPrefix(reader: ShardReader, path: string): DirectoryListing | undefined {
  return reader.try(path, (absolute) => {
    try {
      return reader.fs.directories(absolute);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ELOOP') {
        reader.noteLink(path);
        return undefined;
      }
      if (code !== 'ENOTDIR') throw error;
      reader.note('stray', 'damage', path, 'no directory; what is below it is never swept');
      return undefined;
    }
  });
}
