import type { Finding } from '../registry/finding.js';
import type { TaintedRow } from '../plan/repository-rows.js';
import type { PlanSummary } from '../plan/summary.js';
import type { Entry } from './entries.js';
import { layOutEntries } from './entries.js';
import { escapeName, escapeText } from './escape.js';
import { formatBytes, formatCount, formatDuration, plural, shortenHex } from './format.js';
import type { PlanContext } from './plan-text.js';
import type { Style } from './style.js';
import { wrap } from './table.js';

const SHOWN = 20;
const INDENT = '    ';

/** What stays although nothing refers to it, why, and what would let it go. */
export function keptLines(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const { graced, held, tainted } = summary;
  const entries: Entry[] = [];
  if (graced.blobs > 0) {
    entries.push({
      label: `${formatBytes(graced.bytes)} in ${plural(graced.blobs, 'blob')}`,
      ...(context.keepsLinked
        ? { text: 'linked, and no manifest names it: Harbor keeps data of its own so', way: '' }
        : {
            text: `pushed less than ${formatDuration(context.graceMs)} ago, no manifest yet`,
            way: '--grace 0',
          }),
    });
  }
  if (held.blobs > 0) {
    entries.push({
      label: `${formatBytes(held.bytes)} in ${plural(held.blobs, 'blob')}`,
      text: `a link to ${held.blobs === 1 ? 'it' : 'each'} is no file that can be told, or dated in the future`,
      way: 'regsweep check',
    });
  }
  if (context.young > 0) {
    entries.push({
      label: plural(context.young, 'manifest'),
      text: `untagged, and younger than ${formatDuration(context.graceMs)}`,
      way: '--grace 0',
    });
  }
  const shown = context.all ? tainted : tainted.slice(0, SHOWN);
  for (const row of shown) entries.push(taintedEntry(row));
  if (entries.length === 0) return [];
  const hidden = tainted.length - shown.length;
  return [
    '',
    `  ${style.heading('KEPT THOUGH NOTHING REFERS TO IT')}`,
    ...layOutEntries(entries, context.width),
    ...more(style, hidden > 0 ? [`${formatCount(hidden)} more`] : []),
  ];
}

function taintedEntry({ name, why, bytes }: TaintedRow): Entry {
  return {
    label: `${formatBytes(bytes)} in ${escapeName(name)}`,
    text: `loses nothing: ${shortenHex(escapeName(why))}`,
    way: 'regsweep check',
  };
}

/** What cannot be pulled; harmless oddities are counted, or listed with --all. */
export function damageLines(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  // What hides something is listed where the plan is refused, and why.
  const damage = summary.findings.filter(({ severity }) => severity === 'damage');
  const odd = summary.findings.filter(
    ({ severity, code }) => severity === 'notice' && code !== 'written-off',
  );
  const shown = context.all ? damage : damage.slice(0, SHOWN);
  const hidden = damage.length - shown.length;
  const rest = [
    ...(hidden > 0 ? [`${formatCount(hidden)} more`] : []),
    ...(odd.length > 0 && !context.all ? [plural(odd.length, 'harmless oddity')] : []),
  ];
  return [
    ...section('DAMAGE', shown, summary, context, style),
    ...(shown.length === 0 && rest.length > 0 ? [''] : []),
    ...more(style, rest, shown.length === 0 ? '  ' : INDENT),
    ...(context.all ? section('HARMLESS ODDITIES', odd, summary, context, style) : []),
  ];
}

/** What was given up by --write-off, and what that means: never hidden, since images go by it. */
export function givenUpLines(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const givenUp = summary.findings.filter(
    ({ severity, code }) => severity === 'notice' && code === 'written-off',
  );
  if (givenUp.length === 0) return [];
  const entries = givenUp.map((finding): Entry => {
    const { label, text } = findingEntry(finding, summary.affected);
    const meaning = finding.path.startsWith('blobs/') ? GIVEN_UP.data : GIVEN_UP.links;
    return { label, text: `${text}; ${meaning}` };
  });
  return ['', `  ${style.heading('GIVEN UP')}`, ...layOutEntries(entries, context.width)];
}

const GIVEN_UP = {
  data: 'what names data there cannot be pulled',
  links: 'what is linked there counts for nothing: its images, and blobs that only they need, go',
};

function section(
  title: string,
  findings: readonly Finding[],
  summary: PlanSummary,
  context: PlanContext,
  style: Style,
): string[] {
  if (findings.length === 0) return [];
  const entries = findings.map((finding) => findingEntry(finding, summary.affected));
  return ['', `  ${style.heading(title)}`, ...layOutEntries(entries, context.width)];
}

function more(style: Style, parts: readonly string[], indent = INDENT): string[] {
  return parts.length === 0 ? [] : [style.dim(`${indent}${parts.join(', ')} (--all)`)];
}

/** Names what is affected: a tag where one is known, else the digest, else the path. */
function findingEntry(finding: Finding, affected: PlanSummary['affected']): Entry {
  const { path, repository, tag, digest } = finding;
  const where = shortenHex(escapeName(path));
  const what = shortenHex(escapeName(finding.detail));
  if (repository !== undefined && tag !== undefined) {
    const inside = where.replace(`repositories/${escapeName(repository)}/`, '');
    return { label: shortenHex(escapeName(`${repository}:${tag}`)), text: `${what} (${inside})` };
  }
  if (digest === undefined) return { label: where, text: what };
  const [first, ...others] = affected.get(digest) ?? [];
  const short = shortenHex(escapeName(digest));
  if (first === undefined) return { label: short, text: what };
  const and = others.length === 0 ? '' : `, and ${plural(others.length, 'tag')} more`;
  return { label: shortenHex(escapeName(first)), text: `${what} (${short}${and})` };
}

/** What the reader should know besides; no line when there is nothing. */
export function noteLines(context: PlanContext, style: Style): string[] {
  if (context.warnings.length === 0) return [];
  return ['', `  ${style.warn('NOTE')}`, ...indented(context.warnings, context.width)];
}

/** Why no blob is planned, if so, and the way out. */
export function refusalLines(context: PlanContext, style: Style): string[] {
  const { refused, width } = context;
  if (refused.length === 0) return [];
  const shown = context.all ? refused : refused.slice(0, SHOWN);
  const hidden = refused.length - shown.length;
  const [title = '', ...rest] = indented(
    ['REFUSED: no blob is planned, because not everything could be seen'],
    width,
    '  ',
  );
  return [
    '',
    title.replace('REFUSED', style.bad('REFUSED')),
    ...rest,
    ...indented(shown, width),
    ...more(style, hidden > 0 ? [`${formatCount(hidden)} more`] : []),
    ...indented(
      ['mend it, or give a path up for lost: --write-off PATH (below docker/registry/v2)'],
      width,
    ),
  ];
}

/** Texts whose names are decoded already, made safe and wrapped. */
function indented(texts: readonly string[], width: number, indent = INDENT): string[] {
  return texts.flatMap((text) =>
    wrap(shortenHex(escapeText(text)), width - indent.length).map((line) => `${indent}${line}`),
  );
}
