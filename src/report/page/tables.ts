/// <reference lib="dom" />
import type { ColumnData, TableData } from '../page-data.js';
import { byId, make } from './dom.js';
import { showBytes, showCount, showDay } from './numbers.js';

/** Rows that are shown at once: with more, each click would lay out a longer table. */
const ROWS = 100;

/** A table that sorts by a click on a title and filters by what is typed. */
export function showTable(table: TableData): void {
  const host = byId(`table-${table.id}`);
  const count = table.columns[0]?.values.length ?? 0;
  if (count === 0) {
    host.append(make('p', { class: 'empty' }, table.empty));
    return;
  }
  new SortedTable(table, count, host).show();
}

/** What is shown of a value. */
function cellText(column: ColumnData, row: number): string {
  const value = column.values[row] ?? null;
  if (value === null) return '';
  if (column.words !== undefined) return column.words[Number(value)] ?? '';
  if (column.kind === 'bytes') return showBytes(Number(value));
  if (column.kind === 'count') return showCount(Number(value));
  return column.kind === 'day' ? showDay(Number(value)) : String(value);
}

class SortedTable {
  readonly #table: TableData;
  readonly #count: number;
  readonly #host: HTMLElement;
  readonly #body = make('tbody');
  readonly #status = make('p', { class: 'status', role: 'status' });
  readonly #pages = make('div', { class: 'pages' });
  readonly #previous = make('button', { type: 'button', class: 'previous' }, 'Previous');
  readonly #next = make('button', { type: 'button', class: 'next' }, 'Next');
  readonly #place = make('span', { class: 'place' });
  readonly #heads: HTMLTableCellElement[] = [];
  /** Every row, in the order that was asked for last. */
  #order: number[];
  #matching: number[];
  /** The first row that is shown, among those that match. */
  #from = 0;
  #sorted = -1;
  #descending = false;
  /** By row, in lower case: all that a filter looks at. Made at the first filter. */
  #haystacks: string[] | undefined;

  constructor(table: TableData, count: number, host: HTMLElement) {
    this.#table = table;
    this.#count = count;
    this.#host = host;
    this.#order = Array.from({ length: count }, (_, row) => row);
    this.#matching = this.#order;
  }

  show(): void {
    const { id, title } = this.#table;
    const label = make('label', { for: `filter-${id}` }, `Filter ${title.toLowerCase()}`);
    const filter = make('input', { type: 'search', id: `filter-${id}`, autocomplete: 'off' });
    filter.addEventListener('input', () => this.#filter(filter.value));
    const bar = make('div', { class: 'bar' });
    bar.append(label, filter, this.#status);
    const element = make('table');
    element.append(make('caption', { class: 'hidden' }, title), this.#head(), this.#body);
    const scroll = make('div', {
      class: 'scroll',
      tabindex: '0',
      role: 'region',
      'aria-label': title,
    });
    scroll.append(element);
    this.#previous.addEventListener('click', () => this.#turn(-ROWS));
    this.#next.addEventListener('click', () => this.#turn(ROWS));
    this.#pages.append(this.#previous, this.#place, this.#next);
    this.#host.append(bar, scroll, this.#pages);
    this.#fill();
  }

  #turn(rows: number): void {
    this.#from = Math.max(0, this.#from + rows);
    this.#fill();
  }

  #head(): HTMLTableSectionElement {
    const row = make('tr');
    this.#table.columns.forEach((column, at) => {
      const head = make('th', { scope: 'col', class: column.kind, 'aria-sort': 'none' });
      const button = make('button', { type: 'button' }, column.title);
      button.addEventListener('click', () => this.#sort(at));
      head.append(button);
      this.#heads.push(head);
      row.append(head);
    });
    const section = make('thead');
    section.append(row);
    return section;
  }

  /** Numbers begin with the largest, texts with the first; a second click turns them round. */
  #sort(at: number): void {
    const column = this.#table.columns[at];
    if (column === undefined) return;
    const isText = ['text', 'code', 'state'].includes(column.kind);
    this.#descending = this.#sorted === at ? !this.#descending : !isText;
    this.#sorted = at;
    const compare = column.kind === 'code' ? byCode(column) : byNumber(column);
    const sign = this.#descending ? -1 : 1;
    this.#order.sort((a, b) => sign * compare(a, b) || a - b);
    this.#heads.forEach((head, i) => {
      const way = this.#descending ? 'descending' : 'ascending';
      head.setAttribute('aria-sort', i === at ? way : 'none');
    });
    this.#filter(undefined);
  }

  /** Undefined keeps the filter as it is. */
  #filter(text: string | undefined): void {
    if (text !== undefined) {
      this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    }
    this.#from = 0;
    const words = this.#words;
    const haystacks = words.length === 0 ? [] : this.#allHaystacks();
    this.#matching =
      words.length === 0
        ? this.#order
        : this.#order.filter((row) =>
            words.every((word) => haystacks[row]?.includes(word) === true),
          );
    this.#fill();
  }

  #words: readonly string[] = [];

  #allHaystacks(): string[] {
    const columns = this.#table.columns.filter(({ kind }) =>
      ['text', 'code', 'state'].includes(kind),
    );
    this.#haystacks ??= Array.from({ length: this.#count }, (_, row) =>
      columns
        .map((column) => cellText(column, row))
        .join('\n')
        .toLowerCase(),
    );
    return this.#haystacks;
  }

  #fill(): void {
    const { columns } = this.#table;
    const rows = this.#matching.slice(this.#from, this.#from + ROWS).map((row) => {
      const line = make('tr');
      for (const column of columns) {
        const text = cellText(column, row);
        const cell = make('td', { class: column.kind }, column.kind === 'state' ? '' : text);
        if (column.kind === 'state') cell.append(make('span', { class: `pill ${text}` }, text));
        line.append(cell);
      }
      return line;
    });
    this.#body.replaceChildren(...rows);
    const all = this.#matching.length;
    const of = all === this.#count ? '' : ` of ${showCount(this.#count)}`;
    this.#status.textContent = `${showCount(all)}${of} ${all === 1 ? 'row' : 'rows'}`;
    const to = this.#from + rows.length;
    this.#pages.hidden = all <= ROWS;
    this.#previous.disabled = this.#from === 0;
    this.#next.disabled = to >= all;
    this.#place.textContent = ` ${showCount(this.#from + 1)} to ${showCount(to)} of ${showCount(all)} `;
  }
}

/** By number; words and texts by their rank, which the page came with. */
function byNumber({ values, ranks }: ColumnData): (a: number, b: number) => number {
  const keys: ColumnData['values'] = ranks ?? values;
  return (a, b) => Number(keys[a] ?? -1) - Number(keys[b] ?? -1);
}

function byCode({ values, words }: ColumnData): (a: number, b: number) => number {
  if (words !== undefined) return byNumber({ title: '', kind: 'code', values });
  const texts = values.map(String);
  return (a, b) => ((texts[a] ?? '') < (texts[b] ?? '') ? -1 : 1);
}
