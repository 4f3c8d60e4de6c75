import { formatDuration } from './duration.js';
import { BUCKETS, DEFAULT_EVIDENCE } from './model.js';
import type {
  Drop,
  EvidenceRules,
  Keep,
  Limits,
  Policy,
  Protection,
  RepositoryPolicy,
  Rule,
  Untagged,
} from './model.js';
import type { PatternSet } from './pattern.js';
import { formatTarget } from './target.js';

/** A value of the policy language, as YAML holds it. */
export type Tree = string | number | boolean | readonly Tree[] | { readonly [key: string]: Tree };
export type TreeMap = { readonly [key: string]: Tree };

/** The tree of a policy, without what the language says by default. */
export function toTree(policy: Policy): TreeMap {
  return prune({
    version: 1,
    clock: policy.timezone === 'UTC' ? undefined : { timezone: policy.timezone },
    evidence: evidenceTree(policy.evidence),
    limits: limitsTree(policy.limits),
    protect: listTree(policy.protect.map(protectionTree)),
    drop: listTree(policy.drop.map(formatTarget)),
    policies: listTree(policy.policies.map(policyTree)),
  });
}

/** The mapping without its undefined values. */
export function prune(entries: Readonly<Record<string, Tree | undefined>>): TreeMap {
  const kept: Record<string, Tree> = {};
  for (const [key, value] of Object.entries(entries)) if (value !== undefined) kept[key] = value;
  return kept;
}

function listTree(items: readonly Tree[]): readonly Tree[] | undefined {
  return items.length > 0 ? items : undefined;
}

/** As `prune`; undefined for a mapping that has nothing left. */
function some(entries: Readonly<Record<string, Tree | undefined>>): TreeMap | undefined {
  const kept = prune(entries);
  return Object.keys(kept).length > 0 ? kept : undefined;
}

function evidenceTree(evidence: EvidenceRules): TreeMap | undefined {
  const { created, implausibleBefore, pushed, logs, atime, missing } = evidence;
  const usual = DEFAULT_EVIDENCE;
  return some({
    created: created.join() === usual.created.join() ? undefined : created,
    'implausible-before':
      implausibleBefore === usual.implausibleBefore
        ? undefined
        : new Date(implausibleBefore).toISOString().slice(0, 10),
    pushed: pushed === usual.pushed ? undefined : pushed,
    pulled: some({
      logs: listTree(logs),
      atime: atime === usual.atime ? undefined : atime,
      missing: missing === usual.missing ? undefined : missing,
    }),
  });
}

function limitsTree({ maxDropTags, allowEmptyRepository }: Limits): TreeMap | undefined {
  const most =
    maxDropTags && ('count' in maxDropTags ? maxDropTags.count : `${maxDropTags.percent}%`);
  return some({
    'max-drop-tags': most,
    'allow-empty-repository': allowEmptyRepository ? true : undefined,
  });
}

function protectionTree({ repositories, tags, digestsFile, reason }: Protection): TreeMap {
  const everywhere =
    repositories.exclude.length === 0 && repositories.include.every(({ all }) => all);
  const silent = everywhere && (tags !== undefined || digestsFile !== undefined);
  return prune({
    repositories: silent ? undefined : setTree(repositories),
    tags: tags && setTree(tags),
    'digests-file': digestsFile,
    reason,
  });
}

function policyTree(policy: RepositoryPolicy): TreeMap {
  return prune({
    name: policy.name,
    repositories: setTree(policy.repositories),
    otherwise: policy.otherwise === 'keep' ? undefined : policy.otherwise,
    untagged: untaggedTree(policy.untagged),
    rules: listTree(policy.rules.map(ruleTree)),
  });
}

function untaggedTree(untagged: Untagged): Tree | undefined {
  if (untagged === 'keep') return undefined;
  if (untagged === 'drop') return untagged;
  const { keepWithin, keepLast } = untagged;
  return prune({
    'keep-within': keepWithin === undefined ? undefined : formatDuration(keepWithin),
    'keep-last': keepLast,
  });
}

function ruleTree(rule: Rule): TreeMap {
  const usual = rule.keep?.order === 'created' ? 'created' : 'pushed';
  return prune({
    name: rule.name,
    tags: setTree(rule.tags),
    exclusive: rule.exclusive ? true : undefined,
    'group-by': rule.groupBy?.text,
    time: rule.time === usual ? undefined : rule.time,
    keep: rule.keep && keepTree(rule.keep, rule.time),
    drop: rule.drop && dropTree(rule.drop),
  });
}

function keepTree(keep: Keep, time: Rule['time']): Tree {
  if (keep.always) return 'always';
  const buckets = new Map(keep.buckets);
  // Without a `time` of the rule's own the order decides about it, so `created` is said.
  const silent = keep.order === 'pushed' && time === 'pushed';
  return prune({
    last: keep.last,
    'last-pulled': keep.lastPulled,
    order: silent ? undefined : keep.order,
    per: keep.per,
    within: keep.within === undefined ? undefined : formatDuration(keep.within),
    anchor: keep.anchor === 'now' ? undefined : keep.anchor,
    ...Object.fromEntries(BUCKETS.map((bucket) => [bucket, buckets.get(bucket)])),
    'pulled-within':
      keep.pulledWithin === undefined ? undefined : formatDuration(keep.pulledWithin),
  });
}

function dropTree({ always, olderThan, notPulledFor }: Drop): Tree {
  if (always) return 'always';
  return prune({
    'older-than': olderThan === undefined ? undefined : formatDuration(olderThan),
    'not-pulled-for': notPulledFor === undefined ? undefined : formatDuration(notPulledFor),
  });
}

function setTree({ include, exclude }: PatternSet): Tree {
  const included = include.map(({ text }) => text);
  if (exclude.length === 0) return included;
  return { include: included, exclude: exclude.map(({ text }) => text) };
}
