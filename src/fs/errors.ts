/** What went wrong, for the people who run the tool: `cli/` maps a code to an exit code. */
export type ErrorCode =
  'usage' | 'no-store' | 'refused' | 'io' | 'stopped' | 'running' | 'stale' | 'unverified';

/**
 * An expected failure. Anything else that is thrown is a bug and keeps its stack.
 * `hint` is what to do next, a line an entry.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly hint: readonly string[];

  constructor(code: ErrorCode, message: string, hint: readonly string[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.code = code;
    this.hint = hint;
  }
}

/** The errno name of a failed system call (`ENOENT`), or undefined for any other value. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What a process or a machine can run out of, and what to do about it. */
const SHORTAGES: ReadonlyMap<string, readonly [what: string, hint: string]> = new Map([
  ['EMFILE', ['this process may open no more files', 'raise the limit (ulimit -n 1024)']],
  ['ENFILE', ['this machine can open no more files', 'raise fs.file-max (sysctl)']],
  ['ENOMEM', ['there is no memory left', 'free some memory']],
]);

/** What ran out, where that is why a system call failed: `what` begins with the errno name. */
export function shortageOf(error: unknown): { what: string; hint: string } | undefined {
  const code = errnoOf(error) ?? '';
  const known = SHORTAGES.get(code);
  return known === undefined ? undefined : { what: `${code}, ${known[0]}`, hint: known[1] };
}

/** A one-line text for an error of unknown origin. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Lets an expected error say what it is about: a flag, a file. */
export function about<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `${what}: ${error.message}`, error.hint, error.cause);
  }
}
