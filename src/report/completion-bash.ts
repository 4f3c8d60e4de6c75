import { flatten, nameOf, spellings } from './command-facts.js';
import type { CommandFacts, Values } from './command-facts.js';

/**
 * A completion script for bash 4 and later, which needs nothing else: neither bash-completion
 * nor the program itself is asked while somebody types.
 */
export function renderBashCompletion(program: CommandFacts): string {
  const name = nameOf(program);
  const commands = flatten(program);
  return [
    `# bash completion for ${name}, made by: ${name} generate completion bash`,
    ...functionOf(`_${name}_words`, commands.map(wordsOf)),
    ...functionOf(`_${name}_values`, commands.flatMap(valuesOfOptions)),
    ...functionOf(`_${name}_arguments`, commands.flatMap(valuesOfArguments)),
    MAIN.replaceAll('PROGRAM', name),
  ].join('\n');
}

function functionOf(name: string, cases: readonly string[]): string[] {
  return [`${name}() {`, '  case $1 in', ...cases.map((line) => `    ${line}`), '  esac', '}'];
}

/** The commands below a command in one variable, its options in another. */
function wordsOf(command: CommandFacts): string {
  const below = command.commands.map(nameOf).join(' ');
  const options = command.options.flatMap(spellings).join(' ');
  return `'${command.path.join(' ')}') commands='${below}' options='${options}' ;;`;
}

function valuesOfOptions(command: CommandFacts): string[] {
  return command.options.flatMap((option) => {
    if (option.values === undefined) return [];
    const keys = spellings(option).map((text) => `'${command.path.join(' ')} ${text}'`);
    return `${keys.join(' | ')}) values='${valueText(option.values)}' ;;`;
  });
}

function valuesOfArguments(command: CommandFacts): string[] {
  return command.arguments.map(
    ({ values }, at) => `'${command.path.join(' ')} ${at}') values='${valueText(values)}' ;;`,
  );
}

/** A word with a colon says what kind it is; else the words themselves. */
function valueText(values: Values): string {
  return typeof values === 'string' ? `:${values}` : values.join(' ');
}

// bash splits `--color=never` at the `=`, which is then a word of its own.
const MAIN = `_PROGRAM() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at=PROGRAM commands= options= values= option= word
  local -i i position=0 ended=0
  COMPREPLY=()
  _PROGRAM_words "$at"
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $option ]]; then
      [[ $word == '=' ]] && continue
      option= values=
    elif ((!ended)) && [[ $word == -- ]]; then
      ended=1
    elif ((!ended)) && [[ $word == -?* ]]; then
      values=
      _PROGRAM_values "$at $word"
      [[ -n $values ]] && option=$word
    elif [[ " $commands " == *" $word "* ]]; then
      at+=" $word"
      _PROGRAM_words "$at"
    else
      position+=1
    fi
  done
  if [[ -n $option ]]; then
    [[ $cur == '=' ]] && cur=
  elif ((!ended)) && [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    return
  else
    values=
    _PROGRAM_arguments "$at $position"
    [[ -n $commands ]] && values=$commands
  fi
  case $values in
    :file)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      ;;
    :folder)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      ;;
    :*) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur") ;;
  esac
}
complete -F _PROGRAM PROGRAM
`;
