import { flatten, nameOf, spellings } from './command-facts.js';
import type { CommandFacts, OptionFacts, Values } from './command-facts.js';

/** A completion script for zsh: a file `_regsweep` in `$fpath`, or sourced after `compinit`. */
export function renderZshCompletion(program: CommandFacts): string {
  const name = nameOf(program);
  return [
    `#compdef ${name}`,
    `# zsh completion for ${name}, made by: ${name} generate completion zsh`,
    ...flatten(program).flatMap(functionOf),
    '# As a file of $fpath its text is the function: it runs; sourced, it only registers.',
    `if [[ $funcstack[1] == _${name} ]]; then`,
    `  _${name} "$@"`,
    'else',
    `  compdef _${name} ${name}`,
    'fi',
    '',
  ].join('\n');
}

function functionOf(command: CommandFacts): string[] {
  const specs = command.options.map(optionSpec);
  const below = command.commands;
  if (below.length === 0) {
    const places = command.arguments.map(
      ({ name, values }, at) => `${at + 1}:${plain(name)}:${actionOf(values)}`,
    );
    const words = [...specs, ...places].map((spec) => `    ${quote(spec)}`);
    return [`${idOf(command)}() {`, ['  _arguments -s -S', ...words].join(' \\\n'), '}'];
  }
  const words = [...specs, '1:command:->command', '*::argument:->argument'];
  return [
    `${idOf(command)}() {`,
    '  local context state state_descr line',
    '  typeset -A opt_args',
    ['  _arguments -C', ...words.map((spec) => `    ${quote(spec)}`)].join(' \\\n'),
    '  case $state in',
    '    command)',
    '      local -a commands=(',
    ...below.map((one) => `        ${quote(`${nameOf(one)}:${one.description}`)}`),
    '      )',
    `      _describe command commands`,
    '      ;;',
    '    argument)',
    '      case $words[1] in',
    ...below.map((one) => `        ${nameOf(one)}) ${idOf(one)} ;;`),
    '      esac',
    '      ;;',
    '  esac',
    '}',
  ];
}

function idOf({ path }: CommandFacts): string {
  return `_${path.join('_')}`;
}

/** A specification a spelling, with a NUL between: each is a word of its own. */
function optionSpec(option: OptionFacts): string {
  const texts = spellings(option);
  const what = `[${plain(option.description)}]`;
  const value = option.values === undefined ? '' : `:value:${actionOf(option.values)}`;
  // A repeated option is no mistake for all that take a value: lists are such.
  const again = option.values === undefined ? `(${texts.join(' ')})` : '*';
  const tail = `${what}${value}`;
  return texts.map((text) => `${again}${spellingOf(text, option)}${tail}`).join('\u0000');
}

/** `--long=` takes `--long=value` and `--long value`, `-o+` takes `-ovalue` and `-o value`. */
function spellingOf(text: string, option: OptionFacts): string {
  if (option.values === undefined) return text;
  return text.startsWith('--') ? `${text}=` : `${text}+`;
}

function actionOf(values: Values): string {
  if (typeof values !== 'string') return `(${values.join(' ')})`;
  return { file: '_files', folder: '_files -/', text: ' ' }[values];
}

/** Without what zsh takes for the end of a part. */
function plain(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, (character) => `\\${character}`);
}

function quote(spec: string): string {
  const words = spec.split('\u0000');
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
