import { claimsOf, rulesFor } from './claims.js';
import type { TagFacts } from './facts.js';
import { learnPlace } from './groups.js';
import type { Memo } from './memo.js';
import type { RepositoryPolicy } from './model.js';
import { parseVersion } from './version-tag.js';

/**
 * Numbers the names of a repository's tags, and works out what those that are new say to its
 * policy: which rules speak for them, in which groups these count them, which version they are.
 * All of it before a rule is heard, so that the loops of the hearing only look numbers up: with
 * patterns and parsers in them, compiling them took half as long as running them.
 * @returns the number of each tag's name.
 */
export function learnNames(
  policy: RepositoryPolicy,
  tags: readonly TagFacts[],
  memo: Memo,
): Int32Array {
  const { byName } = claimsOf(memo, policy);
  return numberNames(tags, memo, (name, number) => {
    if (byName[number] === undefined) learnName(policy, memo, name, number);
  });
}

/** Numbers names, and works out which versions they are: enough to rank tags without a policy. */
export function learnVersions(tags: readonly TagFacts[], memo: Memo): Int32Array {
  return numberNames(tags, memo, (name, number) => learnVersion(memo, name, number));
}

function numberNames(
  tags: readonly TagFacts[],
  memo: Memo,
  learn: (name: string, number: number) => void,
): Int32Array {
  const names = new Int32Array(tags.length);
  for (let tag = 0; tag < names.length; tag++) {
    const name = tags[tag]?.name ?? '';
    const number = memo.numberOf(name);
    names[tag] = number;
    learn(name, number);
  }
  return names;
}

function learnVersion({ versions }: Memo, name: string, number: number): void {
  if (versions[number] === undefined) versions[number] = parseVersion(name) ?? null;
}

function learnName(policy: RepositoryPolicy, memo: Memo, name: string, number: number): void {
  const claims = claimsOf(memo, policy);
  if (claims.needsVersions) learnVersion(memo, name, number);
  const rules = rulesFor(policy, claims, name);
  claims.byName[number] = rules;
  for (const i of rules) {
    const rule = policy.rules[i];
    if (rule !== undefined) learnPlace(memo, rule, name, number);
  }
}
