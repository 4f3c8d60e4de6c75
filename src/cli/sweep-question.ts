import { ask } from '../fs/stdio.js';
import type { Plan } from '../plan/read-plan.js';
import { makeStyle, wantsColor } from '../report/style.js';
import { renderSweepStart } from '../report/sweep-text.js';
import { print } from './output.js';
import type { Session } from './session.js';
import type { SweepFlags } from './sweep-command.js';

/** A plan that was read, with its file's own sha256, and when the sweep of it has to end. */
export interface PlanToSweep {
  readonly plan: Plan;
  readonly hash: string;
  /** Milliseconds since 1970; undefined for no end. */
  readonly stopsAtMs: number | undefined;
}

/** Says what is going to happen, and asks unless `--yes`: nobody consents to what was not shown. */
export async function confirmSweep(
  session: Session,
  { plan, hash, stopsAtMs }: PlanToSweep,
  flags: SweepFlags,
): Promise<boolean> {
  const silent = flags.json === true || flags.quiet === true;
  if (silent && flags.yes === true) return true;
  // Standard output is the result's alone, or nobody's.
  const out = silent ? 2 : 1;
  const terminal = silent ? process.stderr.isTTY : process.stdout.isTTY;
  const start = {
    plan,
    hash,
    shownAs: session.shownAs,
    linksOnly: flags.linksOnly === true,
    overridden: flags.registryStopped === true,
    stopsAtMs,
    nowMs: Date.now(),
  };
  const style = makeStyle(wantsColor(flags.color, terminal, process.env));
  print(out, `${renderSweepStart(start, style).join('\n')}\n`);
  if (flags.yes === true) return true;
  session.progress.stop();
  // Whoever has pressed Ctrl-C is asked nothing any more.
  if (session.stoppedBy() !== undefined) return false;
  const answer = await ask(
    'Sweep? [y/N] ',
    (stop) => session.onStop(stop),
    () => process.kill(process.pid, 'SIGINT'),
  );
  return /^y(?:es)?$/i.test(answer.trim());
}
