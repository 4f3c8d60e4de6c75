/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { TreeData } from '../page-data.js';
import { byId, draw, make } from './dom.js';
import { showBytes, showCount } from './numbers.js';

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const HEIGHT = 460;
/** What paper of A4 or letter size has room for, upright. */
const PAPER_WIDTH = 680;
const UNIT = 4096;
const HEADER = 20;
/** Smaller boxes are not worth an element. */
const SMALLEST = 3;
const DAMAGE_WIDTH = 8;
const STATE_NAMES = ['kept', 'shared', 'dropped', 'damaged'];

/** A treemap of two levels at a time, that zooms by mouse and by keyboard. */
export function showTreemap(tree: TreeData): void {
  new Treemap(tree).show();
}

class Treemap {
  readonly #tree: TreeData;
  readonly #children: number[][];
  /** By node, for each state: the bytes of what is below it. */
  readonly #mix: Float64Array;
  readonly #svg = byId('treemap');
  readonly #crumbs = byId('crumbs');
  readonly #detail = byId('detail');
  #node = 0;
  #width = 0;
  /** Names, in a layer of their own: a box is told by its label, which says more than its name. */
  #labels: SVGElement[] = [];

  constructor(tree: TreeData) {
    this.#tree = tree;
    this.#children = tree.parent.map(() => []);
    tree.parent.forEach((parent, node) => {
      if (node > 0) this.#children[parent]?.push(node);
    });
    this.#mix = mixOf(tree, this.#children);
  }

  show(): void {
    this.#svg.addEventListener('click', (event) => this.#open(nodeOf(event.target)));
    this.#svg.addEventListener('mousemove', (event) => this.#describe(nodeOf(event.target)));
    this.#svg.addEventListener('focusin', (event) => this.#describe(nodeOf(event.target)));
    this.#svg.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.#resize()).observe(this.#svg);
    // Of a screen's width its names would be too small to read on paper.
    window.addEventListener('beforeprint', () => this.#layOut(PAPER_WIDTH));
    window.addEventListener('afterprint', () => this.#resize());
    this.#resize();
  }

  #resize(): void {
    this.#layOut(Math.round(this.#svg.getBoundingClientRect().width));
  }

  #layOut(width: number): void {
    if (width === this.#width || width === 0) return;
    this.#width = width;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.#render(false);
  }

  #name(node: number): string {
    return this.#tree.name[node] ?? '';
  }

