import { checkStore } from '../check/check.js';
import type { HashOptions } from '../check/hash-pass.js';
import { openState } from '../fs/state-fs.js';
import { formatBytes } from '../report/format.js';
import type { CheckFlags } from './check-command.js';
import { checkOutputs, refuseJsonBeside } from './out-lines.js';
import { refuseBlobsAlone } from './refusals.js';
import type { Session } from './session.js';

/**
 * So many tags and manifests are looked into unasked. What was being written when the power went
 * may be broken in ways that no inode shows, and it is far less than this.
 */
const NEWEST = 2000;

/** When a run began (milliseconds of this process), and when it has to end (since 1970). */
interface Times {
  readonly startedMs: number;
  readonly deadlineMs: number;
}

/** Checks a store that is open, and says and writes what was found. Returns the exit code. */
export async function checkSession(
  session: Session,
  flags: CheckFlags,
  { startedMs, deadlineMs }: Times,
): Promise<number> {
  const { scan, root } = session;
  refuseJsonBeside(flags, { '--csv': flags.csv });
  checkOutputs(root.root, { '-o': flags.output, '--csv': flags.csv });
  const hash = flags.hash === true ? hashOptions(session, flags, deadlineMs) : undefined;
  const newest = flags.links === true ? Infinity : NEWEST;
  const report = await checkStore({ scan, root, nowMs: Date.now(), newest, hash });
  refuseBlobsAlone(report.survey, session, 'checked');
  session.progress.stop();
  const { putOutCheck } = await loadOutput();
  return await putOutCheck(session, flags, report, startedMs);
}

async function loadOutput(): Promise<typeof import('./check-output.js')> {
  return await import('./check-output.js');
}

function hashOptions(session: Session, flags: CheckFlags, deadlineMs: number): HashOptions {
  const { root, progress } = session;
  const fs = openState(root.root, root.dev, flags.stateDir, process.env);
  const started = performance.now();
  return {
    deadlineMs,
    newestFirst: flags.newestFirst === true,
    resume: flags.resume === true,
    state: fs === undefined ? undefined : { fs, name: `check-${root.dev}-${root.ino}.txt` },
    meanwhile: loadOutput,
    onProgress(done, total) {
      const speed = (done / (performance.now() - started)) * 1000;
      progress.update('MiB hashed', toMiB(done), toMiB(total), `${formatBytes(speed)}/s`);
    },
  };
}

function toMiB(bytes: number): number {
  return Math.ceil(bytes / (1024 * 1024));
}
