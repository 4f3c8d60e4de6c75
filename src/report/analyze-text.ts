import type { Amount } from '../insight/amounts.js';
import type { Books } from '../insight/books.js';
import { bookTables, bytesOf } from './analyze-tables.js';
import type { AnalyzeContext } from './analyze-tables.js';
import { escapeText } from './escape.js';
import { formatBytes, formatSeconds, plural, shortenHex } from './format.js';
import type { Style } from './style.js';
import { wrap } from './table.js';

/** Where the space is, as lines without their line feeds. */
export function renderAnalysis(books: Books, context: AnalyzeContext, style: Style): string[] {
  const { refused, warnings, width } = context;
  const told = (title: string, texts: readonly string[]): string[] =>
    texts.length === 0
      ? []
      : [
          '',
          `  ${title}`,
          ...texts.flatMap((text) => indented(shortenHex(escapeText(text)), width)),
        ];
  return [
    ...header(books, context, style),
    ...told(style.bad('NOT EVERYTHING COULD BE SEEN, so the figures are too small'), refused),
    ...store(books, context, style),
    ...bookTables(books, context, style),
    ...told(style.warn('NOTE'), warnings),
    '',
    ...closing(books, context),
  ];
}

const LABEL = 22;
const BYTES = 11;
const UNSHARED = 'if images shared nothing';

function header(books: Books, { root, index }: AnalyzeContext, style: Style): string[] {
  const manifests = books.rows.reduce((sum, row) => sum + row.manifests, 0);
  const counts = [
    plural(index.repositories.length, 'repository'),
    plural(index.tags.name.length, 'tag'),
    plural(manifests, 'manifest'),
    plural(books.blobs.blobs, 'blob'),
  ];
  return [style.strong(escapeText(root)), '', `  ${counts.join('  ')}`];
}

function store(books: Books, { width }: AnalyzeContext, style: Style): string[] {
  const ratio = `  ${'DEDUPLICATION'.padEnd(LABEL)}${times(books.dedupRatio).padStart(BYTES)}`;
  const row = (label: string, bytes: number, rest = ''): string =>
    `  ${label.padEnd(LABEL)}${formatBytes(bytes).padStart(BYTES)}    ${rest}`.trimEnd();
  const part = (label: string, amount: Amount, rest = ''): string[] =>
    bytesOf(amount) === 0 ? [] : [row(`  ${label}`, bytesOf(amount), rest)];
  const { measured, unreferenced } = books;
  const whole =
    books.room ?? books.blobs.amount.bytes + books.uploads.bytes + books.temporaries.bytes;
  const how = measured ? 'every file measured' : 'as manifests say';
  return [
    '',
    style.heading(row('STORED', whole, how)),
    ...part('of one repository', books.unique),
    ...part('shared', books.shared, `${times(books.dedupAcross)} if unshared`),
    ...part("no repository's", books.unheld),
    ...part(
      'unreferenced',
      unreferenced.amount,
      `${plural(unreferenced.blobs, 'blob')}: regsweep plan`,
    ),
    ...part('uploads', books.uploads, 'not finished'),
    ...part('temporary files', books.temporaries),
    ...part('links, directories', books.metadata),
    ...part('other files', books.other),
    '',
    ...(ratio.length + 4 + UNSHARED.length <= width
      ? [`${ratio}    ${UNSHARED}`]
      : [ratio, ...indented(UNSHARED, width)]),
  ];
}

function times(ratio: number): string {
  return `${ratio.toFixed(ratio < 9.95 ? 1 : 0)} times`;
}

function closing(books: Books, { seconds, width }: AnalyzeContext): string[] {
  const how = books.measured
    ? 'Bytes are allocated ones, and add up to what du says.'
    : 'Bytes are those of the data, as manifests tell them; --stat measures every file.';
  return wrap(`Nothing was changed (${formatSeconds(seconds)}). ${how}`, width);
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 4).map((line) => `    ${line}`);
}
