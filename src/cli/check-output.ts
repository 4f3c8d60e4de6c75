import type { CheckReport } from '../check/judge.js';
import { ALLOWANCES } from '../check/finding.js';
import type { Allowance } from '../check/finding.js';
import { mendOf } from '../check/mend.js';
import type { Mend } from '../check/mend.js';
import { displayName } from '../fs/bytes.js';
import { planLines } from '../plan/plan-file.js';
import { survivorsOf } from '../plan/survivors.js';
import { renderCheckJson, shoppingCsv } from '../report/check-json.js';
import { renderCheck } from '../report/check-text.js';
import { makeStyle, wantsColor } from '../report/style.js';
import { EXIT } from './exit.js';
import { writeOut } from './out-lines.js';
import { print, reportWidth } from './output.js';
import { planHeader } from './plan-header.js';
import type { CheckFlags } from './check-command.js';
import { registryWarnings } from './running.js';
import type { Session } from './session.js';

/** Says and writes what a check has found. Returns the exit code. */
export async function putOutCheck(
  session: Session,
  flags: CheckFlags,
  report: CheckReport,
  startedMs: number,
): Promise<number> {
  const allowed = new Set(ALLOWANCES.filter((what) => flags.allow?.includes(what) === true));
  const mend = mendOf(report.findings, allowed);
  if (flags.output !== undefined) writeMend(flags, session, report, mend, [...allowed]);
  if (flags.csv !== undefined) writeCsv(flags.csv, session, report);
  const warnings = await registryWarnings(session, flags, 'what it is writing may look broken');
  printReport(session, flags, report, mend, {
    warnings,
    seconds: (performance.now() - startedMs) / 1000,
  });
  return exitCodeOf(report);
}

function exitCodeOf({ findings, hash }: CheckReport): number {
  if (findings.some(({ severity }) => severity !== 'notice')) return EXIT.refused;
  return hash !== undefined && hash.remaining > 0 ? EXIT.stopped : EXIT.done;
}

function writeMend(
  flags: CheckFlags,
  session: Session,
  { survey }: CheckReport,
  { actions, counts, bytes }: Mend,
  allowed: readonly Allowance[],
): void {
  const { root } = session;
  const words = ['mend', ...allowed.map((what) => `--allow ${what}`)].join(' ');
  const header = planHeader(root, {
    policyText: words,
    policy: words,
    options: {
      graceMs: 0,
      uploadsOlderThanMs: 0,
      orphansOnly: false,
      writeOff: flags.writeOff,
      allowMounts: flags.allowMount,
    },
    counts,
    survivors: survivorsOf(survey.index, actions),
  });
  writeOut(root.root, flags.output as string, planLines(header, actions, bytes));
}

function writeCsv(file: string, { root }: Session, { shopping }: CheckReport): void {
  writeOut(root.root, file, shoppingCsv(shopping));
}

function printReport(
  session: Session,
  flags: CheckFlags,
  report: CheckReport,
  mend: Mend,
  { warnings, seconds }: { readonly warnings: readonly string[]; readonly seconds: number },
): void {
  // With the plan or the list on standard output, the report makes way.
  const out = flags.output === '-' || flags.csv === '-' ? 2 : 1;
  if (flags.json === true) {
    const root = displayName(session.root.root);
    print(out, renderCheckJson(report, { root, mend, warnings, seconds }));
    return;
  }
  if (flags.quiet === true) return;
  const terminal = out === 1 ? process.stdout.isTTY : process.stderr.isTTY;
  const style = makeStyle(wantsColor(flags.color, terminal, process.env));
  const context = {
    root: session.shownAs,
    flags: againFlags(flags),
    mend,
    planFile: flags.output === '-' ? undefined : flags.output,
    warnings,
    seconds,
    width: reportWidth(process.env),
    all: flags.all === true,
    shoppingList: flags.shoppingList === true,
  };
  print(out, `${renderCheck(report, context, style).join('\n')}\n`);
}

/** The flags that decide what is found and mended, as they are to be typed again. */
function againFlags(flags: CheckFlags): string[] {
  return [
    ...(flags.links === true ? ['--links'] : []),
    ...(flags.hash === true ? ['--hash'] : []),
    ...(flags.allow ?? []).flatMap((what) => ['--allow', what]),
    ...flags.writeOff.flatMap((path) => ['--write-off', path]),
    ...flags.allowMount.flatMap((path) => ['--allow-mount', path]),
  ];
}
