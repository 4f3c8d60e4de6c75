import { toBytePath } from '../fs/bytes.js';
import { claimsOf } from './claims.js';
import type { Decided, RepositoryFacts } from './facts.js';
import { isUnversioned } from './groups.js';
import type { Memo } from './memo.js';
import type { RepositoryPolicy, Rule } from './model.js';

/** A repository with the policy that decided about it; index by index as in the facts. */
export interface Judged {
  readonly policy: RepositoryPolicy | undefined;
  readonly facts: RepositoryFacts;
  /** By tag: the number of its name. */
  readonly names: Int32Array | undefined;
  readonly decided: readonly Decided[];
}

/**
 * One note for each rule that counts versions and met tags that are none: they stay, at any age,
 * and who expected them to go would look for the reason. Names are as from the disk, a character
 * a byte.
 */
export function noteUnversioned(judged: readonly Judged[], memo: Memo): string[] {
  const counts = new Map<Rule, { readonly name: string; readonly first: string; tags: number }>();
  for (const { policy, facts, names, decided } of judged) {
    if (policy === undefined || names === undefined) continue;
    if (!policy.rules.some(({ keep }) => keep?.order === 'semver')) continue;
    const { byName } = claimsOf(memo, policy);
    facts.tags.forEach(({ name: tag, fallback }, i) => {
      if (fallback || decided[i]?.decision === 'drop') return;
      const number = names[i] as number;
      for (const place of byName[number] ?? []) {
        const rule = policy.rules[place];
        if (rule === undefined || !isUnversioned(memo, rule, number)) continue;
        const known = counts.get(rule);
        if (known !== undefined) known.tags++;
        else {
          const name = toBytePath(`${policy.name}/${rule.name}`);
          counts.set(rule, { name, first: `${facts.name}:${tag}`, tags: 1 });
        }
      }
    });
  }
  return [...counts.values()].map(({ name, first, tags }) =>
    tags === 1
      ? `${name}: ${first} is no version and stays`
      : `${name}: ${tags} tags are no version and stay, such as ${first}`,
  );
}
