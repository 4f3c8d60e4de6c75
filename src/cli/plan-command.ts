import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { AppError } from '../fs/errors.js';
import { actionsOf } from '../plan/actions.js';
import type { Wanted } from '../plan/meet-goal.js';
import { planLines } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import { survivorsOf } from '../plan/survivors.js';
import { tagRows } from '../plan/tag-rows.js';
import type { ColorChoice } from '../report/style.js';
import type { StoreRoot } from '../scan/root.js';
import { EXIT } from './exit.js';
import { writeOut } from './out-lines.js';
import { print } from './output.js';
import { planHeader } from './plan-header.js';
import { makePlan } from './plan-maker.js';
import type { MadePlan, PlanSettings } from './plan-maker.js';
import { reportPlan, warningsOf } from './plan-report.js';
import { choosePolicy } from './policy-choice.js';
import type { PolicyOptions } from './policy-choice.js';
import { openSession, runInSession } from './session.js';
import type { SessionFlags } from './session.js';
import { parseDuration, parseSize, parseTime } from './values.js';

export interface PlanFlags extends SessionFlags, PolicyOptions {
  readonly grace: string;
  readonly uploadsOlderThan: string;
  readonly output?: string;
  readonly csv?: string;
  readonly html?: string;
  readonly free?: string;
  readonly whatIf?: boolean;
  readonly printPolicy?: boolean;
  readonly now?: string;
  readonly diskIsAuthority?: boolean;
  readonly registryStopped?: boolean;
  readonly all?: boolean;
  readonly color: ColorChoice;
}

/** The dry run. Returns the exit code. */
export async function runPlan(argument: string | undefined, flags: PlanFlags): Promise<number> {
  const started = performance.now();
  const settings = await readSettings(flags);
  if (flags.printPolicy === true) {
    print(1, settings.choice.text);
    return EXIT.done;
  }
  return await runInSession(await openSession(argument, flags), async (session) => {
    const made = await makePlan(session, settings);
    session.progress.stop();
    const planHash =
      flags.output === undefined ? undefined : writePlan(flags, settings, session.root, made);
    if (flags.csv !== undefined) await writeCsv(flags.csv, session.root, made);
    const warnings = await warningsOf(session, flags, made);
    if (flags.html !== undefined) {
      const { writePlanPage } = await import('./html-page.js');
      writePlanPage(session, flags.html, made, settings, { planHash, warnings });
    }
    reportPlan(session, flags, settings, made, { started, warnings });
    return made.survey.blind.length > 0 ? EXIT.refused : EXIT.done;
  });
}

async function readSettings(flags: PlanFlags): Promise<PlanSettings> {
  return {
    choice: await choosePolicy(flags),
    dropsDeadTags: flags.allow?.includes('drop-dead-tags') === true,
    diskIsAuthority: flags.diskIsAuthority === true,
    // A page has the curves too.
    whatIf: flags.whatIf === true || flags.html !== undefined,
    goal: readGoal(flags),
    graceMs: parseDuration(flags.grace, '--grace'),
    uploadsOlderThanMs: parseDuration(flags.uploadsOlderThan, '--uploads-older-than'),
    nowMs: flags.now === undefined ? Date.now() : parseTime(flags.now, '--now'),
  };
}

function readGoal({ free, evictTo, isCache = false }: PlanFlags): Wanted | undefined {
  if (evictTo === undefined) {
    if (isCache) throw new AppError('usage', '--is-cache goes with --evict-to');
    return free === undefined ? undefined : { kind: 'free', bytes: parseSize(free, '--free') };
  }
  if (free === undefined) {
    return { kind: 'evict', bytes: parseSize(evictTo, '--evict-to'), isCache };
  }
  throw new AppError('usage', '--free and --evict-to are two goals', [
    '--free says how much is to go, --evict-to how much may stay: give one of them',
  ]);
}

async function writeCsv(file: string, root: StoreRoot, made: MadePlan): Promise<void> {
  const { tagsCsv } = await import('../report/csv.js');
  writeOut(root.root, file, tagsCsv(tagRows(made.survey, made.outcome)));
}

/** Returns the sha256 of the plan's file, by which a sweep shows it. */
function writePlan(
  flags: PlanFlags,
  settings: PlanSettings,
  root: StoreRoot,
  made: MadePlan,
): string {
  const hash = createHash('sha256');
  const { survey, garbage, summary } = made;
  const lines = planLines(
    headerOf(flags, settings, root, made),
    actionsOf(survey, garbage),
    summary.freed.bytes,
  );
  writeOut(root.root, flags.output as string, hashed(lines, hash));
  return hash.digest('hex');
}

function* hashed(lines: Iterable<string>, hash: Hash): Generator<string> {
  for (const line of lines) {
    hash.update(line);
    yield line;
  }
}

function headerOf(
  flags: PlanFlags,
  settings: PlanSettings,
  root: StoreRoot,
  { summary, options, survey, garbage }: MadePlan,
): PlanHeader {
  const { words, text } = settings.choice;
  const { graceMs, uploadsOlderThanMs, orphansOnly } = options;
  return planHeader(root, {
    policyText: text,
    policy: words,
    options: {
      graceMs,
      uploadsOlderThanMs,
      orphansOnly,
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
    survivors: survivorsOf(survey.index, actionsOf(survey, garbage)),
  });
}
