import { errnoOf } from '../fs/errors.js';
import type { BytePath, QuickStat } from '../fs/read-fs.js';
import { packHexBytes, PACKED } from '../registry/digest.js';
import { LINK, MANIFESTS } from '../registry/layout.js';
import { parseLink, SHA256_LINK_LENGTH } from '../registry/link.js';
import { parseTag } from '../registry/reference.js';
import { ODD_NAMES, TAG } from './facts.js';
import { findTemporaries, standInsAmong } from './repository-parts.js';
import type { Collected, Current } from './repository-parts.js';
import { HAS_LINK } from './shard.js';

/** Reads the tags of a repository: what each is on, and with `times` since when. */
export function readTags(into: Collected, current: Current, times: boolean): void {
  const path = `${current.directory}/${MANIFESTS}/tags`;
  const listing = into.reader.directories(path, current.freeze);
  if (listing === undefined) return;
  const isTag = (name: string): boolean => parseTag(name) !== undefined;
  const standIns = standInsAmong(into.reader, current, path, listing.others, isTag);
  for (const name of listing.names) readTag(into, current, `${path}/${name}`, name, times);
  for (const name of standIns) readTag(into, current, `${path}/${name}`, name, times);
}

function readTag(
  into: Collected,
  current: Current,
  directory: string,
  name: string,
  times: boolean,
): void {
  const { reader } = into;
  const link = `${directory}/current/${LINK}`;
  if (parseTag(name) === undefined) {
    reader.note('bad-name', 'damage', directory, 'no valid tag; kept, with its repository', {
      repository: current.name,
      tag: name,
    });
    current.freeze(ODD_NAMES.tag);
  }
  let length = -1;
  let stat: QuickStat | undefined;
  try {
    const absolute = `${reader.base}/${link}`;
    // Before it is read, which may be what the atime tells of afterwards.
    if (times) stat = reader.fs.quickStat(absolute);
    length = readLeaf(into, current, link, absolute);
  } catch (error) {
    reader.failed(link, error);
  }
  into.tagNames.push(name);
  into.tagTimes.push(stat?.mtimeMs ?? Infinity);
  into.tagAccess.push(stat?.atimeMs ?? Infinity);
  into.tagFlags.push(takeTagDigest(into, current, link, name, length));
}

/** Reads a link; what is no regular file in its place reads as one that says nothing. */
function readLeaf(into: Collected, current: Current, link: BytePath, absolute: BytePath): number {
  const { fs } = into.reader;
  try {
    return fs.read(absolute, into.buffer);
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'ELOOP') return readBehind(into, current, link);
    if (NO_FILE.has(code)) return 0;
    throw error;
  }
}

/**
 * Reads a link through the symlink in its place, as the registry does: its repository loses
 * nothing. One that leads nowhere says nothing.
 */
function readBehind(into: Collected, current: Current, link: BytePath): number {
  const { reader, buffer } = into;
  const target = reader.follow(link);
  if (target === undefined) return 0;
  try {
    const length = reader.fs.read(target, buffer);
    const about = { repository: current.name };
    reader.note('symlink', 'damage', link, 'a symbolic link; read, and never changed', about);
    current.freeze(HAS_LINK);
    return length;
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'ENOENT' || code === 'ELOOP' || NO_FILE.has(code)) return 0;
    throw error;
  }
}

/** A directory, a socket, or a file on the way to it. */
const NO_FILE: ReadonlySet<string> = new Set(['EISDIR', 'ENXIO', 'ENOTDIR']);

/** Puts a tag's digest into the list, and says whether the registry could read it. */
function takeTagDigest(
  into: Collected,
  current: Current,
  link: string,
  tag: string,
  length: number,
): number {
  const { reader, buffer, tags } = into;
  if (length === SHA256_LINK_LENGTH && isSha256(buffer)) {
    const packed = new Uint8Array(PACKED);
    if (packHexBytes(buffer, 7, packed, 0)) {
      tags.push(packed, 0);
      return TAG.good;
    }
  }
  const about = { repository: current.name, tag };
  const content = length < 0 ? undefined : parseLink(buffer.subarray(0, length));
  if (content !== undefined && 'digest' in content && content.digest.startsWith('sha256:')) {
    tags.pushHex(content.digest.slice(7));
    reader.note('padded-link', 'damage', link, 'white space around the digest; no pull', about);
    return TAG.unreadable;
  }
  tags.pushZero();
  if (content === undefined) {
    reader.note('missing-link', 'damage', link, 'not there; the tag cannot be pulled', about);
    findTemporaries(into, link.slice(0, -LINK.length - 1));
  } else if (content.state === 'empty') {
    reader.note('empty-link', 'damage', link, 'empty; the tag cannot be pulled', about);
  } else {
    reader.note(
      'garbled-link',
      'damage',
      link,
      'no sha256 digest; the tag cannot be pulled',
      about,
    );
    if (content.state === 'good') current.freeze('a tag in it is on no sha256 digest');
  }
  return TAG.unreadable;
}

const SHA256_PREFIX = Buffer.from('sha256:');

function isSha256(buffer: Uint8Array): boolean {
  for (let i = 0; i < SHA256_PREFIX.length; i++) if (buffer[i] !== SHA256_PREFIX[i]) return false;
  return true;
}
