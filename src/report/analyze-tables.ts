import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { CAUSES } from '../insight/causes.js';
import type { Amount } from '../insight/amounts.js';
import type { BookRow } from '../insight/book-rows.js';
import type { Books } from '../insight/books.js';
import { escapeName, escapeText } from './escape.js';
import {
  formatBytes,
  formatCount,
  formatPercent,
  largestOf,
  plural,
  shortenHex,
} from './format.js';
import type { Style } from './style.js';
import { layOutTable } from './table.js';
import type { Column } from './table.js';

/** What the report says besides the books' own figures. */
export interface AnalyzeContext {
  /** As the user named it. */
  readonly root: string;
  readonly index: StoreIndex;
  /** Those that were asked for, in the order asked for. */
  readonly rows: readonly BookRow[];
  /** Namespaces of so many parts stand in the rows. */
  readonly depth: number | undefined;
  /** How many rows a table has at most; Infinity for all. */
  readonly top: number;
  readonly warnings: readonly string[];
  readonly refused: readonly string[];
  readonly seconds: number;
  readonly width: number;
}

/** The tables of the books, one after the other, as lines. */
export function bookTables(books: Books, context: AnalyzeContext, style: Style): string[] {
  return [
    ...owners(context, style),
    ...garbage(books, context, style),
    ...largest(books, context, style),
    ...bases(books, context, style),
    ...kinds(books, context, style),
    ...platforms(books, context, style),
    ...ages(books, context, style),
    ...months(books, context, style),
  ];
}

const NUMBER = { align: 'right' } as const;

/** The bytes that count: what the file system gives for it, where that was measured. */
export function bytesOf({ bytes, allocatedBytes }: Amount): number {
  return allocatedBytes ?? bytes;
}

function owners({ rows, depth, top, width }: AnalyzeContext, style: Style): string[] {
  if (rows.length === 0) return [];
  const whole = rows.reduce(
    (sum, { unique, shared }) => sum + bytesOf(unique) + bytesOf(shared),
    0,
  );
  const columns: Column[] = [
    { title: depth === undefined ? 'Repository' : 'Namespace', align: 'left', flexible: true },
    ...(depth === undefined ? [] : [{ title: 'repositories', ...NUMBER }]),
    { title: 'tags', ...NUMBER },
    { title: 'unique', ...NUMBER },
    { title: 'shared', ...NUMBER },
    { title: 'of all', ...NUMBER },
    { title: 'alone', ...NUMBER },
  ];
  const cells = rows.map((row) => [
    escapeName(row.name),
    ...(depth === undefined ? [] : [formatCount(row.repositories)]),
    formatCount(row.tags),
    formatBytes(bytesOf(row.unique)),
    formatBytes(bytesOf(row.shared)),
    formatPercent(bytesOf(row.unique) + bytesOf(row.shared), whole),
    formatBytes(bytesOf(row.whole)),
  ]);
  return section(columns, cells, { top, width }, style);
}

/** A table under its titles; what is beyond `top` is counted. */
function section(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  { top, width }: { readonly top: number; readonly width: number },
  style: Style,
): string[] {
  const shown = cells.slice(0, top);
  const [titles = '', ...rows] = layOutTable(columns, shown, width);
  const hidden = cells.length - shown.length;
  const tail = hidden > 0 ? [style.dim(`  ... ${formatCount(hidden)} more (--all)`)] : [];
  return ['', style.dim(titles), ...rows, ...tail];
}

function garbage(books: Books, { width }: AnalyzeContext, style: Style): string[] {
  const rows = [...books.causes, ...(books.untagged === undefined ? [] : [books.untagged])].filter(
    ({ blobs }) => blobs > 0,
  );
  if (rows.length === 0) return [];
  return section(
    [
      { title: 'Garbage by cause', align: 'left', flexible: true },
      { title: 'blobs', ...NUMBER },
      { title: 'bytes', ...NUMBER },
    ],
    rows.map(({ cause, blobs, amount }) => [
      CAUSES[cause],
      formatCount(blobs),
      formatBytes(bytesOf(amount)),
    ]),
    { top: Infinity, width },
    style,
  );
}

