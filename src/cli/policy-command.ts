import { AppError } from '../fs/errors.js';
import { makeReadFs } from '../fs/node-fs.js';
import { readInput } from '../fs/stdio.js';
import { tagRows } from '../plan/tag-rows.js';
import { importPolicy } from '../policy/import.js';
import { readPolicy } from '../policy/parse.js';
import { formatProblem, sortProblems } from '../policy/problem.js';
import { parseRepositoryName } from '../registry/reference.js';
import { escapeText, safeJson } from '../report/escape.js';
import { plural } from '../report/format.js';
import { explainJson, renderExplain } from '../report/policy-text.js';
import { makeStyle, wantsColor } from '../report/style.js';
import type { ColorChoice } from '../report/style.js';
import { wrap } from '../report/table.js';
import { EXIT } from './exit.js';
import { print, reportWidth } from './output.js';
import { makePlan } from './plan-maker.js';
import { choosePolicy, findUnreadableLists, folderOf, readText } from './policy-choice.js';
import { openSession, runInSession } from './session.js';
import type { SessionFlags } from './session.js';
import { parseDuration, parseTime, processStartMs } from './values.js';

/** Says what is wrong with a policy file. Returns the exit code. */
export async function checkPolicyFile(
  file: string,
  flags: { readonly json?: boolean; readonly quiet?: boolean },
): Promise<number> {
  const fs = makeReadFs();
  const { policy, problems, ...read } = await readPolicy(readText(fs, file), file);
  // Such a list is often made where the plan is, so here it is no error.
  const lists = policy === undefined ? [] : findUnreadableLists(fs, policy, folderOf(file));
  const doubts = sortProblems([...read.doubts, ...lists]);
  const code = policy === undefined ? EXIT.usage : EXIT.done;
  if (flags.json === true) {
    print(1, `${safeJson({ file, valid: policy !== undefined, problems, doubts }, 2)}\n`);
    return code;
  }
  for (const problem of problems) print(2, `error: ${escapeText(formatProblem(file, problem))}\n`);
  if (flags.quiet === true) return code;
  for (const doubt of doubts) print(1, `note: ${escapeText(formatProblem(file, doubt))}\n`);
  if (policy !== undefined) {
    const rules = policy.policies.reduce((total, { rules: { length } }) => total + length, 0);
    const parts = [plural(policy.policies.length, 'policy'), plural(rules, 'rule'), 'no errors'];
    print(1, `${escapeText(file)}: ${parts.join(', ')}\n`);
  }
  return code;
}

export interface ExplainFlags extends SessionFlags {
  readonly grace: string;
  readonly now?: string;
  readonly accessLog?: readonly string[];
  readonly allow?: readonly string[];
  readonly color: ColorChoice;
}

/** Shows what a policy makes of a repository, or of one of its tags. */
export async function explainPolicy(
  file: string,
  root: string,
  target: string,
  flags: ExplainFlags,
): Promise<number> {
  const [name = '', tag] = target.split(':', 2);
  const repository = parseRepositoryName(name);
  if (repository === undefined) {
    throw new AppError('usage', `${target} names no repository`, ['write shop/api or shop/api:v1']);
  }
  const { accessLog, allow } = flags;
  const choice = await choosePolicy({
    policy: file,
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(allow === undefined ? {} : { allow }),
  });
  const nowMs = flags.now === undefined ? Date.now() : parseTime(flags.now, '--now');
  return await runInSession(await openSession(root, flags), async (session) => {
    const made = await makePlan(session, {
      choice,
      dropsDeadTags: allow?.includes('drop-dead-tags') === true,
      diskIsAuthority: true,
      goal: undefined,
      whatIf: false,
      graceMs: parseDuration(flags.grace, '--grace'),
      uploadsOlderThanMs: Infinity,
      startedMs: processStartMs(),
      nowMs,
    });
    session.progress.stop();
    const all = tagRows(made.survey, made.outcome, (one) => one === repository);
    const rows = tag === undefined ? all : all.filter((row) => row.tag === tag);
    if (rows.length === 0) throw new AppError('usage', `the store has no ${target}`);
    if (flags.json === true) {
      print(1, `${safeJson({ repository, tags: rows.map(explainJson) }, 2)}\n`);
      return EXIT.done;
    }
    const style = makeStyle(wantsColor(flags.color, process.stdout.isTTY, process.env));
    const context = { nowMs, width: reportWidth(process.env), whole: tag !== undefined };
    print(1, `${renderExplain(rows, context, style).join('\n')}\n`);
    for (const note of made.outcome?.notes ?? []) {
      const lines = wrap(`note: ${escapeText(note)}`, context.width - 2);
      print(2, `${lines.join('\n  ')}\n`);
    }
    return EXIT.done;
  });
}

/** Prints another system's policy in this language. */
export async function importPolicyFile(
  file: string,
  flags: { readonly json?: boolean },
): Promise<number> {
  const text = file === '-' ? readInput().toString('utf8') : readText(makeReadFs(), file);
  const shownAs = file === '-' ? 'standard input' : file;
  const { format, yaml } = await importPolicy(text, shownAs);
  print(1, flags.json === true ? `${safeJson({ file, format, yaml }, 2)}\n` : yaml);
  return EXIT.done;
}
