import pc from 'picocolors';

/** The colours of every command. Colour never carries a meaning that the words do not. */
export interface Style {
  readonly heading: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
}

export type ColorChoice = 'auto' | 'always' | 'never';

/**
 * Whether to colour: by choice, else when it is a terminal and NO_COLOR is not set. Node leaves
 * a stream's `isTTY` undefined where it is none, and picocolors takes that for 'find out', which
 * colours whatever a CI redirects: so the answer is always a boolean.
 */
export function wantsColor(
  choice: ColorChoice,
  isTerminal: boolean | undefined,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (choice !== 'auto') return choice === 'always';
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return isTerminal === true && !refused;
}

/** The marks of the terminal, or none. */
export function makeStyle(color: boolean): Style {
  const colors = pc.createColors(color);
  return {
    heading: (text) => colors.bold(text),
    strong: (text) => colors.bold(text),
    dim: (text) => colors.dim(text),
    good: (text) => colors.green(text),
    bad: (text) => colors.red(text),
    warn: (text) => colors.yellow(text),
  };
}
