import { createHash } from 'node:crypto';
import { AppError } from '../fs/errors.js';
import { ALGORITHMS, parseDigest } from '../registry/digest.js';
import { isUploadDirectory, isUploadFile, isUploadId, SKELETON } from '../registry/layout.js';
import { parseRepositoryName, parseTag } from '../registry/reference.js';
import { parseRfc3339 } from '../registry/time.js';
import { LINK_BUFFER } from '../registry/link.js';
import type { Action, ActionKind, LinkAction, Ownership } from './action.js';
import { isUndo, PLAN_FORMAT } from './plan-file.js';
import type { PlanHeader, PlanTrailer } from './plan-file.js';
import { isRemovableDirectory, isStorePath, isTemporaryPath } from './validate.js';
import { isTree } from '../registry/tree.js';
import type { Tree } from '../registry/tree.js';

const LINE_FEED = 0x0a;
const MIB = 1024 * 1024;
const HEAD = Buffer.from('{"kind":"header"');

export interface Plan {
  readonly header: PlanHeader;
  readonly actions: readonly Action[];
  readonly trailer: PlanTrailer;
}

/**
 * The longest line that is read: the history of a tag that was pushed three million times. A
 * string holds 512 MiB and no more, and a plan of many lines is larger.
 */
const LINE_LIMIT = 256 * MIB;

/**
 * Reads and checks a plan: trailer, format, and every part of every action against its
 * grammar, so that no path can be made of it that a plan would not have.
 * @param bytes the file's, whole; each line is a string of its own, and they never are one.
 * @param shownAs names the plan in errors.
 * @param lineLimit bytes of a line at most.
 * @throws AppError `usage`, with the line, for what is no whole plan.
 */
export function parsePlan(bytes: Buffer, shownAs: string, lineLimit = LINE_LIMIT): Plan {
  const end = bytes.lastIndexOf(LINE_FEED, bytes.length - 2) + 1;
  const trailer = readTrailer(bytes, end, shownAs, lineLimit);
  const body = bytes.subarray(0, end);
  if (createHash('sha256').update(body).digest('hex') !== trailer.sha256) {
    throw bad(shownAs, 'it was changed after it was written (its sha256 differs)');
  }
  let header: PlanHeader | undefined;
  const actions: Action[] = [];
  let number = 0;
  for (const line of linesOf(body)) {
    number++;
    const value = parseLine(line, shownAs, number, lineLimit);
    if (header === undefined) {
      header = readHeader(value, shownAs);
      continue;
    }
    const action = readAction(value);
    if (action === undefined) throw bad(`${shownAs}:${number}`, 'no action that a plan can have');
    actions.push(action);
  }
  if (header === undefined) throw bad(`${shownAs}:1`, 'no JSON object');
  if (actions.length !== trailer.actions) {
    throw bad(shownAs, `it has ${actions.length} actions and its trailer says ${trailer.actions}`);
  }
  const removes = actions.some(({ kind }) => kind !== 'link' && kind !== 'attributes');
  if (removes && isUndo(header)) {
    throw bad(`${shownAs}:1`, 'it removes something, and does not say what is to stay');
  }
  return { header, actions, trailer };
}

function bad(where: string, what: string): AppError {
  return new AppError('usage', `${where}: not a plan to carry out: ${what}`, [
    'make a new one: regsweep plan ... -o FILE',
  ]);
}

/** The lines of what ends with one, without their ends. */
function* linesOf(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length;) {
    const end = body.indexOf(LINE_FEED, at);
    yield body.subarray(at, end);
    at = end + 1;
  }
}

function parseLine(line: Buffer, shownAs: string, number: number, limit: number): Tree {
  if (line.length > limit) {
    const most = limit < MIB ? `${limit} bytes` : `${limit / MIB} MiB`;
    throw bad(`${shownAs}:${number}`, `it is longer than a line can be (${most})`);
  }
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    if (isTree(value)) return value;
  } catch {
    // Said below, with its line.
  }
  throw bad(`${shownAs}:${number}`, 'no JSON object');
}

