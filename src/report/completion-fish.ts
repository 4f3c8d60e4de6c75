import { flatten, nameOf } from './command-facts.js';
import type { CommandFacts, OptionFacts, Values } from './command-facts.js';

/** A completion script for fish. */
export function renderFishCompletion(program: CommandFacts): string {
  const name = nameOf(program);
  return [
    `# fish completion for ${name}, made by: ${name} generate completion fish`,
    ...pathFunction(program),
    `complete -c ${name} -f`,
    ...flatten(program).flatMap((command) => completionsOf(name, command)),
    '',
  ].join('\n');
}

/** The words of commands on the line so far; options and arguments between them are passed by. */
function pathFunction(program: CommandFacts): string[] {
  const name = nameOf(program);
  const groups = flatten(program).filter(({ commands }) => commands.length > 0);
  return [
    `function __${name}_is_at`,
    `    set -l at ${name}`,
    '    for word in (commandline -opc)[2..-1]',
    '        switch "$at $word"',
    `            case ${groups.flatMap(({ commands }) => commands.map(wordOf)).join(' ')}`,
    '                set at "$at $word"',
    '        end',
    '    end',
    '    test "$at" = "$argv"',
    'end',
  ];
}

function wordOf({ path }: CommandFacts): string {
  return `'${path.join(' ')}'`;
}

function completionsOf(name: string, command: CommandFacts): string[] {
  const start = `complete -c ${name} -n ${quote(`__${name}_is_at ${command.path.join(' ')}`)}`;
  const below = command.commands.map(
    (one) => `${start} -a ${quote(nameOf(one))} -d ${quote(one.description)}`,
  );
  const kinds = new Set(command.arguments.map(({ values }) => valueWords(values)));
  const places = [...kinds].filter((words) => words !== '').map((words) => `${start} ${words}`);
  return [...below, ...places, ...command.options.map((option) => `${start} ${optionOf(option)}`)];
}

function optionOf({ short, long, description, values }: OptionFacts): string {
  const words = [
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
    // -x: it takes a value, and that is no file.
    ...(values === undefined ? [] : [values === 'file' ? '-r -F' : `-x ${valueWords(values)}`]),
    `-d ${quote(description)}`,
  ];
  return words.join(' ').replaceAll(/ {2,}/g, ' ');
}

function valueWords(values: Values): string {
  if (typeof values !== 'string') return `-a ${quote(values.join(' '))}`;
  return { file: '-F', folder: `-a '(__fish_complete_directories)'`, text: '' }[values];
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, (character) => `\\${character}`)}'`;
}
