/** What a manifest is. A number, since one is kept for every manifest of a store. */
export const KIND = {
  none: 0,
  image: 1,
  index: 2,
  schema1: 3,
  artifact: 4,
  /** JSON, but of a kind that is not understood: every digest in it counts as an edge. */
  unknown: 5,
  malformed: 6,
} as const;

export type ManifestKind = (typeof KIND)[keyof typeof KIND];

const MANIFEST_TYPES: ReadonlyMap<string, ManifestKind> = new Map<string, ManifestKind>([
  ['application/vnd.docker.distribution.manifest.v2+json', KIND.image],
  ['application/vnd.docker.distribution.manifest.list.v2+json', KIND.index],
  ['application/vnd.docker.distribution.manifest.v1+json', KIND.schema1],
  ['application/vnd.docker.distribution.manifest.v1+prettyjws', KIND.schema1],
  ['application/vnd.oci.image.manifest.v1+json', KIND.image],
  ['application/vnd.oci.image.index.v1+json', KIND.index],
  ['application/vnd.oci.artifact.manifest.v1+json', KIND.artifact],
  ['application/vnd.cncf.oras.artifact.manifest.v1+json', KIND.artifact],
]);

/** The kind that a top-level `mediaType` announces; `unknown` for any other. */
export function kindOfMediaType(mediaType: string): ManifestKind {
  return MANIFEST_TYPES.get(mediaType) ?? KIND.unknown;
}

/** Whether a descriptor's target is to be read as a manifest; wider than the known types. */
export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.has(mediaType) || /manifest|image\.index/i.test(mediaType);
}

/** Layers that may legitimately be elsewhere (Docker schema 2 and OCI non-distributable). */
export function isForeignType(mediaType: string): boolean {
  return /\.foreign\.|nondistributable/i.test(mediaType);
}
