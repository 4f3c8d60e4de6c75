import { cpus, release } from 'node:os';
import type { BenchTruth } from './make-store.ts';
import type { Measured } from './race.ts';

/** A line of the results. */
export interface Row {
  readonly name: string;
  readonly runs: number;
  /** Seconds. */
  readonly wall: number;
  readonly cpu?: number;
  readonly peakBytes?: number;
  readonly ratios: readonly string[];
}

/** Lines under a heading. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

export function rowOf({ name, runs, best }: Measured, ratios: readonly string[]): Row {
  const { wall, user, system, peakBytes } = best;
  return { name, runs: runs.length, wall, cpu: user + system, peakBytes, ratios };
}

const TITLES = ['', 'runs', 'wall ms', 'CPU ms', 'peak MB', 'ratios'];

/** All sections as one table: the best run of each, milliseconds and megabytes (10^6 bytes). */
export function layOut(sections: readonly Section[]): string {
  const lines = sections.flatMap(({ title, rows }) => [[title], ...rows.map(cellsOf)]);
  return columns([TITLES, ...lines]);
}

function cellsOf(row: Row): string[] {
  return [
    `  ${row.name}`,
    String(row.runs),
    milliseconds(row.wall),
    row.cpu === undefined ? '' : milliseconds(row.cpu),
    row.peakBytes === undefined ? '' : (row.peakBytes / 1e6).toFixed(0),
    row.ratios.join(', '),
  ];
}

/** The first column to the left, the last as it is, and those between to the right. */
export function columns(lines: readonly (readonly string[])[]): string {
  const count = Math.max(...lines.map((cells) => cells.length));
  const widths = Array.from({ length: count }, (_, i) =>
    // A heading stands alone, and may be as long as it is.
    Math.max(...lines.map((cells) => (cells.length === 1 ? 0 : (cells[i]?.length ?? 0)))),
  );
  const pad = (cell: string, i: number): string => {
    if (i === 0) return cell.padEnd(widths[0] ?? 0);
    return i === count - 1 ? cell : cell.padStart(widths[i] ?? 0);
  };
  return lines.map((cells) => cells.map(pad).join('  ').trimEnd()).join('\n');
}

function milliseconds(seconds: number): string {
  return grouped(seconds * 1000, seconds < 0.1 ? 1 : 0);
}

export function grouped(value: number, digits = 0): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString('en', options);
}

/** `a` in `b`s, such as `2.31 x floor`. */
export function times(a: number, b: number, name: string): string {
  return `${(a / b).toFixed(2)} x ${name}`;
}

/** What was measured on. */
export function describeMachine(): string {
  const [cpu] = cpus();
  return `Node ${process.version}, Linux ${release()}, ${cpus().length} CPUs (${cpu?.model ?? ''})`;
}

export function describeStore(truth: BenchTruth): string {
  const { repositories, tags, manifests, blobs, files } = truth;
  const counts = [
    `${grouped(repositories)} repositories`,
    `${grouped(tags)} tags`,
    `${grouped(manifests)} manifests`,
    `${grouped(blobs)} blobs`,
    `${grouped(files)} files`,
  ];
  return `Store of scale ${truth.scale}: ${counts.join(', ')}`;
}
