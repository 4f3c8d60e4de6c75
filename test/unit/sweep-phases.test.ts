import { describe, expect, test } from 'vitest';
import type { Action } from '../../src/plan/action.ts';
import type { Digest } from '../../src/registry/digest.ts';
import { phasesOf } from '../../src/sweep/phases.ts';
import { digestOf } from '../support/store.ts';

const digest = (text: string): Digest => digestOf(text) as Digest;
const at = (repository: string, text: string): { repository: string; digest: Digest } => ({
  repository,
  digest: digest(text),
});

const actions: Record<string, Action> = {
  upload: { kind: 'upload', repository: 'a', id: 'u', bytes: 1, files: ['data'] },
  temp: { kind: 'temp', path: 'blobs/sha256/00/00/data.1.tmp', bytes: 1 },
  tag: {
    kind: 'tag',
    ...at('a', 'm'),
    tag: 't',
    history: [],
    directories: [],
    reason: '',
    mtimeMs: 0,
  },
  revision: { kind: 'revision', ...at('a', 'm'), reason: '', mtimeMs: 0 },
  history: { kind: 'tag-index', ...at('a', 'm'), tag: 'kept' },
  stale: { kind: 'tag-index', ...at('a', 'gone'), tag: 'kept' },
  elsewhere: { kind: 'tag-index', ...at('b', 'm'), tag: 'kept' },
  blob: { kind: 'blob', digest: digest('m'), bytes: 1, mtimeNs: '1' },
  layer: { kind: 'layer-link', ...at('a', 'l'), mtimeMs: 0 },
  empty: { kind: 'empty-directory', path: 'repositories/x' },
  repository: { kind: 'repository', repository: 'dead', directories: [], nested: false },
  link: {
    kind: 'link',
    place: 'revision',
    ...at('a', 'back'),
    content: digest('back'),
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeMs: 0,
  },
  attributes: {
    kind: 'attributes',
    path: 'repositories/a',
    mode: 0o755,
    uid: 0,
    gid: 0,
    was: { mode: 0, uid: 0, gid: 0 },
  },
  corrupt: { kind: 'corrupt-blob', digest: digest('corrupt'), bytes: 1 },
};
const all = Object.values(actions);
const [
  upload,
  temp,
  tag,
  revision,
  history,
  stale,
  elsewhere,
  blob,
  layer,
  empty,
  repository,
  link,
  attributes,
  corrupt,
] = all as [
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
  Action,
];

describe('the phases of a sweep', () => {
  test('come in the order that leaves no tag without its manifest, and no manifest without its blobs', () => {
    expect(phasesOf(all, false)).toEqual([
      { name: 'uploads', actions: [upload, temp] },
      { name: 'links put back', actions: [link, attributes] },
      { name: 'damaged data', actions: [corrupt] },
      { name: 'tags', actions: [tag] },
      { name: 'manifests', actions: [revision, history] },
      { name: 'blobs', actions: [blob] },
      { name: 'leftovers', actions: [stale, elsewhere, layer, empty, repository] },
    ]);
  });

  test('do not depend on the order of the lines', () => {
    const names = (list: readonly Action[]): unknown =>
      phasesOf(list, false).map(({ name, actions: of }) => [name, new Set(of)]);
    expect(names([...all].reverse())).toEqual(names(all));
  });

  test('lose no action and repeat none', () => {
    const placed = phasesOf(all, false).flatMap((phase) => phase.actions);
    expect(placed).toHaveLength(all.length);
    expect(new Set(placed)).toEqual(new Set(all));
  });

  test('of links alone are those of links that an undo can put back', () => {
    expect(phasesOf(all, true)).toEqual([
      { name: 'links put back', actions: [link, attributes] },
      { name: 'tags', actions: [tag] },
      { name: 'manifests', actions: [revision, history] },
    ]);
  });

  test('a history entry of a manifest that stays, or of another repository, waits for the end', () => {
    const phases = phasesOf([history, elsewhere], false);
    expect(phases.find(({ name }) => name === 'manifests')?.actions).toEqual([]);
    expect(phases.find(({ name }) => name === 'leftovers')?.actions).toEqual([history, elsewhere]);
  });
});
