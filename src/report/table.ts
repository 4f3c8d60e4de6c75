import { largestOf } from './format.js';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** The one column that takes the width that is left, and is shortened in the middle. */
  readonly flexible?: boolean;
}

const GAP = '  ';

/** Lays out rows under their titles in `width` columns of a terminal, indented by two. */
export function layOutTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const widths = columns.map(({ title }, i) =>
    largestOf(title.length, rows, (row) => row[i]?.length ?? 0),
  );
  const flexible = columns.findIndex((column) => column.flexible === true);
  const total = widths.reduce((sum, w) => sum + w, 0) + GAP.length * columns.length;
  if (flexible >= 0 && total > width) {
    widths[flexible] = Math.max(8, (widths[flexible] as number) - (total - width));
  }
  const line = (cells: readonly string[]): string =>
    GAP +
    cells
      .map((cell, i) => {
        const room = widths[i] as number;
        const text = shortenMiddle(cell, room);
        return columns[i]?.align === 'right' ? text.padStart(room) : text.padEnd(room);
      })
      .join(GAP)
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...rows.map(line)];
}

/** A text in at most `room` columns; what is too long loses its middle. */
export function shortenMiddle(text: string, room: number): string {
  if (text.length <= room) return text;
  // By characters: half of a surrogate pair is none.
  const characters = Array.from(text);
  if (characters.length <= room) return text;
  if (room < 5) return characters.slice(0, room).join('');
  const head = Math.ceil((room - 3) / 2);
  const tail = characters.length - (room - 3 - head);
  return `${characters.slice(0, head).join('')}...${characters.slice(tail).join('')}`;
}

/** Breaks a text at spaces into lines of at most `room` columns; a longer word is shortened. */
export function wrap(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const whole of text.split(' ').filter((part) => part !== '')) {
    const word = shortenMiddle(whole, room);
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line];
}
