import type { ReadFs } from '../fs/read-fs.js';
import { readBlobs } from './blob-shard.js';
import type { BlobShard } from './blob-shard.js';
import type { CreatedFacts, CreatedShard } from './created-shard.js';
import type { DataFacts, DataShard } from './data-shard.js';
import { readDetails } from './detail-shard.js';
import type { DetailFacts, DetailShard } from './detail-shard.js';
import type { BlobFacts, ManifestFacts, RepositoryFacts } from './facts.js';
import type { HashFacts, HashShard } from './hash-shard.js';
import type { LinkFacts, LinkShard } from './link-shard.js';
import { readManifests } from './manifest-shard.js';
import type { ManifestShard } from './manifest-shard.js';
import type { PortraitFacts, PortraitShard } from './portrait-shard.js';
import { readRepositories } from './repository-shard.js';
import type { RepositoryShard } from './repository-shard.js';
import { unlessShort } from './shortage.js';
import { readSymlinks } from './symlink-shard.js';
import type { SymlinkFacts, SymlinkShard } from './symlink-shard.js';
import type { UsageFacts, UsageShard } from './usage-shard.js';

/** The kinds of shard, what each is given and what it returns. */
export interface Tasks {
  readonly repositories: { readonly shard: RepositoryShard; readonly facts: RepositoryFacts };
  readonly blobs: { readonly shard: BlobShard; readonly facts: BlobFacts };
  readonly manifests: { readonly shard: ManifestShard; readonly facts: ManifestFacts };
  readonly details: { readonly shard: DetailShard; readonly facts: DetailFacts };
  readonly symlinks: { readonly shard: SymlinkShard; readonly facts: SymlinkFacts };
  readonly created: { readonly shard: CreatedShard; readonly facts: CreatedFacts };
  readonly links: { readonly shard: LinkShard; readonly facts: LinkFacts };
  readonly data: { readonly shard: DataShard; readonly facts: DataFacts };
  readonly hash: { readonly shard: HashShard; readonly facts: HashFacts };
  readonly portraits: { readonly shard: PortraitShard; readonly facts: PortraitFacts };
  readonly usage: { readonly shard: UsageShard; readonly facts: UsageFacts };
}

export type TaskName = keyof Tasks;

type Handler<K extends TaskName> = (fs: ReadFs, shard: Tasks[K]['shard']) => Tasks[K]['facts'];

type Handlers = {
  readonly [K in TaskName]: (shard: Tasks[K]['shard']) => Handler<K> | Promise<Handler<K>>;
};

/**
 * One handler a kind: the same code inline, in a worker, and on memfs. Those that a plan without
 * a policy does not need are loaded when they are first asked for.
 */
const HANDLERS: Handlers = {
  repositories: () => readRepositories,
  blobs: () => readBlobs,
  manifests: ({ portraits }) => (portraits ? loadPainting() : readManifests),
  details: () => readDetails,
  symlinks: () => readSymlinks,
  created: async () => (await import('./created-shard.js')).readCreated,
  links: async () => (await import('./link-shard.js')).readLinks,
  data: async () => (await import('./data-shard.js')).readData,
  hash: async () => (await import('./hash-shard.js')).hashData,
  portraits: async () => (await import('./portrait-shard.js')).readPortraits,
  usage: async () => (await import('./usage-shard.js')).readUsage,
};

async function loadPainting(): Promise<Handler<'manifests'>> {
  const { portraitIn } = await import('./portrait-shard.js');
  return (fs, shard) => readManifests(fs, shard, portraitIn);
}

/**
 * Does one shard's work, all of it in one turn once the handler is there.
 * @throws AppError `io` when descriptors or memory ran out.
 */
export async function runTask<K extends TaskName>(
  fs: ReadFs,
  task: K,
  shard: Tasks[K]['shard'],
): Promise<Tasks[K]['facts']> {
  const handle = await HANDLERS[task](shard);
  return unlessShort(fs, (watched) => handle(watched, shard));
}
