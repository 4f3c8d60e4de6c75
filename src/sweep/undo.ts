import { errnoOf } from '../fs/errors.js';
import { writeLines } from '../fs/out-fs.js';
import type { OutFile } from '../fs/out-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { linkDirectory, resolvingName } from '../plan/action.js';
import type { Action, AttributesAction, LinkAction } from '../plan/action.js';
import { PLAN_FORMAT, planLines } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import type { Plan } from '../plan/read-plan.js';
import { blobData, LINK } from '../registry/layout.js';
import type { Digest } from '../registry/digest.js';
import { LINK_BUFFER, parseLink } from '../registry/link.js';
import type { StoreRoot } from '../scan/root.js';
import { split } from './hand.js';
import type { Hand } from './hand.js';
import { phasesOf } from './phases.js';

/** A put-back link with what it was on, so that the bundle tells what is in it. */
type Noted = (LinkAction & { readonly manifest?: string }) | AttributesAction;

/** Order of putting back: manifests, then histories, then the tags that lead to them. */
const ORDER: readonly LinkAction['place'][] = ['layer', 'revision', 'tag-index', 'tag'];

/** What an undo says of itself: which plan it is the undo of. */
export function undoPolicy(header: PlanHeader): string {
  return `undo of the plan of ${header.created}`;
}

/** The run that is to be undone. */
interface UndoneBy {
  readonly plan: Plan;
  readonly linksOnly: boolean;
  /** What can be pulled whole before it, as `listResolving` names it. */
  readonly resolving: ReadonlySet<string>;
}

/**
 * Writes, and makes durable, a plan that puts back every link that a sweep of links alone or a
 * repair will remove or change: where it is, what it holds, its mode, owner and time, and the
 * text of the manifests for the record. What is already gone cannot be noted.
 */
export function writeUndo(
  file: OutFile,
  hand: Hand,
  fs: ReadFs,
  root: StoreRoot,
  { plan, linksOnly, resolving }: UndoneBy,
): void {
  const links: Noted[] = [];
  const buffer = new Uint8Array(MANIFEST_LIMIT);
  const textOf = (digest: Digest): string | undefined => manifestText(fs, root, digest, buffer);
  for (const { actions } of phasesOf(plan.actions, linksOnly)) {
    for (const action of actions) {
      for (const noted of noteLinks(action, hand, textOf, resolving)) links.push(noted);
    }
  }
  links.sort((a, b) => orderOf(a) - orderOf(b));
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
  writeLines(file, planLines(header, links, 0));
}

function orderOf(noted: Noted): number {
  return noted.kind === 'attributes' ? ORDER.length : ORDER.indexOf(noted.place);
}

function noteLinks(
  action: Action,
  hand: Hand,
  textOf: (digest: Digest) => string | undefined,
  resolving: ReadonlySet<string>,
): Noted[] {
  if (action.kind === 'link') return noteMended(action, hand);
  if (action.kind === 'attributes') return noteAttributes(action, hand);
  const places: [LinkAction['place'], Digest][] = [];
  if (action.kind === 'tag') {
    places.push(['tag', action.digest]);
    for (const digest of action.history) places.push(['tag-index', digest]);
  } else if (action.kind === 'revision') {
    places.push(['revision', action.digest]);
  } else if (action.kind === 'tag-index') {
    places.push(['tag-index', action.digest]);
  } else if (action.kind === 'layer-link') {
    places.push(['layer', action.digest]);
  }
  const tag = action.kind === 'tag' || action.kind === 'tag-index' ? action.tag : undefined;
  return places.flatMap(([place, digest]) => {
    const { repository } = action as Action & { repository: string };
    const noted = note(hand, { place, repository, digest, ...(tag === undefined ? {} : { tag }) });
    if (noted === undefined) return [];
    const manifest = place === 'revision' ? textOf(digest) : undefined;
    const whole = resolving.has(resolvingName(noted)) ? { whole: true } : {};
    return [{ ...noted, ...whole, ...(manifest === undefined ? {} : { manifest }) }];
  });
}

/** What a link is before it is put right. One that is right already is none of this run's. */
function noteMended(action: LinkAction, hand: Hand): Noted[] {
  const directory = hand.directory(linkDirectory(action));
  const stat = directory?.stat(LINK);
  const bytes = directory?.read(LINK, LINK_BUFFER);
  const { replaces: _replaces, exact: put, removes: _removes, whole: _whole, ...place } = action;
  const made = put ?? Buffer.from(action.content, 'latin1').toString('base64');
  if (stat === undefined || bytes === undefined) {
    return action.removes === true ? [] : [{ ...place, replaces: made, removes: true }];
  }
  const before = Buffer.from(bytes).toString('base64');
  if (action.removes !== true && before === made) return [];
  const { mode, uid, gid, mtimeMs } = stat;
  const was = { mode: mode & 0o7777, uid, gid, mtimeMs };
  return [
    { ...place, ...was, exact: before, ...(action.removes === true ? {} : { replaces: made }) },
  ];
}

function noteAttributes(action: AttributesAction, hand: Hand): Noted[] {
  const [parent, name] = split(action.path);
  const stat = hand.directory(parent)?.stat(name);
  if (stat === undefined) return [];
  const now = { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
  const { mode, uid, gid } = action;
  return [{ kind: 'attributes', path: action.path, ...now, was: { mode, uid, gid } }];
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
  // Of a layer without its blob the link itself is all there is to put back.
  const exact = at.place === 'layer' ? { exact: Buffer.from(bytes).toString('base64') } : {};
  return {
    ...bare,
    content: digest,
    ...exact,
    mode: mode & 0o7777,
    uid,
    gid,
    mtimeMs,
  } as LinkAction;
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
