import { AppError } from '../fs/errors.js';
import { parseDigest } from '../registry/digest.js';
import { parseRepositoryName, parseTag } from '../registry/reference.js';
import type { Target } from './model.js';

/**
 * Parses what `--drop` takes: `shop/dead`, `shop/api:v1`, `shop/old@sha256:...`.
 * @throws AppError `usage` for anything else: a target is a name, never a pattern.
 */
export function parseTarget(text: string): Target {
  const at = text.indexOf('@');
  const colon = at < 0 ? text.indexOf(':') : -1;
  const cut = at < 0 ? colon : at;
  const repository = parseRepositoryName(cut < 0 ? text : text.slice(0, cut));
  const rest = cut < 0 ? undefined : text.slice(cut + 1);
  const tag = at < 0 && rest !== undefined ? parseTag(rest) : undefined;
  const digest = at >= 0 && rest !== undefined ? parseDigest(rest) : undefined;
  if (repository === undefined || (rest !== undefined && (tag ?? digest) === undefined)) {
    throw new AppError('usage', `\`${text}\` names nothing that can be dropped`, [
      'write REPOSITORY, REPOSITORY:TAG or REPOSITORY@sha256:...; patterns go into rules',
    ]);
  }
  return { repository, tag, digest };
}

/** A target as `--drop` names it. */
export function formatTarget({ repository, tag, digest }: Target): string {
  if (digest !== undefined) return `${repository}@${digest}`;
  return tag === undefined ? repository : `${repository}:${tag}`;
}
