import { isTree } from '../registry/tree.js';
import type { Tree as Json } from '../registry/tree.js';
import { countOf, jsonList, makeNamer, plain, textOf, unreadable } from './import-draft.js';
import type { Draft, ImportOptions } from './import-draft.js';
import { whyNever } from './lint.js';
import { compilePattern, compilePatterns } from './pattern.js';
import type { PatternSet } from './pattern.js';
import type { Comment } from './print.js';
import type { Tree, TreeMap } from './tree.js';

/** A retention policy as Harbor's API gives it. */
export function findHarbor(document: Json): Json | undefined {
  return jsonList(document['rules']).some((rule) => 'template' in rule) ? document : undefined;
}

interface HarborRule {
  readonly name: string;
  readonly keep: TreeMap | 'always';
  readonly tags: Selection;
  readonly scope: Selection;
  /** The rule speaks for artifacts without a tag too. */
  readonly untagged: boolean;
}

/** `patterns` that select, or with `excludes` those that do not. */
interface Selection {
  readonly excludes: boolean;
  readonly patterns: readonly string[];
}

/**
 * Harbor (src/pkg/retention): the rules that match a repository are ORed, and everything in it
 * that none of them retains goes; a repository that no rule matches is not touched.
 */
export function importHarbor(document: Json, { project }: ImportOptions): Draft {
  const comments: Comment[] = [{ path: [], text: HEAD }];
  if (project === undefined) {
    const text =
      'Harbor names repositories within their project, and the project by a number: put its name for the first `*` of `repositories`, or the rules hold in every project.';
    comments.push({ path: [], text });
  }
  const nameOf = makeNamer();
  const all = project === undefined ? '**' : `${project}/**`;
  const rules = jsonList(document['rules']).flatMap((rule) => {
    const name = nameOf(textOf(rule['template']) ?? 'rule');
    const read = rule['disabled'] === true ? undefined : readRule(rule, name, project);
    if (read !== undefined && whyNever(setOf(read.scope, all), []).length === 0) return [read];
    const why = read === undefined ? 'is disabled in Harbor' : 'excludes every repository';
    comments.push({ path: [], text: `Left out: rule \`${name}\` ${why}.` });
    return [];
  });
  if (rules.length === 0) throw unreadable('the Harbor policy has no enabled rule');
  const distinct = new Map(rules.map(({ scope }) => [JSON.stringify(scope), scope]));
  const sorted = [...distinct.values()].sort((a, b) => narrowness(b) - narrowness(a));
  const scopes = withSay(sorted, all, comments);
  const policies = scopes.map((scope, i) => {
    const path = ['policies', i];
    const later = sorted
      .slice(sorted.indexOf(scope) + 1)
      .filter((other) => mayOverlap(scope, other));
    if (later.length > 0) comments.push({ path, text: MIXED });
    const own = rules.filter((rule) => [scope, ...later].some((one) => same(one, rule.scope)));
    const untagged = untaggedOf(own);
    if (!own.some((rule) => rule.untagged)) {
      comments.push({ path: [...path, 'untagged'], text: UNTAGGED });
    }
    return {
      name: `harbor ${i + 1}`,
      repositories: selectionTree(scope, all),
      otherwise: 'drop',
      untagged,
      rules: own.map(({ name, tags, keep }) => ({ name, tags: selectionTree(tags, '**'), keep })),
    };
  });
  return { policies, comments };
}

const HEAD =
  'From a Harbor retention policy. There the unit is the artifact: any tag that is retained keeps its siblings on the same digest, here each tag is decided by itself and the manifest stays while one tag stays. Harbor 2.15 and later has no tags on disk at all.';
const MIXED =
  'Harbor gives a repository the rules of every scope that matches it; here the first policy alone speaks, so it also has the rules of scopes that may match the same repository, and may keep more.';
const UNTAGGED =
  'Harbor discards artifacts without a tag too, unless a rule retains them; here that is said by `untagged: drop`.';

/**
 * Scopes without those of which an earlier one takes every repository: they never have a say, and
 * their rules are in the policy of that one, since such scopes overlap.
 */
function withSay(scopes: readonly Selection[], all: string, comments: Comment[]): Selection[] {
  const before: { name: string; repositories: PatternSet }[] = [];
  return scopes.filter((scope) => {
    const repositories = setOf(scope, all);
    const [why] = whyNever(repositories, before);
    if (why === undefined) {
      return before.push({ name: `harbor ${before.length + 1}`, repositories }) > 0;
    }
    const shown = `${scope.excludes ? 'all but ' : ''}${plain(scope.patterns.join(', '))}`;
    comments.push({ path: [], text: `Left out: the scope ${shown}: ${why}.` });
    return false;
  });
}

function setOf({ excludes, patterns }: Selection, all: string): PatternSet {
  return excludes
    ? compilePatterns([all], patterns, 'repository')
    : compilePatterns(patterns, [], 'repository');
}

