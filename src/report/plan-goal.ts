import type { GoalReport } from '../plan/meet-goal.js';
import type { PlanSummary } from '../plan/summary.js';
import { formatAge } from '../policy/duration.js';
import { escapeName } from './escape.js';
import { formatBytes, formatCount, shortenHex } from './format.js';
import type { PlanContext } from './plan-text.js';
import type { Style } from './style.js';
import { shortenMiddle } from './table.js';

const STEPS_SHOWN = 5;
/** Of a name, however little room there is. */
const NARROWEST = 16;
const GAP = '  ';

/** What was dropped for the goal, in which order, what it reached, and what is missing. */
export function goalLines(
  summary: PlanSummary,
  { goal, all, width }: PlanContext,
  style: Style,
): string[] {
  if (goal === undefined) return [];
  const { steps, totalBytes } = goal;
  const titles =
    totalBytes === undefined
      ? freedTitles(summary, goal, style)
      : evictedTitles(totalBytes - summary.blobs.droppedBytes, goal, style);
  const shown = all ? steps : steps.slice(0, STEPS_SHOWN);
  const rows = shown.map(({ name, bytes, idleMs }, i) => {
    const reached =
      totalBytes === undefined
        ? `(${formatBytes(bytes)} so far)`
        : `(unused ${formatAge(idleMs)}, ${formatBytes(totalBytes - bytes)} remain)`;
    const number = `    ${String(i + 1).padStart(3)}. `;
    const room = Math.max(NARROWEST, width - number.length - GAP.length - reached.length);
    return `${number}${shortenMiddle(shortenHex(escapeName(name)), room)}${GAP}${reached}`;
  });
  const hidden = steps.length - shown.length;
  const rest = hidden > 0 ? [style.dim(`    ... ${formatCount(hidden)} more (--all)`)] : [];
  return ['', ...titles, ...rows, ...rest];
}

function freedTitles({ freed }: PlanSummary, goal: GoalReport, style: Style): string[] {
  const wanted = formatBytes(goal.goalBytes);
  const missing = goal.goalBytes - freed.bytes;
  const chosen = `    ${formatCount(goal.steps.length)} of ${formatCount(goal.offered)} that may go are dropped, the least valuable first`;
  if (missing <= 0) return [style.heading(`  GOAL                 ${wanted} is met`), chosen];
  return [
    style.warn(
      `  GOAL                 ${wanted} CANNOT BE MET: ${formatBytes(missing)} are missing`,
    ),
    chosen,
    '    more would go with a wider policy, a shorter --grace, or -m',
  ];
}

function evictedTitles(remaining: number, goal: GoalReport, style: Style): string[] {
  const wanted = formatBytes(goal.goalBytes);
  const missing = remaining - goal.goalBytes;
  const chosen = [
    `    ${formatCount(goal.steps.length)} of ${formatCount(goal.offered)} that may go are evicted, those unused longest first`,
    `    (by ${goal.usedBy.join(' and ')})`,
  ];
  if (missing <= 0) {
    const reached = `${formatBytes(remaining)} remain of ${formatBytes(goal.totalBytes ?? 0)}`;
    return [style.heading(`  EVICTION             to ${wanted}: ${reached}`), ...chosen];
  }
  return [
    style.warn(
      `  EVICTION             to ${wanted} CANNOT BE REACHED: ${formatBytes(missing)} too much remain`,
    ),
    ...chosen,
    '    more would go with less protection, a wider policy or a shorter --grace',
  ];
}

const COUNTS_SHOWN = [1, 2, 3, 5, 10, 20, 50];
const DAYS_SHOWN = [7, 14, 30, 90, 180, 270, 365];

/** What `-m` with a count would free, and dropping all that is older, tagged or not. */
export function whatIfLines({ whatIf }: PlanContext, style: Style): string[] {
  if (whatIf === undefined) return [];
  const cell = (flag: string, bytes: number | undefined): string =>
    `${flag.padEnd(18)}${formatBytes(bytes ?? 0).padStart(10)}`;
  const rows = COUNTS_SHOWN.map((count, i) => {
    const days = DAYS_SHOWN[i] as number;
    const left = cell(`-m --keep-last ${count}`, whatIf.keepLast[count]);
    return `    ${left}      ${cell(`older than ${days}d`, whatIf.olderThan[days])}`;
  });
  return ['', style.heading('  WHAT WOULD BE FREED'), ...rows];
}
