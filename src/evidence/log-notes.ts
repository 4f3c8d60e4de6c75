import type { LogCoverage, Span } from './activity.js';
import type { ReadLog } from './read-logs.js';

export interface LogFindings {
  readonly files: readonly ReadLog[];
  readonly unmatched: readonly string[];
  /** Why not all could be read. */
  readonly lack: string | undefined;
  readonly coverage: LogCoverage | undefined;
  readonly nowMs: number;
}

const DAY = 86_400_000;

/** What is to be said about logs that were read, sorted. */
export function notesOf({ files, unmatched, lack, coverage, nowMs }: LogFindings): string[] {
  const notes = unmatched.map((pattern) => `logs: no file matches ${pattern}`);
  for (const file of files) {
    const trouble = troubleOf(file);
    if (trouble !== undefined) notes.push(`${file.name}: ${trouble}`);
    if (file.mistimed > 0) {
      const lines = file.mistimed === 1 ? '1 line has a time' : `${file.mistimed} lines have times`;
      notes.push(`${file.name}: ${lines} before 2013 or in the future; ignored`);
    }
  }
  if (lack !== undefined) {
    notes.push(
      `logs: ${lack}, and may show any pull: nothing counts as not pulled; mend it, or leave it out`,
    );
  }
  if (coverage === undefined) {
    if (files.length > 0) notes.push(NO_PROOF);
    return notes.sort();
  }
  for (const gap of coverage.gaps) notes.push(describeGap(gap));
  if (nowMs - coverage.toMs > DAY) notes.push(`logs: they end at ${formatTime(coverage.toMs)}`);
  return notes.sort();
}

const NO_PROOF =
  'logs: nothing in them proves that pulls are logged: no access log with an answered request ' +
  'to /v2/, and no message about a HEAD of a manifest';

function troubleOf(file: ReadLog): string | undefined {
  if (file.problem !== undefined) return file.problem;
  if (file.lines === 0 || file.requests > 0) return undefined;
  if (file.lacksYear) {
    return "its times have no year; use the registry's own log, or let syslog write RFC 3339";
  }
  return file.recognised === 0 && file.mistimed === 0
    ? 'no line is of a format that is known'
    : 'no line is a request to a registry';
}

function describeGap({ fromMs, toMs }: Span): string {
  const span = `from ${formatTime(fromMs)} to ${formatTime(toMs)}`;
  return `logs: no sign of pulls being logged ${span}; only what is after it counts`;
}

/** `2026-11-21 10:00 UTC`, to the minute. */
function formatTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
