import { NO_DIGEST, tagPlace } from '../graph/store-index.js';
import { plannedTime } from '../plan/action.js';
import type { Action } from '../plan/action.js';
import { dropNothing } from '../policy/decisions.js';
import { dropDeadTags } from '../policy/untagged.js';
import { DIGEST_OF_NOTHING } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { tagDirectory } from '../registry/layout.js';
import { TAG } from '../scan/facts.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { hasRevision, isSafe } from './facts.js';
import type { CheckFacts } from './facts.js';
import { unmended } from './finding.js';
import type { CheckCode, CheckFinding } from './finding.js';

/** Tags whose link is in order and leads to a manifest that is nowhere, and linked nowhere. */
export async function deadTagFindings(
  scan: ScanOptions,
  facts: CheckFacts,
): Promise<CheckFinding[]> {
  const { index } = facts;
  const dead: number[] = [];
  index.tags.digest.forEach((digest, tag) => {
    // A tag that cannot be read is told by its link.
    if (index.tags.flags[tag] !== TAG.good) return;
    if (digest === NO_DIGEST || index.present.has(digest)) return;
    // With a link of its own, it is the manifest that is missing.
    if (!hasRevision(index, index.tags.repository[tag] as number, digest)) dead.push(tag);
  });
  if (dead.length === 0) return [];
  const { histories } = await readDetails(scan, {
    ...NOTHING,
    histories: dead.map((tag) => tagPlace(index, tag)),
  });
  const decisions = dropNothing(index);
  dropDeadTags(index, decisions);
  return dead.map((tag, i) => {
    const { repository, tag: name } = tagPlace(index, tag);
    const digest = index.digests.text(index.tags.digest[tag] as number);
    const history = histories[i];
    const droppable = decisions.tagDropped[tag] === 1;
    const finding = unmended({
      code: 'dead-tag',
      severity: 'damage',
      path: tagDirectory(repository, name),
      detail: droppable
        ? 'its manifest is nowhere'
        : 'its manifest is nowhere; older ones are there',
      repository,
      tag: name,
      digest,
      breaks: [{ repository, tag: name }],
      needs: [digest],
      mend: droppable ? 'push again, or --allow drop-dead-tags' : 'push again',
    });
    if (!droppable || history?.whole !== true || !isSafe(facts, repository, name)) return finding;
    const { digests, directories, linkMs } = history;
    const reason = 'dead: its manifest is nowhere';
    const action: Action = {
      kind: 'tag',
      repository,
      tag: name,
      digest,
      history: digests,
      directories,
      reason,
      mtimeMs: plannedTime(linkMs),
    };
    return { ...finding, allow: 'drop-dead-tags', actions: [action] };
  });
}

/** Findings of a tag's link that a tag without any history has. */
const LOST: ReadonlySet<CheckCode> = new Set<CheckCode>(['missing-link', 'empty-link']);

/**
 * Tags whose link is empty or missing, and whose history names nothing that is there: what they
 * were on nobody knows, and they may be dropped like dead ones.
 */
export async function allowLostTags(
  scan: ScanOptions,
  facts: CheckFacts,
  findings: readonly CheckFinding[],
): Promise<CheckFinding[]> {
  const lost = findings.filter(
    ({ code, severity, mendable, repository, tag, digest }) =>
      LOST.has(code) &&
      severity === 'damage' &&
      !mendable &&
      tag !== undefined &&
      digest === undefined &&
      isSafe(facts, repository ?? '', tag),
  );
  if (lost.length === 0) return [...findings];
  const places = lost.map(({ repository = '', tag = '' }) => ({ repository, tag }));
  const { histories } = await readDetails(scan, { ...NOTHING, histories: places });
  const dropped = new Map<CheckFinding, CheckFinding>();
  lost.forEach((finding, i) => {
    const history = histories[i];
    const place = places[i];
    const isThere = (digest: Digest): boolean =>
      facts.index.present.has(facts.index.digests.find(digest) ?? NO_DIGEST);
    if (place === undefined || history?.whole !== true || history.digests.some(isThere)) return;
    const action: Action = {
      kind: 'tag',
      ...place,
      digest: DIGEST_OF_NOTHING,
      history: history.digests,
      directories: history.directories,
      reason: 'lost: nothing says what it was on',
      mtimeMs: plannedTime(history.linkMs),
    };
    const mend = 'push again, or --allow drop-dead-tags';
    dropped.set(finding, { ...finding, mend, allow: 'drop-dead-tags', actions: [action] });
  });
  return findings.map((finding) => dropped.get(finding) ?? finding);
}
