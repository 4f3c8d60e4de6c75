import { AppError, errnoOf, messageOf } from '../fs/errors.js';
import type { FoundLog, LogFile, LogFs } from '../fs/log-fs.js';
import type { LogCoverage } from './activity.js';
import { makeLineFeed } from './line-feed.js';
import type { LineFeed } from './line-feed.js';
import { parseLineAt } from './log-line.js';
import { notesOf } from './log-notes.js';
import { makePullLog, makeTally } from './pull-log.js';
import type { FileTally, PullLog, Pulls } from './pull-log.js';
import { makeUnpacker, packingOf } from './unpack.js';

export interface LogOptions {
  readonly fs: LogFs;
  /** The absolute directory that relative patterns count from. */
  readonly base: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** The longest time without a request that is no hole in the logs; a day by default. */
  readonly silenceMs?: number;
  /** Bytes as they are on disk. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
  readonly isStopped?: () => boolean;
}

/** What was read of one file, and what was wrong with it. */
export interface ReadLog extends Readonly<FileTally> {
  readonly problem: string | undefined;
  /** Every line that has a time at all has one without a year. */
  readonly lacksYear: boolean;
  /** There are whole lines, and nothing is known of any of them. */
  readonly isStrange: boolean;
}

/** What logs say about pulls. */
export interface LogEvidence extends Pulls {
  /**
   * The last span in which a pull would have been seen, of all files together, and the holes
   * before it; undefined when the logs prove nothing, also when part of them could not be read:
   * any pull may be in that part.
   */
  readonly coverage: LogCoverage | undefined;
  /** Why not all that was named could be read, in a few words; undefined when all was. */
  readonly lack: string | undefined;
  /** Sorted by name. */
  readonly files: readonly ReadLog[];
  /** What the reader should know; sorted. File names are as they are on disk. */
  readonly notes: readonly string[];
}

const CHUNK = 1024 * 1024;

/** What the files have in common while they are read. */
interface Reading {
  readonly options: LogOptions;
  readonly log: PullLog;
  readonly buffer: Buffer;
  readonly total: number;
  read: number;
}

/**
 * Reads access logs, plain or gzip, in constant memory. Every line is parsed, so counts and
 * times are exact, whatever the order of the lines.
 *
 * @throws AppError `usage` when no file is found at all: a rule that asks for pulls must not
 *   find that there were none; `io` when one cannot be read; `stopped`.
 */
export async function readLogs(
  patterns: readonly string[],
  options: LogOptions,
): Promise<LogEvidence> {
  const { found, unmatched } = findLogs(patterns, options);
  const reading: Reading = {
    options,
    log: makePullLog(options.nowMs),
    buffer: Buffer.allocUnsafeSlow(CHUNK),
    total: found.reduce((sum, { size }) => sum + size, 0),
    read: 0,
  };
  const files: ReadLog[] = [];
  for (const { path } of found) files.push(await readLog(reading, path));
  const covered = reading.log.coverage(options.silenceMs);
  const lack = lackOf(files, unmatched);
  const notes = notesOf({ files, unmatched, lack, coverage: covered, nowMs: options.nowMs });
  const { repositories, pulledMs, pulledDigestMs } = reading.log;
  const coverage = lack === undefined ? covered : undefined;
  return { repositories, pulledMs, pulledDigestMs, coverage, lack, files, notes };
}

function lackOf(files: readonly ReadLog[], unmatched: readonly string[]): string | undefined {
  if (files.some(({ problem, isStrange }) => problem !== undefined || isStrange))
    return 'a log could not be read in full';
  return unmatched.length > 0 ? 'a log that was named is not there' : undefined;
}

function findLogs(
  patterns: readonly string[],
  { fs, base }: LogOptions,
): { found: FoundLog[]; unmatched: string[] } {
  const byPath = new Map<string, FoundLog>();
  const unmatched: string[] = [];
  for (const pattern of patterns) {
    const logs = attempt(pattern, () => fs.find(pattern, base));
    if (logs.length === 0) unmatched.push(pattern);
    for (const log of logs) byPath.set(log.path, log);
  }
  if (patterns.length > 0 && byPath.size === 0) {
    throw new AppError('usage', `no log matches ${unmatched.join(', ')} in ${base}`, [
      'without logs it cannot be told what was pulled; name them, or ask for no pulls',
    ]);
  }
  const found = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { found, unmatched };
}

async function readLog(reading: Reading, path: string): Promise<ReadLog> {
  const tally = makeTally(path);
  let firstStray: string | undefined;
  const feed = makeLineFeed((bytes, from, to) => {
    tally.lines++;
    const line = from < 0 ? undefined : parseLineAt(bytes, from, to);
    if (line !== undefined) reading.log.add(tally, line);
    else firstStray ??= bytes.toString('latin1', Math.max(0, from), Math.min(to, from + 32));
  });
  const file = attempt(path, () => reading.options.fs.open(path));
  try {
    const problem = await readThrough(reading, path, file, feed);
    // A log that has just begun may have no more than half a line.
    const isStrange = tally.lines > 0 && tally.recognised + tally.mistimed === 0;
    // The last line of a file that is cut off may be half a line too.
    if (problem === undefined) feed.end();
    const lacksYear = tally.recognised === 0 && SYSLOG.test(firstStray ?? '');
    return { ...tally, problem, lacksYear, isStrange };
  } finally {
    file.close();
  }
}

/** `Nov 21 10:00:00 host `: RFC 3164. */
const SYSLOG = /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d /;

async function readThrough(
  reading: Reading,
  path: string,
  file: LogFile,
  feed: LineFeed,
): Promise<string | undefined> {
  let chunk = readChunk(reading, path, file);
  const packing = packingOf(chunk);
  if (packing === 'plain') {
    for (; chunk.length > 0; chunk = readChunk(reading, path, file)) {
      feed.push(chunk);
      await pause();
    }
    return undefined;
  }
  if (packing !== 'gzip') return `packed with ${packing}; unpack it first`;
  const unpacker = makeUnpacker((bytes) => feed.push(bytes));
  for (; chunk.length > 0; chunk = readChunk(reading, path, file)) await unpacker.push(chunk);
  const problem = await unpacker.end();
  return problem === undefined ? undefined : `gzip file ${problem}`;
}

function readChunk(reading: Reading, path: string, file: LogFile): Buffer {
  const { options, buffer, total } = reading;
  if (options.isStopped?.() === true) throw new AppError('stopped', 'stopped; nothing was changed');
  const length = attempt(path, () => file.read(buffer));
  reading.read += length;
  // A log that is being written may have grown since.
  options.onProgress?.(Math.min(reading.read, total), total);
  return buffer.subarray(0, length);
}

/** Signals, and the progress on a terminal, get their turn. */
function pause(): Promise<void> {
  return new Promise((settle) => setImmediate(settle));
}

function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    const hint =
      code === 'ENOENT'
        ? 'it went away meanwhile, perhaps rotated; run again'
        : 'run as a user who may read it, or leave it out of the logs: they then cover less';
    throw new AppError('io', `cannot read the log ${path}: ${messageOf(error)}`, [hint], error);
  }
}
