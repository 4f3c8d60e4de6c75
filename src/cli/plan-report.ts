import { displayName } from '../fs/bytes.js';
import { renderPlan } from '../report/plan-text.js';
import { makeStyle, wantsColor } from '../report/style.js';
import { mountOf, readMounts } from '../scan/mounts.js';
import { otherFlags } from './again-flags.js';
import { describeForeign } from './foreign.js';
import { print, reportWidth } from './output.js';
import type { PlanFlags } from './plan-command.js';
import type { MadePlan, PlanSettings } from './plan-maker.js';
import type { Session } from './session.js';
import { registryWarnings } from './running.js';

/** Prints the plan's report, for people or as JSON. */
export async function reportPlan(
  session: Session,
  flags: PlanFlags,
  settings: PlanSettings,
  made: MadePlan,
  { started, warnings }: { readonly started: number; readonly warnings: readonly string[] },
): Promise<void> {
  const { survey, summary } = made;
  const refused = survey.blind.map(displayName);
  const young = survey.decisions.young.length;
  const seconds = (performance.now() - started) / 1000;
  // With the plan or the tags on standard output, the report makes way.
  const out = [flags.output, flags.csv, flags.html].includes('-') ? 2 : 1;
  const whatIf = flags.whatIf === true ? made.whatIf : undefined;
  if (flags.json === true) {
    const { renderPlanJson } = await import('../report/plan-json.js');
    const root = displayName(session.root.root);
    const policy = settings.choice.words;
    const context = { root, policy, seconds, warnings, refused, young, ...made, whatIf };
    print(out, renderPlanJson(summary, context));
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
      flags: [...settings.choice.flags, ...otherFlags(flags)],
      policy: settings.choice.policy !== undefined,
      untagged: settings.choice.untagged,
      goal: made.goal,
      whatIf,
      keepsLinked: made.options.keepsLinked === true,
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

/** What the reader of a plan should know besides. */
export async function warningsOf(
  session: Session,
  flags: PlanFlags,
  { survey, garbage, options, outcome }: MadePlan,
): Promise<string[]> {
  const { root } = session;
  const warnings = await registryWarnings(session, flags, 'stop it before the sweep');
  const { tagless } = survey.decisions;
  if (tagless.length > 0) {
    const names = tagless.map((repository) =>
      displayName(survey.index.repositories[repository] as string),
    );
    const shown = names.slice(0, NAMES_SHOWN).join(', ');
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
    warnings.push(`manifests but no tag, so -m leaves them alone: ${shown}${more}`);
  }
  for (const note of outcome?.notes ?? []) warnings.push(displayName(note));
  if (options.orphansOnly && root.foreign !== undefined) {
    const what = describeForeign(root.foreign);
    warnings.push(`${what}: only blobs that nothing links are planned`);
  }
  const future =
    survey.index.revisions.time.some((time) => time > options.nowMs && time < Infinity) ||
    garbage.findings.some(({ code }) => code === 'future-time');
  if (future) warnings.push('some files are dated in the future; they count as of now');
  return warnings;
}