/** The first policy that matches is the only one, so the narrower scope has to come first. */
function narrowness({ excludes, patterns }: Selection): number {
  if (excludes) return -1;
  return Math.min(...patterns.map((pattern) => pattern.replace(/[*?]/g, '').length));
}

/** What is before a pattern's first wildcard. */
function headOf(pattern: string): string {
  return /^[^*?]*/.exec(pattern)?.[0] ?? '';
}

/** False only where it is plain that no repository is in both. */
function mayOverlap(a: Selection, b: Selection): boolean {
  if (a.excludes || b.excludes) return true;
  return a.patterns.some((left) =>
    b.patterns.some((right) => {
      if (!/[*?]/.test(left)) return compilePattern(right, 'repository').matches(left);
      if (!/[*?]/.test(right)) return compilePattern(left, 'repository').matches(right);
      return headOf(left).startsWith(headOf(right)) || headOf(right).startsWith(headOf(left));
    }),
  );
}

function same(a: Selection, b: Selection): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function selectionTree({ excludes, patterns }: Selection, all: string): Tree {
  return excludes ? { include: [all], exclude: patterns } : patterns;
}

/** What the rules that speak for untagged artifacts keep of them; pulls of those are not known. */
function untaggedOf(rules: readonly HarborRule[]): Tree {
  let last = 0;
  let days = 0;
  let speaks = false;
  for (const { untagged, keep } of rules) {
    if (!untagged) continue;
    speaks = true;
    if (keep === 'always' || 'pulled-within' in keep || 'last-pulled' in keep) return 'keep';
    last = Math.max(last, Number(keep['last'] ?? 0));
    const { within } = keep;
    if (typeof within === 'string') days = Math.max(days, Number.parseInt(within, 10));
  }
  if (!speaks) return 'keep';
  return days > 0 ? { 'keep-within': `${days}d`, 'keep-last': last } : { 'keep-last': last };
}

function readRule(rule: Json, name: string, project: string | undefined): HarborRule {
  const params = isTree(rule['params']) ? rule['params'] : {};
  const scopes = isTree(rule['scope_selectors']) ? rule['scope_selectors'] : {};
  const tagSelectors = jsonList(rule['tag_selectors']);
  const scope = readSelection(jsonList(scopes['repository']), name);
  const extras = tagSelectors.map((selector) => textOf(selector['extras']) ?? '').join();
  return {
    name,
    keep: keepOf(textOf(rule['template']) ?? '', params),
    tags: readSelection(tagSelectors, name),
    scope: { ...scope, patterns: scope.patterns.map((pattern) => inProject(pattern, project)) },
    untagged: /"untagged"\s*:\s*true/.test(extras),
  };
}

function readSelection(selectors: readonly Json[], name: string): Selection {
  const [selector, ...more] = selectors;
  if (selector === undefined) return { excludes: false, patterns: ['**'] };
  if (more.length > 0)
    throw unreadable(`Harbor rule \`${name}\` has several selectors of one kind`);
  if (textOf(selector['kind']) !== 'doublestar') {
    throw unreadable(
      `Harbor rule \`${name}\` selects by \`${plain(textOf(selector['kind']) ?? '')}\``,
    );
  }
  const decoration = textOf(selector['decoration']) ?? 'matches';
  const patterns = expandBraces(textOf(selector['pattern']) ?? '**');
  return { excludes: decoration.toLowerCase().endsWith('excludes'), patterns };
}

function inProject(pattern: string, project: string | undefined): string {
  if (project !== undefined) return `${project}/${pattern}`;
  return pattern === '**' ? pattern : `*/${pattern}`;
}

function keepOf(template: string, params: Json): TreeMap | 'always' {
  const number = countOf(params[template]);
  if (template === 'always') return 'always';
  if (number === undefined)
    throw unreadable(`Harbor template \`${plain(template)}\` has no number`);
  switch (template) {
    case 'latestPushedK':
      return { last: number };
    case 'latestPulledN':
      return { 'last-pulled': number };
    // Active is the later of push and pull: the first K of it are among the first K of both.
    case 'latestActiveK':
      return { last: number, 'last-pulled': number };
    case 'nDaysSinceLastPush':
    case 'lastXDays':
      return { within: `${number}d` };
    case 'nDaysSinceLastPull':
      return { 'pulled-within': `${number}d` };
    default:
      throw unreadable(`Harbor template \`${plain(template)}\``);
  }
}

/** `{latest,v*}` as a list of patterns, as Harbor's user interface writes several. */
export function expandBraces(pattern: string): string[] {
  const match = /^([^{}]*)\{([^{}]*)\}(.*)$/.exec(pattern);
  if (match === null) return [pattern];
  const [, head = '', choices = '', tail = ''] = match;
  return choices.split(',').flatMap((choice) => expandBraces(`${head}${choice.trim()}${tail}`));
}
