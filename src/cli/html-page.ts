import { createHash } from 'node:crypto';
import { displayName } from '../fs/bytes.js';
import { readAsset } from '../fs/assets.js';
import { CAUSES, findLargest } from '../insight/causes.js';
import { shareAmongTags, tagsOn } from '../insight/tag-shares.js';
import type { Survey } from '../plan/derive.js';
import { tagRows } from '../plan/tag-rows.js';
import { Bits } from '../graph/lists.js';
import { IMPLAUSIBLE_BEFORE } from '../policy/model.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { escapeText } from '../report/escape.js';
import { formatBytes, formatCount, plural } from '../report/format.js';
import { renderPage } from '../report/html.js';
import type { Page, Tile } from '../report/html.js';
import { joinModules, PAGE_MODULES } from '../report/html-script.js';
import { storeTree } from '../report/html-store.js';
import {
  bookTable,
  countTable,
  damageTable,
  largestTable,
  planRepositoryTable,
  tagTable,
} from '../report/html-tables.js';
import type { TableData } from '../report/page-data.js';
import type { Analysis } from './analysis.js';
import { writeOut } from './out-lines.js';
import type { MadePlan, PlanSettings } from './plan-maker.js';
import type { Session } from './session.js';
import { readVersion } from './version.js';

const LARGEST = 50;

/** Writes a plan's page. `planHash`: of the plan's file, where one was written. */
export function writePlanPage(
  session: Session,
  file: string,
  made: MadePlan,
  settings: PlanSettings,
  about: { readonly planHash: string | undefined; readonly warnings: readonly string[] },
): void {
  const { survey, garbage, summary } = made;
  const bytes = bytesOfPlan(made);
  const measures = { bytes, allocated: undefined, hollow: new Bits(0) };
  const going = new Set(garbage.uploads);
  const kept = survey.index.uploads.filter((upload) => !going.has(upload));
  const sum = (uploads: readonly { readonly bytes: number }[]): number =>
    uploads.reduce((total, upload) => total + upload.bytes, 0);
  const { choice } = settings;
  const policyHash = createHash('sha256').update(choice.text).digest('hex');
  write(session, file, {
    title: `Plan for ${shown(session)}`,
    about: [
      `made ${new Date(settings.nowMs).toISOString().slice(0, 19).replace('T', ' ')} UTC by regsweep ${readVersion()}: ${escapeText(choice.words)}`,
    ],
    tiles: planTiles(made),
    approval: [
      ['sha256 of the plan', about.planHash ?? 'no plan file was written with this page (-o FILE)'],
      ['sha256 of the policy', policyHash],
      ['actions', formatCount(summary.actions)],
    ],
    warnings: [...survey.blind.map(displayName), ...about.warnings].map(escapeText),
    whatIf: made.whatIf,
    ...storeParts(survey, bytes, { kept: sum(kept), dropped: sum(garbage.uploads) }, (shares) => [
      planRepositoryTable(summary.table),
      tagTable(tagRows(survey, made.outcome), survey.index, shares),
      largestTable(findLargest(survey, measures, LARGEST), survey.index),
      damageTable(summary.findings),
    ]),
    footer: FOOTER,
  });
}

