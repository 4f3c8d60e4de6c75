import { AppError } from '../fs/errors.js';
import type { ColorChoice } from '../report/style.js';
import { openSession, runInSession } from './session.js';
import type { SessionFlags } from './session.js';
import { flagName, parseDuration } from './values.js';

export interface CheckFlags extends SessionFlags {
  readonly links?: boolean;
  readonly hash?: boolean;
  readonly resume?: boolean;
  readonly maxDuration?: string;
  readonly newestFirst?: boolean;
  readonly output?: string;
  readonly csv?: string;
  readonly shoppingList?: boolean;
  readonly allow?: readonly string[];
  readonly stateDir?: string;
  readonly registryStopped?: boolean;
  readonly all?: boolean;
  readonly color: ColorChoice;
}

/** Finds what is broken, and writes a plan that mends. Returns the exit code. */
export async function runCheck(argument: string | undefined, flags: CheckFlags): Promise<number> {
  const startedMs = performance.now();
  const deadlineMs = readDeadline(flags);
  return await runInSession(await openSession(argument, flags), async (session) => {
    // Workers start while the rest is loaded and the store is scanned: 40 ms of a run of 1 s.
    if (flags.hash === true) session.scan.runner.warm();
    const { checkSession } = await import('./check-run.js');
    return await checkSession(session, flags, { startedMs, deadlineMs });
  });
}

/** When to stop, milliseconds since 1970. @throws AppError `usage` */
function readDeadline(flags: CheckFlags): number {
  const alone = ['resume', 'newestFirst', 'maxDuration'] as const;
  const without = alone.find((flag) => flags[flag] !== undefined && flags.hash !== true);
  if (without !== undefined) {
    const name = flagName(without);
    throw new AppError('usage', `${name} goes with --hash: what is read without it is little`);
  }
  if (flags.maxDuration === undefined) return Infinity;
  return Date.now() + parseDuration(flags.maxDuration, '--max-duration');
}
