import { durationOfSeconds } from './duration.js';
import type { Duration } from './duration.js';
import { unreadable } from './import-draft.js';

const GO_UNITS: Readonly<Record<string, number>> = {
  h: 3600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  ns: 1e-9,
};

/** Go's `time.ParseDuration` (`168h`, `1h30m`, `1.5h`), to whole seconds. */
export function goDuration(text: string): Duration {
  if (text === '0') return durationOfSeconds(0);
  if (!/^(?:\d+(?:\.\d*)?(?:h|ms|m|s|us|ns))+$/.test(text))
    throw unreadable(`the duration \`${text}\``);
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|s|us|ns)/g)) {
    seconds += Number(number) * (GO_UNITS[unit ?? ''] ?? 0);
  }
  return durationOfSeconds(seconds);
}

/** acr's `--ago`: whole days, then a Go duration (`2d3h6m`, `30d`, `12h`). */
export function acrDuration(text: string): Duration {
  const match = /^(?:(\d+)d)?(.*)$/.exec(text);
  const rest = match?.[2] ?? '';
  if (match?.[1] === undefined) return goDuration(text);
  return durationOfSeconds(Number(match[1]) * 86_400 + (rest === '' ? 0 : goDuration(rest) / 1000));
}

const WORDS: Readonly<Record<string, number>> = {
  h: 3600,
  d: 86_400,
  w: 604_800,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 30 * 86_400,
  year: 365.25 * 86_400,
};

/** GitLab's `older_than`: `14d`, `1month`, `2 weeks`. */
export function gitlabDuration(text: string): Duration {
  const match = /^(\d+)\s*([a-z]+?)s?$/.exec(text.trim().toLowerCase());
  const seconds = WORDS[match?.[2] ?? ''];
  if (match === null || seconds === undefined) throw unreadable(`the duration \`${text}\``);
  return durationOfSeconds(Number(match[1]) * seconds);
}
