import type { CheckReport } from '../check/judge.js';
import { brokenText } from '../check/finding.js';
import type { CheckFinding } from '../check/finding.js';
import type { Mend } from '../check/mend.js';
import type { HashPass } from '../check/hash-pass.js';
import type { ShoppingItem } from '../check/shopping.js';
import type { Entry } from './entries.js';
import { layOutEntries } from './entries.js';
import { escapeName, escapeText } from './escape.js';
import {
  formatBytes,
  formatCount,
  formatSeconds,
  plural,
  shortenHex,
  shellWord,
} from './format.js';
import type { Style } from './style.js';
import { shortenMiddle, wrap } from './table.js';

/** What a check's report says besides what was found. */
export interface CheckContext {
  /** As the user named it. */
  readonly root: string;
  /** The flags of this run as they are to be typed again. */
  readonly flags: readonly string[];
  readonly mend: Mend;
  /** Where the plan was written, if it was. */
  readonly planFile: string | undefined;
  readonly warnings: readonly string[];
  readonly seconds: number;
  readonly width: number;
  /** Show every finding, and everything that each breaks. */
  readonly all: boolean;
  readonly shoppingList: boolean;
}

const SHOWN = 20;
const BREAKS_SHOWN = 5;

/** The report of a check, as lines without their line feeds. */
export function renderCheck(report: CheckReport, context: CheckContext, style: Style): string[] {
  const { findings } = report;
  const damage = findings.filter(({ severity }) => severity !== 'notice');
  const notices = findings.filter(({ severity }) => severity === 'notice');
  return [
    ...header(report, context, style),
    ...section('DAMAGE', damage, context, style),
    ...section('HARMLESS, AND ODD', notices, context, style),
    ...(context.shoppingList ? shopping(report.shopping, context, style) : []),
    ...noteLines(context, style),
    '',
    ...closing(report, context, style),
  ];
}

function header(report: CheckReport, context: CheckContext, style: Style): string[] {
  const { index } = report.survey;
  const counts = [
    plural(index.repositories.length, 'repository'),
    plural(index.tags.name.length, 'tag'),
    plural(report.manifests, 'manifest'),
    plural(report.blobs, 'blob'),
  ];
  return [
    style.strong(shortenMiddle(escapeText(context.root), context.width)),
    '',
    `  ${counts.join('  ')}`,
    ...wrap(lookedAt(report), context.width - 2).map((line) => `  ${line}`),
  ];
}

function lookedAt({ hash, links, bytes }: CheckReport): string {
  if (hash === undefined) {
    const deeper = links ? '' : '--links reads the older links too, ';
    return `looked at links, manifests and sizes; ${deeper}--hash reads the data too (${formatBytes(bytes)})`;
  }
  const speed = hash.seconds > 0 ? `, ${formatBytes(hash.bytes / hash.seconds)}/s` : '';
  const before = hash.resumed > 0 ? `, ${formatCount(hash.resumed)} were read before` : '';
  return `read manifests and every byte of ${plural(hash.blobs, 'blob')}: ${formatBytes(hash.bytes)} in ${formatSeconds(hash.seconds)}${speed}${before}`;
}

function section(
  title: string,
  findings: readonly CheckFinding[],
  context: CheckContext,
  style: Style,
): string[] {
  if (findings.length === 0) return [];
  const shown = context.all ? findings : findings.slice(0, SHOWN);
  const hidden = findings.length - shown.length;
  return [
    '',
    `  ${style.heading(title)}`,
    ...layOutEntries(
      shown.flatMap((finding) => entriesOf(finding, context)),
      context.width,
    ),
    ...(hidden > 0 ? [style.dim(`    ${formatCount(hidden)} more (--all)`)] : []),
  ];
}

/** What it is and where, and beneath it who cannot pull for it. */
function entriesOf(finding: CheckFinding, context: CheckContext): Entry[] {
  const { code, detail, breaks, mend } = finding;
  const label = code.replaceAll('-', ' ').toUpperCase();
  const text = `${shortenHex(whereOf(finding))}: ${shortenHex(escapeName(detail))}`;
  const entry = mend === '' ? { label, text } : { label, text, way: escapeText(mend) };
  if (breaks.length === 0) return [entry];
  const shown = context.all ? breaks : breaks.slice(0, BREAKS_SHOWN);
  const names = shown.map((broken) => shortenHex(escapeName(brokenText(broken))));
  const hidden = breaks.length - shown.length;
  const more = hidden > 0 ? `, and ${formatCount(hidden)} more` : '';
  return [entry, { label: '', text: `breaks: ${names.join(', ')}${more}` }];
}

