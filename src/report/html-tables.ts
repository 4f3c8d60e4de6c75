import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { BookRow } from '../insight/book-rows.js';
import type { LargestRow } from '../insight/causes.js';
import type { TagShares } from '../insight/tag-shares.js';
import type { RepositoryRow } from '../plan/repository-rows.js';
import type { TagRow } from '../plan/tag-rows.js';
import { compareNatural } from '../policy/natural.js';
import type { Finding } from '../registry/finding.js';
import { escapeName, escapeText } from './escape.js';
import { shortenHex } from './format.js';
import type { ColumnData, TableData } from './page-data.js';

/** A column of texts; texts that come again and again are kept once. */
export function textColumn(
  title: string,
  texts: readonly string[],
  kind: 'text' | 'code' | 'state' = 'text',
): ColumnData {
  const words = [...new Set(texts)].sort(compareNatural);
  const ranks = new Map(words.map((word, rank) => [word, rank]));
  const values = texts.map((text) => ranks.get(text) as number);
  if (words.length * 2 <= texts.length) return { title, kind, words, values };
  // Digits of a digest are in no order that anybody would look for.
  return kind === 'code'
    ? { title, kind, values: texts }
    : { title, kind, values: texts, ranks: values };
}

/** A column of numbers; undefined where there is none. */
export function numberColumn(
  title: string,
  kind: 'count' | 'bytes' | 'day',
  values: readonly (number | undefined)[],
): ColumnData {
  return {
    title,
    kind,
    values: values.map((value) => (value === undefined ? null : Math.round(value))),
  };
}

const DAY_MS = 86_400_000;

/** Tags, and manifests without one: what becomes of each, and why. */
export function tagTable(
  rows: readonly TagRow[],
  index: StoreIndex,
  { alone, whole }: TagShares,
): TableData {
  const places = new Map<string, number>();
  index.tags.name.forEach((name, tag) => {
    places.set(`${index.tags.repository[tag] as number}:${name}`, tag);
  });
  const repositories = new Map(index.repositories.map((name, place) => [name, place]));
  const tagOf = ({ repository, tag }: TagRow): number | undefined =>
    tag === undefined ? undefined : places.get(`${repositories.get(repository) ?? -1}:${tag}`);
  const tags = rows.map(tagOf);
  const of = (values: Float64Array): (number | undefined)[] =>
    tags.map((tag) => (tag === undefined ? undefined : values[tag]));
  return {
    id: 'tags',
    title: 'Tags',
    empty: 'There is no tag and no manifest.',
    columns: [
      textColumn(
        'Repository',
        rows.map(({ repository }) => escapeName(repository)),
      ),
      textColumn(
        'Tag',
        rows.map(({ tag }) => (tag === undefined ? '(none)' : escapeName(tag))),
      ),
      textColumn(
        'Decision',
        rows.map(({ decision }) => decision),
        'state',
      ),
      textColumn(
        'Reason',
        rows.map(({ reasons }) => shortenHex(escapeName(reasons[0] ?? ''))),
      ),
      numberColumn('Needs', 'bytes', of(whole)),
      numberColumn('Its own', 'bytes', of(alone)),
      numberColumn(
        'Pushed',
        'day',
        rows.map(({ pushedMs }, i) => dayOf(pushedMs ?? index.tags.time[tags[i] ?? -1])),
      ),
      textColumn(
        'Digest',
        rows.map(({ digest }) => digest?.replace(/^\w+:(.{12}).*$/, '$1') ?? ''),
        'code',
      ),
    ],
  };
}

function dayOf(timeMs: number | undefined): number | undefined {
  const isTime = timeMs !== undefined && Math.abs(timeMs) < 8.64e15;
  return isTime ? Math.floor(timeMs / DAY_MS) : undefined;
}

