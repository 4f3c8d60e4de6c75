import type { Plan } from '../plan/read-plan.js';
import type { SweepResult } from '../sweep/sweep.js';
import { escapeName, escapeText } from './escape.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatSeconds,
  plural,
  shortenHex,
} from './format.js';
import type { Style } from './style.js';
import { wrap } from './table.js';

export interface SweepStart {
  readonly plan: Plan;
  /** sha256 of the plan file. */
  readonly hash: string;
  readonly shownAs: string;
  readonly linksOnly: boolean;
  readonly overridden: boolean;
  /** When it is to end, milliseconds since 1970; undefined for no limit. */
  readonly stopsAtMs: number | undefined;
  readonly nowMs: number;
}

/** What a sweep says before it asks. */
export function renderSweepStart(start: SweepStart, style: Style): string[] {
  const { header, trailer } = start.plan;
  const counts = header.counts;
  const age = formatDuration(Math.max(0, start.nowMs - Date.parse(header.created)));
  const created = header.created.slice(0, 19).replace('T', ' ');
  const hash = `sha256 ${start.hash.slice(0, 12)}...`;
  const lines = [
    style.strong(
      `plan of ${escapeText(created)} UTC (${escapeText(header.policy)}, ${age === '0' ? 'just made' : `${age} old`}) · ${hash}`,
    ),
  ];
  const links = counts['links'] ?? 0;
  const root = escapeText(start.shownAs);
  if (counts['mends'] !== undefined) lines.push(...mendLines(start.plan, root));
  else if (links > 0) lines.push(`  puts back ${plural(links, 'link')} in ${root}`);
  else if (start.linksOnly) {
    lines.push(`  removes the links of ${dropped(counts)} in ${root}, and leaves the data`);
  } else {
    lines.push(
      `  drops ${dropped(counts)} and frees ${formatBytes(trailer.bytes)} in ${plural(counts['files'] ?? 0, 'file')} of ${root}`,
    );
  }
  lines.push(
    start.overridden ? '  the registry is stopped, as you say' : '  no registry seen running',
  );
  if (start.stopsAtMs !== undefined)
    lines.push(`  stops ${describeStop(start.stopsAtMs, start.nowMs)}`);
  return lines;
}

/**
 * A time to come as a clock of this host shows it, with its day and how far off it is: who types
 * a time of day that has just passed means today, and gets tomorrow.
 */
function describeStop(stopsAtMs: number, nowMs: number): string {
  const then = new Date(stopsAtMs);
  const isInDays = (days: number): boolean => {
    const day = new Date(nowMs);
    day.setDate(day.getDate() + days);
    return day.toDateString() === then.toDateString();
  };
  const two = (part: number): string => String(part).padStart(2, '0');
  const date = `on ${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`;
  const day = isInDays(0) ? 'today' : isInDays(1) ? 'tomorrow' : date;
  const time = `${two(then.getHours())}:${two(then.getMinutes())}`;
  return `at ${time} ${day}, in ${formatSeconds(Math.max(0, stopsAtMs - nowMs) / 1000)}`;
}

const NAMED = 10;

/** What a repair does, and by name what it removes: no undo brings data back. */
function mendLines({ header: { counts }, actions }: Plan, root: string): string[] {
  const some = (count: number | undefined, noun: string): string[] =>
    count === undefined || count === 0 ? [] : [plural(count, noun)];
  const mends = [...some(counts['mends'], 'link'), ...some(counts['attributes'], 'mode or owner')];
  const removes = [
    ...some(counts['damaged'], 'damaged blob'),
    ...some(counts['uploads'], 'broken upload'),
    ...some(counts['tags'], 'dead tag'),
    ...some(counts['layerLinks'], 'link to nothing'),
    ...some(counts['temporaries'], 'temporary file'),
    ...some(counts['directories'], 'empty directory'),
  ];
  const names = actions.flatMap((action): string[] => {
    if (action.kind === 'corrupt-blob') {
      return [`${shortenHex(action.digest)}  ${formatBytes(action.bytes)}, damaged`];
    }
    if (action.kind === 'tag') return [`${escapeName(`${action.repository}:${action.tag}`)}  dead`];
    if (action.kind !== 'upload') return [];
    return [`${escapeName(action.repository)}  upload ${action.id}, ${formatBytes(action.bytes)}`];
  });
  const hidden = names.length - NAMED;
  return [
    `  mends ${mends.length === 0 ? 'no link' : mends.join(', ')} in ${root}`,
    ...(removes.length === 0 ? [] : [`  removes ${removes.join(', ')}:`]),
    ...names.slice(0, NAMED).map((name) => `    ${name}`),
    ...(hidden > 0 ? [`    and ${formatCount(hidden)} more`] : []),
  ];
}

