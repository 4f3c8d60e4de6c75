import { displayName } from '../fs/bytes.js';
import { makeOutFs, writeLines } from '../fs/out-fs.js';
import type { OutFs } from '../fs/out-fs.js';
import { surveyStore } from '../plan/derive.js';
import { dropNothing } from '../policy/decisions.js';
import { escapeText } from '../report/escape.js';
import { EXPORT_TABLES, exportRows } from '../report/export-rows.js';
import type { ExportInput, ExportTable } from '../report/export-rows.js';
import { formatCount, formatSeconds } from '../report/format.js';
import { measureUsage } from '../scan/usage.js';
import { EXIT } from './exit.js';
import { print } from './output.js';
import { refuseWithoutRepositories } from './refusals.js';
import { openSession, runInSession } from './session.js';
import type { Session, SessionFlags } from './session.js';
import { rootAnd } from './values.js';

export interface ExportFlags extends SessionFlags {
  readonly store?: string;
}

/** Writes a store's facts as tables. The last argument is the folder. Returns the exit code. */
export async function runExport(args: readonly string[], flags: ExportFlags): Promise<number> {
  const startedMs = performance.now();
  const [root, folder] = rootAnd('DIR', args, 'export');
  return await runInSession(await openSession(root, flags), async (session) => {
    const out = makeOutFs(session.root.root);
    const takeBack = out.makeFolder(folder);
    try {
      return await exportInto({ out, folder, flags, session, startedMs });
    } catch (error) {
      takeBack();
      throw error;
    }
  });
}

interface ExportRun {
  readonly out: OutFs;
  readonly folder: string;
  readonly flags: ExportFlags;
  readonly session: Session;
  /** By the process's own clock. */
  readonly startedMs: number;
}

async function exportInto({ out, folder, flags, session, startedMs }: ExportRun): Promise<number> {
  for (const table of EXPORT_TABLES) out.assertNew(fileOf(folder, table));
  const survey = await surveyStore({ ...session.scan, tagTimes: true }, dropNothing);
  refuseWithoutRepositories(survey, session, 'exported');
  const usage = await measureUsage(session.scan, session.root);
  session.progress.stop();
  const store = flags.store ?? displayName(session.root.root);
  const counts = writeTables(out, folder, { index: survey.index, usage, store });
  report(flags, folder, counts, (performance.now() - startedMs) / 1000);
  for (const why of survey.blind) print(2, `not seen: ${escapeText(displayName(why))}\n`);
  return survey.blind.length > 0 ? EXIT.refused : EXIT.done;
}

type Counts = Readonly<Record<ExportTable, number>>;

/** Row by row, so that a large store's tables need no memory of their own. */
function writeTables(out: OutFs, folder: string, input: ExportInput): Counts {
  const counts = { repositories: 0, tags: 0, manifests: 0, blobs: 0, references: 0, links: 0 };
  const counted = function* (table: ExportTable): Generator<string> {
    for (const line of exportRows(table, input)) {
      counts[table]++;
      yield line;
    }
  };
  for (const table of EXPORT_TABLES) {
    writeLines(out.create(fileOf(folder, table)), counted(table));
  }
  return counts;
}

function fileOf(folder: string, table: ExportTable): string {
  return `${folder}/${table}.ndjson`;
}

function report(flags: ExportFlags, folder: string, counts: Counts, seconds: number): void {
  if (flags.json === true) {
    print(
      1,
      `${JSON.stringify({ folder, rows: counts, seconds: Math.round(seconds * 1000) / 1000 }, undefined, 2)}\n`,
    );
    return;
  }
  if (flags.quiet === true) return;
  const lines = EXPORT_TABLES.map(
    (table) => `  ${`${table}.ndjson`.padEnd(22)}${formatCount(counts[table]).padStart(12)} rows`,
  );
  print(
    1,
    `${[escapeText(folder), ...lines, `Nothing was changed in the registry (${formatSeconds(seconds)}).`].join('\n')}\n`,
  );
}
