import { resolve } from 'node:path';
import { AppError } from '../fs/errors.js';
import { readAccessTimes } from '../evidence/access-times.js';
import { CreatedTimes } from '../evidence/created.js';
import { newest, pullsOf } from '../evidence/pulls.js';
import type { LogEvidence } from '../evidence/read-logs.js';
import { digestText, eachOf, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Digest } from '../registry/digest.js';
import { parseRepositoryName } from '../registry/reference.js';
import type { PolicyDecisions } from '../policy/decide.js';
import { decideByPolicy } from '../policy/decide.js';
import type { PullCoverage } from '../policy/facts.js';
import { needsOf } from '../policy/model.js';
import type { Policy } from '../policy/model.js';
import { placeOf } from '../policy/problem.js';
import { suspectResets } from '../policy/reset-times.js';
import { factsOfStore, NO_EVIDENCE } from '../policy/store-facts.js';
import type { StoreEvidence, StoreFacts } from '../policy/store-facts.js';
import { mountOf, readMounts } from '../scan/mounts.js';
import { readDigestFiles } from './policy-choice.js';
import type { PolicyChoice } from './policy-choice.js';
import { refuseStrangeLists } from './refusals.js';
import type { Session } from './session.js';

/** What a policy was told about a store, and what it decided. */
export interface PolicyOutcome {
  readonly facts: StoreFacts;
  readonly decisions: PolicyDecisions;
  /** When things were pulled, by all that tells. */
  readonly pulls: PullTimes;
  /** What the reader should know; sorted. */
  readonly notes: readonly string[];
}

/** Of tags and of manifests, by place: milliseconds since 1970, or undefined where nothing tells. */
export interface PullTimes {
  /** What tells, in a few words each. */
  readonly by: readonly string[];
  readonly tag: (tag: number) => number | undefined;
  readonly revision: (entry: number) => number | undefined;
}

const NO_TIMES: PullTimes = { by: [], tag: () => undefined, revision: () => undefined };

export interface DeciderOptions {
  readonly policy: Policy;
  readonly choice: PolicyChoice;
  readonly nowMs: number;
  readonly graceMs: number;
  /** A cache is evicted from: pulls tell what goes first, and a repository needs no tag. */
  readonly evicts: boolean;
  /** A list tells what is in use, and no tag: Harbor's. */
  readonly byList: boolean;
}

const HOUR = 3_600_000;
/** An atime is up to a day late, so a shorter span cannot be told by it. */
const SHORTEST_BY_ATIME = 48 * HOUR;

/** Decides about a store by a policy, with what evidence the policy asks for. */
export class Decider {
  readonly #session: Session;
  readonly #options: DeciderOptions;
  readonly #digestFiles: ReadonlyMap<string, readonly string[]>;
  readonly #created: CreatedTimes;
  #logs: LogEvidence | undefined;

  /** @throws AppError `usage` for a list of digests that cannot be used. */
  constructor(session: Session, options: DeciderOptions) {
    const { policy, choice } = options;
    this.#session = session;
    this.#options = options;
    this.#digestFiles = readDigestFiles(session.fs, choice);
    this.#created = new CreatedTimes(session.scan, policy.evidence.created);
    if (policy.evidence.atime === 'drop') refuseShortSpans(policy);
  }

