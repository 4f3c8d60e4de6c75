import { createHash } from 'node:crypto';
import { PLAN_FORMAT } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import type { StoreRoot } from '../scan/root.js';
import { processStartMs } from './values.js';
import { readVersion } from './version.js';

/** What a command says of the plan that it writes, besides where and when. */
export interface PlanDescription extends Pick<PlanHeader, 'policy' | 'options' | 'counts'> {
  /** The whole policy, of which the header has the hash. */
  readonly policyText: string;
  readonly survivors: string;
}

/** The header of a plan for a store that this process has looked at since it began. */
export function planHeader(
  { base, dev, ino }: StoreRoot,
  { policyText, policy, options, counts, survivors }: PlanDescription,
): PlanHeader {
  return {
    kind: 'header',
    format: PLAN_FORMAT,
    tool: `regsweep ${readVersion()}`,
    // Whatever is written from then on, the plan may have missed.
    created: new Date(processStartMs()).toISOString(),
    root: base,
    dev,
    ino: String(ino),
    policyHash: createHash('sha256').update(policyText).digest('hex'),
    policy,
    options,
    counts,
    survivors,
  };
}
