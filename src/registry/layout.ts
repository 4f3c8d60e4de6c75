import { algorithmOf, digestOf, hexOf } from './digest.js';
import type { Digest } from './digest.js';

/**
 * Paths inside `docker/registry/v2`, after distribution registry/storage/paths.go. All are
 * relative to that directory, without a leading slash.
 */

/** The registry's default root (distribution registry/storage/driver/filesystem/driver.go). */
export const DEFAULT_ROOT = '/var/lib/registry';

export const BLOBS = 'blobs';
export const REPOSITORIES = 'repositories';
export const REGISTRY_BELOW_ROOT = 'docker/registry/v2';

export const MANIFESTS = '_manifests';
export const LAYERS = '_layers';
export const UPLOADS = '_uploads';
export const LINK = 'link';
export const DATA = 'data';

/** A directory that has one of these is a repository. */
export const REPOSITORY_MARKS: readonly string[] = [MANIFESTS, LAYERS, UPLOADS];

/** Where a blob is stored, below `docker/registry/v2` as all paths here. */
export function blobDirectory(digest: Digest): string {
  const hex = hexOf(digest);
  return `${BLOBS}/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`;
}

/** The file with a blob's bytes. */
export function blobData(digest: Digest): string {
  return `${blobDirectory(digest)}/${DATA}`;
}

/** A repository's own directory. */
export function repositoryDirectory(repository: string): string {
  return `${REPOSITORIES}/${repository}`;
}

/** The blob that a path leads into; undefined where it leads elsewhere. */
export function parseBlobPath(path: string): Digest | undefined {
  const [blobs, algorithm = '', , hex = '', file] = path.split('/');
  return blobs === BLOBS && file !== undefined ? digestOf(algorithm, hex) : undefined;
}

/** Where a repository links a manifest. */
export function revisionDirectory(repository: string, digest: Digest): string {
  return `${repositoryDirectory(repository)}/${MANIFESTS}/revisions/${parts(digest)}`;
}

/** Where a repository links a layer, a config, or whatever else was pushed as a blob. */
export function layerDirectory(repository: string, digest: Digest): string {
  return `${repositoryDirectory(repository)}/${LAYERS}/${parts(digest)}`;
}

/** A tag's own directory: its `current`, and the history of what it was on. */
export function tagDirectory(repository: string, tag: string): string {
  return `${repositoryDirectory(repository)}/${MANIFESTS}/tags/${tag}`;
}

/** Where the link is that says what a tag is on. */
export function tagCurrentDirectory(repository: string, tag: string): string {
  return `${tagDirectory(repository, tag)}/current`;
}

/** An entry of a tag's history. */
export function tagIndexDirectory(repository: string, tag: string, digest: Digest): string {
  return `${tagDirectory(repository, tag)}/index/${parts(digest)}`;
}

/** An upload that is not finished. */
export function uploadDirectory(repository: string, id: string): string {
  return `${repositoryDirectory(repository)}/${UPLOADS}/${id}`;
}

function parts(digest: Digest): string {
  return `${algorithmOf(digest)}/${hexOf(digest)}`;
}

/** The directories that an empty repository may have, relative to it, the deepest first. */
export const SKELETON: readonly string[] = [
  ...['sha256', 'sha384', 'sha512'].flatMap((algorithm) => [
    `${MANIFESTS}/revisions/${algorithm}`,
    `${LAYERS}/${algorithm}`,
  ]),
  `${MANIFESTS}/revisions`,
  `${MANIFESTS}/tags`,
  MANIFESTS,
  LAYERS,
  UPLOADS,
];

/** Names that the registry's drivers give to files that they are about to rename (3.1). */
const TEMPORARY = /^(?:link|data|startedat)\.[0-9a-zA-Z-]{1,64}\.tmp$/;

/** Whether a driver gives files this name before it renames them. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** An upload's identifier: a UUID as the registry writes it, in either case. */
const UPLOAD_ID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** Whether a directory below `_uploads` is one of an upload. */
export function isUploadId(name: string): boolean {
  return UPLOAD_ID.test(name);
}

/** What an upload's directory may hold, relative to it. */
const UPLOAD_FILE = /^(?:data|startedat|hashstates\/(?:sha256|sha384|sha512)\/\d{1,20})$/;

/** Whether an upload has such a file, by its path in the upload. */
export function isUploadFile(relative: string): boolean {
  return UPLOAD_FILE.test(relative);
}

/** Whether an upload has such a directory, by its path in the upload. */
export function isUploadDirectory(relative: string): boolean {
  return /^hashstates(?:\/(?:sha256|sha384|sha512))?$/.test(relative);
}
