import { AppError } from '../fs/errors.js';
import type { Position } from './model.js';

/** What is wrong with a policy file, or doubtful in it, and where. */
export interface Problem {
  readonly at: Position;
  readonly message: string;
}

/** `shop.yaml:14:9: unknown key ...` */
export function formatProblem(shownAs: string, { at, message }: Problem): string {
  return `${shownAs}:${at.line}:${at.column}: ${message}`;
}

/** `shop.yaml:14:9: ` before a message; nothing where it comes from no file. */
export function placeOf(shownAs: string | undefined, at: Position | undefined): string {
  return shownAs === undefined || at === undefined
    ? ''
    : formatProblem(shownAs, { at, message: '' });
}

/** In the order of the file, each once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems
    .filter((problem) => {
      const key = formatProblem('', problem);
      return seen.has(key) ? false : seen.add(key);
    })
    .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
}

/** The value, or undefined with the `usage` error noted at its place. */
export function attempt<T>(problems: Problem[], at: () => Position, make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'usage')) throw error;
    problems.push({ at: at(), message: error.message });
    return undefined;
  }
}