/** @param at where the last line begins. */
function readTrailer(all: Buffer, at: number, shownAs: string, limit: number): PlanTrailer {
  const line = all.subarray(at);
  // As a plan is written; whether the header is a whole one is asked later.
  const isPlan = all.subarray(0, HEAD.length).equals(HEAD);
  const what = isPlan ? 'it is cut off (no trailer)' : 'it is no plan (no header)';
  const cut = bad(shownAs, what);
  // A trailer is short; whatever is that long was to be another line.
  if (line.at(-1) !== LINE_FEED || line.length > limit) throw cut;
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    throw cut;
  }
  if (!isTree(value) || value['kind'] !== 'trailer') throw cut;
  const { actions, bytes, sha256 } = value;
  if (!isCount(actions) || !isCount(bytes) || typeof sha256 !== 'string') throw cut;
  return { kind: 'trailer', actions, bytes, sha256 };
}

function readHeader(value: Tree, shownAs: string): PlanHeader {
  if (value['kind'] !== 'header') throw bad(`${shownAs}:1`, 'no header');
  if (value['format'] !== PLAN_FORMAT) {
    throw bad(
      `${shownAs}:1`,
      `its format is ${String(value['format'])}, and this is regsweep's ${PLAN_FORMAT}`,
    );
  }
  const { root, dev, ino, created, policy, options, counts } = value;
  const whole =
    typeof root === 'string' &&
    root.startsWith('/') &&
    isCount(dev) &&
    typeof ino === 'string' &&
    /^\d+$/.test(ino) &&
    typeof created === 'string' &&
    // A push is told by being later, and nothing is later than what is no time.
    Number.isFinite(parseRfc3339(created)) &&
    typeof policy === 'string' &&
    isTree(options) &&
    isTree(counts) &&
    Object.values(counts).every(isCount) &&
    isCount(options['graceMs']) &&
    isCount(options['uploadsOlderThanMs']) &&
    (value['survivors'] === undefined || typeof value['survivors'] === 'string') &&
    isTexts(options['writeOff']) &&
    isTexts(options['allowMounts']);
  if (!whole) throw bad(`${shownAs}:1`, 'its header lacks a part');
  // The checksum vouches for the parts that are only shown.
  return value as unknown as PlanHeader;
}

const READERS: { readonly [K in ActionKind]: (value: Tree) => Action | undefined } = {
  upload: readUpload,
  temp(value) {
    const { path, bytes } = value;
    if (typeof path !== 'string' || !isTemporaryPath(path) || !isCount(bytes)) return undefined;
    return { kind: 'temp', path, bytes };
  },
  tag: readTag,
  revision(value) {
    const at = readDigestOf(value);
    const { mtimeMs } = value;
    if (at === undefined || !isTime(mtimeMs)) return undefined;
    return { kind: 'revision', ...at, reason: textOf(value['reason']), mtimeMs };
  },
  'tag-index'(value) {
    const at = readDigestOf(value);
    const tag = readTagName(value);
    return at === undefined || tag === undefined ? undefined : { kind: 'tag-index', tag, ...at };
  },
  blob(value) {
    const digest = parseDigest(textOf(value['digest']));
    const { bytes, mtimeNs } = value;
    if (digest === undefined || !digest.startsWith('sha256:') || !isCount(bytes)) return undefined;
    if (typeof mtimeNs !== 'string' || !/^-?\d{1,20}$/.test(mtimeNs)) return undefined;
    return { kind: 'blob', digest, bytes, mtimeNs };
  },
  'layer-link'(value) {
    const at = readDigestOf(value);
    const { mtimeMs } = value;
    if (at === undefined || !isTime(mtimeMs)) return undefined;
    return { kind: 'layer-link', ...at, mtimeMs };
  },
  'empty-directory'(value) {
    const { path } = value;
    if (typeof path !== 'string' || !isRemovableDirectory(path)) return undefined;
    return { kind: 'empty-directory', path };
  },
  repository(value) {
    const repository = parseRepositoryName(textOf(value['repository']));
    const { directories, nested } = value;
    if (repository === undefined || !isTexts(directories) || typeof nested !== 'boolean') {
      return undefined;
    }
    if (!directories.every((part) => SKELETON.includes(part))) return undefined;
    return { kind: 'repository', repository, directories, nested };
  },
  link: readLink,
  'corrupt-blob'(value) {
    const digest = parseDigest(textOf(value['digest']));
    const { bytes } = value;
    if (digest === undefined || !digest.startsWith('sha256:') || !isCount(bytes)) return undefined;
    return { kind: 'corrupt-blob', digest, bytes };
  },
  attributes(value) {
    const { path, was } = value;
    if (typeof path !== 'string' || !isStorePath(path)) return undefined;
    if (!isOwnership(value) || !isOwnership(was)) return undefined;
    const { mode, uid, gid } = value;
    return {
      kind: 'attributes',
      path,
      mode,
      uid,
      gid,
      was: { mode: was.mode, uid: was.uid, gid: was.gid },
    };
  },
};

