import { AppError } from '../fs/errors.js';

/** A number of whole bytes; made only by parsing. */
export type Bytes = number & { readonly __brand: 'Bytes' };

const UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['PB', 1e15],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
  ['PiB', 2 ** 50],
]);
const SHAPE = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/;

/**
 * Parses `200GiB`, `1.5 GB`, `512 B`; `0` needs no unit. A fraction of a byte is rounded.
 * @throws AppError `usage` for anything else (`200`, `10G`, `1e3 B`), and beyond exact integers.
 */
export function parseSize(text: string): Bytes {
  if (text === '0') return 0 as Bytes;
  const match = SHAPE.exec(text);
  const unit = UNITS.get(match?.[2] ?? '');
  if (match === null || unit === undefined) {
    throw new AppError('usage', `\`${text}\` is no size; write 200GiB, 1.5 GB, 512MiB or 0`);
  }
  const bytes = Math.round(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes)) throw new AppError('usage', `\`${text}\` is too large a size`);
  return bytes as Bytes;
}

const SHOWN = ['PiB', 'TiB', 'GiB', 'MiB', 'KiB'] as const;

/** Bytes for people: `1.5 GiB`, `512 B`. Rounded to a tenth, so it need not parse back exactly. */
export function formatSize(bytes: number): string {
  for (const unit of SHOWN) {
    const length = UNITS.get(unit) ?? 1;
    if (bytes >= length) return `${(bytes / length).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}
