import { about, AppError } from '../fs/errors.js';
import { parseDuration } from './duration.js';
import type { Duration } from './duration.js';
import { DEFAULT_EVIDENCE, EMPTY_KEEP, FLAG_LIMITS } from './model.js';
import type { EvidenceRules, Policy, Protection, RepositoryPolicy, Rule } from './model.js';
import { compilePatterns } from './pattern.js';
import { parseTarget } from './target.js';

/** The policy flags of the command line, as typed. */
export interface PolicyFlags {
  readonly untagged?: boolean | undefined;
  readonly keepLast?: string | undefined;
  readonly olderThan?: string | undefined;
  readonly notPulledFor?: string | undefined;
  readonly repository?: readonly string[] | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly protect?: readonly string[] | undefined;
  readonly drop?: readonly string[] | undefined;
  /** Everything may go of which the other flags do not say whether: a cache is evicted from. */
  readonly evicts?: boolean | undefined;
  /** Believe times of push that a copy or a restore seems to have reset. */
  readonly allowResetTimes?: boolean | undefined;
}

/**
 * The policy that the flags spell, or undefined when there are none.
 * @throws AppError `usage` for a bad value, and for flags that select without saying what to do.
 */
export function policyFromFlags(flags: PolicyFlags): Policy | undefined {
  const { repository = [], tag = [], protect = [], drop = [], evicts = false } = flags;
  const own = ruleFromFlags(flags);
  const rule = own ?? (evicts ? dropAll(tag) : undefined);
  const untagged = flags.untagged === true || (evicts && own === undefined && tag.length === 0);
  const acts = rule !== undefined || untagged;
  if (!acts && repository.length > 0) throw idle('--repository');
  if (rule === undefined && tag.length > 0) throw idle('--tag');
  if (!acts && drop.length === 0) {
    if (protect.length > 0) throw idle('--protect');
    return undefined;
  }
  const built: RepositoryPolicy = {
    name: 'flags',
    at: undefined,
    repositories: compilePatterns(repository.length > 0 ? repository : undefined, [], 'repository'),
    otherwise: 'keep',
    untagged: untagged ? 'drop' : 'keep',
    rules: rule === undefined ? [] : [rule],
  };
  return {
    shownAs: undefined,
    timezone: 'UTC',
    evidence: trusting(DEFAULT_EVIDENCE, flags),
    limits: FLAG_LIMITS,
    protect: protect.map(parseProtection),
    drop: drop.map(parseTarget),
    policies: acts ? [built] : [],
  };
}

/** A policy file together with the flags that add to it: `--protect`, `--drop`, the override. */
export function withNamed(
  policy: Policy,
  flags: Pick<PolicyFlags, 'protect' | 'drop' | 'allowResetTimes'>,
): Policy {
  return {
    ...policy,
    evidence: trusting(policy.evidence, flags),
    protect: [...policy.protect, ...(flags.protect ?? []).map(parseProtection)],
    drop: [...policy.drop, ...(flags.drop ?? []).map(parseTarget)],
  };
}

function trusting(evidence: EvidenceRules, { allowResetTimes }: PolicyFlags): EvidenceRules {
  return allowResetTimes === true ? { ...evidence, pushed: 'trust' } : evidence;
}

function idle(flag: string): AppError {
  return new AppError('usage', `${flag} selects, and nothing says what to drop`, [
    'add --keep-last, --older-than, --not-pulled-for, --untagged or --drop',
  ]);
}

/** Counts keep and ages drop; with a count alone, what it does not keep goes. */
function ruleFromFlags({
  keepLast,
  olderThan,
  notPulledFor,
  tag = [],
}: PolicyFlags): Rule | undefined {
  if (keepLast === undefined && olderThan === undefined && notPulledFor === undefined) {
    return undefined;
  }
  if (keepLast !== undefined && !/^\d{1,9}$/.test(keepLast)) {
    throw new AppError('usage', `--keep-last ${keepLast}: expected a whole number`);
  }
  const ages = olderThan !== undefined || notPulledFor !== undefined;
  return {
    ...dropAll(tag),
    keep: keepLast === undefined ? undefined : { ...EMPTY_KEEP, last: Number(keepLast) },
    drop: {
      always: !ages,
      olderThan: spanOf('--older-than', olderThan),
      notPulledFor: spanOf('--not-pulled-for', notPulledFor),
    },
  };
}

function dropAll(tag: readonly string[]): Rule {
  return {
    name: 'tags',
    at: undefined,
    tags: compilePatterns(tag.length > 0 ? tag : undefined, [], 'tag'),
    exclusive: false,
    groupBy: undefined,
    time: 'pushed',
    keep: undefined,
    drop: { always: true, olderThan: undefined, notPulledFor: undefined },
  };
}

function spanOf(flag: string, text: string | undefined): Duration | undefined {
  return text === undefined ? undefined : about(flag, () => parseDuration(text));
}

/** `latest` is a tag everywhere; `shop/api` and `shop/api:v1` name where. Patterns all. */
function parseProtection(text: string): Protection {
  if (text.includes('@')) {
    throw new AppError('usage', `--protect ${text}: digests are protected by a file`, [
      'list them in a file and name it in a policy: protect: [{ digests-file: in-use.txt }]',
    ]);
  }
  const rest = { digestsFile: undefined, reason: '--protect' };
  const isExpression = text.startsWith('re:');
  const colon = text.indexOf(':');
  if (!isExpression && colon >= 0) {
    const repositories = compilePatterns([text.slice(0, colon)], [], 'repository');
    return { repositories, tags: compilePatterns([text.slice(colon + 1)], [], 'tag'), ...rest };
  }
  if (!isExpression && text.includes('/')) {
    return { repositories: compilePatterns([text], [], 'repository'), tags: undefined, ...rest };
  }
  const everywhere = compilePatterns(undefined, [], 'repository');
  return { repositories: everywhere, tags: compilePatterns([text], [], 'tag'), ...rest };
}