/** Writes the page of a store's books. */
export async function writeAnalysisPage(
  session: Session,
  file: string,
  { survey, books, measures }: Analysis,
  { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
): Promise<void> {
  const { index } = survey;
  const { whatIf } = await import('../insight/what-if.js');
  const never = { tag: () => false, revision: () => false };
  const bounds = { now: nowMs, implausibleBefore: IMPLAUSIBLE_BEFORE, graceMs };
  const uploads = books.uploads.bytes;
  write(session, file, {
    title: `Where the space of ${shown(session)} is`,
    about: [
      `looked at ${new Date(nowMs).toISOString().slice(0, 19).replace('T', ' ')} UTC by regsweep ${readVersion()}, ${books.measured ? 'every file measured' : 'sizes by descriptors'}`,
    ],
    tiles: analysisTiles({ survey, books, measures, usage: undefined }),
    approval: [],
    warnings: survey.blind.map((text) => escapeText(displayName(text))),
    whatIf:
      survey.blind.length > 0
        ? undefined
        : whatIf(index, never, { ...bounds, bytes: measures.bytes }),
    ...storeParts(survey, measures.bytes, { kept: uploads, dropped: 0 }, (shares) => [
      bookTable(books.rows),
      tagTable(tagRows(survey, undefined), index, shares),
      largestTable(books.largest, index),
      countTable(
        'garbage',
        'Garbage by cause',
        ['Cause', 'Blobs'],
        [...books.causes, ...(books.untagged === undefined ? [] : [books.untagged])].map(
          ({ cause, blobs, amount }) => [CAUSES[cause], blobs, amount.bytes],
        ),
      ),
      countTable(
        'bases',
        'Base layers',
        ['Layer', 'Images on it'],
        books.bases.map(({ digest, images, bytes }) => [digest, images, bytes]),
      ),
      countTable(
        'kinds',
        'Kinds of manifests',
        ['Kind', 'Manifests'],
        books.species.map(({ species, manifests, amount }) => [species, manifests, amount.bytes]),
      ),
      countTable(
        'platforms',
        'Platforms',
        ['Platform', 'Images'],
        books.platforms.map(({ platform, images, amount }) => [platform, images, amount.bytes]),
      ),
      damageTable(survey.findings),
    ]),
    footer: FOOTER,
  });
}

const FOOTER =
  'Areas are bytes; what several share is split among them. This page is one file: it loads nothing, and keeps nothing.';

function write(session: Session, file: string, page: Page): void {
  const script = joinModules(PAGE_MODULES.map(readAsset));
  writeOut(session.root.root, file, renderPage(page, script));
}

/** The treemap and the tables of a store. */
function storeParts(
  survey: Survey<PlanDecisions>,
  bytes: Float64Array,
  uploads: { readonly kept: number; readonly dropped: number },
  tables: (shares: ReturnType<typeof shareAmongTags>) => TableData[],
): Pick<Page, 'data'> {
  const { index, findings } = survey;
  const shares = shareAmongTags(index, bytes);
  const broken = findings.flatMap(({ severity, digest }) =>
    severity === 'damage' && digest !== undefined ? [digest] : [],
  );
  const damaged = tagsOn(index, new Set(broken));
  const tree = storeTree({ survey, shares, bytes, damaged, uploads });
  return { data: { tree, tables: tables(shares) } };
}

/** Sizes as the plan has them: what goes was measured, what stays is told by descriptors. */
function bytesOfPlan({ survey, garbage }: MadePlan): Float64Array {
  const { index } = survey;
  const bytes = index.bytes.map((known, digest) =>
    index.present.has(digest) ? Math.max(0, known) : 0,
  );
  garbage.blobs.digest.forEach((digest, i) => (bytes[digest] = garbage.blobs.bytes[i] as number));
  for (const [digest, size] of [...garbage.graced, ...garbage.measured]) bytes[digest] = size;
  return bytes;
}

function planTiles({ summary, survey }: MadePlan): Tile[] {
  const { freed, blobs, tags, manifests, uploads } = summary;
  return [
    {
      label: 'Would free',
      value: formatBytes(freed.bytes),
      note: `in ${plural(summary.files, 'file')}`,
      main: true,
    },
    {
      label: 'Keeps',
      value: formatBytes(blobs.bytes - blobs.droppedBytes),
      note: `in ${plural(blobs.kept, 'blob')}`,
    },
    { label: 'Tags', value: formatCount(tags.total), note: `${formatCount(tags.dropped)} dropped` },
    {
      label: 'Manifests',
      value: formatCount(manifests.total),
      note: `${formatCount(manifests.dropped)} dropped`,
    },
    {
      label: 'Blobs',
      value: formatCount(blobs.total),
      note: `${formatCount(blobs.dropped)} dropped`,
    },
    {
      label: 'Uploads',
      value: formatCount(uploads.total),
      note: `${formatCount(uploads.dropped)} dropped`,
    },
    {
      label: 'Damage',
      value: formatCount(survey.findings.filter(({ severity }) => severity === 'damage').length),
      note:
        summary.tainted.length === 0
          ? 'no repository is held by it'
          : `${plural(summary.tainted.length, 'repository')} kept whole`,
    },
  ];
}

function analysisTiles({ survey, books }: Analysis): Tile[] {
  const { index } = survey;
  const { blobs, room, unique, shared, unreferenced, uploads } = books;
  return [
    {
      label: 'Stored',
      value: formatBytes(room ?? blobs.amount.bytes + uploads.bytes),
      note: `in ${plural(blobs.blobs, 'blob')}`,
      main: true,
    },
    { label: 'Of one repository', value: formatBytes(unique.bytes) },
    {
      label: 'Shared',
      value: formatBytes(shared.bytes),
      note: `${books.dedupAcross.toFixed(1)} times as much if unshared`,
    },
    {
      label: 'Unreferenced',
      value: formatBytes(unreferenced.amount.bytes),
      note: plural(unreferenced.blobs, 'blob'),
    },
    {
      label: 'Repositories',
      value: formatCount(index.repositories.length),
      note: plural(index.tags.name.length, 'tag'),
    },
    {
      label: 'Deduplication',
      value: `${books.dedupRatio.toFixed(1)} times`,
      note: 'as much if images shared nothing',
    },
  ];
}

function shown({ shownAs }: Session): string {
  return escapeText(shownAs);
}
