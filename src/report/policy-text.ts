import type { TagRow } from '../plan/tag-rows.js';
import { formatAge } from '../policy/duration.js';
import { escapeName, escapeText } from './escape.js';
import { isoTime, shortenHex } from './format.js';
import type { Style } from './style.js';
import { layOutTable, shortenMiddle, wrap } from './table.js';

export interface ExplainContext {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly width: number;
  /** All reasons, for one tag. */
  readonly whole: boolean;
}

/** Longer ones are shortened in the middle; CSV and JSON have them whole. */
const TAG_WIDTH = 24;
/** From here on the reason stands in the tag's own line. */
const WIDE = 120;

/** What becomes of tags, as lines: age, last pull, digest, decision, and by which rule and field. */
export function renderExplain(
  rows: readonly TagRow[],
  { nowMs, width, whole }: ExplainContext,
  style: Style,
): string[] {
  const ageOf = (timeMs: number | undefined): string =>
    timeMs === undefined ? '-' : formatAge(Math.max(0, nowMs - timeMs));
  const isWide = width >= WIDE;
  const [titles = '', ...lines] = layOutTable(
    [
      { title: 'Tag', align: 'left' },
      { title: 'age', align: 'right' },
      { title: 'pulled', align: 'right' },
      { title: 'digest', align: 'left' },
      { title: 'decision', align: 'left' },
      ...(isWide ? [{ title: 'because', align: 'left', flexible: true } as const] : []),
    ],
    rows.map((row) => [
      row.tag === undefined ? '(none)' : shortenMiddle(escapeName(row.tag), TAG_WIDTH),
      ageOf(row.pushedMs),
      ageOf(row.pulledMs),
      (row.digest ?? '-').replace(/^(sha\d+:.{8}).*$/, '$1'),
      row.decision,
      ...(isWide ? [reasonOf(row)] : []),
    ]),
    width,
  );
  const told = isWide
    ? lines
    : rows.flatMap((row, i) => [lines[i] as string, ...indented(reasonOf(row), width)]);
  if (!whole) return [style.dim(titles), ...told];
  const others = rows.flatMap((row) =>
    row.reasons.slice(1).flatMap((reason) => indented(`also: ${escapeText(reason)}`, width)),
  );
  return [style.dim(titles), ...told, ...others];
}

function reasonOf({ reasons }: TagRow): string {
  return shortenHex(escapeText(reasons[0] ?? ''));
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 6).map((line) => `      ${line}`);
}

/** A row of `policy explain` as JSON; times in ISO 8601, null where nothing is known. */
export function explainJson(row: TagRow): object {
  return {
    tag: row.tag ?? null,
    digest: row.digest ?? null,
    pushed: isoTime(row.pushedMs) ?? null,
    created: isoTime(row.createdMs) ?? null,
    pulled: isoTime(row.pulledMs) ?? null,
    decision: row.decision,
    policy: row.policy ?? null,
    rule: row.rule ?? null,
    reasons: row.reasons,
  };
}