/** The largest blobs, and who shares them. */
export function largestTable(rows: readonly LargestRow[], index: StoreIndex): TableData {
  return {
    id: 'largest',
    title: 'Largest blobs',
    empty: 'There is no blob.',
    columns: [
      textColumn(
        'Digest',
        rows.map(({ blob }) => shortenHex(digestText(index, blob))),
        'code',
      ),
      numberColumn(
        'Bytes',
        'bytes',
        rows.map(({ amount }) => amount.bytes),
      ),
      textColumn(
        'State',
        rows.map(({ live }) => (live ? 'kept' : 'garbage')),
        'state',
      ),
      numberColumn(
        'Repositories',
        'count',
        rows.map(({ repositories }) => repositories.length),
      ),
      textColumn(
        'Held by',
        rows.map(({ repositories }) =>
          repositories.map((at) => escapeName(index.repositories[at] as string)).join(', '),
        ),
      ),
    ],
  };
}

/** Every finding of the scan. */
export function damageTable(findings: readonly Finding[]): TableData {
  return {
    id: 'damage',
    title: 'Damage and oddities',
    empty: 'None was found.',
    columns: [
      textColumn(
        'Severity',
        findings.map(({ severity }) => severity),
        'state',
      ),
      textColumn(
        'What',
        findings.map(({ code }) => code),
      ),
      textColumn(
        'Where',
        findings.map(({ path }) => shortenHex(escapeName(path))),
      ),
      textColumn(
        'Detail',
        findings.map(({ detail }) => shortenHex(escapeName(detail))),
      ),
    ],
  };
}

/** Repositories by what a plan takes of them. */
export function planRepositoryTable(rows: readonly RepositoryRow[]): TableData {
  const of = columnOf(rows);
  return repositoryTable(rows, [
    of('Tags dropped', 'count', ({ tagsDropped }) => tagsDropped),
    of('Manifests dropped', 'count', ({ manifestsDropped }) => manifestsDropped),
    of('Frees', 'bytes', ({ freedBytes }) => freedBytes),
    of('Keeps', 'bytes', ({ keptBytes }) => keptBytes),
    of('Of it shared', 'bytes', ({ sharedBytes }) => sharedBytes),
  ]);
}

/** Repositories by what they take. */
export function bookTable(rows: readonly BookRow[]): TableData {
  const of = columnOf(rows);
  const isMeasured = rows.some(({ metadata }) => metadata !== undefined);
  return repositoryTable(rows, [
    of('Manifests', 'count', ({ manifests }) => manifests),
    of('Unique', 'bytes', ({ unique }) => unique.bytes),
    of('Shared', 'bytes', ({ shared }) => shared.bytes),
    of('Alone', 'bytes', ({ whole }) => whole.bytes),
    ...(isMeasured ? [of('Links', 'bytes', ({ metadata }) => metadata?.allocatedBytes)] : []),
  ]);
}

/** Makes columns of numbers of some rows. */
function columnOf<T>(rows: readonly T[]) {
  return (title: string, kind: 'count' | 'bytes', of: (row: T) => number | undefined): ColumnData =>
    numberColumn(title, kind, rows.map(of));
}

/** What every table of repositories has, and its own columns after that. */
function repositoryTable(
  rows: readonly { readonly name: string; readonly tags: number }[],
  columns: readonly ColumnData[],
): TableData {
  return {
    id: 'repositories',
    title: 'Repositories',
    empty: 'There is no repository.',
    columns: [
      textColumn(
        'Repository',
        rows.map(({ name }) => escapeName(name)),
      ),
      columnOf(rows)('Tags', 'count', ({ tags }) => tags),
      ...columns,
    ],
  };
}

/** A small table of a word, a count and bytes. */
export function countTable(
  id: string,
  title: string,
  what: readonly [string, string],
  rows: readonly (readonly [string, number, number])[],
): TableData {
  return {
    id,
    title,
    empty: 'There is none.',
    columns: [
      textColumn(
        what[0],
        rows.map(([name]) => escapeText(name)),
      ),
      numberColumn(
        what[1],
        'count',
        rows.map(([, count]) => count),
      ),
      numberColumn(
        'Bytes',
        'bytes',
        rows.map(([, , bytes]) => bytes),
      ),
    ],
  };
}
