/// <reference lib="dom" />
import type { ColumnData, TableData } from '../page-data.js';
import { byId, make } from './dom.js';
import { showBytes, showCount, showDay } from './numbers.js';

/** Rows that are shown at once; more on demand, so that a page of 40,000 stays quick. */
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
  readonly #more = make('button', { type: 'button', class: 'more' });
  readonly #heads: HTMLTableCellElement[] = [];
  /** Every row, in the order that was asked for last. */
  #order: number[];
  #matching: number[];
  #shown = ROWS;
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
    this.#more.addEventListener('click', () => {
      this.#shown += ROWS * 5;
      this.#fill();
    });
    this.#host.append(bar, scroll, this.#more);
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
    const compare = isText ? this.#byText(column) : byNumber(column);
    const sign = this.#descending ? -1 : 1;
    this.#order.sort((a, b) => sign * compare(a, b) || a - b);
    this.#heads.forEach((head, i) => {
      const way = this.#descending ? 'descending' : 'ascending';
      head.setAttribute('aria-sort', i === at ? way : 'none');
    });
    this.#filter(undefined);
  }

  /** Texts are ranked once: comparing 40,000 of them by their letters at every step takes long. */
  #byText(column: ColumnData): (a: number, b: number) => number {
    const collator = new Intl.Collator('en', { numeric: true });
    const texts = this.#order.map((row) => cellText(column, row));
    const ranked = [...new Set(texts)].sort(collator.compare);
    const ranks = new Map(ranked.map((text, rank) => [text, rank]));
    const rankOf = new Int32Array(this.#count);
    this.#order.forEach((row, i) => (rankOf[row] = ranks.get(texts[i] ?? '') ?? 0));
    return (a, b) => (rankOf[a] ?? 0) - (rankOf[b] ?? 0);
  }

  /** Undefined keeps the filter as it is. */
  #filter(text: string | undefined): void {
    if (text !== undefined) {
      this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
      this.#shown = ROWS;
    }
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
    const rows = this.#matching.slice(0, this.#shown).map((row) => {
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
    this.#more.hidden = rows.length >= all;
    this.#more.textContent = `Show more (${showCount(all - rows.length)} left)`;
  }
}

function byNumber({ values }: ColumnData): (a: number, b: number) => number {
  return (a, b) => Number(values[a] ?? -1) - Number(values[b] ?? -1);
}