function largest(books: Books, { index, top, width }: AnalyzeContext, style: Style): string[] {
  const rows = books.largest.slice(0, top);
  if (rows.length === 0) return [];
  return section(
    [
      { title: 'Largest blobs', align: 'left' },
      { title: 'bytes', ...NUMBER },
      { title: 'held by', align: 'left', flexible: true },
    ],
    rows.map((row) => {
      const [first, ...others] = row.repositories.map((at) =>
        escapeName(index.repositories[at] as string),
      );
      const holders =
        first === undefined
          ? ''
          : others.length === 0
            ? first
            : `${first} and ${plural(others.length, 'repository')} more`;
      return [
        shortenHex(digestText(index, row.blob)),
        formatBytes(bytesOf(row.amount)),
        row.live ? holders : holders === '' ? 'nobody' : `nobody (linked by ${holders})`,
      ];
    }),
    { top: Infinity, width },
    style,
  );
}

function bases({ bases: rows }: Books, { top, width }: AnalyzeContext, style: Style): string[] {
  if (rows.length === 0) return [];
  return section(
    [
      { title: 'Base layers', align: 'left' },
      { title: 'bytes', ...NUMBER },
      { title: 'images on it', ...NUMBER },
    ],
    rows.map(({ digest, bytes, images }) => [
      shortenHex(digest),
      formatBytes(bytes),
      formatCount(images),
    ]),
    { top, width },
    style,
  );
}

function kinds({ species }: Books, { width }: AnalyzeContext, style: Style): string[] {
  const rows = species.filter(({ species: own }) => own !== 'layer');
  if (rows.length < 2) return [];
  return section(
    [
      { title: 'Kind', align: 'left' },
      { title: 'manifests', ...NUMBER },
      { title: 'blobs', ...NUMBER },
      { title: 'bytes', ...NUMBER },
    ],
    rows.map(({ species: own, manifests, blobs, amount }) => [
      own,
      formatCount(manifests),
      formatCount(blobs),
      formatBytes(bytesOf(amount)),
    ]),
    { top: Infinity, width },
    style,
  );
}

function platforms(
  { platforms: rows }: Books,
  { top, width }: AnalyzeContext,
  style: Style,
): string[] {
  if (rows.length < 2) return [];
  return section(
    [
      { title: 'Platform', align: 'left', flexible: true },
      { title: 'images', ...NUMBER },
      { title: 'bytes', ...NUMBER },
    ],
    rows.map(({ platform, images, amount }) => [
      escapeText(platform),
      formatCount(images),
      formatBytes(bytesOf(amount)),
    ]),
    { top, width },
    style,
  );
}

function ages({ ages: rows }: Books, { width }: AnalyzeContext, style: Style): string[] {
  if (rows.length === 0) return [];
  const label = (from: number, to: number | undefined): string =>
    to === undefined ? `${from} days and more` : `less than ${to} days`;
  return section(
    [
      { title: 'Last pushed', align: 'left' },
      { title: 'blobs', ...NUMBER },
      { title: 'bytes', ...NUMBER },
    ],
    rows.map(({ fromDays, toDays, blobs, amount }) => [
      label(fromDays, toDays),
      formatCount(blobs),
      formatBytes(bytesOf(amount)),
    ]),
    { top: Infinity, width },
    style,
  );
}

const BAR = 30;

function months({ months: rows }: Books, { top, width }: AnalyzeContext, style: Style): string[] {
  if (rows.length === 0) return [];
  const newest = [...rows]
    .reverse()
    .slice(0, Number.isFinite(top) ? Math.max(top, 12) : rows.length);
  const most = largestOf(0, newest, ({ tags }) => tags);
  const lines = section(
    [
      { title: 'Month', align: 'left' },
      { title: 'tags', ...NUMBER },
      { title: '', align: 'left' },
    ],
    newest.map(({ month, tags }) => [
      month,
      formatCount(tags),
      '█'.repeat(Math.max(1, Math.round((BAR * tags) / most))),
    ]),
    { top: Infinity, width },
    style,
  );
  return lines;
}
