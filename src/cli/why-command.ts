import { toBytePath } from '../fs/bytes.js';
import { askWhy } from '../insight/why.js';
import type { Why } from '../insight/why.js';
import type { WhyPath } from '../insight/why-paths.js';
import { tagRows } from '../plan/tag-rows.js';
import { KIND } from '../registry/media-type.js';
import { makeStyle, wantsColor } from '../report/style.js';
import type { ColorChoice } from '../report/style.js';
import { readAllPortraits } from '../scan/usage.js';
import { otherFlags } from './again-flags.js';
import { EXIT } from './exit.js';
import { print, reportWidth } from './output.js';
import { makePlan } from './plan-maker.js';
import type { MadePlan } from './plan-maker.js';
import { choosePolicy } from './policy-choice.js';
import { openSession, runInSession } from './session.js';
import type { Session, SessionFlags } from './session.js';
import { parseDuration, parseTime, processStartMs, rootAnd } from './values.js';

export interface WhyFlags extends SessionFlags {
  readonly policy?: string;
  readonly untagged?: boolean;
  readonly accessLog?: readonly string[];
  readonly toFree?: boolean;
  readonly grace: string;
  readonly uploadsOlderThan: string;
  readonly now?: string;
  readonly all?: boolean;
  readonly color: ColorChoice;
}

/** Why something lives. The last argument is the target. Returns the exit code. */
export async function runWhy(args: readonly string[], flags: WhyFlags): Promise<number> {
  const [root, target] = rootAnd('TARGET', args, 'why');
  const { policy, untagged = false, accessLog = [] } = flags;
  const settings = {
    choice: await choosePolicy({
      ...(policy === undefined ? {} : { policy }),
      untagged,
      accessLog,
    }),
    dropsDeadTags: false,
    diskIsAuthority: true,
    whatIf: false,
    goal: undefined,
    graceMs: parseDuration(flags.grace, '--grace'),
    uploadsOlderThanMs: parseDuration(flags.uploadsOlderThan, '--uploads-older-than'),
    startedMs: processStartMs(),
    nowMs: flags.now === undefined ? Date.now() : parseTime(flags.now, '--now'),
  };
  return await runInSession(await openSession(root, flags), async (session) => {
    const made = await makePlan(session, settings);
    session.progress.stop();
    const why = askWhy(made.survey, made.garbage, toBytePath(target), settings);
    await report(session, flags, made, why, [...settings.choice.flags, ...otherFlags(flags)]);
    return made.survey.blind.length > 0 ? EXIT.refused : EXIT.done;
  });
}

async function report(
  session: Session,
  flags: WhyFlags,
  made: MadePlan,
  why: Why,
  again: readonly string[],
): Promise<void> {
  const { index } = made.survey;
  const reasonsOf = flags.policy === undefined ? () => [] : reasonTeller(made);
  if (flags.json === true) {
    const { renderWhyJson } = await import('../report/why-json.js');
    print(1, renderWhyJson(why, index, reasonsOf));
    return;
  }
  if (flags.quiet === true) return;
  const { renderWhy } = await import('../report/why-text.js');
  const style = makeStyle(wantsColor(flags.color, process.stdout.isTTY, process.env));
  const context = {
    root: session.shownAs,
    index,
    platforms: await platformsOf(session, made, why),
    reasonsOf,
    flags: again,
    toFree: flags.toFree === true,
    graceMs: made.options.graceMs,
    width: reportWidth(process.env),
    all: flags.all === true,
  };
  print(1, `${renderWhy(why, context, style).join('\n')}\n`);
}

/** What a policy says of the tag or manifest that a path begins with. */
function reasonTeller({ survey, outcome }: MadePlan): (path: WhyPath) => readonly string[] {
  const rows = new Map(
    tagRows(survey, outcome).map(({ repository, tag, digest, decision, reasons }) => [
      tag === undefined ? `${repository}@${digest ?? ''}` : `${repository}:${tag}`,
      reasons.map((reason, i) => (i === 0 ? `${decision}: ${reason}` : `also: ${reason}`)),
    ]),
  );
  return ({ holder }) => rows.get(holder.name) ?? [];
}

/** By digest: what the indexes on the way say of their children. */
async function platformsOf(
  { scan }: Session,
  { survey: { index } }: MadePlan,
  { paths }: Why,
): Promise<Map<number, string>> {
  const indexes = new Set(
    paths.flatMap(({ chain }) => chain.filter((digest) => index.kind[digest] === KIND.index)),
  );
  const packed = index.digests.pack(Uint32Array.from(indexes));
  const found = new Map<number, string>();
  for (const { children } of await readAllPortraits(scan, packed, false)) {
    for (const { digest, platform } of children) {
      const id = index.digests.find(digest);
      if (id !== undefined && platform !== undefined) found.set(id, platform);
    }
  }
  return found;
}
