import { CreatedTimes } from '../evidence/created.js';
import type { ScanOptions } from '../scan/scan.js';
import { DEFAULT_EVIDENCE } from '../policy/model.js';
import { describeWindow, findResets, suspectResets } from '../policy/reset-times.js';
import { factsOfStore, NO_EVIDENCE } from '../policy/store-facts.js';
import { REPOSITORIES } from '../registry/layout.js';
import { showTime } from '../registry/time.js';
import type { CheckFacts } from './facts.js';
import { unmended } from './finding.js';
import type { CheckFinding } from './finding.js';

/** A clock that runs a little ahead is no finding. */
const SLACK_MS = 3_600_000;
/** So many images tell whether they are older than their times. */
const SAMPLE = 500;

/** Times that are no times of push: of the future, or of a copy that did not keep them. */
export async function timeFindings(scan: ScanOptions, facts: CheckFacts): Promise<CheckFinding[]> {
  const { links, nowMs } = facts;
  const found: CheckFinding[] = [];
  if (links.newestMs > nowMs + SLACK_MS) {
    found.push(
      unmended({
        code: 'future-time',
        severity: 'notice',
        path: REPOSITORIES,
        detail: `links are dated up to ${showTime(links.newestMs)}: a clock was wrong`,
        mend: 'counts as now',
      }),
    );
  }
  const reset = await findReset(scan, facts);
  if (reset !== undefined) {
    found.push(
      unmended({
        code: 'reset-times',
        severity: 'notice',
        path: REPOSITORIES,
        detail: `${reset}, and the images are older: a copy has reset the times`,
        mend: 'restore with times (rsync -a)',
      }),
    );
  }
  return found;
}

async function findReset(
  scan: ScanOptions,
  { index, nowMs }: CheckFacts,
): Promise<string | undefined> {
  const bounds = { now: nowMs, implausibleBefore: DEFAULT_EVIDENCE.implausibleBefore };
  const { repositories } = factsOfStore(index, NO_EVIDENCE);
  if (!suspectResets(repositories, bounds)) return undefined;
  const digests = new Set<number>();
  for (const { tags } of repositories) {
    for (const { digest } of tags) {
      if (typeof digest === 'number' && digests.size < SAMPLE) digests.add(digest);
    }
  }
  const created = new CreatedTimes(scan, DEFAULT_EVIDENCE.created);
  await created.read(index, digests);
  const createdMs = (digest: number): number | undefined => created.of(index, digest);
  const dated = factsOfStore(index, { ...NO_EVIDENCE, createdMs });
  const { everywhere, byRepository } = findResets(dated.repositories, bounds);
  const [first] = everywhere === undefined ? byRepository.values() : [everywhere];
  return first === undefined ? undefined : describeWindow(first);
}
