import type { TagRow } from '../plan/tag-rows.js';
import type { BookRow } from '../insight/book-rows.js';
import { escapeName, escapeText } from './escape.js';
import { isoTime } from './format.js';

const HEADER = [
  'repository',
  'tag',
  'digest',
  'pushed',
  'created',
  'pulled',
  'decision',
  'policy',
  'rule',
  'reason',
  'all_reasons',
];

/** Tags, and manifests without one, as CSV (RFC 4180): a row each, whole names, ISO 8601 times. */
export function* tagsCsv(rows: readonly TagRow[]): Generator<string> {
  yield csvLine(HEADER);
  for (const row of rows) {
    const [reason = ''] = row.reasons;
    yield csvLine([
      escapeName(row.repository),
      escapeName(row.tag ?? ''),
      row.digest ?? '',
      isoTime(row.pushedMs) ?? '',
      isoTime(row.createdMs) ?? '',
      isoTime(row.pulledMs) ?? '',
      row.decision,
      escapeText(row.policy ?? ''),
      escapeText(row.rule ?? ''),
      escapeText(reason),
      escapeText(row.reasons.join('; ')),
    ]);
  }
}

const BOOK_HEADER = [
  'name',
  'repositories',
  'tags',
  'manifests',
  'blobs',
  'unique_bytes',
  'shared_bytes',
  'alone_bytes',
  'upload_bytes',
  'unique_allocated_bytes',
  'shared_allocated_bytes',
  'upload_allocated_bytes',
  'metadata_allocated_bytes',
];

/** Repositories or namespaces as CSV; allocated bytes are empty where files were not measured. */
export function* booksCsv(rows: readonly BookRow[]): Generator<string> {
  yield csvLine(BOOK_HEADER);
  for (const { name, unique, shared, whole, uploads, metadata, ...row } of rows) {
    const numbers = [
      row.repositories,
      row.tags,
      row.manifests,
      row.blobs,
      unique.bytes,
      shared.bytes,
      whole.bytes,
      uploads.bytes,
      unique.allocatedBytes,
      shared.allocatedBytes,
      uploads.allocatedBytes,
      metadata?.allocatedBytes,
    ];
    yield csvLine([escapeName(name), ...numbers.map((number) => String(number ?? ''))]);
  }
}

/** A line of CSV; its cells are safe to print already. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map(cell).join(',')}\r\n`;
}

/** A spreadsheet takes a cell that begins like a formula for one, so such a cell gets a prefix. */
function cell(text: string): string {
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
