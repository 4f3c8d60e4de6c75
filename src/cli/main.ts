import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { AppError, messageOf, shortageOf } from '../fs/errors.js';
import { escapeText } from '../report/escape.js';
import { addExamples } from './examples.js';
import { GRACE, UPLOADS_AGE } from './defaults.js';
import { EXIT, EXIT_OF, exitHelp } from './exit.js';
import type { ExportFlags } from './export-command.js';
import type { SystemdFlags } from './generate-command.js';
import { refuseRepeats } from './once.js';
import { print } from './output.js';
import type { CheckFlags } from './check-command.js';
import type { AnalyzeFlags } from './analyze-command.js';
import type { PlanFlags } from './plan-command.js';
import type { ExplainFlags } from './policy-command.js';
import type { SweepFlags } from './sweep-command.js';
import { readVersion } from './version.js';
import type { WhyFlags } from './why-command.js';

const HELP_AFTER = `
ROOT is the registry's rootdirectory, its docker/registry/v2, or its config.yml.
Without it: $REGSWEEP_ROOT, then /var/lib/registry. Stop the registry first.`;

/** Runs the program and returns its exit code. Modules load when a command needs them. */
export async function main(argv: readonly string[]): Promise<number> {
  const state = { code: EXIT.done as number };
  const program = makeProgram(state, argv[0]);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    state.code = report(error, argv.includes('-v') || argv.includes('--verbose'));
    // Help and usage errors end before anything could be worth an optimizing compiler.
    if (error instanceof CommanderError) return state.code;
  }
  // Without it one run in hundreds waits at its end; what it did, it has done and said.
  await import('./settle.js').then(({ settleHeap }) => settleHeap()).catch(() => undefined);
  return state.code;
}

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, (program: Command, state: { code: number }) => void>> = {
  plan: addPlan,
  sweep: addSweep,
  check: addCheck,
  analyze: addAnalyze,
  why: addWhy,
  export: addExport,
  policy: addPolicy,
  generate: addGenerate,
};

/**
 * The program with the command that `first` names, or else with all: to describe those that are
 * not asked for takes 8 ms. What `generate` prints is about all of them.
 */
function makeProgram(state: { code: number }, first = ''): Command {
  const program = new Command('regsweep')
    .description('Frees the disk of a stopped container registry, and never a blob that is in use.')
    .version(readVersion(), '--version')
    .addHelpText('after', HELP_AFTER)
    .addHelpText('after', `\n${exitHelp()}`)
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => print(1, text),
      writeErr: (text) => print(2, text),
      outputError: (text, write) => write(escapeLines(text.trimEnd()) + '\n'),
    })
    .exitOverride();
  const isAlone = first !== 'generate' && Object.hasOwn(COMMANDS, first);
  for (const name of isAlone ? [first] : Object.keys(COMMANDS)) COMMANDS[name]?.(program, state);
  addExamples(program);
  refuseRepeats(program);
  return program;
}

function addPlan(program: Command, state: { code: number }): void {
  const plan = program
    .command('plan')
    .description('dry run: what goes, why, and what it frees; changes nothing')
    .argument('[root]', 'rootdirectory, docker/registry/v2 or config.yml')
    .option('-m, --untagged', 'drop untagged manifests too')
    .addOption(new Option('--delete-untagged', 'the same').hideHelp())
    .option('--policy <file>', 'what to keep and what to drop, in YAML')
    .option('--keep-last <n>', 'keep the newest n tags of each repository, drop the others')
    .option('--older-than <duration>', 'drop tags that were pushed longer ago')
    .option('--not-pulled-for <duration>', 'drop tags that nobody pulled for so long')
    .addOption(list('--repository <pattern>', 'only in these repositories (shop/**)'))
    .addOption(list('--tag <pattern>', 'only these tags (pr-*)'))
    .addOption(list('--protect <pattern>', 'never drop these: latest, shop/base, shop/api:v1'))
    .addOption(list('--drop <name>', 'drop shop/dead, shop/api:v1 or shop/old@sha256:...'))
    .addOption(list('--access-log <pattern>', 'logs that tell of pulls: access.log*'))
    .option('--free <size>', 'of all this drop the least valuable first, until so much is freed')
    .option('--evict-to <size>', 'of a pull-through cache: evict what was unused longest')
    .option('--is-cache', 'with --evict-to: it is a cache, though nothing on the disk says so')
    .option('--what-if', 'show what --keep-last and --older-than would free, value by value')
    .option('--print-policy', 'print the policy that the flags make, and end')
    .option('--grace <duration>', 'keep interrupted pushes and untagged manifests this long', GRACE)
    .option('--uploads-older-than <duration>', 'drop unfinished uploads of this age', UPLOADS_AGE)
    .option('-o, --output <file>', 'write the plan; - for standard output, the report to stderr')
    .option('--csv <file>', 'write a row a tag: what becomes of it, and why; - for stdout')
    .option('--html <file>', 'write a page to look at and to approve by; - for stdout')
    .option('--now <time>', 'reckon ages from this time instead of the clock')
    .option(
      '--write-off <path>',
      'give up an unreadable path below docker/registry/v2',
      collect,
      [],
    )
    .addOption(allowMountOption())
    .option('--disk-is-authority', 'the tags on this disk are all there is (Harbor, caches)')
    .addOption(allowOption())
    .option('--registry-stopped', 'do not look for a running registry')
    .option('--all', 'show every repository and every finding');
  addCommon(plan).action(async (root: string | undefined, flags: PlanFlags) => {
    const { runPlan } = await import('./plan-command.js');
    state.code = await runPlan(root, flags);
  });
}

