import { EDGE } from '../registry/edges.js';
import { KIND } from '../registry/media-type.js';
import { READ } from '../scan/facts.js';
import type { Liveness } from '../graph/liveness.js';
import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Portrait } from '../scan/portrait-shard.js';
import { Sum } from './amounts.js';
import type { Amount, Measures } from './amounts.js';

/** What manifests are about; a blob that several name counts for the first of these. */
export const SPECIES = [
  'image',
  'artifact',
  'attestation',
  'signature',
  'index',
  'other',
  'layer',
] as const;
export type Species = (typeof SPECIES)[number];

export interface SpeciesRow {
  readonly species: Species;
  readonly manifests: number;
  readonly blobs: number;
  readonly amount: Amount;
}

export interface PlatformRow {
  readonly platform: string;
  readonly images: number;
  /** What its images take together; platforms may share blobs. */
  readonly amount: Amount;
}

const SIGNATURE_TAG = /^sha\d+-[0-9a-f]+\.sig$/;
const ATTESTATION_TAG = /^sha\d+-[0-9a-f]+\.att$/;
const SBOM_TAG = /^sha\d+-[0-9a-f]+\.sbom$/;

/** By digest: what its manifest is; undefined for what is none, or does not live. */
export function classify(
  index: StoreIndex,
  { blobLive }: Liveness,
  portraits: ReadonlyMap<number, Portrait>,
): (Species | undefined)[] {
  const found: (Species | undefined)[] = Array.from({ length: index.digests.size });
  index.status.forEach((read, digest) => {
    if (read !== READ.good || !blobLive.has(digest)) return;
    found[digest] = BY_KIND.get(index.kind[digest] as number) ?? 'other';
  });
  const become = (digest: number | undefined, species: Species): void => {
    if (digest !== undefined && found[digest] !== undefined) found[digest] = species;
  };
  for (const referrer of index.subjects.referrer) {
    become(referrer, speciesOfType(portraits.get(referrer)?.artifactType ?? ''));
  }
  index.tags.name.forEach((name, tag) => {
    const digest = index.tags.digest[tag] as number;
    if (SIGNATURE_TAG.test(name)) become(digest, 'signature');
    else if (ATTESTATION_TAG.test(name)) become(digest, 'attestation');
    else if (SBOM_TAG.test(name)) become(digest, 'artifact');
  });
  for (const { children } of portraits.values()) {
    for (const child of children) {
      if (child.attestation) become(index.digests.find(child.digest), 'attestation');
    }
  }
  return found;
}

const BY_KIND: ReadonlyMap<number, Species> = new Map<number, Species>([
  [KIND.image, 'image'],
  [KIND.schema1, 'image'],
  [KIND.index, 'index'],
  [KIND.artifact, 'artifact'],
]);

function speciesOfType(type: string): Species {
  if (/signature|cosign|notary/i.test(type)) return 'signature';
  return /in-toto|attestation|provenance/i.test(type) ? 'attestation' : 'artifact';
}

/** Manifests and bytes by what they are about; each blob counts once. */
export function countSpecies(
  index: StoreIndex,
  { blobLive }: Liveness,
  species: readonly (Species | undefined)[],
  measures: Measures,
): SpeciesRow[] {
  const ofBlob = new Uint8Array(index.digests.size).fill(SPECIES.length - 1);
  const manifests = SPECIES.map(() => 0);
  species.forEach((own, manifest) => {
    if (own === undefined) return;
    const rank = SPECIES.indexOf(own);
    manifests[rank] = (manifests[rank] as number) + 1;
    const claim = (digest: number, by: number): void => {
      if (by < (ofBlob[digest] as number)) ofBlob[digest] = by;
    };
    claim(manifest, rank);
    const end = index.edges.offsets[manifest + 1] as number;
    for (let i = index.edges.offsets[manifest] as number; i < end; i++) {
      const target = index.edges.items[i] as number;
      if (species[target] === undefined) claim(target, rank);
    }
  });
  const sums = SPECIES.map(() => ({ blobs: 0, sum: new Sum() }));
  ofBlob.forEach((rank, digest) => {
    if (!blobLive.has(digest) || !index.present.has(digest)) return;
    const row = sums[rank] as (typeof sums)[number];
    row.blobs++;
    row.sum.addBlob(measures, digest);
  });
  const measured = measures.allocated !== undefined;
  return SPECIES.map((own, rank) => {
    const { blobs = 0, sum = new Sum() } = sums[rank] ?? {};
    return { species: own, manifests: manifests[rank] ?? 0, blobs, amount: sum.amount(measured) };
  }).filter(({ blobs, manifests: count }) => blobs + count > 0);
}

