import { AppError } from '../fs/errors.js';
import { isRewritten, linkDirectory, removalsOf, shownAs } from '../plan/action.js';
import type {
  Action,
  AttributesAction,
  LinkAction,
  LinkRemoval,
  Ownership,
} from '../plan/action.js';
import { DIGEST_OF_NOTHING } from '../registry/digest.js';
import { blobData, blobDirectory, DATA, LINK, uploadDirectory } from '../registry/layout.js';
import { LINK_BUFFER } from '../registry/link.js';
import { linkedName } from '../registry/reference.js';
import { guard, split } from './hand.js';
import type { Hand } from './hand.js';

type CorruptBlob = Extract<Action, { kind: 'corrupt-blob' }>;

/** What became of an action. `left` is what stays: directories that were not empty, links that are no files. */
export interface Outcome {
  readonly done: boolean;
  readonly left: readonly string[];
  /** Of a link that is not put back, since its manifest's blob is gone: what it is of. */
  readonly gone?: string;
}

/**
 * Carries out one action, after its precondition. What is already done counts as done.
 * @param gone of an undo, manifests (`repository@digest`) that cannot be put back: what leads to one
 * stays away too, and the rest comes back. Elsewhere such a one is stale.
 * @throws AppError `stale` when the object is no longer what it was, `io` for the first error.
 */
export function applyAction(
  hand: Hand,
  action: Exclude<Action, { kind: 'blob' }>,
  gone?: Set<string>,
): Outcome {
  if (action.kind === 'link') return putLink(hand, action, gone);
  if (action.kind === 'attributes') return { done: setAttributes(hand, action), left: [] };
  if (action.kind === 'corrupt-blob' && !isCorrupt(hand, action)) return { done: false, left: [] };
  const { files, directories } = removalsOf(action);
  check(hand, action, files);
  let done = false;
  const left: string[] = [];
  for (const file of files) {
    const result = hand.unlink(file);
    if (result === 'removed') done = true;
    if (result === 'no-file') left.push(file);
  }
  for (const directory of directories) {
    const result = hand.removeDirectory(directory);
    if (result === 'removed') done = true;
    if (result === 'not-empty') left.push(directory);
  }
  return { done, left };
}

/**
 * Whether a blob's data still does not match its digest. Data that does was pushed again, and
 * is nobody's to remove.
 * @throws AppError `stale` when it has another size than it was found with, and does not match.
 */
function isCorrupt(hand: Hand, { digest, bytes }: CorruptBlob): boolean {
  const directory = hand.directory(blobDirectory(digest));
  const stat = directory?.stat(DATA);
  if (stat === undefined) return directory !== undefined;
  if (stat.kind !== 'file') throw stale(`${blobData(digest)} is no regular file`);
  const found = guard(blobData(digest), () => directory?.sha256(DATA));
  if (`sha256:${found ?? ''}` === digest) return false;
  if (stat.size !== bytes) throw stale(`${blobData(digest)} is not the file that it was`);
  return true;
}

