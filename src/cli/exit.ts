import type { ErrorCode } from '../fs/errors.js';
import { wrap } from '../report/table.js';

/** The exit codes of every command; part of the public interface. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  stopped: 4,
  running: 5,
  stale: 6,
  unverified: 7,
  interrupted: 130,
  terminated: 143,
} as const;

/** What each of them says: in a word or two for the help, and in full for the man page. */
const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, readonly [string, string]>> = {
  done: [
    'done',
    'done, or a sweep was answered no; isolated damage is listed and changes nothing here',
  ],
  failed: ['failed', 'failed: I/O, or a bug'],
  usage: ['usage', 'usage: a bad flag, a bad policy, or no registry at that root'],
  refused: [
    'refused to protect data',
    'refused to protect data: not everything could be seen, or what lives is not on this disk',
  ],
  stopped: ['stopped part-way', 'a sweep stopped part-way; run the same command again'],
  running: ['the registry is running', 'the registry is running, or another run holds the lock'],
  stale: ['the plan is stale', 'the plan is stale: something changed since it was made'],
  unverified: ['swept but not verified', 'the sweep is done, and its verification failed'],
  interrupted: ['stopped by a signal', 'stopped by SIGINT at a safe point'],
  terminated: ['stopped by a signal', 'stopped by SIGTERM at a safe point'],
};

const EXIT_NAMES = Object.keys(EXIT) as (keyof typeof EXIT)[];

/** How the help begins to tell of them. */
export const EXIT_TITLE = 'Exit codes:';
const HELP_WIDTH = 80;

/** The help's words on the exit codes; those that mean the same stand together. */
export function exitHelp(): string {
  const codes = new Map<string, string>();
  for (const name of EXIT_NAMES) {
    const [word] = EXIT_MEANING[name];
    const before = codes.get(word);
    codes.set(word, before === undefined ? `${EXIT[name]}` : `${before}/${EXIT[name]}`);
  }
  const words = [...codes].map(([word, code]) => `${code} ${word}`).join(', ');
  return wrap(`${EXIT_TITLE} ${words}.`, HELP_WIDTH).join('\n');
}

/** Each exit code and what it says in full. */
export function exitCodes(): (readonly [number, string])[] {
  return EXIT_NAMES.map((name) => [EXIT[name], EXIT_MEANING[name][1]]);
}

export const EXIT_OF: Readonly<Record<ErrorCode, number>> = {
  usage: EXIT.usage,
  'no-store': EXIT.usage,
  refused: EXIT.refused,
  io: EXIT.failed,
  stopped: EXIT.stopped,
  running: EXIT.running,
  stale: EXIT.stale,
  unverified: EXIT.unverified,
};
