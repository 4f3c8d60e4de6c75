/** What a command line offers, as plain data: what completions and the man page are made from. */
export interface CommandFacts {
  /** The words that lead to it: `['regsweep', 'policy', 'check']`. */
  readonly path: readonly string[];
  readonly description: string;
  /** What follows the words, as the help shows it: `[options] [root]`. */
  readonly usage: string;
  readonly arguments: readonly ArgumentFacts[];
  readonly options: readonly OptionFacts[];
  readonly commands: readonly CommandFacts[];
  /** What the help says after all else, a text an entry. */
  readonly notes: readonly string[];
}

export interface ArgumentFacts {
  readonly name: string;
  readonly description: string;
  readonly values: Values;
}

export interface OptionFacts {
  /** `-o`, without its value; absent where there is none. */
  readonly short?: string;
  readonly long?: string;
  /** As the help shows it: `-o, --output <file>`. */
  readonly flags: string;
  readonly description: string;
  /** Absent: it takes none. */
  readonly values?: Values;
}

/** What may be given: a choice of words, a file, a folder, or what only people know. */
export type Values = readonly string[] | 'file' | 'folder' | 'text';

/** A command and all below it, each before its own commands. */
export function flatten(command: CommandFacts): CommandFacts[] {
  return [command, ...command.commands.flatMap(flatten)];
}

/** The last of a command's words. */
export function nameOf(command: CommandFacts): string {
  return command.path.at(-1) ?? '';
}

/** The spellings of an option: `['-o', '--output']`. */
export function spellings(option: OptionFacts): string[] {
  return [option.short, option.long].filter((text) => text !== undefined);
}