/** True when mode and owner were set; what has neither those wanted nor those it was found with stays. */
function setAttributes(hand: Hand, action: AttributesAction): boolean {
  const [parent, name] = split(action.path);
  const directory = hand.directory(parent);
  const stat = directory?.stat(name);
  if (directory === undefined || stat === undefined) return false;
  if (stat.kind !== 'file' && stat.kind !== 'directory') {
    throw stale(`${action.path} is no file and no directory`);
  }
  const { mode, uid, gid, was } = action;
  const now = { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
  if (sameOwnership(now, { mode, uid, gid }) || !sameOwnership(now, was)) return false;
  guard(action.path, () => directory.setAttributes(name, { mode, uid, gid }));
  return true;
}

function sameOwnership(a: Ownership, b: Ownership): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

/** `files`: what the action removes; a link comes first. */
function check(
  hand: Hand,
  action: Exclude<Action, { kind: 'blob' | 'link' }>,
  [link = '']: readonly string[],
): void {
  if (action.kind === 'tag' || action.kind === 'revision' || action.kind === 'layer-link') {
    checkLink(hand.directory(split(link)[0]), action);
  }
  if (action.kind === 'temp') {
    const [parent, name] = split(action.path);
    const stat = hand.directory(parent)?.stat(name);
    if (stat === undefined) return;
    if (stat.kind === 'file' && stat.size === action.bytes) return;
    throw stale(`${action.path} is not the file that it was`);
  }
  if (action.kind === 'upload') {
    const directory = hand.directory(uploadDirectory(action.repository, action.id));
    const data = directory?.stat(DATA);
    if (data === undefined || data.nlink > 1 || data.size <= action.bytes) return;
    throw stale(`the upload ${action.id} of ${action.repository} has grown`);
  }
}

function checkLink(directory: ReturnType<Hand['directory']>, action: LinkRemoval): void {
  const stat = directory?.stat(LINK);
  if (stat === undefined) return;
  if (action.kind === 'tag') {
    const content = readLink(directory);
    // A lost tag is on nothing, and its link still says nothing.
    const isLost = content === '' && action.digest === DIGEST_OF_NOTHING;
    if (content !== undefined && content !== action.digest && !isLost) {
      throw stale(`${shownAs(action)} is on another manifest now`);
    }
  }
  if (isRewritten(stat.mtimeMs, action)) throw stale(`${shownAs(action)} was pushed again`);
}

function stale(what: string): AppError {
  return new AppError('stale', what, ['somebody wrote since the plan was made; plan again']);
}

function readLink(directory: ReturnType<Hand['directory']>): string | undefined {
  const bytes = directory?.read(LINK, LINK_BUFFER);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1').trim();
}

/**
 * Puts a link back, or right. One that is there and holds the same is done; one that holds
 * neither that nor what it was found with was written by somebody since, and stays.
 */
function putLink(hand: Hand, action: LinkAction, gone: Set<string> | undefined): Outcome {
  const already = { done: false, left: [] };
  const path = linkDirectory(action);
  const bytes = hand.directory(path)?.read(LINK, LINK_BUFFER);
  const present = bytes === undefined ? undefined : Buffer.from(bytes);
  if (action.removes === true) return { done: removeLink(hand, action, present), left: [] };
  const wanted = bytesOf(action.exact) ?? Buffer.from(action.content, 'latin1');
  if (present?.equals(wanted) === true) return already;
  const replaceable = bytesOf(action.replaces) ?? Buffer.alloc(0);
  const isBlank = action.replaces === undefined && present?.toString('latin1').trim() === '';
  if (present !== undefined && !isBlank && !present.equals(replaceable)) return already;
  const needsBlob =
    action.exact === undefined && (action.place === 'revision' || action.place === 'layer');
  const manifest = linkedName(action.repository, action.content);
  const lacks =
    gone?.has(manifest) === true ||
    (needsBlob && hand.directory(blobDirectory(action.content))?.stat(DATA) === undefined);
  if (lacks) {
    if (gone === undefined) throw stale(`${manifest} cannot be put back: its blob is gone`);
    gone.add(manifest);
    return {
      ...already,
      gone: action.place === 'tag' ? `${action.repository}:${action.tag}` : manifest,
    };
  }
  const directory = hand.make(path);
  guard(path, () => directory.replace(LINK, wanted, action));
  return { done: true, left: [] };
}

/** Takes away a link that a repair has made, with the directories that are empty then. */
function removeLink(hand: Hand, action: LinkAction, present: Buffer | undefined): boolean {
  const made = bytesOf(action.replaces) ?? Buffer.from(action.content, 'latin1');
  if (present?.equals(made) !== true) return false;
  const directory = linkDirectory(action);
  hand.unlink(`${directory}/${LINK}`);
  hand.removeDirectory(directory);
  return true;
}

function bytesOf(base64: string | undefined): Buffer | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
}