function addSweep(program: Command, state: { code: number }): void {
  const sweep = program
    .command('sweep')
    .description('does exactly what a plan says: the only command that writes into a registry')
    .argument('<plan>', 'a file that plan -o made, or - for standard input')
    .option('-y, --yes', 'do not ask')
    .option('--links-only', 'remove links only, so that --undo can put them back')
    .option('--undo <file>', 'with --links-only: a plan that puts back what was removed')
    .option('--until <time>', 'stop at a safe point at this time of day, such as 04:30')
    .option('--max-duration <duration>', 'stop at a safe point after this long')
    .option('--state-dir <dir>', 'where the log and the lock go, outside the registry')
    .option('--registry-stopped', 'the registry is stopped, whatever it looks like');
  addCommon(sweep).action(async (plan: string, flags: SweepFlags) => {
    const { runSweepCommand } = await import('./sweep-command.js');
    state.code = await runSweepCommand(plan, flags);
  });
}

function addCheck(program: Command, state: { code: number }): void {
  const check = program
    .command('check')
    .description('what is broken, who cannot pull for it, and a plan that mends; changes nothing')
    .argument('[root]', 'rootdirectory, docker/registry/v2 or config.yml')
    .option('--links', 'read every link, not the newest alone, and list every directory')
    .option('--hash', 'read every link and blob, and hold each against its digest')
    .option('--resume', 'with --hash: leave out what a run that was stopped has read')
    .option('--newest-first', 'with --hash: what was written last comes first')
    .option('--max-duration <duration>', 'with --hash: stop after this long; --resume goes on')
    .option('-o, --output <file>', 'write a plan that mends; - for standard output')
    .option('--shopping-list', 'list the images to push again, and the blobs of each')
    .option('--csv <file>', 'write that list, a row a blob; - for standard output')
    .addOption(allowOption(['drop-dead-tags', 'drop-broken-uploads'], 'what no plan does unasked'))
    .option('--state-dir <dir>', 'where --resume finds what was read, outside the registry')
    .option('--write-off <path>', 'give up an unreadable path', collect, [])
    .addOption(allowMountOption())
    .option('--registry-stopped', 'do not look for a running registry')
    .option('--all', 'show every finding, and everything that it breaks');
  addCommon(check).action(async (root: string | undefined, flags: CheckFlags) => {
    const { runCheck } = await import('./check-command.js');
    state.code = await runCheck(root, flags);
  });
}

