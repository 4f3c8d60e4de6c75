import { AppError } from '../fs/errors.js';
import type { DigestKey, Reason, RepositoryFacts } from './facts.js';
import type { Policy, Protection } from './model.js';
import { matchesSet } from './pattern.js';
import { formatTarget } from './target.js';

/** What a policy says by name, before any rule: protection, and what `--drop` names. */
export interface Shields {
  /** Reasons to protect a tag, or a manifest without one; empty when nothing does. */
  readonly protect: (tag: string | undefined, digest: DigestKey) => Reason[];
  /** The reason when a `--drop` names it. */
  readonly drop: (tag: string | undefined, digest: DigestKey) => Reason | undefined;
  /** The repository as a whole is named. */
  readonly dropsAll: boolean;
  /** Nothing of the repository is protected or named, so that nobody need be asked. */
  readonly silent: boolean;
}

export interface ShieldOptions {
  /** By the name that the policy gives the file. */
  readonly digestFiles: ReadonlyMap<string, ReadonlySet<DigestKey>>;
  /** The caller's key of a digest's text; undefined when the store does not have it. */
  readonly keyOf: (digest: string) => DigestKey | undefined;
  /** Called with each `--drop` that names something that is there. */
  readonly found: (target: string) => void;
}

/**
 * What a policy says by name about one repository.
 * @throws AppError `usage` when a `digests-file` was not handed in.
 */
export function makeShields(
  policy: Policy,
  repository: RepositoryFacts,
  options: ShieldOptions,
): Shields {
  const { name } = repository;
  const protections = policy.protect
    .filter(({ repositories }) => matchesSet(repositories, name))
    .map((protection) => ({ protection, digests: digestsOf(protection, options) }));
  const targets = policy.drop.filter((target) => target.repository === name);
  for (const target of targets) {
    if (target.tag === undefined && target.digest === undefined)
      options.found(formatTarget(target));
  }
  const keys = new Map(targets.map(({ digest }) => [digest && options.keyOf(digest), digest]));
  const tags = new Set(targets.map(({ tag }) => tag));
  const dropsAll = targets.some(({ tag, digest }) => tag === undefined && digest === undefined);
  return {
    dropsAll,
    silent: protections.length === 0 && targets.length === 0,
    protect: (tag, digest) => {
      const reasons: Reason[] = [];
      for (const { protection, digests } of protections) {
        if (protects(protection, digests, tag, digest)) reasons.push(protectReason(protection));
      }
      return reasons;
    },
    drop: (tag, digest) => {
      let named = dropsAll ? name : undefined;
      if (tag !== undefined && tags.has(tag)) named = `${name}:${tag}`;
      const byDigest = keys.get(digest);
      if (byDigest !== undefined) named = `${name}@${byDigest}`;
      if (named === undefined) return undefined;
      options.found(named);
      const place = { side: 'drop', policy: undefined, rule: undefined } as const;
      return { ...place, field: 'named', value: named, evidence: '' };
    },
  };
}

function digestsOf(
  { digestsFile }: Protection,
  { digestFiles }: ShieldOptions,
): ReadonlySet<DigestKey> | undefined {
  if (digestsFile === undefined) return undefined;
  const digests = digestFiles.get(digestsFile);
  if (digests !== undefined) return digests;
  throw new AppError('usage', `${digestsFile}: the list of digests to protect was not read`);
}

function protects(
  { tags }: Protection,
  digests: ReadonlySet<DigestKey> | undefined,
  tag: string | undefined,
  digest: DigestKey,
): boolean {
  if (digests !== undefined) return digests.has(digest);
  if (tags === undefined) return true;
  return tag !== undefined && matchesSet(tags, tag);
}

/** Why a protection holds, as reports say it. */
export function protectReason({ tags, digestsFile, reason }: Protection): Reason {
  const place = { side: 'protect', policy: undefined, rule: undefined } as const;
  const evidence = reason ?? '';
  if (digestsFile !== undefined) {
    return { ...place, field: 'digests-file', value: digestsFile, evidence };
  }
  const shown = tags?.include.map(({ text }) => text).join(', ');
  return { ...place, field: tags ? 'tags' : 'repositories', value: shown ?? '', evidence };
}
