import type { Command } from 'commander';
import { AppError } from '../fs/errors.js';
import type { CommandFacts } from '../report/command-facts.js';
import { renderBashCompletion } from '../report/completion-bash.js';
import { renderFishCompletion } from '../report/completion-fish.js';
import { renderZshCompletion } from '../report/completion-zsh.js';
import { safeJson } from '../report/escape.js';
import { renderMan } from '../report/man.js';
import { renderService, renderTimer } from '../report/systemd.js';
import { describeCommand } from './describe-program.js';
import { EXIT, EXIT_TITLE, exitCodes } from './exit.js';
import { print } from './output.js';
import { flagName, parseDuration } from './values.js';
import { readVersion } from './version.js';

const SHELLS: Readonly<Record<string, (program: CommandFacts) => string>> = {
  bash: renderBashCompletion,
  zsh: renderZshCompletion,
  fish: renderFishCompletion,
};

interface JsonFlags {
  readonly json?: boolean;
}

/** Prints texts, a line between two; or with `--json` a document with each by its name. */
function printTexts(texts: Readonly<Record<string, string>>, flags: JsonFlags): number {
  print(1, flags.json === true ? `${safeJson(texts, 2)}\n` : Object.values(texts).join('\n'));
  return EXIT.done;
}

/** Prints a completion script. Returns the exit code. */
export function generateCompletion(program: Command, shell: string, flags: JsonFlags): number {
  const render = SHELLS[shell];
  if (render === undefined) throw new AppError('usage', `no completion for ${shell}`);
  return printTexts({ completion: render(describeCommand(program)) }, flags);
}

const ENVIRONMENT = [
  ['REGSWEEP_ROOT', 'the registry, where a command is given no ROOT'],
  [
    'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY',
    'wins over the rootdirectory of a config.yml, as it does for the registry',
  ],
  ['XDG_STATE_HOME', 'the log of a sweep and its lock go to regsweep below it'],
  ['NO_COLOR', 'no colours, if it is not empty'],
] as const;

/** Prints the man page. Returns the exit code. */
export function generateMan(program: Command, flags: JsonFlags): number {
  const described = describeCommand(program);
  // The page has a section of its own for them.
  const notes = described.notes.filter((note) => !note.startsWith(EXIT_TITLE));
  const facts = { version: readVersion(), exitCodes: exitCodes(), environment: ENVIRONMENT };
  return printTexts({ man: renderMan({ ...described, notes }, facts) }, flags);
}

export interface SystemdFlags extends JsonFlags {
  readonly registryUnit: string;
  readonly container?: string;
  readonly root: string;
  readonly policy?: string;
  readonly untagged?: boolean;
  readonly registryStopped?: boolean;
  readonly maxDuration: string;
  readonly schedule: string;
  readonly program?: string;
}

/**
 * Prints a service, a timer, or both. Returns the exit code.
 * @param self the words that start this program.
 * @throws AppError `usage` for what no unit file can hold.
 */
export function generateSystemd(
  unit: string | undefined,
  flags: SystemdFlags,
  self: readonly string[],
): number {
  parseDuration(flags.maxDuration, '--max-duration');
  for (const [flag, value] of Object.entries(flags)) {
    if (typeof value === 'string') assertOneLine(flagName(flag), value);
  }
  refuseBoth(flags);
  const root = assertAbsolute('--root', flags.root);
  const { maxDuration, schedule, untagged = false, registryStopped = false } = flags;
  const policy = flags.policy === undefined ? undefined : assertAbsolute('--policy', flags.policy);
  const program = flags.program === undefined ? self : [assertAbsolute('--program', flags.program)];
  const [stop, start] = registryCommands(flags);
  const choices = { root, policy, untagged, registryStopped, maxDuration, schedule };
  const facts = { program, stop, start, ...choices };
  const texts = {
    ...(unit === 'timer' ? {} : { service: renderService(facts) }),
    ...(unit === 'service' ? {} : { timer: renderTimer(facts) }),
  };
  return printTexts(texts, flags);
}

/** The unit's `plan` would refuse the two together, every night. */
function refuseBoth({ policy, untagged }: SystemdFlags): void {
  if (policy === undefined || untagged !== true) return;
  throw new AppError('usage', '--policy and -m do not go together: a policy says what -m says', [
    'write `untagged: drop` into the policy, or leave --policy out',
  ]);
}

function registryCommands({ registryUnit, container }: SystemdFlags): [string[], string[]] {
  if (container !== undefined) {
    // docker's own grammar of names; an id is one too.
    if (!/^[\w][\w.-]*$/.test(container)) {
      throw new AppError('usage', `--container: ${JSON.stringify(container)} names no container`);
    }
    return [
      ['/usr/bin/docker', 'stop', container],
      ['/usr/bin/docker', 'start', container],
    ];
  }
  if (!/^[\w:.\\@-]+$/.test(registryUnit) || registryUnit.startsWith('-')) {
    throw new AppError('usage', `--registry-unit: ${JSON.stringify(registryUnit)} names no unit`, [
      'units are called like docker-registry.service; systemctl list-units shows them',
    ]);
  }
  const unit = /\.\w+$/.test(registryUnit) ? registryUnit : `${registryUnit}.service`;
  return [
    ['/usr/bin/systemctl', 'stop', unit],
    ['/usr/bin/systemctl', 'start', unit],
  ];
}

function assertOneLine(flag: string, value: string): void {
  if (value !== '' && !/\p{Cc}/u.test(value)) return;
  throw new AppError('usage', `${flag}: ${JSON.stringify(value)} cannot stand in a unit file`, [
    'a value there is one line, without control characters, and not empty',
  ]);
}

function assertAbsolute(flag: string, path: string): string {
  if (path.startsWith('/')) return path;
  throw new AppError('usage', `${flag}: ${JSON.stringify(path)} is no absolute path`, [
    'systemd knows no working folder: write it out from / on',
  ]);
}
