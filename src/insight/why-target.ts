import { AppError } from '../fs/errors.js';
import { digestText, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { ALGORITHMS, parseDigest } from '../registry/digest.js';

/** What `why` asks about: a digest, and as what it was named. */
export interface WhyTarget {
  /** A place in the index's digests. */
  readonly digest: number;
  /** As it was named, whole: `sha256:...`, `shop/api:1.0`, `shop/api@sha256:...`. */
  readonly name: string;
}

const SHOWN = 5;
const WAY_OUT = 'a TARGET is sha256:..., its first digits, repository:tag or repository@sha256:...';

/**
 * Finds what a target names. Names are byte strings.
 * @throws AppError `usage` when it names nothing, or more than one thing
 */
export function findTarget(index: StoreIndex, text: string): WhyTarget {
  const at = text.indexOf('@');
  if (at >= 0) return inRepository(index, text.slice(0, at), text.slice(at + 1));
  if (isDigestLike(text)) {
    const digest = findDigest(index, text);
    return { digest, name: digestText(index, digest) };
  }
  const colon = text.lastIndexOf(':');
  if (colon > 0) return byTag(index, text.slice(0, colon), text.slice(colon + 1));
  throw new AppError('usage', `${text} is no digest and no repository:tag`, [WAY_OUT]);
}

function isDigestLike(text: string): boolean {
  return (
    ALGORITHMS.some((algorithm) => text.startsWith(`${algorithm}:`)) || /^[0-9a-f]+$/.test(text)
  );
}

function inRepository(index: StoreIndex, name: string, text: string): WhyTarget {
  const repository = findRepository(index, name);
  const digest = findDigest(index, text);
  const { revisions, layers } = index;
  const isIn = (start: Uint32Array, digests: Uint32Array): boolean =>
    digests.subarray(start[repository], start[repository + 1]).includes(digest);
  if (!isIn(revisions.start, revisions.digest) && !isIn(layers.start, layers.digest)) {
    throw new AppError('usage', `${name} does not link ${digestText(index, digest)}`, [
      'without the repository, the digest is looked for in all of them',
    ]);
  }
  return { digest, name: `${name}@${digestText(index, digest)}` };
}

function byTag(index: StoreIndex, name: string, tag: string): WhyTarget {
  const repository = findRepository(index, name);
  const { start, name: names, digest } = index.tags;
  const end = start[repository + 1] as number;
  for (let at = start[repository] as number; at < end; at++) {
    if (names[at] !== tag) continue;
    if (digest[at] !== NO_DIGEST) return { digest: digest[at] as number, name: `${name}:${tag}` };
    throw new AppError('usage', `${name}:${tag} cannot be read, so nothing says what it is on`, [
      'regsweep plan lists the damage',
    ]);
  }
  throw new AppError('usage', `${name} has no tag ${tag}`, [
    `it has ${end - (start[repository] as number)} tags; regsweep plan --csv - lists them`,
  ]);
}

function findRepository({ repositories }: StoreIndex, name: string): number {
  const repository = repositories.indexOf(name);
  if (repository >= 0) return repository;
  throw new AppError('usage', `there is no repository ${name}`, [WAY_OUT]);
}

/** A digest by its text, or by as many of its digits as make it the only one. */
function findDigest(index: StoreIndex, text: string): number {
  const whole = parseDigest(text);
  const known = whole === undefined ? undefined : index.digests.find(whole);
  if (known !== undefined) return known;
  const prefix = /^[0-9a-f]+$/.test(text) ? `sha256:${text}` : text;
  const found: number[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (digestText(index, digest).startsWith(prefix)) found.push(digest);
  }
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined) {
    throw new AppError('usage', `nothing in this store is called ${text}`, [WAY_OUT]);
  }
  const shown = found.slice(0, SHOWN).map((digest) => digestText(index, digest));
  const hidden = found.length - shown.length;
  throw new AppError('usage', `${text} is the beginning of ${found.length} digests`, [
    ...shown.sort(),
    ...(hidden > 0 ? [`and ${hidden} more`] : []),
  ]);
}