/** Images and their bytes by platform: by the indexes that list them, else by their configs. */
export function countPlatforms(
  index: StoreIndex,
  species: readonly (Species | undefined)[],
  portraits: ReadonlyMap<number, Portrait>,
  measures: Measures,
): PlatformRow[] {
  const ofImage = new Map<number, string>();
  const note = (digest: number | undefined, platform: string | undefined): void => {
    if (digest === undefined || platform === undefined || species[digest] !== 'image') return;
    if (!ofImage.has(digest)) ofImage.set(digest, platform);
  };
  for (const { children } of portraits.values()) {
    for (const child of children) note(index.digests.find(child.digest), child.platform);
  }
  for (const [digest, { platform }] of portraits) note(digest, platform);
  const images = new Map<string, number[]>();
  species.forEach((own, digest) => {
    if (own !== 'image') return;
    const platform = ofImage.get(digest) ?? UNTOLD;
    const members = images.get(platform);
    if (members === undefined) images.set(platform, [digest]);
    else members.push(digest);
  });
  const stamp = new Uint32Array(index.digests.size);
  return [...images]
    .map(([platform, members], at) => ({
      platform,
      images: members.length,
      amount: sumOfImages(index, members, measures, { stamp, mark: at + 1 }),
    }))
    .sort((a, b) => b.amount.bytes - a.amount.bytes || (a.platform < b.platform ? -1 : 1));
}

/** Images of which no index and no config that was read says it. */
export const UNTOLD = 'not told';

/** @param seen which digests were counted: those that bear the mark. */
function sumOfImages(
  index: StoreIndex,
  images: readonly number[],
  measures: Measures,
  seen: { readonly stamp: Uint32Array; readonly mark: number },
): Amount {
  const { stamp, mark } = seen;
  const sum = new Sum();
  const take = (digest: number): void => {
    if (stamp[digest] === mark || !index.present.has(digest)) return;
    stamp[digest] = mark;
    sum.addBlob(measures, digest);
  };
  for (const image of images) {
    take(image);
    const end = index.edges.offsets[image + 1] as number;
    for (let i = index.edges.offsets[image] as number; i < end; i++) {
      take(index.edges.items[i] as number);
    }
  }
  return sum.amount(measures.allocated !== undefined);
}

export interface BaseLayerRow {
  readonly digest: string;
  readonly bytes: number;
  /** Images whose lowest layer it is. */
  readonly images: number;
}

/** The lowest layers that most images stand on. */
export function findBaseLayers(
  index: StoreIndex,
  species: readonly (Species | undefined)[],
  { bytes }: Measures,
): BaseLayerRow[] {
  const counts = new Map<number, number>();
  const { offsets, items } = index.edges;
  species.forEach((own, image) => {
    if (own !== 'image' || index.kind[image] !== KIND.image) return;
    const end = offsets[image + 1] as number;
    for (let i = offsets[image] as number; i < end; i++) {
      if (((index.edgeFlags[i] as number) & EDGE.config) !== 0) continue;
      const layer = items[i] as number;
      counts.set(layer, (counts.get(layer) ?? 0) + 1);
      return;
    }
  });
  return [...counts]
    .filter(([layer, images]) => images > 1 && index.present.has(layer))
    .map(([layer, images]) => ({
      digest: digestText(index, layer) as string,
      bytes: bytes[layer] as number,
      images,
    }))
    .sort((a, b) => b.images - a.images || b.bytes - a.bytes || (a.digest < b.digest ? -1 : 1));
}
