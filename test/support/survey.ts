import assert from 'node:assert/strict';
import nodeFs from 'node:fs';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { NodeLikeFs } from '../../src/fs/node-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { digestText } from '../../src/graph/store-index.ts';
import type { StoreIndex } from '../../src/graph/store-index.ts';
import { removalsOf } from '../../src/plan/action.ts';
import type { Action } from '../../src/plan/action.ts';
import { actionsOf } from '../../src/plan/actions.ts';
import { surveyStore } from '../../src/plan/derive.ts';
import type { Survey } from '../../src/plan/derive.ts';
import { settleGarbage } from '../../src/plan/garbage.ts';
import type { Garbage } from '../../src/plan/garbage.ts';
import { summarize } from '../../src/plan/summary.ts';
import type { PlanSummary } from '../../src/plan/summary.ts';
import { dropNothing } from '../../src/policy/decisions.ts';
import type { PlanDecisions } from '../../src/policy/decisions.ts';
import { decideByPolicy } from '../../src/policy/decide.ts';
import type { PullCoverage } from '../../src/policy/facts.ts';
import type { Policy } from '../../src/policy/model.ts';
import { factsOfStore, NO_EVIDENCE } from '../../src/policy/store-facts.ts';
import type { StoreEvidence } from '../../src/policy/store-facts.ts';
import { dropUntagged } from '../../src/policy/untagged.ts';
import { Runner } from '../../src/scan/runner.ts';
import type { RunnerOptions } from '../../src/scan/runner.ts';
import type { FsLike } from './store.ts';

const HOUR = 3_600_000;

export interface PlanOptions {
  /** `-m`. */
  readonly untagged?: boolean;
  readonly graceMs?: number;
  readonly uploadsOlderThanMs?: number;
  /** Milliseconds since 1970; by default the clock's. */
  readonly now?: number;
  /** By default `now`. */
  readonly startedMs?: number;
  readonly orphansOnly?: boolean;
  /** Decides instead of `untagged`. */
  readonly policy?: Policy;
  /** What the policy is told besides the times of push. */
  readonly evidence?: (index: StoreIndex) => Partial<StoreEvidence>;
  readonly pulls?: PullCoverage;
  readonly digestFiles?: ReadonlyMap<string, readonly string[]>;
  /** Below `docker/registry/v2`. */
  readonly writeOff?: readonly string[];
  /** Put between the file system and its reader: a shuffled or a failing listing. */
  readonly wrap?: (fs: ReadFs) => ReadFs;
  /** Workers and the like; inline by default. */
  readonly runner?: Partial<RunnerOptions>;
}

export interface PlannedStore {
  /** Digests of the blobs that go. */
  readonly planned: ReadonlySet<string>;
  /** Digests of the blobs that are there as regular files or not, by their directories. */
  readonly present: ReadonlySet<string>;
  /** `repository@digest` of the revisions that go. */
  readonly dropped: ReadonlySet<string>;
  readonly blind: readonly string[];
  /** `code path` of every finding, sorted. */
  readonly findings: readonly string[];
  /** Names of the repositories that lose nothing. */
  readonly tainted: ReadonlySet<string>;
  readonly survey: Survey<PlanDecisions>;
  readonly garbage: Garbage;
  readonly actions: readonly Action[];
}

/** `node:fs`, or memfs's; both have what the scan needs. */
export function asNodeFs(fs: FsLike): NodeLikeFs {
  return fs as unknown as NodeLikeFs;
}

/** Plans for the store below `root` (its rootdirectory), in this process and as the command does. */
export async function planStore(
  fs: FsLike,
  root: string,
  options: PlanOptions = {},
): Promise<PlannedStore> {
  const wrap = options.wrap ?? ((inner: ReadFs): ReadFs => inner);
  const read = wrap(makeReadFs(fs === nodeFs ? nodeFs : asNodeFs(fs)));
  const runner = new Runner({ fs: read, threads: 1, ...options.runner });
  const scan = {
    base: read.resolve(`${root}/docker/registry/v2`),
    fs: read,
    runner,
    writeOff: options.writeOff ?? [],
    tagTimes: options.policy !== undefined,
    portraits: false,
  };
  const settings = {
    nowMs: options.now ?? Date.now(),
    startedMs: options.startedMs ?? options.now ?? Date.now(),
    graceMs: options.graceMs ?? HOUR,
    uploadsOlderThanMs: options.uploadsOlderThanMs ?? 168 * HOUR,
    orphansOnly: options.orphansOnly ?? false,
  };
  try {
    const surveyed = await surveyStore(scan, (index) => decide(index, options, settings));
    const { survey, garbage } = await settleGarbage(scan, surveyed, settings);
    return describePlan(survey, garbage);
  } finally {
    await runner.close();
  }
}

function decide(
  index: StoreIndex,
  { untagged, policy, evidence, pulls, digestFiles = new Map() }: PlanOptions,
  settings: { readonly nowMs: number; readonly graceMs: number },
): PlanDecisions {
  if (policy === undefined) {
    return untagged === true ? dropUntagged(index, settings) : dropNothing(index);
  }
  const facts = factsOfStore(index, { ...NO_EVIDENCE, ...evidence?.(index) });
  return decideByPolicy(index, policy, facts, { ...settings, pulls, digestFiles });
}

/** A summary counts most actions without making them. */
function assertCounted(summary: PlanSummary, actions: readonly Action[]): void {
  const count = (kind: Action['kind']): number => actions.filter((a) => a.kind === kind).length;
  const files = actions.reduce((total, action) => total + removalsOf(action).files.length, 0);
  assert.deepEqual(
    {
      actions: summary.actions,
      files: summary.files,
      tags: summary.tags.dropped,
      manifests: summary.manifests.dropped,
    },
    { actions: actions.length, files, tags: count('tag'), manifests: count('revision') },
  );
}

function describePlan(survey: Survey<PlanDecisions>, garbage: Garbage): PlannedStore {
  const { index, liveness } = survey;
  const actions = [...actionsOf(survey, garbage)];
  assertCounted(summarize(survey, garbage), actions);
  const present = new Set<string>();
  for (let id = 0; id < index.digests.size; id++) {
    if (index.present.has(id)) present.add(digestText(index, id));
  }
  return {
    planned: new Set(digestsOf(actions, 'blob')),
    present,
    dropped: new Set(digestsOf(actions, 'revision')),
    blind: survey.blind,
    findings: [...survey.findings, ...garbage.findings]
      .map(({ code, path }) => `${code} ${path}`)
      .sort(),
    tainted: new Set(
      [...liveness.tainted.keys()].map((repository) => index.repositories[repository] as string),
    ),
    survey,
    garbage,
    actions,
  };
}

function digestsOf(actions: readonly Action[], kind: 'blob' | 'revision'): string[] {
  return actions.flatMap((action) => {
    if (action.kind !== kind) return [];
    return action.kind === 'blob' ? [action.digest] : [`${action.repository}@${action.digest}`];
  });
}
