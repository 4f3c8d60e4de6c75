import { isTree } from '../registry/tree.js';
import type { Tree as Json } from '../registry/tree.js';
import { formatDuration } from './duration.js';
import { goDuration } from './import-durations.js';
import {
  countOf,
  jsonList,
  makeNamer,
  reachable,
  textList,
  unanchored,
  unreadable,
} from './import-draft.js';
import type { Draft } from './import-draft.js';
import type { Comment } from './print.js';
import { prune } from './tree.js';
import type { TreeMap } from './tree.js';

/** zot deletes what is untagged after this long, when its `delay` does not say. */
const DELAY = '24h';

/** zot's own `retention` object: in a whole configuration, below `storage`, or by itself. */
export function findZot(document: Json): Json | undefined {
  const storage = isTree(document['storage']) ? document['storage'] : document;
  const retention = isTree(storage['retention']) ? storage['retention'] : storage;
  const policies = jsonList(retention['policies']);
  const looksRight = policies.some((one) => 'keepTags' in one || 'repositories' in one);
  return looksRight ? retention : undefined;
}

/**
 * zot (pkg/retention): the first policy whose repositories match, in it the first `keepTags` entry
 * whose patterns match; the entry's conditions are ORed; what no entry takes goes.
 */
export function importZot(retention: Json): Draft {
  const comments: Comment[] = [];
  const given = retention['delay'];
  const delay = formatDuration(goDuration(typeof given === 'string' ? given : DELAY));
  const nameOf = makeNamer();
  const made = jsonList(retention['policies']).map((policy, i) => {
    const path = ['policies', i];
    const repositories = [...textList(policy['repositories']), ...textList(policy['repoNames'])];
    if (repositories.length === 0) throw unreadable(`zot policy ${i + 1} names no repositories`);
    const entries = jsonList(policy['keepTags']);
    const deletesUntagged = policy['deleteUntagged'] !== false;
    if (policy['deleteReferrers'] === true) {
      const text =
        'zot also deletes referrers whose subject is gone; here they follow their subject.';
      comments.push({ path, text });
    }
    const ruleName = makeNamer();
    const own: Comment[] = [];
    const rules = reachable(
      entries.map((entry, j) => zotRule(entry, j, [...path, 'rules', j], ruleName, own)),
      'tags',
      comments,
    );
    comments.push(...own.filter((one) => Number(one.path[3]) < rules.length));
    return prune({
      name: nameOf(repositories.join(' ')),
      repositories,
      otherwise: entries.length > 0 ? 'drop' : 'keep',
      untagged: deletesUntagged ? { 'keep-within': delay } : 'keep',
      rules: rules.length === 0 ? undefined : rules,
    });
  });
  comments.unshift({
    path: [],
    text: 'From a zot retention configuration. zot goes by its own records of pushes and pulls; this goes by the times of the links and by access logs.',
  });
  const policies = reachable(made, 'repositories', comments);
  return {
    policies,
    comments: comments.filter(({ path }) => Number(path[1] ?? 0) < policies.length),
  };
}

function zotRule(
  entry: Json,
  index: number,
  path: readonly (string | number)[],
  nameOf: (wanted: string) => string,
  comments: Comment[],
): TreeMap {
  const patterns = textList(entry['patterns']);
  const keep = zotKeep(entry, path, comments);
  if (patterns.length > 0) {
    const text =
      'zot: a pattern matches anywhere in a tag; the first entry that matches claims it.';
    comments.push({ path, text });
  }
  return prune({
    name: nameOf(patterns.join(' ') || `entry ${index + 1}`),
    tags: patterns.length > 0 ? patterns.map(unanchored) : ['**'],
    exclusive: true,
    keep,
    drop: keep === 'always' ? undefined : 'always',
  });
}

function zotKeep(
  entry: Json,
  path: readonly (string | number)[],
  comments: Comment[],
): TreeMap | 'always' {
  const pulledWithin = durationField(entry['pulledWithin']);
  const pushedWithin = durationField(entry['pushedWithin']);
  if (pulledWithin !== undefined) {
    const text = 'zot: pulledWithin accepts a recent push too, hence `within` next to it.';
    comments.push({ path: [...path, 'keep'], text });
  }
  // Of two spans of time the longer keeps what the shorter does.
  const within = Math.max(pulledWithin ?? -1, pushedWithin ?? -1);
  const keep = prune({
    last: countField(entry['mostRecentlyPushedCount']),
    'last-pulled': countField(entry['mostRecentlyPulledCount']),
    within: within < 0 ? undefined : formatDuration(within),
    'pulled-within': pulledWithin === undefined ? undefined : formatDuration(pulledWithin),
  });
  return Object.keys(keep).length > 0 ? keep : 'always';
}

/** In zot a count of 0 is no condition at all. */
function countField(value: unknown): number | undefined {
  const count = countOf(value) ?? 0;
  return count > 0 ? count : undefined;
}

function durationField(value: unknown): number | undefined {
  return typeof value === 'string' ? goDuration(value) : undefined;
}
