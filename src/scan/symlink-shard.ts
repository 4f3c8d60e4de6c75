import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { asBuffer, PACKED, unpackDigest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { layerDirectory, LINK, tagCurrentDirectory, tagDirectory } from '../registry/layout.js';
import { countLinks } from './detail-shard.js';
import type { OfRepository, TagsOfRepository } from './detail-shard.js';
import type { Lead } from './facts.js';
import { ShardReader, UNSEEN } from './shard.js';
import type { ShardContext } from './shard.js';

/** Links that the scan itself does not look at, or not for what they are. */
export interface SymlinkShard extends ShardContext {
  readonly layerLinks: readonly OfRepository[];
  readonly tags: readonly TagsOfRepository[];
}

export interface SymlinkFacts {
  /** Repositories with a symlink that leads somewhere, in the store or out of it. */
  readonly repositories: readonly BytePath[];
  /** Of the layer links: milliseconds since 1970; NaN where none is there, or no plain file. */
  readonly linkTimes: Float64Array;
  readonly leads: readonly Lead[];
  readonly findings: readonly Finding[];
}

/**
 * Finds symlinks among layer links, and in the place of a tag's `current` and its history: one
 * lstat each.
 */
export function readSymlinks(fs: ReadFs, shard: SymlinkShard): SymlinkFacts {
  const reader = new ShardReader(fs, shard);
  const repositories = new Set<BytePath>();
  const look = (repository: BytePath, path: BytePath): number => {
    const stat = reader.look(path);
    if (stat === UNSEEN || stat === undefined) return Number.NaN;
    if (stat.isSymlink && reader.follow(path) !== undefined) {
      reader.note('symlink', 'damage', path, 'a symbolic link; never changed', { repository });
      repositories.add(repository);
    }
    return stat.isFile ? stat.mtimeMs : Number.NaN;
  };
  const linkTimes = new Float64Array(countLinks(shard.layerLinks));
  let link = 0;
  for (const { repository, digests } of shard.layerLinks) {
    const packed = asBuffer(digests);
    for (let at = 0; at < packed.length; at += PACKED) {
      const directory = layerDirectory(repository, unpackDigest(packed, at));
      linkTimes[link++] = look(repository, `${directory}/${LINK}`);
    }
  }
  for (const { repository, tags } of shard.tags) {
    for (const tag of tags) {
      look(repository, tagCurrentDirectory(repository, tag));
      // What a history names behind one would be planned, and a sweep that met it would end there.
      look(repository, `${tagDirectory(repository, tag)}/index`);
    }
  }
  const { leads, findings } = reader;
  return { repositories: [...repositories], linkTimes, leads, findings };
}
