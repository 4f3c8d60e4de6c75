import { ranks } from './model.js';
import type { Policy, RepositoryPolicy, Rule } from './model.js';
import type { Pattern, PatternSet } from './pattern.js';
import type { Problem } from './problem.js';

const START = { line: 1, column: 1 };

/** Errors of sense in a policy that has the right shape: what can never match or do anything. */
export function findErrors(policy: Policy): Problem[] {
  const problems: Problem[] = [];
  findRepeated(policy.policies, 'policy', problems);
  policy.policies.forEach((item, i) => {
    const at = item.at ?? START;
    for (const why of whyNever(item.repositories, policy.policies.slice(0, i))) {
      problems.push({ at, message: `policy \`${item.name}\` can never match: ${why}` });
    }
    findRepeated(item.rules, 'rule', problems);
    item.rules.forEach((rule, j) => lintRule(rule, j, item, problems));
  });
  return problems;
}

/** Why a policy for these repositories never has a say behind `others`; empty where it may. */
export function whyNever(
  repositories: PatternSet,
  others: readonly Pick<RepositoryPolicy, 'name' | 'repositories'>[],
): string[] {
  const empty = selfExcluded(repositories);
  const taker = others.find((one) => covers(one.repositories, repositories));
  return [
    ...(empty === undefined ? [] : [empty]),
    ...(taker === undefined
      ? []
      : [`\`${taker.name}\` comes first and takes every repository of it`]),
  ];
}

function findRepeated(
  items: readonly (RepositoryPolicy | Rule)[],
  kind: string,
  problems: Problem[],
): void {
  const seen = new Set<string>();
  for (const { name, at } of items) {
    if (seen.has(name)) {
      problems.push({ at: at ?? START, message: `a second ${kind} is named \`${name}\`` });
    }
    seen.add(name);
  }
}

function lintRule(rule: Rule, index: number, policy: RepositoryPolicy, problems: Problem[]): void {
  const add = (message: string): void => {
    problems.push({ at: rule.at ?? START, message: `rule \`${rule.name}\` ${message}` });
  };
  const empty = selfExcluded(rule.tags);
  if (empty) add(`can never match: ${empty}`);
  const taker = policy.rules.find((other, i) => {
    const claims = other !== rule && other.exclusive && (!rule.exclusive || i < index);
    return claims && covers(other.tags, rule.tags);
  });
  if (taker) add(`can never match: \`${taker.name}\` is exclusive and takes every tag of it`);
  const { keep, drop } = rule;
  if (keep === undefined && drop === undefined) add('can never do anything: no keep, no drop');
  if (keep !== undefined && saysNothing(keep)) add('has a keep without a field');
  if (drop && !drop.always && drop.olderThan === undefined && drop.notPulledFor === undefined) {
    add('has a drop without a field; write `drop: always`');
  }
  if (keep?.per !== undefined && keep.order !== 'semver') add('has `per` without `order: semver`');
  if (keep?.anchor === 'newest' && keep.within === undefined) add('has `anchor` without `within`');
}

function saysNothing(keep: NonNullable<Rule['keep']>): boolean {
  return (
    !keep.always &&
    keep.last === undefined &&
    keep.lastPulled === undefined &&
    keep.within === undefined &&
    keep.pulledWithin === undefined &&
    keep.buckets.length === 0
  );
}

/** Why a set takes no name at all: each of its patterns is excluded again. */
function selfExcluded({ include, exclude }: PatternSet): string | undefined {
  const left = include.filter((pattern) => !exclude.some((other) => takes(other, pattern)));
  if (include.length === 0 || left.length > 0) return undefined;
  return 'what it includes is excluded again';
}

/** Every name of `inner` is surely one of `outer`; false where that is not plain to see. */
function covers(outer: PatternSet, inner: PatternSet): boolean {
  const sameExclusions = outer.exclude.every((pattern) =>
    inner.exclude.some((other) => takes(other, pattern)),
  );
  if (!sameExclusions || inner.include.length === 0) return false;
  return inner.include.every((pattern) => outer.include.some((other) => takes(other, pattern)));
}

function takes(outer: Pattern, inner: Pattern): boolean {
  if (outer.all || outer.text === inner.text) return true;
  return inner.literal !== undefined && outer.matches(inner.literal);
}

/** What is legal and probably not meant. */
export function findDoubts(policy: Policy): Problem[] {
  const doubts: Problem[] = [];
  for (const item of policy.policies) {
    const dropping =
      item.otherwise === 'drop' || item.rules.some((rule) => rule.drop !== undefined);
    for (const rule of item.rules) {
      const at = rule.at ?? START;
      if (!dropping) {
        const message = `rule \`${rule.name}\` only keeps, and nothing in this policy drops tags`;
        doubts.push({ at, message });
      }
      if (rule.exclusive && rule.drop === undefined && rule.keep?.always === false) {
        const message = `rule \`${rule.name}\` is exclusive and has no drop, so all its tags stay; to let go what it does not keep, write \`drop: always\``;
        doubts.push({ at, message });
      }
      if (rule.groupBy !== undefined && !(rule.keep && ranks(rule.keep))) {
        doubts.push({ at, message: `rule \`${rule.name}\` has group-by and counts nothing` });
      }
    }
  }
  return doubts;
}
