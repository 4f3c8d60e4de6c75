import type { WhatIf } from '../insight/what-if.js';
import { formatBytes } from './format.js';

const WIDTH = 460;
const HEIGHT = 200;
const LEFT = 64;
const BOTTOM = 34;
const TOP = 12;
const RIGHT = 14;

/** What simpler policies would free, as two drawings with their figures beside them. */
export function curvesHtml({ keepLast, olderThan }: WhatIf): string {
  const most = Math.max(1, ...keepLast, ...olderThan);
  return [
    '<div class="curves">',
    figure(
      'keep',
      'Freed when each repository keeps its newest N tags',
      'N tags kept',
      keepLast,
      most,
      [0, 1, 2, 3, 5, 10, 20, 30, 40, 50],
    ),
    figure(
      'age',
      'Freed when what is older goes',
      'days',
      olderThan,
      most,
      [0, 7, 14, 30, 60, 90, 180, 270, 365],
    ),
    '</div>',
  ].join('\n');
}

function figure(
  id: string,
  title: string,
  axis: string,
  values: Float64Array,
  most: number,
  marks: readonly number[],
): string {
  const last = values.length - 1;
  const x = (at: number): string => (LEFT + ((WIDTH - LEFT - RIGHT) * at) / last).toFixed(1);
  const y = (bytes: number): string =>
    (HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * bytes) / most).toFixed(1);
  const points = [...values].map((bytes, at) => `${x(at)},${y(bytes)}`).join(' ');
  const grid = [0, 0.5, 1].map(
    (part) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(part * most)}" y2="${y(part * most)}"/>` +
      `<text class="axis" text-anchor="end" x="${LEFT - 6}" y="${Number(y(part * most)) + 4}">${formatBytes(part * most)}</text>`,
  );
  const ticks = ticksOf(last).map(
    (at) =>
      `<text class="axis" text-anchor="middle" x="${x(at)}" y="${HEIGHT - BOTTOM + 16}">${at}</text>`,
  );
  const area = `<polygon class="area" points="${LEFT},${y(0)} ${points} ${x(last)},${y(0)}"/>`;
  const rows = marks
    .filter((mark) => mark <= last)
    .map(
      (mark) => `<tr><th scope="row">${mark}</th><td>${formatBytes(values[mark] ?? 0)}</td></tr>`,
    );
  return [
    '<figure>',
    `<figcaption id="curve-${id}">${title}</figcaption>`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="curve-${id}">`,
    ...grid,
    ...ticks,
    `<text class="axis" text-anchor="middle" x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 4}">${axis}</text>`,
    area,
    `<polyline class="curve" points="${points}"/>`,
    '</svg>',
    `<details><summary>The figures</summary><table class="small"><thead><tr><th scope="col">${axis}</th><th scope="col">frees</th></tr></thead><tbody>`,
    ...rows,
    '</tbody></table></details>',
    '</figure>',
  ].join('\n');
}

/** Some six round numbers up to the last. */
function ticksOf(last: number): number[] {
  const step = last > 100 ? 60 : 10;
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => i * step);
}
