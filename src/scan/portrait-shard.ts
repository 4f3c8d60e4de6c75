import type { ReadFs } from '../fs/read-fs.js';
import { PACKED, parseDigest, unpackDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { makeJsonSource, readJson, treeIn, treeOf } from './json-blob.js';
import type { JsonSource } from './json-blob.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';
import type { Tree } from '../registry/tree.js';

export interface PortraitShard extends ShardContext {
  /** Packed digests of manifests. */
  readonly digests: Uint8Array;
  /** Whether the configs of images are to be read for their platform: a file more for each. */
  readonly configs: boolean;
}

/** What a manifest says of itself and of the manifests that it lists, as texts from the disk. */
export interface Portrait {
  /** `linux/arm64/v8`, by its config. */
  readonly platform: string | undefined;
  /** `artifactType`, else its config's media type. */
  readonly artifactType: string | undefined;
  readonly children: readonly ChildPortrait[];
}

export interface ChildPortrait {
  readonly digest: Digest;
  readonly platform: string | undefined;
  /** BuildKit lists attestations beside the images that they are about. */
  readonly attestation: boolean;
}

/** In the order asked for. */
export interface PortraitFacts {
  readonly portraits: readonly Portrait[];
}

const NOTHING: Portrait = { platform: undefined, artifactType: undefined, children: [] };
/** https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md */
const REFERENCE_TYPE = 'vnd.docker.reference.type';

/** Reads what manifests say of themselves. What cannot be read, or does not hash right, says nothing. */
export function readPortraits(fs: ReadFs, shard: PortraitShard): PortraitFacts {
  const source = makeJsonSource(new ShardReader(fs, shard));
  const portraits: Portrait[] = [];
  for (let at = 0; at < shard.digests.length; at += PACKED) {
    const manifest = readJson(source, unpackDigest(shard.digests, at));
    portraits.push(portraitOf(manifest, shard.configs ? source : undefined));
  }
  return { portraits };
}

/** What a manifest says of itself, by its data alone: they were held against its digest before. */
export function portraitIn(content: Uint8Array): Portrait {
  return portraitOf(treeIn(content), undefined);
}

/** With a source, the config is read for the platform. */
function portraitOf(manifest: Tree | undefined, source: JsonSource | undefined): Portrait {
  if (manifest === undefined) return NOTHING;
  const config = treeOf(manifest['config']);
  const digest = config?.['digest'];
  const image = source && typeof digest === 'string' ? readJson(source, digest) : undefined;
  // Schema 1 has its architecture in the manifest itself.
  const platform = platformOf(image) ?? platformOf(source && manifest);
  const listed: unknown = manifest['manifests'];
  return {
    platform,
    artifactType: textOf(manifest['artifactType']) ?? textOf(config?.['mediaType']),
    children: Array.isArray(listed) ? listed.flatMap((entry) => childOf(treeOf(entry))) : [],
  };
}

function childOf(entry: Tree | undefined): ChildPortrait[] {
  const digest = parseDigest(textOf(entry?.['digest']) ?? '');
  if (entry === undefined || digest === undefined) return [];
  const type = treeOf(entry['annotations'])?.[REFERENCE_TYPE];
  const platform = platformOf(treeOf(entry['platform']));
  return [{ digest, platform, attestation: type === 'attestation-manifest' }];
}

/** Longer texts are no names of systems. */
const LONGEST = 64;

function platformOf(tree: Tree | undefined): string | undefined {
  const architecture = textOf(tree?.['architecture']);
  if (architecture === undefined) return undefined;
  const parts = [textOf(tree?.['os']) ?? 'linux', architecture, textOf(tree?.['variant'])];
  return parts
    .filter((part) => part !== undefined)
    .join('/')
    .slice(0, LONGEST);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