/** A tag by its name and what of it, a blob by its digest, and the rest by its path. */
function whereOf({ path, repository, tag, digest }: CheckFinding): string {
  const whole = escapeName(path);
  if (repository !== undefined) {
    const name = tag === undefined ? repository : `${repository}:${tag}`;
    const inside =
      tag === undefined
        ? whole.replace(`repositories/${escapeName(repository)}/`, '')
        : whole.replace(/^.*?\/_manifests\/tags\/[^/]*\/?/, '');
    return inside === '' || inside === whole ? escapeName(name) : `${escapeName(name)} ${inside}`;
  }
  return path.startsWith('blobs/') && digest !== undefined ? escapeName(digest) : whole;
}

/** What is to be pushed again, and which blobs of it. */
function shopping(items: readonly ShoppingItem[], context: CheckContext, style: Style): string[] {
  if (items.length === 0) return [];
  const entries = items.flatMap((item): Entry[] => {
    const [first, ...others] = item.blobs.map(({ digest, code, bytes }) => {
      const size = bytes === undefined ? '' : `, ${formatBytes(bytes)}`;
      return `${shortenHex(digest)} (${code}${size})`;
    });
    const label = shortenHex(escapeName(brokenText(item)));
    return [{ label, text: first ?? 'its tag' }, ...others.map((text) => ({ label: '', text }))];
  });
  return ['', `  ${style.heading('TO PUSH AGAIN')}`, ...layOutEntries(entries, context.width)];
}

function noteLines({ warnings, width }: CheckContext, style: Style): string[] {
  if (warnings.length === 0) return [];
  const lines = warnings.flatMap((text) => wrap(escapeText(text), width - 4));
  return ['', `  ${style.warn('NOTE')}`, ...lines.map((line) => `    ${line}`)];
}

function closing(report: CheckReport, context: CheckContext, style: Style): string[] {
  const { findings, shopping: items, hash } = report;
  const took = `(${formatSeconds(context.seconds)})`;
  const damage = findings.filter(({ severity }) => severity !== 'notice').length;
  const mendable = findings.filter((finding) => finding.mendable).length;
  const isWhole = hash === undefined || hash.remaining === 0;
  const summary =
    findings.length === 0
      ? style.good(`Nothing ${isWhole ? 'is broken' : 'broken so far'} ${took}.`)
      : `${plural(findings.length, 'finding')}, ${formatCount(damage)} of damage, ${formatCount(mendable)} mendable ${took}.`;
  const left = isWhole ? [] : [style.warn(leftLine(hash))];
  return [summary, ...left, ...pushLines(items, context), ...planLines(context)];
}

function leftLine({ blobs, remaining, remainingBytes }: HashPass): string {
  const left = `${plural(remaining, 'blob')} (${formatBytes(remainingBytes)}) not read yet`;
  // The next run would fare no better.
  if (blobs === 0) return `Stopped: ${left}, and none within the time; give it more.`;
  return `Stopped: ${left}; go on with --resume.`;
}

function pushLines(items: readonly ShoppingItem[], { shoppingList }: CheckContext): string[] {
  if (items.length === 0) return [];
  const images = `${plural(items.length, 'image')} must be pushed again`;
  return [shoppingList ? `${images}.` : `${images}: --shopping-list`];
}

/** Counts of a plan that removes damaged data alone. */
const REMOVES = new Set(['damaged', 'damagedBytes']);

function planLines({ mend, planFile, root, flags, width }: CheckContext): string[] {
  if (mend.actions.length === 0) return [];
  if (planFile !== undefined) {
    return [
      `The plan is in ${escapeText(planFile)}. To do this:`,
      `  regsweep sweep ${shellWord(planFile)}`,
    ];
  }
  const words = [root, ...flags].map((word) => ` ${shellWord(word)}`).join('');
  const mends = Object.entries(mend.counts).some(([what, n]) => n > 0 && !REMOVES.has(what));
  const purpose = mends
    ? 'To mend what can be'
    : 'To make way for that push, without the damaged data';
  const check = `  regsweep check${words} -o mend.ndjson &&`;
  const sweep = 'regsweep sweep mend.ndjson';
  const whole = `${check} ${sweep}`;
  return [`${purpose}:`, ...(whole.length <= width ? [whole] : [check, `  ${sweep}`])];
}
