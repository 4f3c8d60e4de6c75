import { formatDuration } from './duration.js';
import { anchored, countOf, unanchored, unreadable } from './import-draft.js';
import type { Draft } from './import-draft.js';
import { acrDuration } from './import-durations.js';
import { compilePattern } from './pattern.js';
import type { Comment } from './print.js';
import { prune } from './tree.js';
import type { TreeMap } from './tree.js';

/** What is after `acr purge` in a command line, or undefined when that is not in it. */
export function findAcr(text: string): string | undefined {
  const joined = text.replace(/\\\r?\n/g, ' ');
  return /(?:^|[\s'"])acr\s+purge(?=\s)([\s\S]*)$/.exec(joined)?.[1];
}

interface AcrCommand {
  readonly filters: readonly string[];
  readonly ago: string | undefined;
  readonly keep: number;
  readonly untagged: boolean;
  readonly untaggedOnly: boolean;
}

/** acr purge (acr-cli cmd/acr/purge.go): of the tags that match a filter, those older than `--ago`. */
export function importAcr(line: string): Draft {
  const command = readCommand(splitWords(line));
  const { filters, ago, keep, untagged, untaggedOnly } = command;
  if (filters.length === 0) throw unreadable('the command has no --filter');
  if (ago === undefined) throw unreadable('the command has no --ago');
  const age = formatDuration(acrDuration(ago));
  const comments: Comment[] = [
    {
      path: [],
      text: 'From an `acr purge` command line. It goes by the time of the last update; here that is the time of push.',
    },
  ];
  const scopes = readScopes(filters);
  if (scopes.length > 1) {
    const text =
      'acr applies every filter that matches a repository; here the first policy that matches it is the only one.';
    comments.push({ path: [], text });
  }
  const policies = scopes.map(({ repository, tags }, i): TreeMap => {
    if (keep > 0 && !untaggedOnly) {
      const text = `acr: --keep ${keep} counts only tags that already qualify (older than ${age}); here the newest ${keep} of all that match are kept, younger ones included.`;
      comments.push({ path: ['policies', i, 'rules', 0, 'keep'], text });
    }
    const rule = prune({
      name: 'purge',
      tags: tags.map(unanchored),
      keep: keep > 0 ? { last: keep } : undefined,
      drop: { 'older-than': age },
    });
    return prune({
      name: `purge ${repository}`,
      repositories: [isPlain(repository) ? repository : anchored(repository)],
      untagged: untagged || untaggedOnly ? { 'keep-within': age } : undefined,
      rules: untaggedOnly ? undefined : [rule],
    });
  });
  return { policies, comments };
}

interface Scope {
  readonly repository: string;
  readonly tags: readonly string[];
}

function isPlain(repository: string): boolean {
  return /^[\w\-/]+$/.test(repository);
}

/**
 * Filters by repository, plain names first and `.*` last. A plain name also has the filters of the
 * expressions that take it, as acr joins them.
 */
function readScopes(filters: readonly string[]): Scope[] {
  const byRepository = new Map<string, string[]>();
  for (const filter of filters) {
    const [repository, tag] = splitFilter(filter);
    byRepository.set(repository, [...(byRepository.get(repository) ?? []), tag]);
  }
  const rank = (repository: string): number =>
    isPlain(repository) ? 0 : repository === '.*' ? 2 : 1;
  const scopes = [...byRepository].map(([repository, tags]) => ({ repository, tags }));
  scopes.sort((a, b) => rank(a.repository) - rank(b.repository));
  return scopes.map(({ repository, tags }) => {
    if (!isPlain(repository)) return { repository, tags };
    const others = scopes.filter(
      (other) =>
        !isPlain(other.repository) &&
        compilePattern(anchored(other.repository), 'repository').matches(repository),
    );
    return { repository, tags: [...tags, ...others.flatMap((other) => other.tags)] };
  });
}

const VALUES = new Set(['--filter', '-f', '--ago', '--keep']);
const FLAGS = new Set(['--untagged', '--untagged-only', '--dry-run', '--include-locked']);

function readCommand(words: readonly string[]): AcrCommand {
  const filters: string[] = [];
  const values = new Map<string, string>();
  const flags = new Set<string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const equals = word.startsWith('-') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    if (FLAGS.has(name)) {
      if (equals < 0 || word.slice(equals + 1) === 'true') flags.add(name);
      continue;
    }
    if (!name.startsWith('-')) continue;
    // Every other flag (--registry, --concurrency) has a value, and says nothing about what goes.
    const value = equals < 0 ? words[++i] : word.slice(equals + 1);
    if (!VALUES.has(name) || value === undefined) continue;
    if (name === '--filter' || name === '-f') filters.push(value);
    else values.set(name, value);
  }
  return {
    filters,
    ago: values.get('--ago'),
    keep: countOf(values.get('--keep')) ?? 0,
    untagged: flags.has('--untagged'),
    untaggedOnly: flags.has('--untagged-only'),
  };
}

/** The words of a shell command, without running one: quotes, and backslashes outside of them. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/g)) {
    words.push(
      word.replace(/\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"/g, (_, escaped, single, double) => {
        const text: unknown = escaped ?? single ?? double;
        if (typeof text !== 'string') return '';
        return double === undefined ? text : text.replace(/\\(["\\$`])/g, '$1');
      }),
    );
  }
  return words;
}

/** `repository:expression`; a colon in `(?:` or in a class such as `[[:alpha:]]` does not count. */
function splitFilter(filter: string): [string, string] {
  const colon = /(?<!\(\?[a-zA-Z-]{0,5}|\[)(?<!\[[^\]]*):/.exec(filter)?.index ?? -1;
  const repository = filter.slice(0, Math.max(0, colon));
  const tag = filter.slice(colon + 1);
  if (repository === '' || tag === '') throw unreadable(`the filter \`${filter}\``);
  return [repository, tag];
}
