import type { WhatIf } from '../insight/what-if.js';
import type { GoalReport } from '../plan/meet-goal.js';
import type { RepositoryRow } from '../plan/repository-rows.js';
import type { PlanSummary } from '../plan/summary.js';
import { escapeName, escapeText } from './escape.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPart,
  formatPercent,
  formatSeconds,
  nounFor,
  plural,
  shellWord,
} from './format.js';
import { goalLines, whatIfLines } from './plan-goal.js';
import { damageLines, givenUpLines, keptLines, noteLines, refusalLines } from './plan-findings.js';
import type { Style } from './style.js';
import { layOutTable, shortenMiddle } from './table.js';

/** What the report says besides the plan's own figures. */
export interface PlanContext {
  /** As the user named it. */
  readonly root: string;
  readonly fileSystem: string | undefined;
  readonly space: { readonly totalBytes: number; readonly freeBytes: number } | undefined;
  /** The flags of this run as they are to be typed again. */
  readonly flags: readonly string[];
  /** A policy decided, and not `-m` alone. */
  readonly policy: boolean;
  readonly untagged: boolean;
  /** How the goal of `--free` is met, where there is one. */
  readonly goal: GoalReport | undefined;
  /** What simpler policies would free, where that was asked. */
  readonly whatIf: WhatIf | undefined;
  /** Blobs that are linked without a manifest stay at any age. */
  readonly keepsLinked: boolean;
  readonly graceMs: number;
  readonly uploadsOlderThanMs: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
  /** Why no blob was planned, if so. */
  readonly refused: readonly string[];
  /** Where the plan was written, if it was. */
  readonly planFile: string | undefined;
  readonly young: number;
  readonly width: number;
  /** Show every repository and every finding. */
  readonly all: boolean;
}

const TABLE_ROWS = 10;

/** The dry run's report, as lines without their line feeds. */
export function renderPlan(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const lines = [
    ...header(summary, context, style),
    ...refusalLines(context, style),
    ...body(summary, context, style),
    ...goalLines(summary, context, style),
    ...whatIfLines(context, style),
    ...keptLines(summary, context, style),
    ...givenUpLines(summary, context, style),
    ...damageLines(summary, context, style),
    ...noteLines(context, style),
    '',
    ...closing(summary, context),
  ];
  return lines;
}

function body(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const refused = context.refused.length > 0;
  if (summary.actions === 0) return refused ? [] : ['', ...nothing(context)];
  // A refused plan drops uploads and temporary files at most, and those of no manifest.
  const table = refused ? [] : repositories(summary, context, style);
  return ['', ...frees(summary, context, style), ...table];
}

const DOT = ' · ';

function header(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const facts: string[] = [];
  if (context.fileSystem !== undefined) facts.push(escapeText(context.fileSystem));
  if (context.space !== undefined) {
    const { totalBytes, freeBytes } = context.space;
    const used = formatPart(totalBytes - freeBytes, totalBytes);
    facts.push(`${used} used, ${formatBytes(freeBytes)} free`);
  }
  const root = escapeText(context.root);
  const whole = [root, ...facts].join(DOT);
  const titles =
    whole.length <= context.width
      ? [whole]
      : [shortenMiddle(root, context.width), ...(facts.length > 0 ? [`  ${facts.join(DOT)}`] : [])];
  const counts = [
    plural(summary.repositories, 'repository'),
    plural(summary.tags.total, 'tag'),
    plural(summary.manifests.total, 'manifest'),
    plural(summary.blobs.total, 'blob'),
  ];
  return [...titles.map(style.strong), '', `  ${counts.join('  ')}`];
}

function nothing(context: PlanContext): string[] {
  if (context.policy) return ['  Nothing to free. The policy keeps everything (--csv says why).'];
  const more = context.untagged
    ? 'A tag stays until a policy drops it.'
    : 'With -m, untagged manifests would go too.';
  return [`  Nothing to free. ${more}`];
}

const LABEL = 22;
const BYTES = 11;

