import type { ErrorCode } from '../fs/errors.js';

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

/** What each of them says, for the man page. */
export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done; isolated damage is listed and changes nothing here',
  failed: 'failed: I/O, or a bug',
  usage: 'usage: a bad flag, a bad policy, or no registry at that root',
  refused:
    'refused to protect data: not everything could be seen, or what lives is not on this disk',
  stopped: 'a sweep stopped part-way; run the same command again',
  running: 'the registry is running, or another run holds the lock',
  stale: 'the plan is stale: something changed since it was made',
  unverified: 'the sweep is done, and its verification failed',
  interrupted: 'stopped by SIGINT at a safe point',
  terminated: 'stopped by SIGTERM at a safe point',
};

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
