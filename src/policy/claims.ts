import { remembered } from './memo.js';
import type { RepositoryPolicy } from './model.js';
import { matchesSet } from './pattern.js';
import type { Ranking } from './ranking.js';

/**
 * Which tags each rule speaks for: by rule, the tags' indexes. A tag that an exclusive rule takes
 * is the first such rule's alone, for its votes and for its counts. Fallback tags are nobody's.
 */
export function claimTags(policy: RepositoryPolicy, { tags, names, memo }: Ranking): number[][] {
  const known = remembered(memo.claims, policy, () => []);
  const members: number[][] = policy.rules.map(() => []);
  for (let tag = 0; tag < tags.length; tag++) {
    const facts = tags[tag];
    if (facts === undefined || facts.fallback) continue;
    const rules = (known[names[tag] as number] ??= rulesFor(policy, facts.name));
    for (const i of rules) members[i]?.push(tag);
  }
  return members;
}

function rulesFor({ rules }: RepositoryPolicy, name: string): number[] {
  const matched: number[] = [];
  for (const [i, rule] of rules.entries()) {
    if (!matchesSet(rule.tags, name)) continue;
    if (rule.exclusive) return [i];
    matched.push(i);
  }
  return matched;
}