function readAction(value: Tree): Action | undefined {
  const { kind } = value;
  if (typeof kind !== 'string' || !Object.hasOwn(READERS, kind)) return undefined;
  return READERS[kind as ActionKind](value);
}

function readUpload(value: Tree): Action | undefined {
  const repository = parseRepositoryName(textOf(value['repository']));
  const { id, bytes, files } = value;
  if (repository === undefined || typeof id !== 'string' || !isUploadId(id)) return undefined;
  if (!isCount(bytes) || !isTexts(files)) return undefined;
  const known = files.every((file) =>
    file.endsWith('/') ? isUploadDirectory(file.slice(0, -1)) : isUploadFile(file),
  );
  return known ? { kind: 'upload', repository, id, bytes, files } : undefined;
}

const TAG_DIRECTORIES = new Set(['index', ...ALGORITHMS.map((algorithm) => `index/${algorithm}`)]);

function readTag(value: Tree): Action | undefined {
  const at = readDigestOf(value);
  const tag = readTagName(value);
  const { history, directories, mtimeMs } = value;
  if (at === undefined || tag === undefined || !isTexts(history) || !isTexts(directories)) {
    return undefined;
  }
  const digests = history.map(parseDigest).filter((digest) => digest !== undefined);
  if (digests.length !== history.length) return undefined;
  if (!directories.every((part) => TAG_DIRECTORIES.has(part)) || !isTime(mtimeMs)) return undefined;
  const reason = textOf(value['reason']);
  return { kind: 'tag', tag, ...at, history: digests, directories, reason, mtimeMs };
}

function readLink(value: Tree): Action | undefined {
  const at = readDigestOf(value);
  const content = parseDigest(textOf(value['content']));
  const { place, mode, uid, gid, mtimeMs } = value;
  if (at === undefined || content === undefined) return undefined;
  if (!isCount(mode) || !isCount(uid) || !isCount(gid) || typeof mtimeMs !== 'number') {
    return undefined;
  }
  const change = readChange(value);
  if (change === undefined) return undefined;
  const parts = { kind: 'link', ...at, content, mode, uid, gid, mtimeMs, ...change } as const;
  if (place === 'revision' || place === 'layer') return { ...parts, place };
  const tag = readTagName(value);
  if (tag === undefined || (place !== 'tag' && place !== 'tag-index')) return undefined;
  return { ...parts, place, tag };
}

/** What a link may say of the one that it replaces. */
function readChange(
  value: Tree,
): Pick<LinkAction, 'replaces' | 'exact' | 'removes' | 'whole'> | undefined {
  const { replaces, exact, removes, whole } = value;
  if (replaces !== undefined && !isLinkBytes(replaces)) return undefined;
  if (exact !== undefined && !isLinkBytes(exact)) return undefined;
  if (removes !== undefined && removes !== true) return undefined;
  if (whole !== undefined && whole !== true) return undefined;
  return {
    ...(replaces === undefined ? {} : { replaces }),
    ...(exact === undefined ? {} : { exact }),
    ...(removes === undefined ? {} : { removes }),
    ...(whole === undefined ? {} : { whole }),
  };
}

function isLinkBytes(value: unknown): value is string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return false;
  return Buffer.from(value, 'base64').length < LINK_BUFFER;
}

function isOwnership(value: unknown): value is Ownership {
  if (!isTree(value)) return false;
  const { mode, uid, gid } = value;
  return isCount(mode) && mode <= 0o7777 && isCount(uid) && isCount(gid);
}

function readDigestOf(
  value: Tree,
): { repository: string; digest: NonNullable<ReturnType<typeof parseDigest>> } | undefined {
  const repository = parseRepositoryName(textOf(value['repository']));
  const digest = parseDigest(textOf(value['digest']));
  return repository === undefined || digest === undefined ? undefined : { repository, digest };
}

function readTagName(value: Tree): string | undefined {
  return parseTag(textOf(value['tag']));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
