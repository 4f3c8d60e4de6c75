import type { TagRow } from '../plan/tag-rows.js';
import { formatAge } from '../policy/duration.js';
import { escapeName, escapeText } from './escape.js';
import { shortenHex } from './format.js';
import type { Style } from './style.js';
import { layOutTable, wrap } from './table.js';

export interface ExplainContext {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly width: number;
  /** All reasons, for one tag. */
  readonly whole: boolean;
}

/** What becomes of tags, as lines: age, last pull, digest, decision, and by which rule and field. */
export function renderExplain(
  rows: readonly TagRow[],
  { nowMs, width, whole }: ExplainContext,
  style: Style,
): string[] {
  const ageOf = (timeMs: number | undefined): string =>
    timeMs === undefined ? '-' : formatAge(Math.max(0, nowMs - timeMs));
  const [titles = '', ...lines] = layOutTable(
    [
      { title: 'Tag', align: 'left', flexible: true },
      { title: 'age', align: 'right' },
      { title: 'pulled', align: 'right' },
      { title: 'digest', align: 'left' },
      { title: 'decision', align: 'left' },
      { title: 'because', align: 'left', flexible: true },
    ],
    rows.map((row) => [
      row.tag === undefined ? '(none)' : escapeName(row.tag),
      ageOf(row.pushedMs),
      ageOf(row.pulledMs),
      (row.digest ?? '-').replace(/^(sha\d+:.{8}).*$/, '$1'),
      row.decision,
      shortenHex(escapeText(row.reasons[0] ?? '')),
    ]),
    width,
  );
  if (!whole) return [style.dim(titles), ...lines];
  const reasons = rows.flatMap((row) => row.reasons.map((reason) => `- ${escapeText(reason)}`));
  const wrapped = reasons.flatMap((reason) => wrap(reason, width - 2).map((line) => `  ${line}`));
  return [style.dim(titles), ...lines, '', 'All that held, what decided first:', ...wrapped];
}

export function explainJson(row: TagRow): object {
  const timeOf = (timeMs: number | undefined): string | null =>
    timeMs === undefined ? null : new Date(timeMs).toISOString();
  return {
    tag: row.tag ?? null,
    digest: row.digest ?? null,
    pushed: timeOf(row.pushedMs),
    created: timeOf(row.createdMs),
    pulled: timeOf(row.pulledMs),
    decision: row.decision,
    policy: row.policy ?? null,
    rule: row.rule ?? null,
    reasons: row.reasons,
  };
}