  /** Reads the logs that the policy names, if it asks about pulls. */
  async readLogs(): Promise<void> {
    const { policy, choice, nowMs } = this.#options;
    const { logs } = policy.evidence;
    if (!this.#wantsPulls() || logs.length === 0) return;
    const { readLogs } = await import('../evidence/read-logs.js');
    const { makeLogFs } = await import('../fs/log-fs.js');
    const { progress, scan } = this.#session;
    this.#logs = await readLogs(logs, {
      fs: makeLogFs(),
      base: resolve(choice.folder),
      nowMs,
      onProgress: (read, total) => progress.update('access logs', read, total),
      isStopped: () => scan.runner.isStopped(),
    });
  }

  /** @throws AppError `refused` when the policy must not be carried out on this store. */
  async decide(index: StoreIndex): Promise<PolicyOutcome> {
    const { policy, nowMs, graceMs, evicts, byList } = this.#options;
    const lists = byList ? refuseStrangeLists(index, this.#digestFiles) : [];
    const pulls = this.#pulls(index);
    const evidence = { ...NO_EVIDENCE, pulledMs: pulls.pulledMs };
    let facts = factsOfStore(index, evidence);
    if (this.#wantsCreated(facts)) {
      await this.#created.read(index, tagDigests(facts));
      const createdMs = (digest: number): number | undefined => this.#created.of(index, digest);
      facts = factsOfStore(index, { ...evidence, createdMs });
    }
    const decisions = decideByPolicy(index, policy, facts, {
      nowMs,
      graceMs,
      pulls: pulls.coverage,
      pullsLack: pulls.lack,
      taglessToo: evicts || byList,
      digestFiles: this.#digestFiles,
    });
    refuse(decisions);
    const notes = new Set([...decisions.evaluation.notes, ...pulls.notes, ...lists]);
    return { facts, decisions, pulls: pulls.times, notes: [...notes].sort() };
  }

  #wantsCreated({ repositories }: StoreFacts): boolean {
    const { policy, nowMs: now } = this.#options;
    if (needsOf(policy).created) return true;
    const { implausibleBefore, pushed } = policy.evidence;
    return pushed === 'check' && suspectResets(repositories, { now, implausibleBefore });
  }

  #wantsPulls(): boolean {
    return this.#options.evicts || needsOf(this.#options.policy).pulled;
  }

  #pulls(index: StoreIndex): Pick<StoreEvidence, 'pulledMs'> & {
    times: PullTimes;
    coverage: PullCoverage | undefined;
    lack?: string | undefined;
    notes: readonly string[];
  } {
    const { policy, nowMs } = this.#options;
    if (!this.#wantsPulls()) {
      return { ...NO_EVIDENCE, times: NO_TIMES, coverage: undefined, notes: [] };
    }
    const logs = this.#logs;
    const logged = logs === undefined ? NO_TIMES : loggedPulls(index, logs);
    const notes = [...(logs?.notes ?? [])];
    const { atime } = policy.evidence;
    if (atime === false) {
      if (logs === undefined && needsOf(policy).pulled) notes.push(NO_PULLS);
      const { coverage, lack } = logs ?? { coverage: undefined, lack: undefined };
      return { pulledMs: logged.tag, times: logged, coverage, lack, notes };
    }
    const { fs, root } = this.#session;
    const mount = mountOf(readMounts(fs), root.base);
    const access = readAccessTimes(index, mount?.options ?? ['noatime'], nowMs);
    const mayDrop = atime === 'drop' && access.usable;
    return {
      pulledMs: (tag) => {
        const byAccess = access.pulledMs(tag);
        // A link that was never read may be one whose reading was not noted.
        if (byAccess === undefined && mayDrop) return nowMs;
        return newest(logged.tag(tag), byAccess);
      },
      times: {
        by: access.usable ? [...logged.by, 'access times'] : logged.by,
        tag: (tag) => newest(logged.tag(tag), access.pulledMs(tag)),
        revision: (entry) => newest(logged.revision(entry), access.revisionPulledMs(entry)),
      },
      coverage: mayDrop ? { fromMs: 0 } : logs?.coverage,
      // Atimes that may drop cover all by themselves.
      lack: mayDrop ? undefined : logs?.lack,
      notes: [...notes, ...access.notes],
    };
  }
}

const NO_PULLS =
  'the policy asks when images were pulled, and nothing was given that tells: nothing goes by it (--access-log)';

/** When things were pulled by the logs; a pull of an index's child is one of the index. */
function loggedPulls(index: StoreIndex, logs: LogEvidence): PullTimes {
  const { tags, revisions } = index;
  const { parents } = reverseOf(index);
  const parentsOf = (_: string, digest: Digest): Digest[] => {
    const id = index.digests.find(digest);
    const found: Digest[] = [];
    if (id !== undefined) eachOf(parents, id, (parent) => found.push(digestText(index, parent)));
    return found;
  };
  const byRepository = index.repositories.map((name) => {
    const repository = parseRepositoryName(name);
    if (repository === undefined || !logs.repositories.has(repository)) return undefined;
    return pullsOf(logs, repository, parentsOf);
  });
  return {
    by: ['access logs'],
    tag: (tag) => {
      const pulled = byRepository[tags.repository[tag] as number];
      return pulled?.(tags.name[tag], digestText(index, tags.digest[tag] as number));
    },
    revision: (entry) => {
      const pulled = byRepository[revisions.repository[entry] as number];
      return pulled?.(undefined, digestText(index, revisions.digest[entry] as number));
    },
  };
}

function tagDigests({ repositories }: StoreFacts): Set<number> {
  const found = new Set<number>();
  for (const { tags } of repositories) {
    for (const { digest } of tags) if (typeof digest === 'number') found.add(digest);
  }
  return found;
}

const REFUSALS_SHOWN = 5;

function refuse({ evaluation: { refusals } }: PolicyDecisions): void {
  const [first, ...others] = refusals;
  if (first === undefined) return;
  const shown = others.slice(0, REFUSALS_SHOWN).map(({ message }) => `also: ${message}`);
  const hidden = others.length - shown.length;
  throw new AppError('refused', first.message, [
    first.hint,
    ...shown,
    ...(hidden > 0 ? [`and ${hidden} more`] : []),
  ]);
}

function refuseShortSpans({ shownAs, policies }: Policy): void {
  for (const { rules } of policies) {
    for (const { name, at, drop } of rules) {
      if (drop?.notPulledFor === undefined || drop.notPulledFor >= SHORTEST_BY_ATIME) continue;
      const place = placeOf(shownAs, at);
      throw new AppError('usage', `${place}rule \`${name}\`: atimes cannot tell spans under 48h`, [
        'an atime is renewed once a day; ask for 48h or more, or go by access logs alone',
      ]);
    }
  }
}
