/**
 * One plan in this process, timed part by part; prints a `PhaseReport` as JSON.
 *
 *   phases.js ROOT THREADS RULES     RULES: of a policy; 0 plans as `-m` does
 */
import { makeReadFs } from '../../src/fs/node-fs.ts';
import { IndexBuilder } from '../../src/graph/index-builder.ts';
import type { StoreIndex } from '../../src/graph/store-index.ts';
import { surveyIndex } from '../../src/plan/derive.ts';
import { collectGarbage } from '../../src/plan/garbage.ts';
import { summarize } from '../../src/plan/summary.ts';
import type { PlanDecisions } from '../../src/policy/decisions.ts';
import { dropUntagged } from '../../src/policy/untagged.ts';
import { renderPlanJson } from '../../src/report/plan-json.ts';
import { Runner } from '../../src/scan/runner.ts';
import { scanStore } from '../../src/scan/scan.ts';
import { heavyPolicy } from './heavy-policy.ts';

export interface Phase {
  readonly name: string;
  /** Seconds. */
  readonly wall: number;
  /** Resident at the phase's end. */
  readonly residentBytes: number;
}

export interface PhaseReport {
  /** In the order in which they ran; those of the scan are named `scan: ...`. */
  readonly phases: readonly Phase[];
  readonly tags: number;
  readonly blobs: number;
  readonly edges: number;
  /** Blobs that go. */
  readonly dropped: number;
}

const HOUR = 3_600_000;
const phases: Phase[] = [];
let from = 0;

interface Moment {
  /** Milliseconds since the process began. */
  readonly at: number;
  readonly residentBytes: number;
}

function now(): Moment {
  return { at: performance.now(), residentBytes: process.memoryUsage.rss() };
}

/** Ends a phase, which began where the one before ended. */
function ended(name: string, { at, residentBytes } = now()): void {
  phases.push({ name, wall: (at - from) / 1000, residentBytes });
  from = at;
}

async function makeDecide(rules: number): Promise<(index: StoreIndex) => PlanDecisions> {
  const settings = { nowMs: Date.now(), graceMs: HOUR };
  if (rules === 0) return (index) => dropUntagged(index, settings);
  const { parsePolicy } = await import('../../src/policy/parse.ts');
  const { decideByPolicy } = await import('../../src/policy/decide.ts');
  const { factsOfStore, NO_EVIDENCE } = await import('../../src/policy/store-facts.ts');
  const policy = await parsePolicy(heavyPolicy(rules), 'heavy.yaml');
  const options = { ...settings, digestFiles: new Map() };
  return (index) => decideByPolicy(index, policy, factsOfStore(index, NO_EVIDENCE), options);
}

async function plan(root: string, threads: number, rules: number): Promise<PhaseReport> {
  const fs = makeReadFs();
  const runner = new Runner({ fs, threads });
  const lastEvents = new Map<string, Moment>();
  const scan = {
    base: fs.resolve(`${root}/docker/registry/v2`),
    fs,
    runner,
    writeOff: [],
    tagTimes: rules > 0,
    portraits: false,
    onProgress: (stage: string): void => void lastEvents.set(stage, now()),
  };
  const decide = await makeDecide(rules);
  const builder = new IndexBuilder();
  ended('start');

  await scanStore(scan, builder);
  for (const stage of ['repositories', 'blobs', 'manifests']) {
    ended(`scan: ${stage}`, lastEvents.get(stage));
  }
  const index = builder.finish();
  ended('index');
  const decisions = decide(index);
  ended(rules === 0 ? 'decide' : 'policy');
  // Without the last looks of `surveyStore`: this store has nothing that needs them.
  const survey = surveyIndex(index, decisions);
  ended('liveness');
  const options = {
    nowMs: Date.now(),
    startedMs: performance.timeOrigin,
    graceMs: HOUR,
    uploadsOlderThanMs: 168 * HOUR,
    orphansOnly: false,
  };
  const garbage = await collectGarbage(scan, survey, options);
  ended('garbage');
  const summary = summarize(survey, garbage);
  const text = renderPlanJson(summary, {
    root,
    policy: '',
    seconds: 0,
    warnings: [],
    refused: survey.blind,
    young: decisions.young.length,
    goal: undefined,
    whatIf: undefined,
  });
  if (text === '') throw new Error('an empty report');
  ended('report');
  await runner.close();
  return {
    phases,
    tags: index.tags.digest.length,
    blobs: summary.blobs.total,
    edges: index.edges.items.length,
    dropped: summary.blobs.dropped,
  };
}

const [root = '', threads = '', rules = ''] = process.argv.slice(2);
const report = await plan(root, Number(threads), Number(rules));
process.stdout.write(JSON.stringify(report));