  /** From the top down to a node, itself included. */
  #path(node: number): number[] {
    const path = [node];
    for (let at = node; at > 0;) {
      at = this.#tree.parent[at] ?? 0;
      path.unshift(at);
    }
    return path;
  }

  #zoom(node: number): void {
    this.#node = node;
    this.#render(true);
  }

  /** Opens the node of this level that a click was in; a leaf only says what it is. */
  #open(node: number | undefined): void {
    if (node === undefined) return;
    const path = this.#path(node);
    const level = path[path.indexOf(this.#node) + 1];
    if (level !== undefined && (this.#children[level]?.length ?? 0) > 0) this.#zoom(level);
    else this.#describe(node);
  }

  #key(event: KeyboardEvent): void {
    const node = nodeOf(event.target);
    const stops = [...this.#svg.querySelectorAll<SVGElement>('[role="button"]')];
    const at = stops.findIndex((stop) => stop === document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === 'Enter' || event.key === ' ') this.#open(node);
    else if (event.key === 'Escape' || event.key === 'Backspace') {
      if (this.#node > 0) this.#zoom(this.#tree.parent[this.#node] ?? 0);
    } else if (event.key === 'Home') focusOn(stops, 0);
    else if (event.key === 'End') focusOn(stops, stops.length - 1);
    else if (step !== undefined) focusOn(stops, (at + step + stops.length) % stops.length);
    else return;
    event.preventDefault();
  }

  #describe(node: number | undefined): void {
    this.#detail.textContent = node === undefined ? '' : this.#words(node);
  }

  #words(node: number): string {
    const path = this.#path(node)
      .slice(1)
      .map((at) => this.#name(at));
    const parts = this.#children[node]?.length ?? 0;
    const whole = this.#tree.bytes[0] ?? 0;
    const bytes = this.#tree.bytes[node] ?? 0;
    const share = whole > 0 ? `, ${((100 * bytes) / whole).toFixed(1)}% of all` : '';
    const what =
      parts > 0
        ? `${showCount(parts)} ${parts === 1 ? 'part' : 'parts'}: ${this.#mixture(node)}`
        : this.#state(node);
    return `${path.join(' › ') || this.#name(0)}: ${showBytes(bytes)}${share}, ${what}`;
  }

  #state(node: number): string {
    return STATE_NAMES[this.#tree.state[node] ?? 0] ?? '';
  }

  #render(takesFocus: boolean): void {
    const whole = { x: 0, y: 0, width: this.#width, height: HEIGHT };
    const children = this.#children[this.#node] ?? [];
    this.#labels = [];
    const groups = children.flatMap((child) => {
      const box = this.#boxIn(child, whole);
      return isTiny(box) ? [] : [this.#group(child, box)];
    });
    groups[0]?.setAttribute('tabindex', '0');
    const names = draw('g', { 'aria-hidden': 'true' });
    names.append(...this.#labels);
    this.#svg.replaceChildren(...this.#svg.querySelectorAll('defs'), ...groups, names);
    this.#showCrumbs();
    this.#describe(this.#node);
    if (takesFocus) focusOn(groups, 0);
  }

  /** A child and, where there is room, its own children in it. */
  #group(node: number, box: Box): SVGElement {
    const group = draw('g', {
      role: 'button',
      tabindex: '-1',
      'data-node': node,
      'aria-label': this.#words(node),
    });
    const parts = this.#children[node] ?? [];
    if (parts.length === 0 || box.width < 60 || box.height < 2 * HEADER) {
      group.append(...this.#cell(node, box));
      return group;
    }
    group.append(draw('rect', { ...placeOf(box), class: 'frame' }));
    this.#labels.push(
      ...label(`${this.#name(node)}  ${showBytes(this.#tree.bytes[node] ?? 0)}`, box, true),
    );
    const inner = {
      x: box.x + 2,
      y: box.y + HEADER,
      width: box.width - 4,
      height: box.height - HEADER - 2,
    };
    for (const part of parts) {
      const within = this.#boxIn(part, inner);
      if (!isTiny(within)) group.append(...this.#cell(part, within));
    }
    return group;
  }

  /** `12.0 GiB kept, 3.1 GiB dropped`. */
  #mixture(node: number): string {
    return STATE_NAMES.flatMap((name, state) => {
      const bytes = this.#mix[node * STATE_NAMES.length + state] ?? 0;
      return bytes > 0 ? [`${showBytes(bytes)} ${name}`] : [];
    }).join(', ');
  }

  /** A box, in strips by how much of it is kept, shared, dropped and damaged. */
  #cell(node: number, box: Box): SVGElement[] {
    const bytes = this.#tree.bytes[node] ?? 0;
    const shapes: SVGElement[] = [];
    let x = box.x;
    STATE_NAMES.forEach((state, i) => {
      const part = (this.#mix[node * STATE_NAMES.length + i] ?? 0) / Math.max(1, bytes);
      if (!(part > 0)) return;
      // Damage takes no room of its own at times, and has to be seen all the same.
      const least = state === 'damaged' ? Math.min(DAMAGE_WIDTH, box.width) : 0;
      const width = Math.max(least, box.width * part);
      x = Math.min(x, box.x + box.width - width);
      const place = { ...placeOf({ ...box, x, width }), 'data-node': node };
      x += width;
      shapes.push(draw('rect', { ...place, class: `cell ${state}` }));
      // Hatching says it too, for whoever cannot tell the colours or prints without.
      if (state !== 'dropped' && state !== 'damaged') return;
      shapes.push(draw('rect', { ...place, class: 'hatch', fill: `url(#hatch-${state})` }));
    });
    const isSmall = box.height < 16 || box.width < 34;
    if (!isSmall) this.#labels.push(...label(this.#name(node), box, false));
    return shapes;
  }

  #boxIn(node: number, outer: Box): Box {
    const { box } = this.#tree;
    const side = (i: number): number => (box[node * 4 + i] ?? 0) / UNIT;
    return {
      x: outer.x + side(0) * outer.width,
      y: outer.y + side(1) * outer.height,
      width: (side(2) - side(0)) * outer.width,
      height: (side(3) - side(1)) * outer.height,
    };
  }

  #showCrumbs(): void {
    const path = this.#path(this.#node);
    const items = path.map((node, i) => {
      const item = make('li');
      const isHere = i === path.length - 1;
      const step = make('button', {
        type: 'button',
        ...(isHere ? { 'aria-current': 'page' } : {}),
      });
      step.textContent = this.#name(node);
      step.addEventListener('click', () => this.#zoom(node));
      item.append(step);
      return item;
    });
    this.#crumbs.replaceChildren(...items);
  }
}

/** Children come after their parents, so that one pass from the end adds everything up. */
function mixOf({ parent, bytes, state }: TreeData, children: readonly number[][]): Float64Array {
  const states = STATE_NAMES.length;
  const damaged = states - 1;
  const mix = new Float64Array(parent.length * states);
  for (let node = parent.length - 1; node >= 0; node--) {
    if (children[node]?.length === 0) {
      const own = state[node] ?? 0;
      mix[node * states + own] = Math.max(own === damaged ? 1 : 0, bytes[node] ?? 0);
    }
    if (node === 0) break;
    for (let i = 0; i < states; i++) {
      const above = (parent[node] ?? 0) * states + i;
      mix[above] = (mix[above] ?? 0) + (mix[node * states + i] ?? 0);
    }
  }
  return mix;
}

function nodeOf(target: EventTarget | null): number | undefined {
  const found = target instanceof Element ? target.closest('[data-node]') : null;
  const text = found?.getAttribute('data-node') ?? null;
  return text === null ? undefined : Number(text);
}

/** One of them is in the order of the tabulator, as in any widget that arrows move in. */
function focusOn(stops: readonly SVGElement[], at: number): void {
  stops.forEach((stop, i) => stop.setAttribute('tabindex', i === at ? '0' : '-1'));
  stops[at]?.focus();
}

function isTiny({ width, height }: Box): boolean {
  return width < SMALLEST || height < SMALLEST;
}

function placeOf({ x, y, width, height }: Box): Record<string, string> {
  const short = (value: number): string => value.toFixed(1);
  return {
    x: short(x),
    y: short(y),
    width: short(Math.max(0, width - 1)),
    height: short(Math.max(0, height - 1)),
  };
}

/** A text cut to a box; about seven units a character. */
function label(text: string, { x, y, width }: Box, isHead: boolean): SVGElement[] {
  const room = Math.floor((width - 8) / (isHead ? 7.6 : 7));
  if (room < 3) return [];
  const characters = Array.from(text);
  const cut = characters.length > room ? `${characters.slice(0, room - 1).join('')}…` : text;
  const place = { x: (x + 5).toFixed(1), y: (y + 14).toFixed(1) };
  return [draw('text', { ...place, class: isHead ? 'head' : 'name' }, cut)];
}
