import { RE2JS, RE2JSException } from 're2js';
import { AppError } from '../fs/errors.js';

/** What a pattern is held against: names of tags have no `/`, those of repositories may. */
export type NameKind = 'tag' | 'repository';

/** A glob or a `re:` over a whole name; compiled, and linear in the name's length. */
export interface Pattern {
  readonly text: string;
  readonly kind: NameKind;
  /** It takes every name. */
  readonly all: boolean;
  /** The one name that it takes, when it has no wildcard. */
  readonly literal: string | undefined;
  readonly matches: (name: string) => boolean;
}

export interface PatternSet {
  readonly include: readonly Pattern[];
  readonly exclude: readonly Pattern[];
}

const REGEX = 're:';
const ALL: ReadonlySet<string> = new Set(['**', 're:.*']);

/**
 * Compiles a pattern of the policy language.
 * @throws AppError `usage` for a regular expression that RE2 does not take, and for a glob that
 * no name can match.
 */
export function compilePattern(text: string, kind: NameKind): Pattern {
  const all = ALL.has(text) || (kind === 'tag' && text === '*');
  if (all) return { text, kind, all, literal: undefined, matches: () => true };
  if (text.startsWith(REGEX)) {
    const regex = compileRegex(text.slice(REGEX.length));
    return { text, kind, all, literal: undefined, matches: (name) => regex.testExact(name) };
  }
  const problem = impossible(text, kind);
  if (problem !== undefined) throw new AppError('usage', `\`${text}\` can never match: ${problem}`);
  const literal = /[*?]/.test(text) ? undefined : text;
  return { text, kind, all, literal, matches: globMatcher(text, kind) };
}

/** A set of patterns; without `include` it takes every name. */
export function compilePatterns(
  include: readonly string[] | undefined,
  exclude: readonly string[],
  kind: NameKind,
): PatternSet {
  return {
    include: (include ?? ['**']).map((text) => compilePattern(text, kind)),
    exclude: exclude.map((text) => compilePattern(text, kind)),
  };
}

/** Whether some pattern includes a name and none excludes it. */
export function matchesSet(set: PatternSet, name: string): boolean {
  return matchesAny(set.include, name) && !matchesAny(set.exclude, name);
}

function matchesAny(patterns: readonly Pattern[], name: string): boolean {
  for (const pattern of patterns) if (pattern.matches(name)) return true;
  return false;
}

/** A `re:` expression that names a tag's group: by its one named group, else by its first. */
export interface Grouping {
  readonly text: string;
  /** The group's name, or undefined for a tag that the expression does not match. */
  readonly groupOf: (tag: string) => string | undefined;
}

/** @throws AppError `usage` when it is no `re:`, does not compile, or has no clear group. */
export function compileGrouping(text: string): Grouping {
  if (!text.startsWith(REGEX)) {
    throw new AppError('usage', `\`${text}\` is no \`re:\` expression with a group`);
  }
  const source = text.slice(REGEX.length);
  const groups = compileRegex(source).namedGroups();
  const names = Object.keys(groups);
  const regex = compileRegex(`^(?:${source})$`);
  if (regex.groupCount() === 0) throw new AppError('usage', `\`${text}\` has no (group)`);
  if (names.length > 1) {
    throw new AppError('usage', `\`${text}\` has ${names.length} named groups; name one`);
  }
  const index = groups[names[0] ?? ''] ?? 1;
  return {
    text,
    groupOf: (tag) => {
      const match: readonly unknown[] | null = regex.exec(tag);
      const group = match?.[index];
      return typeof group === 'string' ? group : undefined;
    },
  };
}

function compileRegex(source: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const detail = error.message.replace(/^error parsing regexp: /, '');
    throw new AppError('usage', `\`re:${source}\` does not compile: ${detail}`, [], error);
  }
}

/** Tags have no `/`, so a tag's glob is a matter of its pieces; all else is translated to RE2. */
function globMatcher(glob: string, kind: NameKind): (name: string) => boolean {
  if (!/[*?]/.test(glob)) return (name) => name === glob;
  if (kind === 'tag' && !glob.includes('?')) return piecesMatcher(glob.split(/\*+/));
  const regex = RE2JS.compile(globToRegex(glob));
  return (name) => regex.testExact(name);
}

/**
 * The pieces between stars, in their order: the first at the start, the last at the end, each of
 * the others at the first place that is left, which is always the best one. Linear, and half the
 * time of the expression.
 */
function piecesMatcher(pieces: readonly string[]): (name: string) => boolean {
  const head = pieces[0] ?? '';
  const tail = pieces.at(-1) ?? '';
  const inner = pieces.slice(1, -1);
  const least = head.length + tail.length;
  return (name) => {
    if (name.length < least || !name.startsWith(head) || !name.endsWith(tail)) return false;
    let from = head.length;
    for (const piece of inner) {
      const at = name.indexOf(piece, from);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return from <= name.length - tail.length;
  };
}

/**
 * A glob as RE2: `?` and `*` stay within a path component, `**` crosses them, and as a whole
 * component it also stands for none (`**` + `/api` takes `api`).
 */
export function globToRegex(glob: string): string {
  let out = '';
  for (let i = 0; i < glob.length; i++) {
    const char = glob.charAt(i);
    if (char === '?') out += '[^/]';
    else if (char !== '*') out += RE2JS.quote(char);
    else {
      let end = i;
      while (glob.charAt(end) === '*') end++;
      const whole = (i === 0 || glob.charAt(i - 1) === '/') && glob.charAt(end) === '/';
      if (end - i === 1) out += '[^/]*';
      else if (whole) out += '(?:.*/)?';
      else out += '.*';
      i = end - i > 1 && whole ? end : end - 1;
    }
  }
  return out;
}

/** Why no name of this kind can match a glob, or undefined when one may. */
function impossible(glob: string, kind: NameKind): string | undefined {
  if (glob === '') return 'it is empty';
  const stray = /[^A-Za-z0-9_.\-/*?]/.exec(glob)?.[0];
  if (stray !== undefined) {
    const hint = /[{}[\]|()^$+\\]/.test(stray) ? ' (for an expression begin it with `re:`)' : '';
    return `no name has a \`${stray}\`${hint}`;
  }
  if (kind === 'tag') return impossibleTag(glob);
  if (/^\/|\/$|\/\//.test(glob)) return 'a name has no empty component';
  return glob.replaceAll('*', '').length > 255 ? 'a name has at most 255 characters' : undefined;
}

function impossibleTag(glob: string): string | undefined {
  if (glob.includes('/')) return 'a tag has no `/`';
  if (/^[.-]/.test(glob)) return 'a tag begins with a letter, a digit or `_`';
  return glob.replaceAll('*', '').length > 128 ? 'a tag has at most 128 characters' : undefined;
}
