import { AppError } from '../fs/errors.js';
import type { Wanted } from '../plan/meet-goal.js';
import type { ColorChoice } from '../report/style.js';
import { EXIT } from './exit.js';
import { checkOutputs, refuseJsonBeside } from './out-lines.js';
import { print } from './output.js';
import { makePlan } from './plan-maker.js';
import type { PlanSettings } from './plan-maker.js';
import { reportPlan, warningsOf } from './plan-report.js';
import { choosePolicy } from './policy-choice.js';
import type { PolicyOptions } from './policy-choice.js';
import { openSession, runInSession } from './session.js';
import type { SessionFlags } from './session.js';
import { parseDuration, parseSize, parseTime, processStartMs } from './values.js';

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
  refuseJsonBeside(flags, { '--csv': flags.csv, '--html': flags.html });
  return await runInSession(await openSession(argument, flags), async (session) => {
    checkOutputs(session.root.root, {
      '-o': flags.output,
      '--csv': flags.csv,
      '--html': flags.html,
    });
    const made = await makePlan(session, settings);
    session.progress.stop();
    let planHash: string | undefined;
    if (flags.output !== undefined) {
      const { writePlan } = await import('./plan-output.js');
      planHash = writePlan(flags.output, flags, settings, session.root, made);
    }
    if (flags.csv !== undefined) {
      const { writeCsv } = await import('./plan-output.js');
      writeCsv(flags.csv, session.root, made);
    }
    const warnings = await warningsOf(session, flags, made);
    if (flags.html !== undefined) {
      const { writePlanPage } = await import('./html-page.js');
      writePlanPage(session, flags.html, made, settings, { planHash, warnings });
    }
    await reportPlan(session, flags, settings, made, { started, warnings });
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
    startedMs: processStartMs(),
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
