/** Checks a store in this process, as the command does. */
import nodeFs from 'node:fs';
import { checkStore } from '../../src/check/check.ts';
import type { CheckReport } from '../../src/check/judge.ts';
import { brokenText } from '../../src/check/finding.ts';
import type { Allowance } from '../../src/check/finding.ts';
import type { HashOptions } from '../../src/check/hash-pass.ts';
import { mendOf } from '../../src/check/mend.ts';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { Plan } from '../../src/plan/read-plan.ts';
import { openRoot } from '../../src/scan/root.ts';
import { Runner } from '../../src/scan/runner.ts';
import { throughText } from './in-process.ts';
import type { FsLike } from './store.ts';
import { asNodeFs } from './survey.ts';

export interface CheckTestOptions {
  /** How many links are read; all by default. */
  readonly newest?: number;
  /** Reads every link and blob. */
  readonly hash?: boolean | Partial<HashOptions>;
  readonly now?: number;
}

export async function check(
  fs: FsLike,
  root: string,
  { newest = Infinity, hash = false, now = Date.now() }: CheckTestOptions = {},
): Promise<CheckReport> {
  const read = makeReadFs(fs === nodeFs ? nodeFs : asNodeFs(fs));
  const found = await openRoot(read, root, { env: {}, allowMounts: [] });
  const runner = new Runner({ fs: read, threads: 1 });
  const scan = {
    base: found.base,
    fs: read,
    runner,
    writeOff: [],
    tagTimes: true,
    portraits: false,
  };
  const all: HashOptions = {
    deadlineMs: Infinity,
    newestFirst: false,
    state: undefined,
    resume: false,
    onProgress: () => undefined,
    meanwhile: async () => await Promise.resolve(),
    ...(typeof hash === 'object' ? hash : {}),
  };
  return await checkStore({
    scan,
    root: found,
    nowMs: now,
    newest,
    hash: hash === false ? undefined : all,
  });
}

/** `code path` of each finding that is no notice, sorted. */
export function damageIn({ findings }: CheckReport): string[] {
  return namesOf(findings.filter(({ severity }) => severity !== 'notice'));
}

/** `code path` of each finding, sorted. */
export function namesOf(findings: CheckReport['findings']): string[] {
  return findings.map(({ code, path }) => `${code} ${path}`).sort();
}

/** What findings of a code break. */
export function breaksOf({ findings }: CheckReport, code: string): string[] {
  const found = findings.filter((finding) => finding.code === code);
  return [...new Set(found.flatMap(({ breaks }) => breaks.map(brokenText)))].sort();
}

/** The plan that mends, through its file's text, as a sweep would be given it. */
export function mendPlan(
  root: string,
  report: CheckReport,
  allowed: readonly Allowance[] = [],
): Plan {
  const { actions, counts, bytes } = mendOf(report.findings, new Set(allowed));
  const { index } = report.survey;
  return throughText(root, { index, actions, policy: 'mend', counts, bytes });
}
