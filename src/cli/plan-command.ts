import { createHash } from 'node:crypto';
import { displayName } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import { makeOutFs } from '../fs/out-fs.js';
import type { StoreIndex } from '../graph/store-index.js';
import { actionsOf } from '../plan/actions.js';
import { surveyStore } from '../plan/derive.js';
import type { Survey } from '../plan/derive.js';
import { collectGarbage } from '../plan/garbage.js';
import type { Garbage, GarbageOptions } from '../plan/garbage.js';
import { PLAN_FORMAT, planLines } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import { summarize } from '../plan/summary.js';
import { survivorsOf } from '../plan/survivors.js';
import type { PlanSummary } from '../plan/summary.js';
import { dropDeadTags, dropUntagged } from '../policy/untagged.js';
import { dropNothing } from '../policy/decisions.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { renderPlanJson } from '../report/plan-json.js';
import { renderPlan } from '../report/plan-text.js';
import { makeStyle, wantsColor } from '../report/style.js';
import type { ColorChoice } from '../report/style.js';
import { mountOf, readMounts } from '../scan/mounts.js';
import type { StoreRoot } from '../scan/root.js';
import { describeProcess, lookForRegistry } from '../sweep/quiescence.js';
import { EXIT } from './exit.js';
import { print, reportWidth } from './output.js';
import { openSession, runInSession } from './session.js';
import type { Session, SessionFlags } from './session.js';
import { parseDuration, parseTime } from './values.js';
import { readVersion } from './version.js';

export interface PlanFlags extends SessionFlags {
  readonly untagged?: boolean;
  readonly deleteUntagged?: boolean;
  readonly grace: string;
  readonly uploadsOlderThan: string;
  readonly output?: string;
  readonly now?: string;
  readonly diskIsAuthority?: boolean;
  readonly allow?: readonly string[];
  readonly registryStopped?: boolean;
  readonly all?: boolean;
  readonly color: ColorChoice;
}

/** The flags, read and checked. */
interface Settings extends Omit<GarbageOptions, 'orphansOnly'> {
  readonly untagged: boolean;
  readonly dropsDeadTags: boolean;
}

type PlanSurvey = Survey<PlanDecisions>;

/** A plan and everything that it was made of. */
interface Made {
  readonly survey: PlanSurvey;
  readonly garbage: Garbage;
  readonly summary: PlanSummary;
  readonly options: GarbageOptions;
}

/** The dry run. Returns the exit code. */
export async function runPlan(argument: string | undefined, flags: PlanFlags): Promise<number> {
  const started = performance.now();
  const settings = readSettings(flags);
  return await runInSession(await openSession(argument, flags), async (session) => {
    const made = await makePlan(session, settings, flags.diskIsAuthority === true);
    session.progress.stop();
    if (flags.output !== undefined) writePlan(flags, settings, session.root, made);
    await report(session, flags, settings, made, started);
    return made.survey.blind.length > 0 ? EXIT.refused : EXIT.done;
  });
}

function readSettings(flags: PlanFlags): Settings {
  return {
    untagged: flags.untagged === true || flags.deleteUntagged === true,
    dropsDeadTags: flags.allow?.includes('drop-dead-tags') === true,
    graceMs: parseDuration(flags.grace, '--grace'),
    uploadsOlderThanMs: parseDuration(flags.uploadsOlderThan, '--uploads-older-than'),
    nowMs: flags.now === undefined ? Date.now() : parseTime(flags.now, '--now'),
  };
}

async function makePlan(
  session: Session,
  settings: Settings,
  diskIsAuthority: boolean,
): Promise<Made> {
  const orphansOnly = limitForeign(session.root, settings.untagged, diskIsAuthority);
  const options = { ...settings, orphansOnly };
  const survey = await surveyStore(session.scan, (index) => decide(index, settings));
  refuseWithoutRepositories(survey, session.shownAs);
  const garbage = await collectGarbage(session.scan, survey, options);
  const summary = summarize(survey, garbage, actionsOf(survey, garbage));
  return { survey, garbage, summary, options };
}

function decide(index: StoreIndex, settings: Settings): PlanDecisions {
  const decisions = settings.untagged ? dropUntagged(index, settings) : dropNothing(index);
  if (settings.dropsDeadTags) dropDeadTags(index, decisions);
  return decisions;
}

/**
 * Stores whose roots are not all on the disk: nothing that is linked may go there.
 * Returns whether only blobs without any link may.
 * @throws AppError `refused`
 */
function limitForeign(root: StoreRoot, untagged: boolean, diskIsAuthority: boolean): boolean {
  const { foreign } = root;
  if (foreign === undefined) return false;
  if (foreign.kind === 'gitlab') {
    throw new AppError(
      'refused',
      `this is GitLab's registry with its metadata database (${foreign.sign})`,
      [
        'what lives is in that database, and nothing on this disk tells; nothing was planned',
        "GitLab's own online garbage collection frees such a store",
      ],
    );
  }
  if (diskIsAuthority) return false;
  if (!untagged) return true;
  const what = foreign.kind === 'harbor' ? "Harbor's store" : "a pull-through cache's store";
  throw new AppError('refused', `this is ${what} (${foreign.sign}): -m would drop what is in use`, [
    foreign.kind === 'harbor'
      ? 'its tags are in its database, so every manifest may look untagged here'
      : 'untagged pulls are usual in a cache',
    'without -m, blobs that nothing links go; if the tags on this disk are all there is: --disk-is-authority',
  ]);
}

