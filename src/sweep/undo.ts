import { errnoOf } from '../fs/errors.js';
import type { OutFile } from '../fs/out-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { linkDirectory } from '../plan/action.js';
import type { Action, LinkAction } from '../plan/action.js';
import { PLAN_FORMAT, planLines } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import type { Plan } from '../plan/read-plan.js';
import { blobData, LINK } from '../registry/layout.js';
import type { Digest } from '../registry/digest.js';
import { LINK_BUFFER, parseLink } from '../registry/link.js';
import type { StoreRoot } from '../scan/root.js';
import type { Hand } from './hand.js';
import { phasesOf } from './phases.js';

/** A put-back link with what it was on, so that the bundle tells what is in it. */
type NotedLink = LinkAction & { readonly manifest?: string };

/** Order of putting back: manifests, then histories, then the tags that lead to them. */
const ORDER: readonly LinkAction['place'][] = ['layer', 'revision', 'tag-index', 'tag'];

/** What an undo says of itself: which plan it is the undo of. */
export function undoPolicy(header: PlanHeader): string {
  return `undo of the plan of ${header.created}`;
}

/**
 * Writes, and makes durable, a plan that puts back every link that a sweep of links alone
 * will remove: where it is, what it holds, its mode, owner and time, and the text of the
 * manifests for the record. What is already gone cannot be noted.
 */
export function writeUndo(
  file: OutFile,
  hand: Hand,
  fs: ReadFs,
  root: StoreRoot,
  plan: Plan,
): void {
  const links: NotedLink[] = [];
  const buffer = new Uint8Array(MANIFEST_LIMIT);
  const textOf = (digest: Digest): string | undefined => manifestText(fs, root, digest, buffer);
  for (const { actions } of phasesOf(plan.actions, true)) {
    for (const action of actions) links.push(...noteLinks(action, hand, textOf));
  }
  links.sort((a, b) => ORDER.indexOf(a.place) - ORDER.indexOf(b.place));
  const header: PlanHeader = {
    kind: 'header',
    format: PLAN_FORMAT,
    tool: plan.header.tool,
    created: new Date().toISOString(),
    root: plan.header.root,
    dev: plan.header.dev,
    ino: plan.header.ino,
    policyHash: plan.header.policyHash,
    policy: undoPolicy(plan.header),
    options: plan.header.options,
    counts: { links: links.length },
  };
  try {
    for (const line of planLines(header, links, 0)) file.write(line);
    file.finish();
  } catch (error) {
    file.discard();
    throw error;
  }
}

function noteLinks(
  action: Action,
  hand: Hand,
  textOf: (digest: Digest) => string | undefined,
): NotedLink[] {
  const places: [LinkAction['place'], Digest][] = [];
  if (action.kind === 'tag') {
    places.push(['tag', action.digest]);
    for (const digest of action.history) places.push(['tag-index', digest]);
  } else if (action.kind === 'revision') {
    places.push(['revision', action.digest]);
  } else if (action.kind === 'tag-index') {
    places.push(['tag-index', action.digest]);
  }
  const tag = action.kind === 'tag' || action.kind === 'tag-index' ? action.tag : undefined;
  return places.flatMap(([place, digest]) => {
    const { repository } = action as Action & { repository: string };
    const noted = note(hand, { place, repository, digest, ...(tag === undefined ? {} : { tag }) });
    if (noted === undefined) return [];
    const manifest = place === 'revision' ? textOf(digest) : undefined;
    return [manifest === undefined ? noted : { ...noted, manifest }];
  });
}

interface Place {
  readonly place: LinkAction['place'];
  readonly repository: string;
  readonly digest: Digest;
  readonly tag?: string;
}

function note(hand: Hand, at: Place): LinkAction | undefined {
  const bare = { kind: 'link', ...at, content: at.digest, mode: 0, uid: 0, gid: 0, mtimeMs: 0 };
  const directory = hand.directory(linkDirectory(bare as LinkAction));
  const stat = directory?.stat(LINK);
  const bytes = directory?.read(LINK, LINK_BUFFER);
  if (stat === undefined || bytes === undefined) return undefined;
  const content = parseLink(bytes);
  // A link that says nothing is put back as its directory says, which mends it.
  const digest = 'digest' in content ? content.digest : at.digest;
  const { mode, uid, gid, mtimeMs } = stat;
  return { ...bare, content: digest, mode: mode & 0o7777, uid, gid, mtimeMs } as LinkAction;
}

const MANIFEST_LIMIT = 4 * 1024 * 1024;

function manifestText(
  fs: ReadFs,
  root: StoreRoot,
  digest: Digest,
  buffer: Uint8Array,
): string | undefined {
  try {
    const length = fs.read(`${root.base}/${blobData(digest)}`, buffer);
    return Buffer.from(buffer.subarray(0, length)).toString('utf8');
  } catch (error) {
    // For the record only: what cannot be read is noted without its text.
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