function addAnalyze(program: Command, state: { code: number }): void {
  const analyze = program
    .command('analyze')
    .description('where the space is, and whose; changes nothing')
    .argument('[root]', 'rootdirectory, docker/registry/v2 or config.yml')
    .option('--stat', 'measure every file, as du does, instead of going by descriptors')
    .option('--depth <n>', 'namespaces of so many parts instead of repositories')
    .addOption(
      new Option('--sort <column>', 'largest first by it')
        .choices(['size', 'unique', 'shared', 'alone', 'tags', 'name'])
        .default('size'),
    )
    .addOption(list('--repository <pattern>', 'only these repositories (shop/**)'))
    .option('--top <n>', 'rows a table (default: 10)')
    .option('--all', 'every row of every table')
    .option('--csv <file>', 'write a row a repository or namespace; - for stdout')
    .option('--html <file>', 'write a page to look at; - for stdout')
    .option('--grace <duration>', 'count younger untagged manifests as in use', GRACE)
    .option('--now <time>', 'reckon ages from this time instead of the clock')
    .option('--write-off <path>', 'give up an unreadable path', collect, [])
    .addOption(allowMountOption());
  addCommon(analyze).action(async (root: string | undefined, flags: AnalyzeFlags) => {
    const { runAnalyze } = await import('./analyze-command.js');
    state.code = await runAnalyze(root, flags);
  });
}

function addWhy(program: Command, state: { code: number }): void {
  const why = program
    .command('why')
    .description('every path that keeps a blob, manifest or tag alive, and what would free it')
    .argument('<root_and_target...>', '[ROOT] sha256:..., its first digits, repository:tag')
    .usage('[options] [root] <target>')
    .option('--to-free', 'all that would have to go, as flags of plan')
    .option('--policy <file>', 'under this policy: what holds it then, and by which rules')
    .option('-m, --untagged', 'as if untagged manifests went')
    .addOption(list('--access-log <pattern>', 'logs that tell of pulls: access.log*'))
    .option('--grace <duration>', 'keep interrupted pushes and untagged manifests this long', GRACE)
    .option(
      '--uploads-older-than <duration>',
      'when an unfinished upload is abandoned',
      UPLOADS_AGE,
    )
    .option('--now <time>', 'reckon ages from this time instead of the clock')
    .option('--write-off <path>', 'give up an unreadable path', collect, [])
    .addOption(allowMountOption())
    .option('--all', 'show every path');
  addCommon(why).action(async (args: string[], flags: WhyFlags) => {
    const { runWhy } = await import('./why-command.js');
    state.code = await runWhy(args, flags);
  });
}

function addExport(program: Command, state: { code: number }): void {
  const tables = program
    .command('export')
    .description('the facts as tables of NDJSON, for SQL')
    .argument('<root_and_dir...>', '[ROOT] and the folder for the tables')
    .usage('[options] [root] <dir>')
    .option('--store <name>', 'what the tables call this store (default: its root)')
    .option('--write-off <path>', 'give up an unreadable path', collect, [])
    .addOption(allowMountOption());
  addCommon(tables).action(async (args: string[], flags: ExportFlags) => {
    const { runExport } = await import('./export-command.js');
    state.code = await runExport(args, flags);
  });
}

function addPolicy(program: Command, state: { code: number }): void {
  const policy = program
    .command('policy')
    .description('policy files: check, explain, import')
    // With their arguments there is no room beside them in 80 columns, and nothing is wrapped.
    .configureHelp({ subcommandTerm: (command) => command.name() });
  const check = policy
    .command('check')
    .description('says what is wrong with a policy file, and what is probably not meant')
    .argument('<file>', 'the policy');
  addCommon(check).action(async (file: string, flags: CommonFlags) => {
    const { checkPolicyFile } = await import('./policy-command.js');
    state.code = await checkPolicyFile(file, flags);
  });
  const explain = policy
    .command('explain')
    .description('what a policy makes of a repository, tag by tag, and by which rule')
    .argument('<file>', 'the policy')
    .argument('<root>', 'rootdirectory, docker/registry/v2 or config.yml')
    .argument('<repository[:tag]>', 'what to explain')
    .option('--grace <duration>', 'keep untagged manifests this long', GRACE)
    .option('--now <time>', 'reckon ages from this time instead of the clock')
    .addOption(list('--access-log <pattern>', 'logs that tell of pulls: access.log*'))
    .addOption(allowOption())
    .option('--write-off <path>', 'give up an unreadable path', collect, [])
    .addOption(allowMountOption());
  addCommon(explain).action(
    async (file: string, root: string, target: string, flags: ExplainFlags) => {
      const { explainPolicy } = await import('./policy-command.js');
      state.code = await explainPolicy(file, root, target, flags);
    },
  );
  const imported = policy
    .command('import')
    .description(
      "turns Harbor's, zot's, ECR's, GitLab's and acr purge's policies into this language",
    )
    .argument('<file>', 'their document; - for standard input');
  addCommon(imported).action(async (file: string, flags: CommonFlags) => {
    const { importPolicyFile } = await import('./policy-command.js');
    state.code = await importPolicyFile(file, flags);
  });
}