function frees(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const row = (label: string, bytes: number | undefined, rest: string): string =>
    `  ${label.padEnd(LABEL)}${(bytes === undefined ? '' : formatBytes(bytes)).padStart(BYTES)}    ${rest}`.trimEnd();
  const { byDropped, byDeleted, blobs, uploads, freed } = summary;
  const lines = [
    style.heading(row('WOULD FREE', freed.bytes, `in ${plural(summary.files, 'file')}`)),
  ];
  const { tags, manifests } = summary;
  if (tags.dropped + manifests.dropped > 0) {
    const label = context.policy ? '  dropped images' : '  untagged manifests';
    const parts = [
      ...(tags.dropped > 0 ? [plural(tags.dropped, 'tag')] : []),
      plural(manifests.dropped, 'manifest'),
      plural(byDropped.blobs, 'blob'),
    ];
    lines.push(row(label, byDropped.bytes, parts.join(', ')));
  }
  if (byDeleted.blobs > 0) {
    lines.push(row('  deleted manifests', byDeleted.bytes, plural(byDeleted.blobs, 'blob')));
  }
  const rest = blobs.dropped - byDropped.blobs - byDeleted.blobs;
  if (rest > 0) {
    const bytes = blobs.droppedBytes - byDropped.bytes - byDeleted.bytes;
    lines.push(row('  unreferenced blobs', bytes, plural(rest, 'blob')));
  }
  if (uploads.dropped > 0) {
    const age = `older than ${formatDuration(context.uploadsOlderThanMs)}`;
    lines.push(
      row('  abandoned uploads', uploads.droppedBytes, `${formatCount(uploads.dropped)}, ${age}`),
    );
  }
  const small = smallThings(summary);
  if (small !== '') lines.push(`    and ${small}`);
  const keptBytes = blobs.bytes - blobs.droppedBytes;
  lines.push('', row('KEEPS', keptBytes, `in ${plural(blobs.kept, 'blob')}`));
  return lines;
}

function smallThings(summary: PlanSummary): string {
  const { layerLinks, temporaries, emptyRepositories } = summary;
  const parts = [];
  if (layerLinks.dropped > 0) parts.push(plural(layerLinks.dropped, 'layer link'));
  if (temporaries.dropped > 0) parts.push(plural(temporaries.dropped, 'temporary file'));
  if (emptyRepositories > 0) {
    parts.push(
      `${formatCount(emptyRepositories)} empty ${nounFor(emptyRepositories, 'repository')}`,
    );
  }
  return parts.join(', ');
}

function repositories(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const losing = summary.table.filter(
    (row) => row.freedBytes > 0 || row.tagsDropped > 0 || row.manifestsDropped > 0,
  );
  if (losing.length === 0) return [];
  const shown = context.all ? losing : losing.slice(0, TABLE_ROWS);
  const table = layOutTable(
    [
      { title: 'Repository', align: 'left', flexible: true },
      { title: 'drops', align: 'right' },
      { title: 'frees', align: 'right' },
      { title: 'keeps', align: 'right' },
      { title: 'of it shared', align: 'right' },
    ],
    shown.map(repositoryCells),
    context.width,
  );
  const [titles = '', ...rows] = table;
  const hidden = losing.length - shown.length;
  const rest = summary.table.length - losing.length;
  const more = [
    ...(hidden > 0 ? [`${formatCount(hidden)} more (--all)`] : []),
    ...(rest > 0 ? [`${formatCount(rest)} lose nothing`] : []),
  ];
  const tail =
    more.length === 0 ? [] : [style.dim(`  ${hidden > 0 ? '... ' : ''}${more.join(', ')}`)];
  return ['', style.dim(titles), ...rows, ...tail];
}

function repositoryCells(row: RepositoryRow): string[] {
  const drops =
    row.tagsDropped > 0
      ? `${formatCount(row.tagsDropped)} of ${plural(row.tags, 'tag')}`
      : `${formatCount(row.manifestsDropped)} of ${formatCount(row.manifests)}`;
  return [
    escapeName(row.name),
    drops,
    formatBytes(row.freedBytes),
    formatBytes(row.keptBytes),
    formatPercent(row.sharedBytes, row.keptBytes),
  ];
}

function closing(summary: PlanSummary, context: PlanContext): string[] {
  const took = `Nothing was changed (${formatSeconds(context.seconds)}).`;
  const { planFile } = context;
  const written = planFile === undefined ? '' : ` The plan is in ${escapeText(planFile)}.`;
  // A sweep would refuse what a blind plan leaves to do.
  if (summary.actions === 0 || context.refused.length > 0) return [`${took}${written}`];
  if (planFile !== undefined) {
    return [`${took}${written} To do this:`, `  regsweep sweep ${shellWord(planFile)}`];
  }
  const flags = context.flags.map((word) => ` ${shellWord(word)}`).join('');
  const plan = `  regsweep plan ${shellWord(context.root)}${flags} -o plan.ndjson &&`;
  const sweep = 'regsweep sweep plan.ndjson';
  // Broken after `&&` it can be pasted all the same.
  const commands =
    plan.length + 1 + sweep.length <= context.width ? [`${plan} ${sweep}`] : [plan, `  ${sweep}`];
  return [`${took} To do this:`, ...commands];
}
