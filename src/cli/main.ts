import { Command, CommanderError, Option } from 'commander';
import { AppError } from '../fs/errors.js';
import { escapeText } from '../report/escape.js';
import { EXIT, EXIT_OF } from './exit.js';
import { print } from './output.js';
import type { PlanFlags } from './plan-command.js';
import { readVersion } from './version.js';

const HELP_AFTER = `
ROOT is the registry's rootdirectory, its docker/registry/v2, or its config.yml.
Without it: $REGSWEEP_ROOT, then /var/lib/registry. Stop the registry first.

Exit codes: 0 done, 1 failed, 2 usage, 3 refused to protect data, 4 stopped part-way,
5 the registry is running, 6 the plan is stale, 7 swept but not verified, 130/143 signal.`;

/** Runs the program and returns its exit code. Modules load when a command needs them. */
export async function main(argv: readonly string[]): Promise<number> {
  const state = { code: EXIT.done as number };
  const program = makeProgram(state);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return state.code;
  } catch (error) {
    return report(error, argv.includes('-v') || argv.includes('--verbose'));
  }
}

function makeProgram(state: { code: number }): Command {
  const program = new Command('regsweep')
    .description('Frees the disk of a stopped container registry, and never a blob that is in use.')
    .version(readVersion(), '--version')
    .addHelpText('after', HELP_AFTER)
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => print(1, text),
      writeErr: (text) => print(2, text),
      outputError: (text, write) => write(escapeText(text.trimEnd()) + '\n'),
    })
    .exitOverride();
  addPlan(program, state);
  return program;
}

function addPlan(program: Command, state: { code: number }): void {
  program
    .command('plan')
    .description('dry run: what goes, why, and what it frees; changes nothing')
    .argument('[root]', "rootdirectory, docker/registry/v2 or config.yml")
    .option('-m, --untagged', 'drop untagged manifests too')
    .addOption(new Option('--delete-untagged', 'the same').hideHelp())
    .option('--grace <duration>', 'keep interrupted pushes and untagged manifests this long', '1h')
    .option('--uploads-older-than <duration>', 'drop unfinished uploads of this age', '168h')
    .option('-o, --output <file>', 'write the plan; - for standard output, the report to stderr')
    .option('--now <time>', 'reckon ages from this time instead of the clock')
    .option('--write-off <path>', 'give up an unreadable path below docker/registry/v2', collect, [])
    .option('--allow-mount <path>', 'a mount below the store that belongs to it', collect, [])
    .option('--disk-is-authority', 'the tags on this disk are all there is (Harbor, caches)')
    .option('--all', 'show every repository and every finding')
    .option('--json', 'one JSON document on standard output')
    .option('-q, --quiet', 'print no report')
    .option('-v, --verbose', 'stack traces with errors')
    .option('--no-progress', 'no progress on stderr')
    .addOption(colorOption())
    .option('--threads <n>', 'worker threads (default: as many as there are cores)')
    .action(async (root: string | undefined, flags: PlanFlags) => {
      const { runPlan } = await import('./plan-command.js');
      state.code = await runPlan(root, flags);
    });
}

function colorOption(): Option {
  return new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto');
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function report(error: unknown, verbose: boolean): number {
  if (error instanceof CommanderError) {
    // Help and the version end here too, with code 0; commander has printed what there is.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  if (error instanceof AppError) {
    const lines = [`error: ${error.message}`, ...error.hint.map((hint) => `  ${hint}`)];
    print(2, `${lines.map(escapeText).join('\n')}\n`);
    if (verbose && error.cause instanceof Error) print(2, `${error.cause.stack ?? ''}\n`);
    return EXIT_OF[error.code];
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  print(2, `error: a bug in regsweep, please report it\n${escapeText(text).replaceAll('\\u{a}', '\n')}\n`);
  return EXIT.failed;
}
