import type { Refusal, RepositoryDecisions, RepositoryFacts } from './facts.js';
import type { Policy } from './model.js';
import { placeOf } from './problem.js';

/**
 * Holds the decisions against the policy's limits. What `--drop` names counts for none of them,
 * and neither do fallback tags.
 */
export function checkLimits(
  policy: Policy,
  facts: readonly RepositoryFacts[],
  decisions: readonly RepositoryDecisions[],
): Refusal[] {
  const refusals: Refusal[] = [];
  let dropped = 0;
  let total = 0;
  decisions.forEach((repository, i) => {
    const tags = facts[i]?.tags ?? [];
    let own = 0;
    let left = 0;
    repository.tags.forEach(({ decision, named }, j) => {
      if (tags[j]?.fallback) return;
      total++;
      if (decision !== 'drop') left++;
      else if (!named) own++;
    });
    dropped += own;
    if (own > 0 && left === 0 && !policy.limits.allowEmptyRepository) {
      const speaker = policy.policies.find(({ name }) => name === repository.policy);
      const place = placeOf(policy.shownAs, speaker?.at);
      refusals.push({
        code: 'empty-repository',
        message: `${place}${repository.name}: policy \`${repository.policy ?? ''}\` would drop every tag of it`,
        hint: 'keep some, or say `limits: { allow-empty-repository: true }`',
      });
    }
  });
  const limit = policy.limits.maxDropTags;
  if (limit === undefined) return refusals;
  const most = 'count' in limit ? limit.count : Math.floor((total * limit.percent) / 100);
  if (dropped > most) {
    const shown = 'count' in limit ? String(limit.count) : `${limit.percent}%`;
    const place = placeOf(policy.shownAs, policy.limits.at);
    refusals.push({
      code: 'max-drop-tags',
      message: `${place}the policy would drop ${dropped} of ${total} tags; its limit is ${shown} (${most})`,
      hint: 'narrow the rules, or raise `limits: { max-drop-tags }`',
    });
  }
  return refusals;
}
