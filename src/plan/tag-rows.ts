import { digestText, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { PolicyDecisions } from '../policy/decide.js';
import { formatReason } from '../policy/facts.js';
import type { Decided, Reason } from '../policy/facts.js';
import { compareText } from '../policy/natural.js';
import type { StoreFacts } from '../policy/store-facts.js';
import type { PlanDecisions } from '../policy/decisions.js';
import type { Survey } from './derive.js';

/** What becomes of a tag, or of a manifest without one; times in milliseconds since 1970. */
export interface TagRow {
  readonly repository: string;
  /** Undefined for a manifest without a tag. */
  readonly tag: string | undefined;
  /** Undefined where the tag's link cannot be read. */
  readonly digest: string | undefined;
  readonly pushedMs: number | undefined;
  readonly createdMs: number | undefined;
  readonly pulledMs: number | undefined;
  /** What happens, which may be less than what the policy asks for. */
  readonly decision: 'keep' | 'drop' | 'protect';
  readonly policy: string | undefined;
  readonly rule: string | undefined;
  /** All that held, what decided first. */
  readonly reasons: readonly string[];
}

/** What a policy was told, and what it decided; undefined without one. */
export interface Judged {
  readonly facts: StoreFacts;
  readonly decisions: PolicyDecisions;
}

/** All tags by repository and name, then the manifests that have none. */
export function tagRows(
  survey: Survey<PlanDecisions>,
  judged: Judged | undefined,
  wants: (repository: string) => boolean = () => true,
): TagRow[] {
  return [...rowsOfTags(survey, judged, wants), ...rowsOfUntagged(survey, judged, wants)].sort(
    (a, b) =>
      compareText(a.repository, b.repository) ||
      Number(a.tag === undefined) - Number(b.tag === undefined) ||
      compareText(a.tag ?? a.digest ?? '', b.tag ?? b.digest ?? ''),
  );
}

function rowsOfTags(
  survey: Survey<PlanDecisions>,
  judged: Judged | undefined,
  wants: (repository: string) => boolean,
): TagRow[] {
  const { index, liveness, decisions } = survey;
  const times = timesOf(judged);
  const rows: TagRow[] = [];
  index.tags.name.forEach((tag, at) => {
    const number = index.tags.repository[at] as number;
    const repository = index.repositories[number] as string;
    if (!wants(repository)) return;
    const digest = index.tags.digest[at] as number;
    const fate = {
      dropped: liveness.tagKept[at] === 0,
      asked: decisions.tagDropped[at] === 1,
      reason: (): string => decisions.tagReason(at),
      otherwise: 'follows its subject',
      tainted: liveness.tainted.get(number),
    };
    rows.push({
      repository,
      tag,
      digest: digest === NO_DIGEST ? undefined : digestText(index, digest),
      ...(times.get(at) ?? UNKNOWN),
      ...fateOf(judged?.decisions.tagDecided(at), fate),
    });
  });
  return rows;
}

function rowsOfUntagged(
  survey: Survey<PlanDecisions>,
  judged: Judged | undefined,
  wants: (repository: string) => boolean,
): TagRow[] {
  const { index, liveness, decisions } = survey;
  const { revisions } = index;
  const tagged = new Set<number>();
  index.tags.digest.forEach((digest, tag) => {
    tagged.add((index.tags.repository[tag] as number) * index.digests.size + digest);
  });
  const rows: TagRow[] = [];
  revisions.digest.forEach((digest, entry) => {
    const number = revisions.repository[entry] as number;
    const repository = index.repositories[number] as string;
    if (!isLinked(index, entry)) return;
    if (tagged.has(number * index.digests.size + digest) || !wants(repository)) return;
    const time = revisions.time[entry] as number;
    const fate = {
      dropped: liveness.revisionKept[entry] === 0,
      asked: decisions.revisionDroppable[entry] === 1,
      reason: (): string => decisions.revisionReason(entry),
      otherwise: 'something that stays names it',
      tainted: liveness.tainted.get(number),
    };
    rows.push({
      repository,
      tag: undefined,
      digest: digestText(index, digest),
      ...UNKNOWN,
      pushedMs: Number.isFinite(time) ? time : undefined,
      ...fateOf(judged?.decisions.revisionDecided(entry), fate),
    });
  });
  return rows;
}

type Times = Pick<TagRow, 'pushedMs' | 'createdMs' | 'pulledMs'>;

const UNKNOWN: Times = { pushedMs: undefined, createdMs: undefined, pulledMs: undefined };

function timesOf(judged: Judged | undefined): Map<number, Times> {
  const found = new Map<number, Times>();
  judged?.facts.repositories.forEach(({ tags }, repository) => {
    tags.forEach(({ pushedMs, createdMs, pulledMs }, i) => {
      const tag = judged.facts.tags[repository]?.[i];
      if (tag !== undefined) found.set(tag, { pushedMs, createdMs, pulledMs });
    });
  });
  return found;
}

interface Fate {
  readonly dropped: boolean;
  /** The policy lets it go. */
  readonly asked: boolean;
  readonly reason: () => string;
  /** Why it stays though the policy lets it go, where its repository is whole. */
  readonly otherwise: string;
  readonly tainted: string | undefined;
}

function fateOf(
  decided: Decided | undefined,
  { dropped, asked, reason, otherwise, tainted }: Fate,
): Pick<TagRow, 'decision' | 'policy' | 'rule' | 'reasons'> {
  const reasons = decided === undefined ? [] : sorted(decided);
  const [first] = reasons;
  const place = { policy: first?.policy, rule: first?.rule };
  const texts = reasons.map(formatReason);
  if (dropped) {
    const why = asked ? reason() : 'follows its subject, which goes';
    return { decision: 'drop', ...place, reasons: [why, ...texts.filter((text) => text !== why)] };
  }
  if (tainted !== undefined) {
    return { decision: 'keep', ...place, reasons: [`its repository loses nothing: ${tainted}`] };
  }
  if (decided?.decision === 'protect') return { decision: 'protect', ...place, reasons: texts };
  if (decided?.decision === 'drop') {
    const why = asked ? otherwise : 'young, or not needed to reach the goal';
    return { decision: 'keep', ...place, reasons: [why, ...texts] };
  }
  return {
    decision: 'keep',
    ...place,
    reasons: texts.length > 0 ? texts : [otherwiseKept(asked, otherwise)],
  };
}

function otherwiseKept(asked: boolean, otherwise: string): string {
  return asked ? otherwise : 'no policy lets it go';
}

/** What decided first. */
function sorted(decided: Decided): Reason[] {
  const reasons = decided.reasons();
  const decisive = reasons.filter(({ side }) => side === decided.decision);
  return [...decisive, ...reasons.filter((reason) => !decisive.includes(reason))];
}
