import { ALGORITHMS, digestOf } from '../registry/digest.js';
import { DATA, isTemporaryName, LINK, SKELETON } from '../registry/layout.js';
import { parseRepositoryName, parseTag } from '../registry/reference.js';

/**
 * Whether a path below `docker/registry/v2` is one that an `empty-directory` may name: a
 * blob's, a revision's or a layer's own directory, or a namespace without anything in it.
 */
export function isRemovableDirectory(path: string): boolean {
  return isBlobDirectory(path) || isLinkDirectory(path) || isNamespace(path);
}

/** Whether a path is one that a `temp` may name: a driver's temporary file in its place. */
export function isTemporaryPath(path: string): boolean {
  const slash = path.lastIndexOf('/');
  const directory = path.slice(0, slash);
  if (slash < 0 || !isTemporaryName(path.slice(slash + 1))) return false;
  return isBlobDirectory(directory) || isLinkDirectory(directory) || isTagDirectory(directory);
}

/** Whether a driver's temporary file was to be a link: no data, and none is freed with it. */
export function isTemporaryLink(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).startsWith(`${LINK}.`);
}

/** Whether a path is one that an `attributes` may name: any that a registry makes itself. */
export function isStorePath(path: string): boolean {
  if (/^blobs\/sha256\/[0-9a-f]{2}$/.test(path)) return true;
  const slash = path.lastIndexOf('/');
  const [directory, name] = [path.slice(0, slash), path.slice(slash + 1)];
  if (name === DATA) return isBlobDirectory(directory);
  if (name === LINK) return isLinkDirectory(directory) || isTagPart(directory);
  return isBlobDirectory(path) || isLinkDirectory(path) || isTagPart(path) || isSkeleton(path);
}

function isSkeleton(path: string): boolean {
  if (isNamespace(path)) return true;
  const match = /^repositories\/(.+?)\/(_.+)$/.exec(path);
  if (match === null || parseRepositoryName(match[1] ?? '') === undefined) return false;
  return SKELETON.includes(match[2] ?? '');
}

/** A tag's directory, or one below it. */
function isTagPart(path: string): boolean {
  const match =
    /^repositories\/(.+)\/_manifests\/tags\/([^/]+)(?:\/(?:current|index(?:\/([^/]+)(?:\/([^/]+))?)?))?$/.exec(
      path,
    );
  if (match === null) return false;
  const [, name = '', tag = '', algorithm, hex] = match;
  if (parseRepositoryName(name) === undefined || parseTag(tag) === undefined) return false;
  if (algorithm !== undefined && !ALGORITHMS.includes(algorithm)) return false;
  return hex === undefined || digestOf(algorithm ?? '', hex) !== undefined;
}

function isBlobDirectory(path: string): boolean {
  const match = /^blobs\/(sha256)\/([0-9a-f]{2})\/([0-9a-f]+)$/.exec(path);
  if (match === null) return false;
  const [, algorithm = '', prefix = '', hex = ''] = match;
  return hex.startsWith(prefix) && digestOf(algorithm, hex) !== undefined;
}

function isLinkDirectory(path: string): boolean {
  const match = /^repositories\/(.+)\/(?:_manifests\/revisions|_layers)\/([^/]+)\/([^/]+)$/.exec(
    path,
  );
  if (match === null) return false;
  const [, name = '', algorithm = '', hex = ''] = match;
  return parseRepositoryName(name) !== undefined && digestOf(algorithm, hex) !== undefined;
}

/** Where a tag has a link: its `current`, or an entry of its history. */
function isTagDirectory(path: string): boolean {
  return /\/(?:current|index\/[^/]+\/[^/]+)$/.test(path) && isTagPart(path);
}

function isNamespace(path: string): boolean {
  const match = /^repositories\/(.+)$/.exec(path);
  return match !== null && parseRepositoryName(match[1] ?? '') !== undefined;
}
