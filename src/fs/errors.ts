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
