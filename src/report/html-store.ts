import { isLinked } from '../graph/store-index.js';
import type { TagShares } from '../insight/tag-shares.js';
import type { Survey } from '../plan/derive.js';
import { escapeName } from './escape.js';
import { layOutTree, nestByName } from './html-tree.js';
import type { TreeNode } from './html-tree.js';
import type { State, TreeData } from './page-data.js';

export interface StoreTreeInput {
  readonly survey: Survey;
  readonly shares: TagShares;
  /** By digest: apparent bytes. */
  readonly bytes: Float64Array;
  /** By tag: 1 where it cannot be pulled whole. */
  readonly damaged: Uint8Array;
  /** Bytes of uploads that stay and that go. */
  readonly uploads: { readonly kept: number; readonly dropped: number };
}

/** The treemap of a store: namespaces, repositories, tags; areas by what each takes. */
export function storeTree(input: StoreTreeInput): TreeData {
  const { index } = input.survey;
  const repositories = index.repositories.map((name, repository) => ({
    name: escapeName(name),
    children: leavesOf(input, repository),
  }));
  const { kept, dropped } = unnamedBytes(input);
  const rest: TreeNode[] = [
    { name: '(kept, though no manifest names it)', bytes: kept, state: 'kept' },
    { name: '(no manifest names it)', bytes: dropped, state: 'dropped' },
    { name: '(uploads)', bytes: input.uploads.kept, state: 'kept' },
    { name: '(abandoned uploads)', bytes: input.uploads.dropped, state: 'dropped' },
  ];
  const children = [...nestByName(repositories), ...rest.filter(({ bytes = 0 }) => bytes > 0)];
  return layOutTree({ name: 'everything', children });
}

function leavesOf({ survey, shares, damaged }: StoreTreeInput, repository: number): TreeNode[] {
  const { index, liveness } = survey;
  const leaves: TreeNode[] = [];
  const end = index.tags.start[repository + 1] as number;
  for (let tag = index.tags.start[repository] as number; tag < end; tag++) {
    const isShared = (shares.alone[tag] as number) * 2 < (shares.whole[tag] as number);
    const alive: State = isShared ? 'shared' : 'kept';
    const state = damaged[tag] === 1 ? 'damaged' : liveness.tagKept[tag] === 0 ? 'dropped' : alive;
    leaves.push({
      name: escapeName(index.tags.name[tag] as string),
      bytes: shares.part[tag] as number,
      state,
    });
  }
  const untagged = shares.untagged[repository] as number;
  if (untagged > 0) {
    const state = losesManifests(survey, repository) ? 'dropped' : 'kept';
    leaves.push({ name: '(without a tag)', bytes: untagged, state });
  }
  return leaves;
}

function losesManifests({ index, liveness }: Survey, repository: number): boolean {
  const end = index.revisions.start[repository + 1] as number;
  for (let entry = index.revisions.start[repository] as number; entry < end; entry++) {
    if (isLinked(index, entry) && liveness.revisionKept[entry] === 0) return true;
  }
  return false;
}

function unnamedBytes({ survey, shares, bytes }: StoreTreeInput): {
  kept: number;
  dropped: number;
} {
  const sums = { kept: 0, dropped: 0 };
  for (const blob of shares.unnamed) {
    sums[survey.liveness.blobLive.has(blob) ? 'kept' : 'dropped'] += bytes[blob] as number;
  }
  return sums;
}
