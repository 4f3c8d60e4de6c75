import type { Finding } from '../registry/finding.js';
import type { PlanSummary, RepositoryRow } from '../plan/summary.js';
import { escapeName, escapeText } from './escape.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatSeconds,
  nounFor,
  plural,
} from './format.js';
import type { Style } from './style.js';
import { layOutTable, wrap } from './table.js';

/** What the report says besides the plan's own figures. */
export interface PlanContext {
  /** As the user named it. */
  readonly root: string;
  readonly fileSystem: string | undefined;
  readonly space: { readonly totalBytes: number; readonly freeBytes: number } | undefined;
  /** The flags of this run as they are to be typed again. */
  readonly flags: string;
  readonly untagged: boolean;
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
const FINDINGS = 20;

/** The dry run's report, as lines without their line feeds. */
export function renderPlan(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const lines = [
    ...header(summary, context, style),
    '',
    ...(summary.actions === 0 && context.refused.length === 0
      ? nothing(context)
      : frees(summary, context, style)),
    ...repositories(summary, context, style),
    ...kept(summary, context, style),
    ...damage(summary, context, style),
    ...warnings(context, style),
    ...refusal(context, style),
    '',
    ...closing(summary, context),
  ];
  return lines;
}

function header(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const facts = [escapeText(context.root)];
  if (context.fileSystem !== undefined) facts.push(context.fileSystem);
  if (context.space !== undefined) {
    const { totalBytes, freeBytes } = context.space;
    facts.push(
      `${formatBytes(totalBytes - freeBytes)} of ${formatBytes(totalBytes)} used, ${formatBytes(freeBytes)} free`,
    );
  }
  const counts = [
    plural(summary.repositories, 'repository'),
    plural(summary.tags.total, 'tag'),
    plural(summary.manifests.total, 'manifest'),
    plural(summary.blobs.total, 'blob'),
  ];
  return [style.strong(facts.join(' · ')), '', `  ${counts.join('  ')}`];
}

function nothing(context: PlanContext): string[] {
  const more = context.untagged
    ? 'everything is tagged or held by what is tagged'
    : 'plan -m would look at untagged manifests too';
  return [`  Nothing to free: ${more}.`];
}

const LABEL = 22;
const BYTES = 11;

function frees(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const row = (label: string, bytes: number | undefined, rest: string): string =>
    `  ${label.padEnd(LABEL)}${(bytes === undefined ? '' : formatBytes(bytes)).padStart(BYTES)}    ${rest}`.trimEnd();
  const { byManifests, blobs, uploads, freed } = summary;
  const lines = [
    style.heading(row('WOULD FREE', freed.bytes, `in ${plural(summary.files, 'file')}`)),
  ];
  if (summary.manifests.dropped > 0 || byManifests.blobs > 0) {
    const what = summary.manifests.dropped > 0 ? `${plural(summary.manifests.dropped, 'manifest')}, ` : '';
    const label = summary.manifests.dropped > 0 ? '  untagged manifests' : '  deleted manifests';
    lines.push(row(label, byManifests.bytes, what + plural(byManifests.blobs, 'blob')));
  }
  const rest = blobs.dropped - byManifests.blobs;
  if (rest > 0) {
    lines.push(row('  unreferenced blobs', blobs.droppedBytes - byManifests.bytes, plural(rest, 'blob')));
  }
  if (uploads.dropped > 0) {
    const age = `older than ${formatDuration(context.uploadsOlderThanMs)}`;
    lines.push(row('  abandoned uploads', uploads.droppedBytes, `${formatCount(uploads.dropped)}, ${age}`));
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
    parts.push(`${formatCount(emptyRepositories)} empty ${nounFor(emptyRepositories, 'repository')}`);
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
  const tail = more.length === 0 ? [] : [style.dim(`  ${hidden > 0 ? '... ' : ''}${more.join(', ')}`)];
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

function kept(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const entries: [string, string, string][] = [];
  if (summary.graced.blobs > 0) {
    entries.push([
      `${formatBytes(summary.graced.bytes)} in ${plural(summary.graced.blobs, 'blob')}`,
      `pushed in the last ${formatDuration(context.graceMs)}, no manifest yet`,
      '--grace 0',
    ]);
  }
  if (context.young > 0) {
    entries.push([
      plural(context.young, 'manifest'),
      `untagged, and younger than ${formatDuration(context.graceMs)}`,
      '--grace 0',
    ]);
  }
  for (const { name, why, bytes } of summary.tainted.slice(0, context.all ? Infinity : FINDINGS)) {
    entries.push([
      `${formatBytes(bytes)} in ${escapeName(name)}`,
      `loses nothing: ${escapeName(why)}`,
      'regsweep check',
    ]);
  }
  if (entries.length === 0) return [];
  const lines = entries.flatMap(([what, why, way]) => {
    const room = Math.max(20, context.width - 6);
    return [`    ${what}`, ...wrap(`${why}  [${way}]`, room).map((line) => `      ${line}`)];
  });
  return ['', `  ${style.heading('KEPT THOUGH NOTHING REFERS TO IT')}`, ...lines];
}

function damage(summary: PlanSummary, context: PlanContext, style: Style): string[] {
  const worth = summary.findings.filter(({ severity }) => context.all || severity !== 'notice');
  const notices = summary.findings.length - worth.length;
  if (summary.findings.length === 0) return [];
  const shown = context.all ? worth : worth.slice(0, FINDINGS);
  const lines = shown.flatMap((finding) => findingLines(finding, context.width));
  const hidden = worth.length - shown.length;
  const more = [
    ...(hidden > 0 ? [`${formatCount(hidden)} more`] : []),
    ...(notices > 0 ? [plural(notices, 'harmless oddity')] : []),
  ];
  const tail = more.length === 0 ? [] : [style.dim(`    ${more.join(', ')} (--all)`)];
  return ['', `  ${style.heading('DAMAGE')}`, ...lines, ...tail];
}

function findingLines({ path, detail, repository, tag }: Finding, width: number): string[] {
  const name = repository === undefined || tag === undefined ? [] : [`${repository}:${tag}`];
  const where = [...name.map(escapeName), escapeName(path)];
  return [
    `    ${where[0] ?? ''}`,
    ...wrap(`${escapeName(detail)}${where[1] === undefined ? '' : ` (${where[1]})`}`, Math.max(20, width - 6)).map(
      (line) => `      ${line}`,
    ),
  ];
}

function warnings(context: PlanContext, style: Style): string[] {
  if (context.warnings.length === 0) return [];
  const lines = context.warnings.flatMap((warning) =>
    wrap(escapeName(warning), context.width - 4).map((line) => `    ${line}`),
  );
  return ['', `  ${style.warn('NOTE')}`, ...lines];
}

function refusal(context: PlanContext, style: Style): string[] {
  if (context.refused.length === 0) return [];
  const shown = context.all ? context.refused : context.refused.slice(0, FINDINGS);
  const lines = shown.flatMap((reason) =>
    wrap(escapeName(reason), context.width - 4).map((line) => `    ${line}`),
  );
  return [
    '',
    `  ${style.bad('REFUSED')}: no blob is planned, because not everything could be seen`,
    ...lines,
    '    mend it, or give a path up for lost: --write-off PATH (below docker/registry/v2)',
  ];
}

function closing(summary: PlanSummary, context: PlanContext): string[] {
  const took = `Nothing was changed (${formatSeconds(context.seconds)}).`;
  if (summary.actions === 0) return [took];
  const root = escapeText(shellWord(context.root));
  if (context.planFile !== undefined) {
    return [`${took} The plan is in ${context.planFile}. To do this:`, `  regsweep sweep ${shellWord(context.planFile)}`];
  }
  const flags = context.flags === '' ? '' : ` ${context.flags}`;
  return [
    `${took} To do this:`,
    `  regsweep plan ${root}${flags} -o plan.ndjson && regsweep sweep plan.ndjson`,
  ];
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
