import type { Action, LinkAction } from '../plan/action.js';
import { dataBytesOf, removalsOf } from '../plan/action.js';
import type { Allowance, CheckFinding } from './finding.js';

/** What a plan that mends does, in the order in which it does. */
export interface Mend {
  readonly actions: readonly Action[];
  readonly counts: Readonly<Record<string, number>>;
  /** Apparent bytes of the data that is removed. */
  readonly bytes: number;
}

/**
 * Rank in a plan: what is safe at any time, modes and owners, links from the leaves to the
 * tags, damaged data, and then what is dropped.
 */
const KINDS: readonly Action['kind'][] = [
  'upload',
  'temp',
  'attributes',
  'link',
  'corrupt-blob',
  'tag',
  'layer-link',
  'empty-directory',
];
const PLACES: readonly LinkAction['place'][] = ['layer', 'revision', 'tag-index', 'tag'];

/** The plan that mends some findings; what loses something is in it only where it is allowed. */
export function mendOf(findings: readonly CheckFinding[], allowed: ReadonlySet<Allowance>): Mend {
  const byText = new Map<string, Action>();
  for (const { actions, allow } of findings) {
    if (allow !== undefined && !allowed.has(allow)) continue;
    for (const action of actions) byText.set(keyOf(action), action);
  }
  const actions = [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, action]) => action);
  return { actions, ...count(actions) };
}

/** The same object is mended once, whoever asks for it. */
function keyOf(action: Action): string {
  const rank = String(KINDS.indexOf(action.kind)).padStart(2, '0');
  if (action.kind === 'link') {
    const tag = action.place === 'tag' || action.place === 'tag-index' ? action.tag : '';
    const { repository, place, digest } = action;
    return `${rank} ${PLACES.indexOf(place)} ${repository}:${tag}@${place === 'tag' ? '' : digest}`;
  }
  if ('path' in action) return `${rank} ${action.path}`;
  const { files, directories } = removalsOf(action);
  return `${rank} ${[...files, ...directories].join(' ')}`;
}

function count(actions: readonly Action[]): Pick<Mend, 'counts' | 'bytes'> {
  const of = (kind: Action['kind']): Action[] => actions.filter((action) => action.kind === kind);
  const bytesOf = (kind: Action['kind']): number =>
    of(kind).reduce((total, action) => total + dataBytesOf(action), 0);
  const counts = {
    mends: of('link').length,
    attributes: of('attributes').length,
    damaged: of('corrupt-blob').length,
    damagedBytes: bytesOf('corrupt-blob'),
    temporaries: of('temp').length,
    uploads: of('upload').length,
    tags: of('tag').length,
    layerLinks: of('layer-link').length,
    directories: of('empty-directory').length,
  };
  return { counts, bytes: counts.damagedBytes + bytesOf('temp') + bytesOf('upload') };
}
