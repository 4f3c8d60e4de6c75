import { AppError } from '../fs/errors.js';
import { linkDirectory, removalsOf } from '../plan/action.js';
import type { Action, LinkAction } from '../plan/action.js';
import {
  blobDirectory,
  DATA,
  LINK,
  tagCurrentDirectory,
  uploadDirectory,
} from '../registry/layout.js';
import { LINK_BUFFER } from '../registry/link.js';
import { split } from './hand.js';
import type { Hand } from './hand.js';

/** What became of an action. `left` is what stays: directories that were not empty, links that are no files. */
export interface Outcome {
  readonly done: boolean;
  readonly left: readonly string[];
}

/**
 * Carries out one action, after its precondition. What is already done counts as done.
 * @throws AppError `stale` when the object is no longer what it was, `io` for the first error.
 */
export function applyAction(hand: Hand, action: Exclude<Action, { kind: 'blob' }>): Outcome {
  if (action.kind === 'link') return { done: putLink(hand, action), left: [] };
  check(hand, action);
  const { files, directories } = removalsOf(action);
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

function check(hand: Hand, action: Exclude<Action, { kind: 'blob' | 'link' }>): void {
  if (action.kind === 'tag') {
    const directory = hand.directory(tagCurrentDirectory(action.repository, action.tag));
    const content = readLink(directory);
    if (content === undefined || content === action.digest) return;
    throw stale(`${action.repository}:${action.tag} is on another manifest now`);
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

function stale(what: string): AppError {
  return new AppError('stale', what, ['somebody wrote since the plan was made; plan again']);
}

function readLink(directory: ReturnType<Hand['directory']>): string | undefined {
  const bytes = directory?.read(LINK, LINK_BUFFER);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1').trim();
}

/**
 * Puts a link back. One that is there and holds the same is done; one that holds something
 * else was written by somebody after it was removed, and stays.
 */
function putLink(hand: Hand, action: LinkAction): boolean {
  const path = linkDirectory(action);
  const present = readLink(hand.directory(path));
  if (present !== undefined && present !== '') return false;
  const needsBlob = action.place === 'revision' || action.place === 'layer';
  if (needsBlob && hand.directory(blobDirectory(action.content))?.stat(DATA) === undefined) {
    throw stale(`${action.repository}@${action.digest} cannot be put back: its blob is gone`);
  }
  const directory = hand.make(path);
  directory.replace(LINK, Buffer.from(action.content, 'latin1'), action);
  return true;
}
