import { NO_DIGEST } from '../graph/store-index.js';
import { algorithmOf, parseDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { LINK, tagDirectory, tagIndexDirectory } from '../registry/layout.js';
import { plannedTime } from '../plan/action.js';
import type { Action } from '../plan/action.js';
import { READ } from '../scan/facts.js';
import type { LinkFault } from '../scan/link-look.js';
import { hasData, hasRevision, isProven, isSafe, linkAction } from './facts.js';
import type { CheckFacts } from './facts.js';
import { mended, unmended } from './finding.js';
import type { Broken, CheckCode, CheckDraft, CheckFinding } from './finding.js';

const CODES: Readonly<Record<LinkFault['state'], CheckCode>> = {
  empty: 'empty-link',
  short: 'short-link',
  garbled: 'garbled-link',
  padded: 'padded-link',
  missing: 'missing-link',
  'no-file': 'garbled-link',
  mismatched: 'mismatched-link',
};

const DETAILS: Readonly<Record<LinkFault['state'], string>> = {
  empty: 'empty',
  short: 'cut short',
  garbled: 'no digest',
  padded: 'white space around the digest',
  missing: 'not there',
  'no-file': 'no regular file',
  mismatched: 'another digest than its directory',
};

/** Links that the registry cannot read, or reads as something else. */
export function linkFindings(facts: CheckFacts): CheckFinding[] {
  return [
    ...facts.links.faults.map((fault) =>
      fault.place === 'tag' ? tagFinding(facts, fault) : digestFinding(facts, fault),
    ),
    ...facts.links.unnoted.flatMap((unnoted) => historyFinding(facts, unnoted)),
  ];
}

/** Blobs whose data has to match before a link may be written for them. */
export function linkProofs({ index, links }: Pick<CheckFacts, 'index' | 'links'>): number[] {
  return links.faults.flatMap(({ name }) => {
    const id = name === undefined ? undefined : index.digests.find(name);
    return id === undefined ? [] : [id];
  });
}

function draftOf(facts: CheckFacts, fault: LinkFault): CheckDraft {
  const { repository, tag, name, state, directory } = fault;
  return {
    code: CODES[state],
    severity: fault.place === 'tag-index' ? 'notice' : 'damage',
    path: `${directory}/${LINK}`,
    detail: DETAILS[state],
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(name === undefined ? {} : { digest: name }),
    breaks: breaksOf(facts, fault),
  };
}

function breaksOf({ index, breaks, numbers }: CheckFacts, fault: LinkFault): Broken[] {
  const { repository, place, tag, name } = fault;
  if (place === 'tag') return [{ repository, tag: tag ?? '' }];
  const id = name === undefined ? undefined : index.digests.find(name);
  // A history is not read by a pull.
  if (place === 'tag-index' || id === undefined) return [];
  return breaks.of(id, numbers.get(repository));
}

/** A link whose directory says which digest it is. */
function digestFinding(facts: CheckFacts, fault: LinkFault): CheckFinding {
  const { repository, place, name, tag, bytes, state, mtimeMs } = fault;
  const draft = draftOf(facts, fault);
  const digest = name === undefined ? undefined : parseDigest(name);
  const id = digest === undefined ? undefined : facts.index.digests.find(digest);
  if (state === 'no-file' || bytes === undefined || !isSafe(facts, repository, tag)) {
    return unmended({ ...draft, mend: 'look at it by hand' });
  }
  if (digest === undefined || algorithmOf(digest) !== 'sha256') {
    return unmended({ ...draft, mend: 'push again' });
  }
  if (id !== undefined && hasData(facts, id) && isProven(facts, id)) {
    const link = { place, repository, tag, digest, mtimeMs, replaces: bytes };
    return mended(draft, [linkAction(facts, link)]);
  }
  if (id !== undefined && hasData(facts, id)) {
    return unmended({ ...draft, mend: 'its blob is not known to be whole: --hash' });
  }
  // The registry answers 500 for it, and a push cannot ask; without it a push is like any other.
  if (place === 'layer') {
    const link = { repository, digest, mtimeMs: plannedTime(mtimeMs) };
    return mended(draft, [{ kind: 'layer-link', ...link }]);
  }
  const needs = place === 'revision' ? [digest] : [];
  return unmended({ ...draft, needs, mend: place === 'revision' ? 'push again' : 'harmless' });
}

/** A tag's `current`: what it was on is known by itself or by its history. */
function tagFinding(facts: CheckFacts, fault: LinkFault): CheckFinding {
  const { repository, tag = '', bytes, state, mtimeMs } = fault;
  const draft = draftOf(facts, fault);
  const candidates = candidatesOf(facts, fault);
  const [only] = candidates;
  if (state === 'no-file' || !isSafe(facts, repository, tag)) {
    return unmended({ ...draft, mend: 'look at it by hand' });
  }
  if (state !== 'missing' && bytes === undefined) {
    return unmended({ ...draft, mend: 'look at it by hand' });
  }
  if (only === undefined || candidates.length > 1) {
    const mend = only === undefined ? 'push again' : 'push again: its history has several';
    return unmended({ ...draft, mend });
  }
  const digest = facts.index.digests.text(only);
  const actions: Action[] = [];
  const number = facts.numbers.get(repository) as number;
  const time = Number.isFinite(mtimeMs) ? mtimeMs : (facts.mtimes[only] as number);
  if (!hasRevision(facts.index, number, only)) {
    actions.push(linkAction(facts, { place: 'revision', repository, digest, mtimeMs: time }));
  }
  const link = { place: 'tag', repository, tag, digest, mtimeMs: time, replaces: bytes } as const;
  return mended({ ...draft, digest }, [...actions, linkAction(facts, link)]);
}

/** The manifests that a broken tag may have been on: its own digest, or else its history's. */
function candidatesOf({ index, numbers }: CheckFacts, fault: LinkFault): number[] {
  const isWhole = (id: number): boolean => index.status[id] === READ.good;
  if (fault.state === 'padded' && fault.content !== undefined) {
    const id = index.digests.find(fault.content);
    return id !== undefined && isWhole(id) ? [id] : [];
  }
  const repository = numbers.get(fault.repository);
  const found = new Set<number>();
  for (const pin of index.pins) {
    if (pin.repository !== repository || pin.tag === NO_DIGEST || pin.digest === NO_DIGEST)
      continue;
    if (index.tags.name[pin.tag] === fault.tag && isWhole(pin.digest)) found.add(pin.digest);
  }
  return [...found];
}

function historyFinding(
  facts: CheckFacts,
  { repository, tag, digest }: { repository: string; tag: string; digest: Digest },
): CheckFinding[] {
  const id = facts.index.digests.find(digest);
  // A dead tag is told as such.
  if (id === undefined || facts.index.status[id] !== READ.good) return [];
  const draft: CheckDraft = {
    code: 'missing-history',
    severity: 'notice',
    path: tagDirectory(repository, tag),
    detail: 'its history lacks what it is on',
    repository,
    tag,
    digest,
  };
  const path = tagIndexDirectory(repository, tag, digest);
  // Something stands in the link's place, or the link is broken: that is a finding of its own.
  const isFaulty = facts.links.faults.some(({ directory }) => directory === path);
  if (isFaulty || !isSafe(facts, repository, tag))
    return [unmended({ ...draft, mend: 'harmless' })];
  const mtimeMs = facts.mtimes[id] as number;
  const link = { place: 'tag-index', repository, tag, digest, mtimeMs } as const;
  return [mended(draft, [linkAction(facts, link)])];
}
