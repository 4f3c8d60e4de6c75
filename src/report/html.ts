import { createHash } from 'node:crypto';
import type { WhatIf } from '../insight/what-if.js';
import { safeJson } from './escape.js';
import { curvesHtml } from './html-curves.js';
import { PAGE_STYLE } from './html-style.js';
import type { PageData, TableData } from './page-data.js';

/** A figure at the top of a page; texts are safe to show. */
export interface Tile {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
  readonly main?: boolean;
}

/** A page; all texts are safe to show (`escapeText`), and none is markup. */
export interface Page {
  readonly title: string;
  readonly about: readonly string[];
  readonly tiles: readonly Tile[];
  /** What is approved, and by which hash the one who carries it out knows it. */
  readonly approval: readonly (readonly [string, string])[];
  readonly warnings: readonly string[];
  readonly whatIf: WhatIf | undefined;
  readonly data: PageData;
  readonly footer: string;
}

const LEGEND = [
  ['kept', 'kept, mostly its own'],
  ['shared', 'kept, mostly shared with others'],
  ['dropped', 'goes, or is garbage already (hatched)'],
  ['damaged', 'damaged (cross-hatched)'],
] as const;

/**
 * A page in one file that loads nothing: its script and its style are known by their hashes,
 * and nothing else may run or be fetched.
 */
export function* renderPage(page: Page, script: string): Generator<string> {
  // A closing tag in the script would end it.
  if (/<\/script|<!--/i.test(script)) throw new Error('the page script cannot stand in a page');
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(PAGE_STYLE)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${html(page.title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
${head(page)}
<main>
${tiles(page)}${approval(page)}${warnings(page)}
${treemap()}
${page.whatIf === undefined ? '' : `<section><h2>What simpler policies would free</h2>\n${curvesHtml(page.whatIf)}\n</section>`}
${page.data.tables.map(section).join('\n')}
</main>
<footer><p>${html(page.footer)}</p></footer>
<script type="application/json" id="data">`;
  yield jsonInHtml(page.data);
  yield `</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** Text as HTML: nothing in it is markup. */
export function html(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** JSON that no parser of HTML sees markup in. */
function jsonInHtml(value: unknown): string {
  return safeJson(value)
    .replaceAll('<', String.raw`\u003c`)
    .replaceAll('>', String.raw`\u003e`);
}

function head({ title, about }: Page): string {
  const lines = about.map((line) => `<p class="sub">${html(line)}</p>`);
  return `<header class="top"><h1>${html(title)}</h1>${lines.join('')}</header>`;
}

function tiles(page: Page): string {
  const items = page.tiles.map(({ label, value, note = '', main = false }) => {
    const small = note === '' ? '' : `<small>${html(note)}</small>`;
    return `<div${main ? ' class="main"' : ''}><dt>${html(label)}</dt><dd>${html(value)}${small}</dd></div>`;
  });
  return `<dl class="tiles">${items.join('\n')}</dl>`;
}

function approval(page: Page): string {
  if (page.approval.length === 0) return '';
  const rows = page.approval.map(
    ([label, value]) =>
      `<tr><th scope="row">${html(label)}</th><td><code>${html(value)}</code></td></tr>`,
  );
  return `\n<section class="approve"><h2>To approve</h2><table class="small"><tbody>${rows.join('')}</tbody></table></section>`;
}

function warnings(page: Page): string {
  if (page.warnings.length === 0) return '';
  const items = page.warnings.map((text) => `<li>${html(text)}</li>`);
  return `\n<section class="warn"><h2>Note</h2><ul>${items.join('')}</ul></section>`;
}

function treemap(): string {
  const legend = LEGEND.map(
    ([state, text]) => `<li><span class="swatch ${state}"></span>${html(text)}</li>`,
  );
  return `<section><h2>Where the space is</h2>
<nav aria-label="Place in the treemap"><ol id="crumbs"></ol></nav>
<p class="hidden" id="treemap-help">Arrow keys move, Enter opens, Escape goes back up.</p>
<svg id="treemap" role="group" aria-label="Treemap of namespaces, repositories and tags by bytes" aria-describedby="treemap-help">
<defs>
<pattern id="hatch-dropped" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatching" d="M0 0V7"/></pattern>
<pattern id="hatch-damaged" width="7" height="7" patternUnits="userSpaceOnUse"><path class="hatching" d="M0 0L7 7M7 0L0 7"/></pattern>
</defs>
</svg>
<p id="detail" aria-live="polite"></p>
<ul class="legend">${legend.join('')}</ul>
</section>`;
}

function section({ id, title }: TableData): string {
  return `<section class="long" id="${id}"><h2>${html(title)}</h2><div id="table-${id}"></div></section>`;
}
