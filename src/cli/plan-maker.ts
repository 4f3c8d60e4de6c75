import { surveyStore } from '../plan/derive.js';
import type { Survey } from '../plan/derive.js';
import type { GarbageOptions } from '../plan/disk-question.js';
import { settleGarbage } from '../plan/garbage.js';
import type { Garbage } from '../plan/garbage.js';
import type { GoalReport, LastUse, Wanted } from '../plan/meet-goal.js';
import { summarize } from '../plan/summary.js';
import type { PlanSummary } from '../plan/summary.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { WhatIf } from '../insight/what-if.js';
import { dropNothing } from '../policy/decisions.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { dropDeadTags, dropUntagged } from '../policy/untagged.js';
import type { PolicyOutcome } from './decider.js';
import type { PolicyChoice } from './policy-choice.js';
import type { Confines } from './refusals.js';
import {
  limitForeign,
  refuseUnlessCache,
  refuseWithoutRepositories,
  UNCONFINED,
} from './refusals.js';
import type { Session } from './session.js';

/** What a plan goes by, read and checked. */
export interface PlanSettings extends Omit<GarbageOptions, keyof Confines> {
  readonly choice: PolicyChoice;
  readonly dropsDeadTags: boolean;
  readonly diskIsAuthority: boolean;
  /** Drop no more than what frees so many bytes, or leaves so many. */
  readonly goal: Wanted | undefined;
  /** Foretell what simpler policies would free. */
  readonly whatIf: boolean;
}

/** A plan and everything that it was made of. */
export interface MadePlan {
  readonly survey: Survey<PlanDecisions>;
  readonly garbage: Garbage;
  readonly summary: PlanSummary;
  readonly options: GarbageOptions;
  /** What a policy was told and decided, where there is one. */
  readonly outcome: PolicyOutcome | undefined;
  readonly goal: GoalReport | undefined;
  readonly whatIf: WhatIf | undefined;
}

/** Surveys a store under a policy, and measures what goes. @throws AppError `refused` */
export async function makePlan(session: Session, settings: PlanSettings): Promise<MadePlan> {
  const { choice } = settings;
  const confines = confine(session, settings);
  const options = { ...settings, ...confines };
  const scan = { ...session.scan, tagTimes: choice.policy !== undefined || settings.whatIf };
  let outcome: PolicyOutcome | undefined;
  let goal: GoalReport | undefined;
  const offer = await chooseDecide(session, options, (found) => {
    outcome = found;
  });
  const surveyed = await surveyStore(scan, async (index) => {
    const offered = await offer(index);
    const wanted = settings.goal;
    if (wanted === undefined) return offered;
    const { meetGoal } = await import('../plan/meet-goal.js');
    const lastUse = wanted.kind === 'free' ? lastUseOf(index, outcome) : lastPullOf(index, outcome);
    const met = await meetGoal(scan, index, offered, { ...options, wanted, lastUse });
    goal = met.report;
    return met.decisions;
  });
  refuseWithoutRepositories(surveyed, session, 'planned');
  const { survey, garbage } = await settleGarbage(scan, surveyed, options);
  const summary = summarize(survey, garbage);
  const whatIf = settings.whatIf ? await foretell(survey, settings, outcome) : undefined;
  return { survey, garbage, summary, options, outcome, goal, whatIf };
}

/** @throws AppError `refused` */
function confine({ root }: Session, settings: PlanSettings): Confines {
  const { choice, goal, diskIsAuthority } = settings;
  if (goal?.kind === 'evict') {
    refuseUnlessCache(root, goal.isCache);
    return UNCONFINED;
  }
  const drops = choice.policy !== undefined ? 'a policy' : choice.untagged ? '-m' : undefined;
  const hasList = choice.policy?.protect.some(({ digestsFile }) => digestsFile !== undefined);
  return limitForeign(root, { drops, diskIsAuthority, hasList: hasList === true });
}

/** What is protected stays in every case. */
async function foretell(
  { index }: Survey,
  { choice: { policy }, nowMs: now, graceMs }: PlanSettings,
  outcome: PolicyOutcome | undefined,
): Promise<WhatIf> {
  const { whatIf } = await import('../insight/what-if.js');
  const { DEFAULT_EVIDENCE } = await import('../policy/model.js');
  const { implausibleBefore } = policy?.evidence ?? DEFAULT_EVIDENCE;
  const decisions = outcome?.decisions;
  return whatIf(
    index,
    {
      tag: (tag) => decisions?.tagDecided(tag)?.decision === 'protect',
      revision: (entry) => decisions?.revisionDecided(entry)?.decision === 'protect',
    },
    { now, implausibleBefore, graceMs },
  );
}

/** When tags were pulled or pushed last, by what the policy was told. */
function lastUseOf(index: StoreIndex, outcome: PolicyOutcome | undefined): LastUse {
  const pulled = new Map<number, number>();
  outcome?.facts.repositories.forEach(({ tags }, repository) => {
    tags.forEach(({ pulledMs }, i) => {
      const tag = outcome.facts.tags[repository]?.[i];
      if (tag !== undefined && pulledMs !== undefined) pulled.set(tag, pulledMs);
    });
  });
  return {
    by: [],
    tag: (tag) => Math.max(index.tags.time[tag] as number, pulled.get(tag) ?? 0),
    revision: (entry) => index.revisions.time[entry] as number,
  };
}

/** When a cache was asked for things last, or else fetched them: it writes a link as it does. */
function lastPullOf({ tags, revisions }: StoreIndex, outcome: PolicyOutcome | undefined): LastUse {
  const pulls = outcome?.pulls;
  return {
    by: [...(pulls?.by ?? []), 'the times of links'],
    tag: (tag) => Math.max(tags.time[tag] as number, pulls?.tag(tag) ?? 0),
    revision: (entry) => Math.max(revisions.time[entry] as number, pulls?.revision(entry) ?? 0),
  };
}

type Decide = (index: StoreIndex) => Promise<PlanDecisions>;

/** How a run decides; the language and its parts are loaded where a policy needs them. */
async function chooseDecide(
  session: Session,
  settings: PlanSettings & { readonly byList: boolean },
  tell: (outcome: PolicyOutcome) => void,
): Promise<Decide> {
  const { choice, nowMs, graceMs } = settings;
  const { policy } = choice;
  const withDead = (index: StoreIndex, decisions: PlanDecisions): PlanDecisions => {
    if (settings.dropsDeadTags) dropDeadTags(index, decisions);
    return decisions;
  };
  if (policy === undefined) {
    const decide = choice.untagged ? dropUntagged : dropNothing;
    return (index) => Promise.resolve(withDead(index, decide(index, settings)));
  }
  const { byList } = settings;
  const evicts = settings.goal?.kind === 'evict';
  const { Decider } = await import('./decider.js');
  const decider = new Decider(session, { policy, choice, nowMs, graceMs, evicts, byList });
  await decider.readLogs();
  return async (index) => {
    const outcome = await decider.decide(index);
    tell(outcome);
    return withDead(index, outcome.decisions);
  };
}
