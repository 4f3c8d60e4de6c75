import type { Decisions } from '../graph/liveness.js';
import { keepEverything } from '../graph/liveness.js';
import type { StoreIndex } from '../graph/store-index.js';

/** What a policy lets go of a store, and why. */
export interface PlanDecisions extends Decisions {
  /** Revisions that would go, but are younger than the grace. */
  readonly young: readonly number[];
  /** Repositories that have manifests and no tag: left alone, since digests may be all there is. */
  readonly tagless: readonly number[];
  /** Why a dropped tag goes. */
  readonly tagReason: (tag: number) => string;
  /** Why a droppable revision goes. */
  readonly revisionReason: (entry: number) => string;
}

/** What goes without any policy: no tag and no manifest. */
export function dropNothing(index: StoreIndex): PlanDecisions {
  return {
    ...keepEverything(index),
    young: [],
    tagless: [],
    tagReason: () => 'dead: names nothing',
    revisionReason: () => 'untagged',
  };
}
