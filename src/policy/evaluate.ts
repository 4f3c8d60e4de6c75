import { makeCalendar } from './calendar.js';
import { decideTags, FOLLOWS } from './evaluate-tags.js';
import type { TagSettings } from './evaluate-tags.js';
import { decideUntagged } from './evaluate-untagged.js';
import type {
  Decided,
  DigestKey,
  Evaluation,
  PullCoverage,
  Reason,
  Refusal,
  RepositoryDecisions,
  RepositoryFacts,
} from './facts.js';
import { learnNames } from './learn-names.js';
import { checkLimits } from './limits.js';
import { makeMemo } from './memo.js';
import type { Policy, RepositoryPolicy, Rule } from './model.js';
import { compareText } from './natural.js';
import { matchesSet } from './pattern.js';
import { placeOf } from './problem.js';
import type { TimeBounds } from './ranking.js';
import { describeWindow, findResets } from './reset-times.js';
import type { ResetTimes, ResetWindow } from './reset-times.js';
import { makeShields } from './shields.js';
import type { ShieldOptions, Shields } from './shields.js';
import { formatTarget } from './target.js';
import { noteUnmatched } from './unmatched.js';
import { noteUnversioned } from './unversioned.js';

export interface EvaluateOptions {
  /** Milliseconds since 1970; the moment at which the run was frozen. */
  readonly now: number;
  /** Undefined: there is no evidence of pulls at all. */
  readonly pulls?: PullCoverage | undefined;
  /** Why there is none though there is evidence, in a few words: part of it could not be read. */
  readonly pullsLack?: string | undefined;
  /** The digests of each `digests-file`, by the name that the policy gives it. */
  readonly digestFiles?: ReadonlyMap<string, ReadonlySet<DigestKey>>;
  /** Manifests of repositories without any tag are as others without one. */
  readonly taglessToo?: boolean | undefined;
  /** The key in the facts of a digest's text; needed where the facts have numbers. */
  readonly keyOf?: (digest: string) => DigestKey | undefined;
  /** The text of a digest in the facts; needed where the facts have numbers. */
  readonly textOf?: (digest: DigestKey) => string;
}

const NO_NAMES = new Int32Array(0);

/**
 * Decides about every tag and every untagged manifest. Pure and deterministic: neither the order
 * of the repositories nor that of the tags changes a decision.
 * @throws AppError `usage` when a `digests-file` was not handed in.
 */
export function evaluate(
  policy: Policy,
  facts: readonly RepositoryFacts[],
  options: EvaluateOptions,
): Evaluation {
  const { now } = options;
  const { implausibleBefore, pushed } = policy.evidence;
  const bounds: TimeBounds = { now, implausibleBefore };
  const resets: ResetTimes =
    pushed === 'trust'
      ? { everywhere: undefined, byRepository: new Map() }
      : findResets(facts, bounds);
  const calendar = makeCalendar(policy.timezone);
  const { pulls: coverage, pullsLack: lack } = options;
  // The push stands in for pulls that nobody logged, not for those in a log that cannot be read.
  const missing = lack === undefined ? policy.evidence.missing : 'keep';
  const pulls = { now, coverage, lack, missing };
  const notes = new Set<string>();
  const found = new Set<string>();
  const memo = makeMemo();
  const refusedRules: RefusedRule[] = [];
  const shieldOptions: ShieldOptions = {
    digestFiles: options.digestFiles ?? new Map(),
    keyOf: options.keyOf ?? ((digest) => digest),
    found: (target) => found.add(target),
  };
  const policyOf = facts.map(({ name }) =>
    policy.policies.find(({ repositories: own }) => matchesSet(own, name)),
  );
  const namesOf = facts.map(({ tags }, i) => {
    const own = policyOf[i];
    return own === undefined ? undefined : learnNames(own, tags, memo);
  });
  const repositories = facts.map((repository, i) => {
    const own = policyOf[i];
    const window = resets.everywhere ?? resets.byRepository.get(repository.name);
    const settings: TagSettings = {
      bounds,
      calendar,
      pulls,
      memo,
      names: namesOf[i] ?? NO_NAMES,
      reset: window && describeWindow(window),
      refused: (rule) => {
        if (own && window)
          refusedRules.push({ policy: own, rule, window, repository: repository.name });
      },
    };
    const shields = makeShields(policy, repository, shieldOptions);
    return decideRepository(own, repository, shields, { settings, options, notes });
  });
  for (const target of policy.drop) {
    const shown = formatTarget(target);
    if (!found.has(shown)) notes.add(`--drop ${shown}: nothing of that name can be pulled`);
  }
  const judged = repositories.map(({ tags: decided }, i) => ({
    policy: policyOf[i],
    facts: facts[i] as RepositoryFacts,
    names: namesOf[i],
    decided,
  }));
  const told = [...notes, ...noteUnversioned(judged, memo), ...noteUnmatched(policy, facts)];
  return {
    repositories,
    refusals: [
      ...describeRefused(refusedRules, policy, resets.everywhere !== undefined),
      ...checkLimits(policy, facts, repositories),
    ],
    notes: told.sort(compareText),
  };
}

