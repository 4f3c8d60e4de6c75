import type { Action } from '../plan/action.js';

export interface Verification {
  /** Tags and manifests that could be pulled whole before, and were to stay. */
  readonly checked: number;
  /** Of these, what cannot be pulled whole now. */
  readonly lost: readonly string[];
}

/** Holds what resolves after a sweep against what did before, but for what the plan drops. */
export function compareResolving(
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
  actions: readonly Action[],
): Verification {
  const dropped = new Set<string>();
  for (const action of actions) {
    if (action.kind === 'tag') {
      dropped.add(`${action.repository}:${action.tag} ${action.digest}`);
    } else if (action.kind === 'revision') {
      dropped.add(`${action.repository}@${action.digest}`);
    }
  }
  const lost: string[] = [];
  let checked = 0;
  for (const name of before) {
    if (dropped.has(name)) continue;
    checked++;
    if (!after.has(name)) lost.push(name);
  }
  return { checked, lost: lost.sort() };
}
