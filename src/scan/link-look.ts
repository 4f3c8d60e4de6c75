import type { BytePath, QuickStat } from '../fs/read-fs.js';
import { algorithmOf } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { isTemporaryName, LINK } from '../registry/layout.js';
import { LINK_BUFFER, parseLink, SHA256_LINK_LENGTH } from '../registry/link.js';
import type { FoundFile } from './facts.js';
import type { OwnershipCounts } from './ownership.js';
import type { ShardReader } from './shard.js';

export type LinkPlace = 'revision' | 'layer' | 'tag' | 'tag-index';

/** A link that is not as the registry writes it. */
export interface LinkFault {
  /** Which of the shard's repositories. */
  readonly repository: BytePath;
  readonly place: LinkPlace;
  readonly tag: string | undefined;
  /** What its directory is named after; undefined for a tag's `current`. */
  readonly name: Digest | undefined;
  /** The directory that the link is in. */
  readonly directory: BytePath;
  readonly state: 'empty' | 'short' | 'garbled' | 'padded' | 'missing' | 'no-file' | 'mismatched';
  /** The digest that it holds, where it holds one. */
  readonly content: Digest | undefined;
  /** What it holds, base64; undefined where nothing can be read, or more than a link can be. */
  readonly bytes: string | undefined;
  /** Milliseconds since 1970; NaN where there is none. */
  readonly mtimeMs: number;
}

/** How closely links and blobs are looked at. */
export interface CloseLook {
  /**
   * What was written later is read, and its directory listed, whatever its inode says; milliseconds
   * since 1970, `EVERYTHING` for no bound.
   */
  readonly sinceMs: number;
}

export const EVERYTHING = -Infinity;

/** The repository in hand, and what is put into it. */
export interface Look {
  readonly reader: ShardReader;
  readonly repository: BytePath;
  /** Of `CloseLook`. */
  readonly sinceMs: number;
  readonly faults: LinkFault[];
  readonly bareLayers: { repository: BytePath; digest: Digest }[];
  readonly temporaries: FoundFile[];
  readonly ownership: OwnershipCounts;
  /** Of links: the latest modification, milliseconds since 1970. */
  readonly newest: { ms: number };
  readonly buffer: Uint8Array;
}

/** What a link is of. */
export type Where = Pick<LinkFault, 'place' | 'tag'>;
type Link = Where & Pick<LinkFault, 'name' | 'directory'>;

/** Names in a directory; none where it is not there. */
export function names({ reader }: Look, path: BytePath): string[] {
  try {
    return reader.fs.names(`${reader.base}/${path}`);
  } catch {
    // Not there, or not to be read: the scan before has said which of them it is.
    return [];
  }
}

/** A look at a path; undefined where nothing is there, or it cannot be looked at. */
export function quickStat({ reader }: Look, path: BytePath): QuickStat | undefined {
  return reader.try(path, (absolute) => reader.fs.quickStat(absolute));
}

/** Counts a link's mode, owner and time. */
export function takeLink(look: Look, path: BytePath, stat: QuickStat): void {
  look.ownership.add('link', path, stat);
  if (stat.mtimeMs > look.newest.ms) look.newest.ms = stat.mtimeMs;
}

/**
 * Whether a link of a sha256 digest may be taken at its inode's word: it is as long as it has to
 * be, and was written too long ago to be what an outage broke.
 */
export function isSound({ sinceMs }: Look, stat: QuickStat | undefined): stat is QuickStat {
  return stat?.isFile === true && stat.size === SHA256_LINK_LENGTH && stat.mtimeMs <= sinceMs;
}

/**
 * Looks at one link; returns the digest that it says where it is in order.
 *
 * A sha256 digest's directory is named after it, so an inode tells most of it: with a listing and
 * a reading for each, a check of 350,000 links took 16 times as long as a plan. `known` is what a
 * tag's link was seen to say.
 */
export function lookAtLink(look: Look, where: Link, known?: Digest): Digest | undefined {
  const path = `${where.directory}/${LINK}`;
  const said = known ?? where.name;
  if (look.sinceMs > EVERYTHING && said?.startsWith('sha256:') === true) {
    const stat = quickStat(look, path);
    if (isSound(look, stat)) {
      takeLink(look, path, stat);
      return said;
    }
  }
  const inside = names(look, where.directory);
  for (const name of inside) if (name !== LINK) lookAtOther(look, where, name);
  if (!inside.includes(LINK)) {
    // A directory without its link is what a deletion leaves, except for a tag's own.
    if (where.place === 'tag') fault(look, where, 'missing', Number.NaN);
    if (where.place === 'layer' && where.name !== undefined) {
      look.bareLayers.push({ repository: look.repository, digest: where.name });
    }
    return undefined;
  }
  const stat = quickStat(look, path);
  if (stat === undefined) return undefined;
  if (!stat.isFile) {
    fault(look, where, 'no-file', stat.mtimeMs);
    return undefined;
  }
  takeLink(look, path, stat);
  return readLink(look, where, path, stat.mtimeMs);
}

function readLink(look: Look, where: Link, path: BytePath, mtimeMs: number): Digest | undefined {
  const { reader, buffer } = look;
  const length = reader.try(path, (absolute) => reader.fs.read(absolute, buffer));
  if (length === undefined) return undefined;
  const bytes = buffer.subarray(0, length);
  const content = parseLink(bytes);
  const digest = 'digest' in content ? content.digest : undefined;
  if (content.state === 'good') {
    if (where.name === undefined || agrees(where, content.digest)) return content.digest;
    fault(look, where, 'mismatched', mtimeMs, bytes, digest);
    return undefined;
  }
  const isShort =
    content.state === 'garbled' && /^sha(?:2|25|256(?::[0-9a-f]{0,63})?)?$/.test(latin1(bytes));
  fault(look, where, isShort ? 'short' : content.state, mtimeMs, bytes, digest);
  return undefined;
}

/** What was pushed under another algorithm is stored as sha256, and its link says as what. */
function agrees({ name, place }: Pick<LinkFault, 'name' | 'place'>, content: Digest): boolean {
  if (name === content) return true;
  const isAlias = name !== undefined && algorithmOf(name) !== 'sha256';
  return isAlias && place !== 'tag' && algorithmOf(content) === 'sha256';
}

/** Bytes as a byte string. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function fault(
  look: Look,
  where: Link,
  state: LinkFault['state'],
  mtimeMs: number,
  bytes?: Uint8Array,
  content?: Digest,
): void {
  const whole = bytes !== undefined && bytes.length < LINK_BUFFER;
  look.faults.push({
    repository: look.repository,
    ...where,
    state,
    content,
    bytes: whole ? Buffer.from(latin1(bytes), 'latin1').toString('base64') : undefined,
    mtimeMs,
  });
}

/** What stands beside a link, or in its place. */
function lookAtOther(
  look: Look,
  where: Pick<LinkFault, 'place' | 'directory'>,
  name: string,
): void {
  const { reader } = look;
  const path = `${where.directory}/${name}`;
  // Registries of 2.0 to 2.3 kept a manifest's signatures here.
  if (where.place === 'revision' && name === 'signatures') return;
  const stat = isTemporaryName(name)
    ? reader.try(path, (absolute) => reader.fs.stat(absolute))
    : undefined;
  if (stat?.kind === 'file') {
    const { size: bytes, allocated, mtimeMs } = stat;
    look.temporaries.push({ path, bytes, allocated, mtimeMs });
    return;
  }
  reader.note('stray', 'notice', path, 'not of the registry; left alone', {
    repository: look.repository,
  });
}
