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
