import { isTree } from '../registry/tree.js';
import type { Tree as Json } from '../registry/tree.js';
import {
  countOf,
  jsonList,
  makeNamer,
  plain,
  reachable,
  textList,
  textOf,
  unreadable,
} from './import-draft.js';
import type { Draft, ImportOptions } from './import-draft.js';
import type { Comment } from './print.js';
import { prune } from './tree.js';
import type { Tree, TreeMap } from './tree.js';

/** A lifecycle policy: its own text, or what `get-lifecycle-policy` wraps it in. */
export function findEcr(document: Json): Json | undefined {
  const wrapped = document['lifecyclePolicyText'];
  const inner: unknown = typeof wrapped === 'string' ? safeJson(wrapped) : document;
  if (!isTree(inner)) return undefined;
  return jsonList(inner['rules']).some((rule) => isTree(rule['selection'])) ? inner : undefined;
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not ours to report: the document is then no lifecycle policy.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface EcrRule {
  readonly name: string;
  readonly selection: Json;
  readonly status: string;
}

/**
 * ECR (user guide: Lifecycle policy properties): rules by priority; an image that matches a rule's
 * tags cannot be expired by a later one, so each rule is exclusive here.
 */
export function importEcr(document: Json, { repositories }: ImportOptions): Draft {
  const comments: Comment[] = [
    {
      path: [],
      text: 'From an Amazon ECR lifecycle policy. There a policy belongs to one repository: narrow `repositories` to it. The unit there is the image with all its tags, here the tag; a manifest stays while one tag on it stays.',
    },
  ];
  const nameOf = makeNamer();
  const sorted = [...jsonList(document['rules'])].sort(
    (a, b) => (countOf(a['rulePriority']) ?? 0) - (countOf(b['rulePriority']) ?? 0),
  );
  const read = sorted.flatMap((rule, i): EcrRule[] => {
    const selection = isTree(rule['selection']) ? rule['selection'] : {};
    const status = textOf(selection['tagStatus']) ?? 'any';
    const priority = countOf(rule['rulePriority']) ?? i + 1;
    const name = nameOf(textOf(rule['description']) ?? `rule ${priority}`);
    const action = isTree(rule['action']) ? textOf(rule['action']['type']) : 'expire';
    if (action === 'expire' && selection['countType'] !== 'sinceImageTransitioned') {
      return [{ name, selection, status }];
    }
    comments.push({
      path: [],
      text: `Left out: rule \`${name}\` is about archive storage, which a registry on disk does not have.`,
    });
    return [];
  });
  const untagged = read.find(({ status }) => status === 'untagged' || status === 'any');
  const own: Comment[] = [];
  const tagged = read.filter(({ status }) => status !== 'untagged');
  const made = tagged.map((rule, i) => ecrRule(rule, ['policies', 0, 'rules', i], own));
  const rules = reachable(made, 'tags', comments);
  comments.push(...own.filter(({ path }) => Number(path[3]) < rules.length));
  const policy = prune({
    name: 'ecr',
    repositories: repositories ?? ['**'],
    untagged: untagged && ecrUntagged(untagged, comments),
    rules: rules.length > 0 ? rules : undefined,
  });
  return { policies: [policy], comments };
}

function ecrRule(
  { name, selection, status }: EcrRule,
  path: readonly (string | number)[],
  comments: Comment[],
): TreeMap {
  const patterns = textList(selection['tagPatternList']);
  const prefixes = textList(selection['tagPrefixList']).map((prefix) => `${prefix}*`);
  const tags = status === 'any' ? ['**'] : [...patterns, ...prefixes];
  if (tags.length === 0) throw unreadable(`ECR rule \`${name}\` names no tags`);
  if (tags.length > 1) {
    comments.push({
      path,
      text: 'ECR selects images that have a tag for every one of these patterns; a rule about single tags cannot say that. What matches any of them is kept: write the rule that you mean.',
    });
    return { name, tags, exclusive: true, keep: 'always' };
  }
  const what = ecrCondition(name, selection);
  if (what.last !== undefined) {
    comments.push({
      path,
      text: 'ECR also counts images here that a rule before this one has claimed; here each counts for its own rule alone.',
    });
  }
  return prune({
    name,
    tags,
    exclusive: true,
    keep: what.last === undefined ? undefined : { last: what.last },
    drop: what.drop,
  });
}

function ecrCondition(
  name: string,
  selection: Json,
): { readonly last?: number; readonly drop: Tree } {
  const type = textOf(selection['countType']);
  const number = countOf(selection['countNumber']);
  if (number === undefined) throw unreadable(`ECR rule \`${name}\` has no countNumber`);
  if (type === 'imageCountMoreThan') return { last: number, drop: 'always' };
  if (type === 'sinceImagePushed') return { drop: { 'older-than': `${number}d` } };
  if (type === 'sinceImagePulled') return { drop: { 'not-pulled-for': `${number}d` } };
  throw unreadable(`ECR rule \`${name}\` has the countType \`${plain(type ?? '')}\``);
}

function ecrUntagged({ name, selection, status }: EcrRule, comments: Comment[]): TreeMap | 'keep' {
  const path = ['policies', 0, 'untagged'];
  const number = countOf(selection['countNumber']) ?? 0;
  const type = textOf(selection['countType']);
  if (status === 'any') {
    comments.push({
      path,
      text: `ECR counts tagged and untagged images together in \`${name}\`; here apart.`,
    });
  }
  if (type === 'imageCountMoreThan') return { 'keep-last': number };
  if (type === 'sinceImagePushed') return { 'keep-within': `${number}d` };
  comments.push({
    path,
    text: `Pulls of untagged images are not known here: \`${name}\` keeps them.`,
  });
  return 'keep';
}