function dropped(counts: Readonly<Record<string, number>>): string {
  const tags = counts['tags'] ?? 0;
  const manifests = plural(counts['manifests'] ?? 0, 'manifest');
  return tags > 0 ? `${plural(tags, 'tag')}, ${manifests}` : manifests;
}

export interface SweepEnd {
  readonly seconds: number;
  readonly logDirectory: string | undefined;
  readonly width: number;
}

const SHOWN = 10;

/** What a sweep says when it is done, or stopped. */
export function renderSweepResult(result: SweepResult, end: SweepEnd, style: Style): string[] {
  if (result.ended === 'declined') return ['Nothing was changed.'];
  return [
    ...outcome(result, end, style),
    ...leftBehind(result, end),
    ...notPutBack(result, style),
    ...verified(result, style),
    ...(end.logDirectory === undefined ? [] : [`  log: ${escapeText(end.logDirectory)}`]),
    ...advice(result, end),
  ];
}

function outcome(result: SweepResult, end: SweepEnd, style: Style): string[] {
  const took = formatSeconds(end.seconds);
  const difference = Math.max(0, result.freeBytes.after - result.freeBytes.before);
  // A mend frees the bytes of damaged data, which is no blob.
  const blobs = result.blobs === 0 ? '' : ` in ${plural(result.blobs, 'blob')}`;
  const freed = `${formatBytes(result.freedBytes)}${blobs}`;
  const own = `  by the file system's own account: ${formatBytes(difference)} more free, ${formatBytes(result.freeBytes.after)} in all`;
  if (result.ended === 'stopped') {
    return [
      style.warn(`Stopped: freed ${freed} (${took}). The registry is consistent.`),
      own,
      `  ${plural(result.remaining, 'action')} left: run the same command again to go on`,
    ];
  }
  const again = result.already > 0 ? `, ${formatCount(result.already)} were done before` : '';
  return [
    style.good(`Done: freed ${freed} (${took}).`),
    own,
    `  ${plural(result.done, 'action')} carried out${again}`,
  ];
}

function leftBehind(result: SweepResult, end: SweepEnd): string[] {
  if (result.left.length === 0) return [];
  const shown = result.left.slice(0, SHOWN).map((path) => `    ${escapeName(path)}`);
  const hidden = result.left.length - shown.length;
  return [
    ...wrap(
      `not empty, or no file, so left alone: ${formatCount(result.left.length)}`,
      end.width - 2,
    ).map((line) => `  ${line}`),
    ...shown,
    ...(hidden > 0 ? [`    ${formatCount(hidden)} more, in the log`] : []),
  ];
}

function notPutBack({ notPutBack: names }: SweepResult, style: Style): string[] {
  if (names.length === 0) return [];
  return [
    style.bad(
      `  NOT PUT BACK: ${plural(names.length, 'name')}, for their manifests' blobs are gone`,
    ),
    ...shownNames(names),
    '    what is to be pulled again has to be pushed again',
  ];
}

function verified(result: SweepResult, style: Style): string[] {
  const { verification } = result;
  if (verification === undefined) return [];
  const { lost, pushed, unseen } = verification;
  if (unseen !== undefined) {
    return [
      style.bad(`  NOT VERIFIED: not everything could be read: ${escapeName(unseen)}`),
      '    nothing says that anything is lost; regsweep plan looks again',
    ];
  }
  const checked = formatCount(verification.checked);
  const kept =
    lost.length === 0
      ? [`  verified: all ${checked} tags and manifests that resolved before resolve now`]
      : [
          style.bad(
            `  VERIFICATION FAILED: ${formatCount(lost.length)} of ${checked} do not resolve any more`,
          ),
          ...shownNames(lost),
        ];
  if (pushed.length === 0) return kept;
  return [
    ...kept,
    style.bad(
      `  PUSHED WHILE THIS RAN: ${plural(pushed.length, 'name')} ${pushed.length === 1 ? 'lacks' : 'lack'} blobs that went`,
    ),
    ...shownNames(pushed),
    '    push them again; the registry was not stopped, or came back by itself',
  ];
}

function shownNames(names: readonly string[]): string[] {
  return [
    ...names.slice(0, SHOWN).map((name) => `    ${escapeName(name)}`),
    ...(names.length > SHOWN ? [`    ${formatCount(names.length - SHOWN)} more`] : []),
  ];
}

function advice(result: SweepResult, end: SweepEnd): string[] {
  if (result.ended === 'stopped') return [];
  const text =
    'Start the registry again. If it caches blob descriptors in Redis, flush that (redis-cli FLUSHDB): a stale entry makes a later push skip a layer that is gone.';
  return ['', ...wrap(text, end.width)];
}
