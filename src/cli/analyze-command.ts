import { displayName } from '../fs/bytes.js';
import { sizeOf } from '../insight/book-rows.js';
import type { BookRow } from '../insight/book-rows.js';
import { makeStyle, wantsColor } from '../report/style.js';
import type { ColorChoice } from '../report/style.js';
import { describeForeign } from './foreign.js';
import { EXIT } from './exit.js';
import { analyzeStore } from './analysis.js';
import type { Analysis } from './analysis.js';
import { checkOutputs, refuseJsonBeside, writeOut } from './out-lines.js';
import { print, reportWidth } from './output.js';
import { openSession, runInSession } from './session.js';
import type { Session, SessionFlags } from './session.js';
import { parseDuration, parseTime, parseWhole } from './values.js';

type SortKey = 'size' | 'unique' | 'shared' | 'alone' | 'tags' | 'name';

export interface AnalyzeFlags extends SessionFlags {
  readonly stat?: boolean;
  readonly sort: SortKey;
  readonly depth?: string;
  readonly repository?: readonly string[];
  readonly top?: string;
  readonly all?: boolean;
  readonly csv?: string;
  readonly html?: string;
  readonly grace: string;
  readonly now?: string;
  readonly color: ColorChoice;
}

const DEEPEST = 32;
const MOST_ROWS = 999_999;
const TOP = 10;
/** Of the largest blobs JSON and HTML show more than a terminal. */
const LARGEST = 50;

/** Where the space is. Returns the exit code. */
export async function runAnalyze(
  argument: string | undefined,
  flags: AnalyzeFlags,
): Promise<number> {
  const started = performance.now();
  const top = topOf(flags);
  const depth = flags.depth === undefined ? undefined : parseWhole(flags.depth, '--depth', DEEPEST);
  const wants = await chooser(flags.repository);
  const settings = {
    stat: flags.stat === true,
    depth,
    largest: flags.html !== undefined || flags.json === true ? LARGEST : Math.min(top, LARGEST),
    nowMs: flags.now === undefined ? Date.now() : parseTime(flags.now, '--now'),
    graceMs: parseDuration(flags.grace, '--grace'),
  };
  refuseJsonBeside(flags, { '--csv': flags.csv, '--html': flags.html });
  return await runInSession(await openSession(argument, flags), async (session) => {
    checkOutputs(session.root.root, { '--csv': flags.csv, '--html': flags.html });
    const analysis = await analyzeStore(session, settings);
    session.progress.stop();
    const rows = sortRows(analysis.books.rows, flags.sort).filter(({ name }) => wants(name));
    if (flags.csv !== undefined) {
      const { booksCsv } = await import('../report/csv.js');
      writeOut(session.root.root, flags.csv, booksCsv(rows));
    }
    if (flags.html !== undefined) {
      const { writeAnalysisPage } = await import('./html-page.js');
      await writeAnalysisPage(session, flags.html, analysis, settings);
    }
    const seconds = (performance.now() - started) / 1000;
    await report(session, flags, analysis, { rows, depth, top, seconds });
    return analysis.survey.blind.length > 0 ? EXIT.refused : EXIT.done;
  });
}

function topOf({ top, all }: AnalyzeFlags): number {
  if (all === true) return Infinity;
  return top === undefined ? TOP : parseWhole(top, '--top', MOST_ROWS);
}

async function chooser(patterns: readonly string[] = []): Promise<(name: string) => boolean> {
  if (patterns.length === 0) return () => true;
  const { compilePatterns, matchesSet } = await import('../policy/pattern.js');
  const set = compilePatterns(patterns, [], 'repository');
  return (name) => matchesSet(set, name.replace(/\/$/, ''));
}

const BY: Readonly<Record<Exclude<SortKey, 'name'>, (row: BookRow) => number>> = {
  size: sizeOf,
  unique: ({ unique }) => unique.bytes,
  shared: ({ shared }) => shared.bytes,
  alone: ({ whole }) => whole.bytes,
  tags: ({ tags }) => tags,
};

function sortRows(rows: readonly BookRow[], key: SortKey): BookRow[] {
  const byName = (a: BookRow, b: BookRow): number => (a.name < b.name ? -1 : 1);
  if (key === 'name') return [...rows].sort(byName);
  const of = BY[key];
  return [...rows].sort((a, b) => of(b) - of(a) || byName(a, b));
}

interface Shown {
  readonly rows: readonly BookRow[];
  readonly depth: number | undefined;
  readonly top: number;
  readonly seconds: number;
}

async function report(
  session: Session,
  flags: AnalyzeFlags,
  { survey, books }: Analysis,
  shown: Shown,
): Promise<void> {
  const { index } = survey;
  const refused = survey.blind.map(displayName);
  const warnings = warningsOf(session);
  const context = { ...shown, index, refused, warnings };
  // With a table or a page on standard output, the report makes way.
  const out = flags.csv === '-' || flags.html === '-' ? 2 : 1;
  if (flags.json === true) {
    const { renderAnalyzeJson } = await import('../report/analyze-json.js');
    print(out, renderAnalyzeJson(books, { ...context, root: displayName(session.root.root) }));
    return;
  }
  if (flags.quiet === true) return;
  const { renderAnalysis } = await import('../report/analyze-text.js');
  const terminal = out === 1 ? process.stdout.isTTY : process.stderr.isTTY;
  const style = makeStyle(wantsColor(flags.color, terminal, process.env));
  const width = reportWidth(process.env);
  const lines = renderAnalysis(books, { ...context, root: session.shownAs, width }, style);
  print(out, `${lines.join('\n')}\n`);
}

/** Where what lives is not all on this disk, unreferenced says less than it seems. */
function warningsOf({ root: { foreign } }: Session): string[] {
  if (foreign === undefined) return [];
  const which =
    foreign.kind === 'gitlab'
      ? 'what lives is in that database, so only totals are shown'
      : 'what lives there is not all on this disk, so what seems unreferenced or untagged may be in use';
  return [`${describeForeign(foreign)}: ${which}`];
}
