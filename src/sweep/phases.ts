import type { Action } from '../plan/action.js';

export interface Phase {
  readonly name:
    'links put back' | 'damaged data' | 'uploads' | 'tags' | 'manifests' | 'blobs' | 'leftovers';
  readonly actions: readonly Action[];
}

/**
 * Sorts actions into the phases of a sweep, whatever their order in the file: bytes that are
 * safe at any time, tags, manifests with their histories, blobs, and what was left behind.
 * Links are durable before the next phase begins, so at no instant does a tag lead to a
 * missing manifest, or a manifest to a missing blob.
 */
export function phasesOf(actions: readonly Action[], linksOnly: boolean): Phase[] {
  const revisions = new Set<string>();
  for (const action of actions) {
    if (action.kind === 'revision') revisions.add(`${action.repository}@${action.digest}`);
  }
  const isHistoryOfDropped = (action: Action): boolean =>
    action.kind === 'tag-index' && revisions.has(`${action.repository}@${action.digest}`);
  const links: Phase[] = [
    {
      name: 'links put back',
      actions: actions.filter(({ kind }) => kind === 'link' || kind === 'attributes'),
    },
    { name: 'tags', actions: actions.filter(({ kind }) => kind === 'tag') },
    {
      name: 'manifests',
      actions: actions.filter((action) => action.kind === 'revision' || isHistoryOfDropped(action)),
    },
  ];
  if (linksOnly) return links;
  const [putBack, ...removed] = links as [Phase, Phase, Phase];
  return [
    {
      name: 'uploads',
      actions: actions.filter(({ kind }) => kind === 'upload' || kind === 'temp'),
    },
    putBack,
    { name: 'damaged data', actions: actions.filter(({ kind }) => kind === 'corrupt-blob') },
    ...removed,
    { name: 'blobs', actions: actions.filter(({ kind }) => kind === 'blob') },
    {
      name: 'leftovers',
      actions: actions.filter(
        (action) =>
          action.kind === 'layer-link' ||
          action.kind === 'empty-directory' ||
          action.kind === 'repository' ||
          (action.kind === 'tag-index' && !isHistoryOfDropped(action)),
      ),
    },
  ];
}
