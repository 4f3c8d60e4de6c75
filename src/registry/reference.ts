/** A repository's name that is in the grammar; only such a repository is ever a target. */
export type RepositoryName = string & { readonly __brand: 'RepositoryName' };
/** A tag that is in the grammar. */
export type Tag = string & { readonly __brand: 'Tag' };

// distribution reference/reference.go: path-component, and RepositoryNameTotalLengthMax.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const NAME_LENGTH = 255;
const TAG = /^\w[\w.-]{0,127}$/;

/** A name that a registry accepts, or undefined. */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  return text.length <= NAME_LENGTH && NAME.test(text) ? (text as RepositoryName) : undefined;
}

/** A tag that a registry accepts, or undefined. */
export function parseTag(text: string): Tag | undefined {
  return TAG.test(text) ? (text as Tag) : undefined;
}

export interface FallbackTag {
  readonly algorithm: string;
  /** The subject's hex, whole for sha256, cut to 64 digits for longer ones. */
  readonly hex: string;
  /** By its name a list of referrers, which is an index; otherwise one of cosign's. */
  readonly isList: boolean;
}

// OCI distribution-spec "Referrers Tag Schema" (algorithm and hex cut to 32 and 64 characters)
// and cosign's signature, attestation and SBOM tags (cosign pkg/oci/remote).
const FALLBACK = /^(sha256|sha384|sha512)-([0-9a-f]{64})(\.(?:sig|att|sbom))?$/;

const SHORTEST_FALLBACK = 'sha256-'.length + 64;

/** Reads a tag that names another manifest, and lives as long as that one does. */
export function parseFallbackTag(tag: string): FallbackTag | undefined {
  if (tag.length < SHORTEST_FALLBACK) return undefined;
  const match = FALLBACK.exec(tag);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { algorithm: match[1], hex: match[2], isList: match[3] === undefined };
}

/** What a tag on a digest is called among the things that can be pulled. */
export function taggedName(repository: string, tag: string, digest: string): string {
  return `${repository}:${tag} ${digest}`;
}

/** What a manifest's link is called among them. */
export function linkedName(repository: string, digest: string): string {
  return `${repository}@${digest}`;
}
