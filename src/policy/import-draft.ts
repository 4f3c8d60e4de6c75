import { AppError } from '../fs/errors.js';
import { isTree } from '../registry/tree.js';
import type { Tree as Json } from '../registry/tree.js';
import type { Comment } from './print.js';
import type { TreeMap } from './tree.js';

/** What an importer makes of another system's document: a policy's tree, and what to say of it. */
export interface Draft {
  readonly policies: readonly TreeMap[];
  /** Paths are those of the whole policy: `['policies', 0, 'rules', 1]`. */
  readonly comments: readonly Comment[];
}

export interface ImportOptions {
  /** The repositories that the document is about, where it does not say so itself. */
  readonly repositories?: readonly string[] | undefined;
  /** Harbor: the name of the project, which its document gives as a number. */
  readonly project?: string | undefined;
}

/** The objects of a list; none where it is no list. */
export function jsonList(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isTree) : [];
}

/** The texts of a list; none where it is no list. */
export function textList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** A text that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A whole number, also when the document has it as text. */
export function countOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 ? number : undefined;
}

/** The text without control characters, for comments: a document is not trusted to have none. */
export function plain(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
}

/** Rule names must differ; a second `x` becomes `x (2)`. */
export function makeNamer(): (wanted: string) => string {
  const used = new Set<string>();
  return (wanted) => {
    const base = plain(wanted) || 'rule';
    let name = base;
    for (let i = 2; used.has(name); i++) name = `${base} (${i})`;
    used.add(name);
    return name;
  };
}

/**
 * Policies, or exclusive rules, up to the first whose patterns (at `key`) take everything: what
 * comes after it never has a say, there as here, and this language refuses it.
 */
export function reachable(
  items: readonly TreeMap[],
  key: 'repositories' | 'tags',
  comments: Comment[],
): readonly TreeMap[] {
  const last = items.findIndex((item) => {
    const patterns = item[key];
    return Array.isArray(patterns) && patterns.some(takesAll);
  });
  if (last < 0) return items;
  for (const { name } of items.slice(last + 1)) {
    const shown = typeof name === 'string' ? `\`${name}\`` : 'what';
    const text = `Left out: ${shown} comes after what takes all ${key}.`;
    comments.push({ path: [], text });
  }
  return items.slice(0, last + 1);
}

function takesAll(pattern: unknown): boolean {
  return pattern === '*' || pattern === '**';
}

/** An expression that others hold against any part of a name, as one for whole names. */
export function unanchored(source: string): string {
  return source === '.*' ? '**' : `re:.*(?:${source}).*`;
}

/** An expression that others hold against whole names. */
export function anchored(source: string): string {
  return source === '.*' ? '**' : `re:${source}`;
}

/** The error of a document that is not what it looked like. */
export function unreadable(what: string): AppError {
  return new AppError('usage', `cannot be imported: ${what}`);
}