/** What deciding about one repository needs besides its policy and its facts. */
interface Setting {
  readonly settings: TagSettings;
  readonly options: EvaluateOptions;
  /** Added to. */
  readonly notes: Set<string>;
}

function decideRepository(
  own: RepositoryPolicy | undefined,
  facts: RepositoryFacts,
  shields: Shields,
  setting: Setting,
): RepositoryDecisions {
  const tags = own ? decideTags(own, facts, setting.settings) : facts.tags.map(unmatched);
  const untagged = decideManifests(own, facts, shields, setting);
  if (shields.silent) return { name: facts.name, policy: own?.name, tags, untagged };
  return {
    name: facts.name,
    policy: own?.name,
    tags: tags.map((decided, i) => {
      const tag = facts.tags[i];
      return tag === undefined ? decided : overrule(decided, shields, tag.name, tag.digest);
    }),
    untagged: untagged.map((decided, i) =>
      overrule(decided, shields, undefined, facts.untagged[i]?.digest ?? ''),
    ),
  };
}

/**
 * A repository with manifests and no tag at all may be used by digest only, as Harbor's are: what
 * is untagged there stays, unless `--drop` names the repository.
 */
function decideManifests(
  own: RepositoryPolicy | undefined,
  facts: RepositoryFacts,
  shields: Shields,
  { settings: { bounds, reset }, options, notes }: Setting,
): Decided[] {
  const { taglessToo = false, textOf = String } = options;
  if (own === undefined) return facts.untagged.map(() => UNMATCHED);
  const tagged = facts.tags.some(({ fallback }) => !fallback);
  if (tagged || taglessToo || own.untagged === 'keep') {
    return decideUntagged(own, facts.untagged, bounds, reset, textOf);
  }
  if (facts.untagged.length > 0 && !shields.dropsAll) {
    notes.add(
      `${facts.name} has manifests and no tag at all: left alone; --drop ${facts.name} empties it`,
    );
  }
  const evidence = 'the repository has no tag at all';
  const place = { side: 'untagged', policy: own.name, rule: undefined } as const;
  const reason: Reason = { ...place, field: 'keep', value: '', evidence };
  return facts.untagged.map(() => ({ decision: 'keep', reasons: () => [reason], named: false }));
}

const UNMATCHED_REASON: Reason = {
  side: 'default',
  policy: undefined,
  rule: undefined,
  field: 'keep',
  value: '',
  evidence: 'no policy matches the repository',
};
const UNMATCHED: Decided = { decision: 'keep', reasons: () => [UNMATCHED_REASON], named: false };

function unmatched({ fallback }: RepositoryFacts['tags'][number]): Decided {
  return fallback ? FOLLOWS : UNMATCHED;
}

/** Protection beats everything; what `--drop` names goes whatever the rules say. */
function overrule(
  decided: Decided,
  shields: Shields,
  tag: string | undefined,
  digest: DigestKey,
): Decided {
  const protections = shields.protect(tag, digest);
  const named = shields.drop(tag, digest);
  if (protections.length === 0 && named === undefined) return decided;
  const reasons = (): Reason[] => {
    // `otherwise` and the defaults speak only where nothing else does.
    const spoken = decided.reasons().filter(({ side }) => side === 'keep' || side === 'drop');
    return [...protections, ...(named ? [named] : []), ...spoken];
  };
  const decision = protections.length > 0 ? 'protect' : 'drop';
  return { decision, reasons, named: decision === 'drop' };
}

interface RefusedRule {
  readonly policy: RepositoryPolicy;
  readonly rule: Rule;
  readonly window: ResetWindow;
  readonly repository: string;
}

/** One refusal a rule, with its place and the window. */
function describeRefused(
  refused: readonly RefusedRule[],
  policy: Policy,
  everywhere: boolean,
): Refusal[] {
  const byRule = new Map<Rule, RefusedRule[]>();
  for (const one of refused) {
    const known = byRule.get(one.rule);
    if (known === undefined) byRule.set(one.rule, [one]);
    else known.push(one);
  }
  return [...byRule.values()].flatMap((ones) => {
    const [first] = ones;
    if (first === undefined) return [];
    const { rule, window } = first;
    const place = placeOf(policy.shownAs, rule.at);
    const names = ones.map((one) => one.repository).sort(compareText);
    const where = everywhere
      ? ''
      : ` in ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}`;
    const message = `${place}rule \`${first.policy.name}/${rule.name}\` goes by the time of push, and a copy or a restore has reset it${where}: ${describeWindow(window)}`;
    const hint =
      'go by `created` (`time: created`, `order: created`), or believe them: `evidence: { pushed: trust }`, `--allow reset-times`';
    return [{ code: 'reset-times', message, hint }];
  });
}
