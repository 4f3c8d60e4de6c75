/** Asks the real shells what they would complete, without a keyboard. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Shell = 'bash' | 'zsh' | 'fish';

/**
 * What a shell offers for the last word of a line.
 * @param file the completion script.
 * @param folder where the shell stands, and where files of the test go.
 */
export function complete(shell: Shell, file: string, line: string, folder: string): string[] {
  const text = { bash: askBash, zsh: askZsh, fish: askFish }[shell](file, line, folder);
  const words = text
    .split('\n')
    .map((one) => one.replace(/\r$/, '').replace(/\t.*/, ''))
    .filter((one) => one !== '');
  return [...new Set(words)].sort();
}

function run(program: string, args: readonly string[], folder: string, input?: string): string {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, TERM: 'dumb', LC_ALL: 'C.UTF-8' };
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    env,
    encoding: 'utf8',
    input: input ?? '',
    timeout: 30_000,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program}: exit ${status}\n${stdout}\n${stderr}`);
  if (stderr !== '') throw new Error(`${program} complains: ${stderr}`);
  return stdout;
}

/** readline's own variables, set as it sets them: `=` and `:` are words of their own. */
function askBash(file: string, line: string, folder: string): string {
  const words = line.split(/ +|(?==)|(?<==)/);
  const list = words.map((word) => `'${word}'`).join(' ');
  const script = `
    compopt() { :; }
    source '${file}'
    COMP_WORDS=(${list}) COMP_CWORD=${words.length - 1}
    COMP_LINE='${line}' COMP_POINT=${line.length}
    _regsweep regsweep
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run('bash', ['--norc', '--noprofile', '-uc', script], folder);
}

function askFish(file: string, line: string, folder: string): string {
  const script = `source '${file}'; complete -C '${line}'`;
  return run('fish', ['--no-config', '-c', script], folder);
}

/** zsh completes at a terminal only: one of zsh/zpty, where compadd prints what it is given. */
const ZSH_INNER = `
PROMPT= RPROMPT=
autoload -Uz compinit && compinit -u -d "$HOME/.zcompdump"
unsetopt beep list_beep
zstyle ':completion:*' completer _complete
source "$SCRIPT"
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  typeset -a hits
  builtin compadd -A hits "$@"
  local prefix= i=$@[(I)-p]
  (( i )) && prefix=\${@[i+1]}
  for hit in $hits; do print -r -- "HIT $IPREFIX$prefix$hit"; done
  builtin compadd "$@"
}
finish() { print -r -- "DONE"; exit; }
bindkey '^I' complete-word
zle -N finish
bindkey '^X' finish
print READY
`;

const ZSH_OUTER = `
zmodload zsh/zpty
zpty asked "SCRIPT='$1' HOME='$3' zsh -f -i"
zpty -w asked "source '$3/inner.zsh'"
while zpty -r asked line; do [[ $line == *READY* ]] && break; done
zpty -n -w asked "$2"$'\\t\\x18'
while zpty -r asked line; do
  [[ $line == *HIT\\ * ]] && print -r -- "\${line##*HIT }"
  [[ $line == *DONE* ]] && break
done
zpty -d asked
`;

function askZsh(file: string, line: string, folder: string): string {
  writeFileSync(join(folder, 'inner.zsh'), ZSH_INNER);
  return run('zsh', ['-f', '-c', ZSH_OUTER, 'zsh', file, line, folder], folder);
}