function addGenerate(program: Command, state: { code: number }): void {
  const generate = program
    .command('generate')
    .description('prints what a host needs beside the program: completion, man, systemd');
  const completion = generate
    .command('completion')
    .description('prints a completion script: source <(regsweep generate completion bash)')
    .addArgument(new Argument('<shell>', 'your shell').choices(['bash', 'zsh', 'fish']));
  addCommon(completion).action(async (shell: string, flags: CommonFlags) => {
    const { generateCompletion } = await import('./generate-command.js');
    state.code = generateCompletion(program, shell, flags);
  });
  const man = generate
    .command('man')
    .description('prints the man page: regsweep generate man > regsweep.1');
  addCommon(man).action(async (flags: CommonFlags) => {
    const { generateMan } = await import('./generate-command.js');
    state.code = generateMan(program, flags);
  });
  const systemd = generate
    .command('systemd')
    .description('prints units that stop the registry, plan, sweep, and start it again')
    .addArgument(new Argument('[unit]', 'only this one').choices(['service', 'timer']))
    .option('--registry-unit <unit>', 'the unit to stop and start', 'docker-registry.service')
    .option('--container <name>', 'stop and start this container instead, with docker')
    .option('--root <path>', 'rootdirectory, docker/registry/v2 or config.yml', '/var/lib/registry')
    .option('--policy <file>', 'what to keep and what to drop')
    .option('-m, --untagged', 'drop untagged manifests too')
    .option('--registry-stopped', 'pass this on, for a store on a network file system')
    .option('--max-duration <duration>', 'a sweep stops at a safe point after this long', '2h')
    .option('--schedule <calendar>', 'when, as OnCalendar= takes it', 'Sun 03:00')
    .option('--program <file>', 'where regsweep is, if not where it is now');
  addCommon(systemd).action(async (unit: string | undefined, flags: SystemdFlags) => {
    const { generateSystemd } = await import('./generate-command.js');
    state.code = generateSystemd(unit, flags, [process.execPath, process.argv[1] ?? 'regsweep']);
  });
}

/** Of the options that all commands have, those that one heeds which reads no registry. */
interface CommonFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** The options that all commands have. */
function addCommon(command: Command): Command {
  return command
    .option('--json', 'one JSON document on standard output')
    .option('-q, --quiet', 'print no report')
    .option('-v, --verbose', 'stack traces with errors')
    .option('--no-progress', 'no progress on stderr')
    .addOption(colorOption())
    .option('--threads <n>', 'threads that read (default: the cores, up to 8 on a slow disk)');
}

function allowOption(
  choices = ['drop-dead-tags', 'reset-times'],
  what = 'what is refused unasked',
): Option {
  const option = new Option('--allow <what>', `${what}: ${choices.join(', ')}`);
  return option.choices(choices).argParser((value: string, before: string[] | undefined) => {
    if (choices.includes(value)) return collect(value, before);
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
  });
}

function allowMountOption(): Option {
  const what = 'a mount that belongs to the store, or shows a part of it';
  return list('--allow-mount <path>', what).default([]);
}

/** An option that may be given several times. */
function list(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect);
}

function colorOption(): Option {
  return new Option('--color <when>', 'colours')
    .choices(['auto', 'always', 'never'])
    .default('auto');
}

function collect(value: string, before: string[] = []): string[] {
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
    if (verbose && error.cause instanceof Error) print(2, `${escapeLines(stackOf(error.cause))}\n`);
    return EXIT_OF[error.code];
  }
  // A command's modules load when it begins: what is short then is no bug either.
  const shortage = shortageOf(error);
  if (shortage !== undefined) {
    return report(new AppError('io', messageOf(error), [shortage.hint], error), verbose);
  }
  const text = error instanceof Error ? stackOf(error) : String(error);
  print(2, `error: a bug in regsweep, please report it\n${escapeLines(text)}\n`);
  return EXIT.failed;
}

function stackOf(error: Error): string {
  return error.stack ?? error.message;
}

function escapeLines(text: string): string {
  return text.split('\n').map(escapeText).join('\n');
}
