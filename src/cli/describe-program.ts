import { EventEmitter } from 'node:events';
import type { Argument, Command, Option } from 'commander';
import type { ArgumentFacts, CommandFacts, OptionFacts, Values } from '../report/command-facts.js';

/** Names that commands here give to what is a file, and to what is a folder. */
const FILES = new Set(['file', 'path', 'plan', 'root', 'store']);
const FOLDERS = new Set(['dir', 'directory', 'folder']);

/** What a command line offers, asked from commander itself; what its help hides is left out. */
export function describeCommand(command: Command, above: readonly string[] = []): CommandFacts {
  const path = [...above, command.name()];
  const help = command.createHelp();
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    arguments: help.visibleArguments(command).map(describeArgument),
    options: help.visibleOptions(command).map(describeOption),
    commands: help.visibleCommands(command).map((one) => describeCommand(one, path)),
    notes: notesOf(command),
  };
}

function describeArgument(argument: Argument): ArgumentFacts {
  const name = argument.name();
  return { name, description: argument.description, values: valuesOf(name, argument.argChoices) };
}

function describeOption(option: Option): OptionFacts {
  const { short, long, flags, description } = option;
  const takes = option.required || option.optional;
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? '';
  return {
    ...(short === undefined ? {} : { short }),
    ...(long === undefined ? {} : { long }),
    flags,
    description: withDefault(description, option),
    ...(takes ? { values: valuesOf(placeholder, option.argChoices) } : {}),
  };
}

function withDefault(description: string, { defaultValue, argChoices }: Option): string {
  const parts = [
    // Some descriptions say their choices themselves.
    ...(argChoices === undefined || argChoices.every((word) => description.includes(word))
      ? []
      : [`one of ${argChoices.join(', ')}`]),
    ...(typeof defaultValue === 'string' ? [`default: ${defaultValue}`] : []),
  ];
  return parts.length === 0 ? description : `${description} (${parts.join('; ')})`;
}

function valuesOf(name: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return choices;
  const plain = name.replace(/\.\.\.$/, '').toLowerCase();
  if (FOLDERS.has(plain)) return 'folder';
  return FILES.has(plain) ? 'file' : 'text';
}

/** commander keeps what `addHelpText('after')` was given in listeners only. */
function notesOf(command: Command): string[] {
  const notes: string[] = [];
  const write = (text: string): number => notes.push(text.trim());
  if (command instanceof EventEmitter) command.emit('afterHelp', { error: false, command, write });
  return notes;
}
