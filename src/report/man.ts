import { flatten } from './command-facts.js';
import type { ArgumentFacts, CommandFacts, OptionFacts } from './command-facts.js';

export interface ManFacts {
  readonly version: string;
  /** Each exit code and what it says. */
  readonly exitCodes: readonly (readonly [number, string])[];
  /** Each environment variable that is read, and what for. */
  readonly environment: readonly (readonly [string, string])[];
}

/** The man page, in section 1, as roff. No date: the same program gives the same bytes. */
export function renderMan(program: CommandFacts, facts: ManFacts): string {
  const name = program.path.join(' ');
  const commands = flatten(program).filter(({ path }) => path.length > 1 && path.at(-1) !== 'help');
  const lines = [
    `.\\" Made by: ${name} generate man`,
    `.TH ${name.toUpperCase()} 1 "" "${name} ${roff(facts.version)}" "User Commands"`,
    '.SH NAME',
    `${roff(name)} \\- ${roff(phraseOf(program.description))}`,
    '.SH SYNOPSIS',
    ...commands.filter(({ commands: below }) => below.length === 0).flatMap(synopsisOf),
    '.SH DESCRIPTION',
    textLine(program.description),
    ...program.notes.flatMap(paragraphsOf),
    '.SH OPTIONS',
    ...program.options.flatMap(optionLines),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...facts.exitCodes.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, textLine(meaning)]),
    '.SH ENVIRONMENT',
    ...facts.environment.flatMap(([variable, what]) => [
      '.TP',
      `.B ${roff(variable)}`,
      textLine(what),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

/** A sentence as the part after the dash: no capital, no full stop. */
function phraseOf(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
}

function synopsisOf({ path, usage }: CommandFacts): string[] {
  return [`.B ${roff(path.join(' '))}`, textLine(usage), '.br'];
}

function commandLines(command: CommandFacts): string[] {
  return [
    `.SS ${roff(command.path.slice(1).join(' '))} ${roff(command.usage)}`.trimEnd(),
    textLine(command.description),
    ...command.arguments.flatMap(argumentLines),
    ...command.options.flatMap(optionLines),
    ...command.notes.flatMap(paragraphsOf),
  ];
}

function argumentLines({ name, description, values }: ArgumentFacts): string[] {
  const choices = typeof values === 'string' ? '' : `one of ${values.join(', ')}`;
  const text = [description, choices].filter((part) => part !== '').join('; ');
  return text === '' ? [] : ['.TP', `.I ${roff(name)}`, textLine(text)];
}

function optionLines({ flags, description }: OptionFacts): string[] {
  return ['.TP', `.B ${roff(flags)}`, textLine(description)];
}

/** The help's own lines, as they stand: some are examples. */
function paragraphsOf(note: string): string[] {
  return note
    .split(/\n{2,}/)
    .flatMap((paragraph) => ['.PP', '.nf', ...paragraph.split('\n').map(textLine), '.fi']);
}

/** A line of text that roff takes for no request. */
function textLine(text: string): string {
  const line = roff(text);
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga');
}
