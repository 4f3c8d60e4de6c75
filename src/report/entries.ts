import { largestOf } from './format.js';
import { shortenMiddle, wrap } from './table.js';

/** Something to tell about: what it is, what of it, and what to do about it. Safe to print. */
export interface Entry {
  readonly label: string;
  readonly text: string;
  readonly way?: string;
}

const INDENT = '    ';
const GAP = '  ';
/** Narrower than this, two columns leave too little room for sentences. */
const TWO_COLUMNS = 72;
/** Wider than this, the eye loses the way from a text to the right edge. */
const WIDEST = 100;

/**
 * Lays out entries in two columns: labels, and texts with the way out at the right edge of
 * the last line that has room for it. A label too long for its column stands alone.
 */
export function layOutEntries(entries: readonly Entry[], columns: number): string[] {
  const width = Math.min(columns, WIDEST);
  const most = width < TWO_COLUMNS ? 0 : Math.floor(width * 0.35);
  const fitting = entries.filter(({ label }) => label.length <= most);
  const room = largestOf(0, fitting, ({ label }) => label.length);
  const indent = room === 0 ? `${INDENT}${GAP}` : `${INDENT}${' '.repeat(room)}${GAP}`;
  return entries.flatMap((entry) => {
    const texts = wrap(entry.text, width - indent.length).map((line) => `${indent}${line}`);
    const lines = entry.way === undefined ? texts : withWay(texts, entry.way, width);
    if (entry.label.length > room) {
      return [`${INDENT}${shortenMiddle(entry.label, width - INDENT.length)}`, ...lines];
    }
    const [first = '', ...rest] = lines;
    return [`${INDENT}${entry.label.padEnd(room)}${GAP}${first.slice(indent.length)}`, ...rest];
  });
}

function withWay(lines: readonly string[], way: string, width: number): string[] {
  const last = lines.at(-1) ?? '';
  if (last.length + GAP.length + way.length > width) return [...lines, way.padStart(width)];
  return [...lines.slice(0, -1), last + way.padStart(width - last.length)];
}
