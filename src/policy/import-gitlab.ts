import { isTree } from '../registry/tree.js';
import type { Tree as Json } from '../registry/tree.js';
import { formatDuration } from './duration.js';
import { anchored, countOf, textOf, unreadable } from './import-draft.js';
import type { Draft, ImportOptions } from './import-draft.js';
import { gitlabDuration } from './import-durations.js';
import type { Comment } from './print.js';
import { prune } from './tree.js';

/** The attributes of a cleanup policy: of a project, of a call that changes one, or by themselves. */
export function findGitlab(document: Json): Json | undefined {
  const inner =
    document['container_expiration_policy'] ?? document['container_expiration_policy_attributes'];
  const found = isTree(inner) ? inner : document;
  const keys = ['name_regex', 'name_regex_delete', 'name_regex_keep', 'keep_n', 'older_than'];
  return keys.some((key) => key in found) ? found : undefined;
}

/**
 * GitLab (doc: Reduce container registry storage): `latest` is left out, then what does not match
 * `name_regex_delete`, then what matches `name_regex_keep`; of the rest the `keep_n` newest by
 * creation stay, and what is younger than `older_than`.
 */
export function importGitlab(attributes: Json, { repositories }: ImportOptions): Draft {
  const path = ['policies', 0];
  const rulePath = [...path, 'rules', 0];
  const comments: Comment[] = [
    {
      path: [],
      text: 'From a GitLab cleanup policy. It is about the repositories of one project: narrow `repositories` to them.',
    },
    {
      path: rulePath,
      text: 'GitLab leaves `latest` out first, and `keep_n` counts only what is left after the name filters: hence `exclude`. Its expressions are anchored RE2, as here. It goes by the time of creation.',
    },
  ];
  const wanted = textOf(attributes['name_regex_delete']) ?? textOf(attributes['name_regex']);
  const kept = textOf(attributes['name_regex_keep']);
  if (wanted === undefined)
    throw unreadable('the cleanup policy has no name_regex_delete: it removes nothing');
  if (attributes['enabled'] === false) {
    comments.push({ path: [], text: 'In GitLab this policy is not enabled.' });
  }
  const last = countOf(attributes['keep_n']);
  const olderThan = textOf(attributes['older_than']);
  const rule = prune({
    name: 'cleanup',
    tags: {
      include: [anchored(wanted)],
      exclude: ['latest', ...(kept === undefined ? [] : [anchored(kept)])],
    },
    time: 'created',
    keep: last === undefined ? undefined : { last, order: 'created' },
    drop:
      olderThan === undefined
        ? 'always'
        : { 'older-than': formatDuration(gitlabDuration(olderThan)) },
  });
  return {
    policies: [{ name: 'gitlab', repositories: repositories ?? ['**'], rules: [rule] }],
    comments,
  };
}
