import type { PlanSummary } from '../plan/summary.js';
import { escapeName } from './escape.js';
import { formatBytes, formatCount, shortenHex } from './format.js';
import type { PlanContext } from './plan-text.js';
import type { Style } from './style.js';

const STEPS_SHOWN = 5;

/** What was dropped for the goal, in which order, what it reached, and what is missing. */
export function goalLines(
  summary: PlanSummary,
  { goal, all }: PlanContext,
  style: Style,
): string[] {
  if (goal === undefined) return [];
  const reached = summary.freed.bytes;
  const missing = goal.goalBytes - reached;
  const { steps } = goal;
  const outcome =
    missing > 0
      ? style.warn(
          `  GOAL                 ${formatBytes(goal.goalBytes)} CANNOT BE MET: ${formatBytes(missing)} are missing`,
        )
      : style.heading(`  GOAL                 ${formatBytes(goal.goalBytes)} is met`);
  const chosen = `    ${formatCount(steps.length)} of ${formatCount(goal.offered)} that may go are dropped, the least valuable first`;
  const more =
    missing > 0 ? ['    more would go with a wider policy, a shorter --grace, or -m'] : [];
  const shown = all ? steps : steps.slice(0, STEPS_SHOWN);
  const rows = shown.map(
    ({ name, bytes }, i) =>
      `    ${String(i + 1).padStart(3)}. ${shortenHex(escapeName(name))}  (${formatBytes(bytes)} so far)`,
  );
  const hidden = steps.length - shown.length;
  const rest = hidden > 0 ? [style.dim(`    ... ${formatCount(hidden)} more (--all)`)] : [];
  return ['', outcome, chosen, ...more, ...rows, ...rest];
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
