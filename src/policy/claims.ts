import type { TagFacts } from './facts.js';
import type { RepositoryPolicy } from './model.js';
import { matchesSet } from './pattern.js';

/**
 * Which tags each rule speaks for: by rule, the tags' indexes. A tag that an exclusive rule takes
 * is the first such rule's alone, for its votes and for its counts. Fallback tags are nobody's.
 */
export function claimTags(policy: RepositoryPolicy, tags: readonly TagFacts[]): number[][] {
  const { rules } = policy;
  const members: number[][] = rules.map(() => []);
  const matched: number[] = [];
  for (let tag = 0; tag < tags.length; tag++) {
    const facts = tags[tag];
    if (facts === undefined || facts.fallback) continue;
    matched.length = 0;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (rule === undefined || !matchesSet(rule.tags, facts.name)) continue;
      if (rule.exclusive) {
        matched.length = 0;
        matched.push(i);
        break;
      }
      matched.push(i);
    }
    for (const i of matched) members[i]?.push(tag);
  }
  return members;
}
