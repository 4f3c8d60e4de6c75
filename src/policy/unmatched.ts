import { toBytePath } from '../fs/bytes.js';
import type { RepositoryFacts } from './facts.js';
import type { Policy, Protection } from './model.js';
import { matchesSet } from './pattern.js';

/** Of a broken one a policy says nothing, and it stays; it is no typing error. */
const READABLE_TAG = 'tag that can be read';

/**
 * What was typed to select or to protect, and takes nothing of the store: a misspelt protection
 * costs images. Of a file, which may be for several stores, its protections alone are told.
 * Names are as from the disk, a character a byte.
 */
export function noteUnmatched(policy: Policy, facts: readonly RepositoryFacts[]): string[] {
  const idle = policy.protect.filter((protection) => !protectsAny(protection, facts));
  const notes = idle.map((protection) => {
    const what = protection.tags === undefined ? 'repository' : READABLE_TAG;
    return `${shown(protection)}: no ${what} matches, so it protects nothing`;
  });
  return policy.shownAs === undefined ? [...notes, ...idleFlags(policy, facts)] : notes;
}

function protectsAny(
  { repositories, tags, digestsFile }: Protection,
  facts: readonly RepositoryFacts[],
): boolean {
  // Whether a list is of this store is asked elsewhere.
  if (digestsFile !== undefined) return true;
  return facts.some(
    (repository) =>
      matchesSet(repositories, repository.name) &&
      (tags === undefined || repository.tags.some(({ name }) => matchesSet(tags, name))),
  );
}

/** As `--protect` takes it: `shop/base`, `latest`, `shop/api:v1`. */
function shown({ repositories, tags, reason }: Protection): string {
  const place = repositories.include.every(({ all }) => all) ? [] : [repositories];
  const names = [...place, ...(tags === undefined ? [] : [tags])].map(({ include }) =>
    include.map(({ text }) => toBytePath(text)).join(', '),
  );
  return `${reason === '--protect' ? reason : 'protect'} ${names.join(':') || '**'}`;
}

/** `--repository` and `--tag`, each by itself. */
function idleFlags({ policies }: Policy, facts: readonly RepositoryFacts[]): string[] {
  return policies.flatMap(({ repositories, rules }) => {
    const chosen = facts.filter(({ name }) => matchesSet(repositories, name));
    const lost = repositories.include
      .filter(({ all, matches }) => !all && !facts.some(({ name }) => matches(name)))
      .map(({ text }) => `--repository ${toBytePath(text)}: no repository matches`);
    const idle = rules
      .flatMap(({ tags }) => tags.include)
      .filter(({ all, matches }) => !all && !chosen.some((one) => hasTag(one, matches)))
      .map(({ text }) => `--tag ${toBytePath(text)}: no ${READABLE_TAG} matches`);
    return [...lost, ...idle];
  });
}

function hasTag({ tags }: RepositoryFacts, matches: (name: string) => boolean): boolean {
  return tags.some(({ name }) => matches(name));
}