function refuseWithoutRepositories({ index, blind }: Survey, shownAs: string): void {
  // A listing that failed says more than what it left out.
  if (blind.length > 0) return;
  const blobs = index.present.count();
  const repositories = index.repositories.length;
  const revisions = index.revisions.digest.length;
  if (blobs > 0 && repositories === 0) {
    throw new AppError('refused', `${shownAs} has ${blobs} blobs but not one repository`, [
      'is repositories/ on another mount, or is this a GitLab registry with its database?',
      'nothing can be told apart from garbage here, so nothing was planned',
    ]);
  }
  if (blobs === 0 && revisions > 0) {
    throw new AppError('refused', `${shownAs} has ${revisions} manifests but not one blob`, [
      'is blobs/ on another mount?',
      'every manifest would look broken here, so nothing was planned',
    ]);
  }
}

function writePlan(flags: PlanFlags, settings: Settings, root: StoreRoot, made: Made): void {
  const { survey, garbage, summary } = made;
  const lines = planLines(
    headerOf(flags, settings, root, made),
    actionsOf(survey, garbage),
    summary.freed.bytes,
  );
  if (flags.output === '-') {
    for (const line of lines) print(1, line);
    return;
  }
  const file = makeOutFs(root.root).create(flags.output as string);
  try {
    for (const line of lines) file.write(line);
    file.finish();
  } catch (error) {
    file.discard();
    throw error;
  }
}

function headerOf(flags: PlanFlags, settings: Settings, root: StoreRoot, made: Made): PlanHeader {
  const policy = settings.untagged ? 'drop untagged manifests' : 'drop no manifest';
  const { summary, options } = made;
  return {
    kind: 'header',
    format: PLAN_FORMAT,
    tool: `regsweep ${readVersion()}`,
    created: new Date().toISOString(),
    root: root.base,
    dev: root.dev,
    ino: String(root.ino),
    policyHash: createHash('sha256').update(policy).digest('hex'),
    policy,
    options: {
      graceMs: options.graceMs,
      uploadsOlderThanMs: options.uploadsOlderThanMs,
      orphansOnly: options.orphansOnly,
      writeOff: flags.writeOff,
      allowMounts: flags.allowMount,
    },
    counts: {
      tags: summary.tags.dropped,
      manifests: summary.manifests.dropped,
      blobs: summary.blobs.dropped,
      layerLinks: summary.layerLinks.dropped,
      uploads: summary.uploads.dropped,
      files: summary.files,
    },
    survivors: survivorsOf(made.survey.index, actionsOf(made.survey, made.garbage)),
  };
}

async function report(
  session: Session,
  flags: PlanFlags,
  settings: Settings,
  made: Made,
  started: number,
): Promise<void> {
  const { survey, summary } = made;
  const warnings = await warningsOf(session, flags, made);
  const refused = survey.blind.map(displayName);
  const young = survey.decisions.young.length;
  const seconds = (performance.now() - started) / 1000;
  // With the plan on standard output, the report makes way.
  const out = flags.output === '-' ? 2 : 1;
  if (flags.json === true) {
    const root = displayName(session.root.root);
    print(out, renderPlanJson(summary, { root, seconds, warnings, refused, young }));
    return;
  }
  if (flags.quiet === true) return;
  const terminal = out === 1 ? process.stdout.isTTY : process.stderr.isTTY;
  const style = makeStyle(wantsColor(flags.color, terminal, process.env));
  const lines = renderPlan(
    summary,
    {
      root: session.shownAs,
      ...diskOf(session),
      flags: settings.untagged ? '-m' : '',
      untagged: settings.untagged,
      graceMs: settings.graceMs,
      uploadsOlderThanMs: settings.uploadsOlderThanMs,
      seconds,
      warnings,
      refused,
      planFile: flags.output === '-' ? undefined : flags.output,
      young,
      width: reportWidth(process.env),
      all: flags.all === true,
    },
    style,
  );
  print(out, `${lines.join('\n')}\n`);
}

function diskOf({ fs, root }: Session): {
  fileSystem: string | undefined;
  space: { totalBytes: number; freeBytes: number } | undefined;
} {
  const mount = mountOf(readMounts(fs), root.base);
  try {
    return { fileSystem: mount?.type, space: fs.space(root.base) };
  } catch {
    // Only the report's first line loses a figure.
    return { fileSystem: mount?.type, space: undefined };
  }
}

const NAMES_SHOWN = 5;

async function registryWarnings({ fs, root }: Session, flags: PlanFlags): Promise<string[]> {
  if (flags.registryStopped === true) return [];
  const { processes } = await lookForRegistry(fs, root);
  return processes.map((found) => `${describeProcess(found)}; stop it before the sweep`);
}

async function warningsOf(
  session: Session,
  flags: PlanFlags,
  { survey, options }: Made,
): Promise<string[]> {
  const { root } = session;
  const warnings = await registryWarnings(session, flags);
  const { tagless } = survey.decisions;
  if (tagless.length > 0) {
    const names = tagless.map((repository) =>
      displayName(survey.index.repositories[repository] as string),
    );
    const shown = names.slice(0, NAMES_SHOWN).join(', ');
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
    warnings.push(`manifests but no tag, so -m leaves them alone: ${shown}${more}`);
  }
  if (options.orphansOnly && root.foreign !== undefined) {
    const what = root.foreign.kind === 'harbor' ? 'Harbor' : 'a pull-through cache';
    warnings.push(
      `this is a store of ${what} (${root.foreign.sign}): only blobs that nothing links are planned`,
    );
  }
  const future = survey.index.revisions.time.some(
    (time) => time > options.nowMs && time < Infinity,
  );
  if (future) warnings.push('some files are dated in the future; they count as of now');
  return warnings;
}
