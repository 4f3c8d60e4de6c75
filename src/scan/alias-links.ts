import type { BytePath, DirectoryListing } from '../fs/read-fs.js';
import { algorithmOf } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { LINK } from '../registry/layout.js';
import { parseLink } from '../registry/link.js';
import type { FoundAlias, FoundPin } from './facts.js';
import { standInsAmong } from './repository-parts.js';
import type { Collected, Current } from './repository-parts.js';

/** Reads the link of a directory that is named by another algorithm than blobs are stored under. */
export function readAlias(
  into: Collected,
  current: Current,
  where: FoundAlias['where'],
  name: Digest,
  link: BytePath,
): FoundAlias {
  let mtimeMs = Infinity;
  const target = readTarget(into, current, link, (absolute) => {
    mtimeMs = into.reader.fs.quickStat(absolute)?.mtimeMs ?? Infinity;
  });
  if (target === undefined) {
    current.freeze(`the link of ${name.slice(0, 19)}... says no sha256 digest`);
  }
  return { repository: current.number, where, name, target, mtimeMs };
}

/**
 * The blob that a link names whose directory does not say it; `before` is called ahead of the
 * reading. A link that is there and does not say it either may name any blob, of any repository.
 * One that is not there hides nothing from the others, since a deletion leaves just that; but
 * nothing says which blob of its own repository it was for, so that one loses nothing.
 */
function readTarget(
  into: Collected,
  current: Current,
  link: BytePath,
  before: (absolute: BytePath) => void = () => undefined,
): Digest | undefined {
  const { reader, buffer } = into;
  const about = { repository: current.name };
  const content = reader.try(link, (absolute) => {
    before(absolute);
    return parseLink(buffer.subarray(0, reader.fs.read(absolute, buffer)));
  });
  if (content === undefined) {
    const detail = 'says no sha256 digest, so its blob is unknown';
    reader.note('garbled-link', 'damage', link, detail, about);
    return undefined;
  }
  // Blobs are stored by their sha256, so a link that says another algorithm leads to none.
  if ('digest' in content && algorithmOf(content.digest) === 'sha256') return content.digest;
  if (content.state === 'empty') reader.hides('empty-link', link, 'empty', ANY_BLOB, about);
  else reader.hides('garbled-link', link, 'no sha256 digest', ANY_BLOB, about);
  return undefined;
}

const ANY_BLOB = 'it may name any blob; it has to hold the sha256 digest of the right one';

const UNKNOWN_LINKS = 'it has links by an algorithm that is not known';

/**
 * How far below its algorithm's directory a link's own is: tarsum's are in `v1/sha256/<hex>`
 * (distribution 2.0, registry/storage/paths.go), signatures in `<hex>/signatures/sha256/<hex>`.
 */
const DEEPEST = 4;

/**
 * Keeps what links by an algorithm that is not known name. Their directories cannot be told
 * from others, so every link counts that is at most `DEEPEST` below.
 */
export function readUnknown(
  into: Collected,
  current: Current,
  where: FoundPin['where'],
  path: BytePath,
  listing: DirectoryListing,
  depth = 0,
): void {
  const { reader } = into;
  const others = listing.others.filter(({ name }) => name !== LINK);
  const hasLink = others.length < listing.others.length;
  if (hasLink || listing.names.length > 0) current.freeze(UNKNOWN_LINKS);
  if (hasLink) {
    const digest = readTarget(into, current, `${path}/${LINK}`);
    if (digest !== undefined) into.pins.push({ repository: current.number, where, digest });
  }
  const standIns = standInsAmong(reader, current, path, others, () => false);
  if (depth === DEEPEST) return;
  for (const name of [...listing.names, ...standIns]) {
    const below = `${path}/${name}`;
    const inside = reader.directories(below, current.freeze);
    if (inside !== undefined) readUnknown(into, current, where, below, inside, depth + 1);
  }
}
