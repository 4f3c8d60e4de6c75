import type { Digest } from '../registry/digest.js';
import {
  blobData,
  blobDirectory,
  layerDirectory,
  LINK,
  repositoryDirectory,
  revisionDirectory,
  tagCurrentDirectory,
  tagDirectory,
  tagIndexDirectory,
  uploadDirectory,
} from '../registry/layout.js';
import { linkedName, taggedName } from '../registry/reference.js';
import { isTemporaryLink } from './validate.js';

/** One step of a sweep: a line of a plan file. Paths are made from these parts alone. */
export type Action =
  | {
      readonly kind: 'upload';
      readonly repository: string;
      readonly id: string;
      readonly bytes: number;
      /** What is inside, directories with a slash at their end. */
      readonly files: readonly string[];
    }
  | { readonly kind: 'temp'; readonly path: string; readonly bytes: number }
  | ({
      readonly kind: 'tag';
      readonly repository: string;
      readonly tag: string;
      readonly digest: Digest;
      /** The tag's history, which goes with it. */
      readonly history: readonly Digest[];
      /** Its other directories, relative to it, the deepest first; `current` is not among them. */
      readonly directories: readonly string[];
      readonly reason: string;
    } & PlannedTime)
  | ({
      readonly kind: 'revision';
      readonly repository: string;
      readonly digest: Digest;
      readonly reason: string;
    } & PlannedTime)
  | {
      readonly kind: 'tag-index';
      readonly repository: string;
      readonly tag: string;
      readonly digest: Digest;
    }
  | {
      readonly kind: 'blob';
      readonly digest: Digest;
      /** Apparent size of `data`, a precondition as its mtime is. */
      readonly bytes: number;
      readonly mtimeNs: string;
    }
  | ({
      readonly kind: 'layer-link';
      readonly repository: string;
      readonly digest: Digest;
    } & PlannedTime)
  | { readonly kind: 'empty-directory'; readonly path: string }
  | {
      readonly kind: 'repository';
      readonly repository: string;
      /** The directories that are left of it, relative to it, the deepest first. */
      readonly directories: readonly string[];
      /** Others are below it: the directory of its own name stays. */
      readonly nested: boolean;
    }
  | LinkAction
  | {
      readonly kind: 'corrupt-blob';
      readonly digest: Digest;
      /** Apparent size of `data`, which still must not match its digest. */
      readonly bytes: number;
    }
  | AttributesAction;

/** A link that is written again, even with what it held, was pushed again: a precondition. */
interface PlannedTime {
  /** Whole milliseconds since 1970; of a tag, its current link's, and 0 where it has none. */
  readonly mtimeMs: number;
}

/** Removes a link, and is given up when that was written meanwhile. */
export type LinkRemoval = Extract<Action, { kind: 'tag' | 'revision' | 'layer-link' }>;

/** A link's time as a plan holds it; 0 where it cannot be told, or JSON cannot say it exactly. */
export function plannedTime(mtimeMs: number): number {
  const whole = Math.floor(mtimeMs);
  return Number.isSafeInteger(whole) ? whole : 0;
}

/** Whether a link was written since it was planned. An undo puts its time back, to a millisecond. */
export function isRewritten(mtimeMs: number, { mtimeMs: planned }: PlannedTime): boolean {
  return Math.abs(plannedTime(mtimeMs) - planned) > 1;
}

/** What a link is of, as a message names it. */
export function shownAs(action: LinkRemoval): string {
  const { repository } = action;
  return action.kind === 'tag' ? `${repository}:${action.tag}` : `${repository}@${action.digest}`;
}

/** What can be pulled when a link is back, as `listResolving` names it; '' where nothing can. */
export function resolvingName(action: LinkAction): string {
  const { repository, digest, place } = action;
  if (place === 'revision') return linkedName(repository, digest);
  return place === 'tag' ? taggedName(repository, action.tag, digest) : '';
}

/** Gives a file or directory another mode and owner, while it has those that it was found with. */
export interface AttributesAction extends Ownership {
  readonly kind: 'attributes';
  readonly path: string;
  readonly was: Ownership;
}

export interface Ownership {
  /** Permission bits alone. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Puts a link back, or right: for an undo or a repair. */
export type LinkAction = LinkParts &
  (
    | { readonly place: 'revision' | 'layer' }
    | { readonly place: 'tag' | 'tag-index'; readonly tag: string }
  );

interface LinkParts {
  readonly kind: 'link';
  readonly repository: string;
  /** What the link's directory is named after; for a tag, what it is on. */
  readonly digest: Digest;
  /** What the link holds. */
  readonly content: Digest;
  /**
   * The bytes, in base64, that the link holds and that this replaces. Without it a link that
   * holds anything stays as it is.
   */
  readonly replaces?: string;
  /** In base64, what goes in instead of `content`: the undo of a repair puts back what was there. */
  readonly exact?: string;
  /** The link is taken away again: there was none before a repair. */
  readonly removes?: boolean;
  /** It could be pulled whole when it was removed, and has to be when it is back. */
  readonly whole?: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
}

export type ActionKind = Action['kind'];

/**
 * Kinds that take nothing away which may be live, whatever else is hidden: they put right, or
 * remove what holds nothing.
 */
export const REPAIRS: ReadonlySet<ActionKind> = new Set<ActionKind>([
  'link',
  'attributes',
  'corrupt-blob',
  'temp',
  'empty-directory',
  'upload',
]);

/** What an action removes, below `docker/registry/v2`, in the order in which it does. */
export interface Removals {
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

/**
 * The paths of an action: the one place that says what a sweep touches, for the report's
 * counts as for the sweep itself.
 */
export function removalsOf(action: Action): Removals {
  switch (action.kind) {
    case 'upload': {
      const directory = uploadDirectory(action.repository, action.id);
      const inside = action.files.map((file) => `${directory}/${file}`);
      return {
        files: inside.filter((path) => !path.endsWith('/')),
        directories: [
          ...inside
            .filter((path) => path.endsWith('/'))
            .map((path) => path.slice(0, -1))
            .sort(deepestFirst),
          directory,
        ],
      };
    }
    case 'temp':
      return { files: [action.path], directories: [] };
    case 'tag':
      return tagRemovals(action);
    case 'revision':
      return linkIn(revisionDirectory(action.repository, action.digest));
    case 'tag-index':
      return linkIn(tagIndexDirectory(action.repository, action.tag, action.digest));
    case 'layer-link':
      return linkIn(layerDirectory(action.repository, action.digest));
    case 'blob':
      return { files: [blobData(action.digest)], directories: [blobDirectory(action.digest)] };
    case 'empty-directory':
      return { files: [], directories: [action.path] };
    case 'repository': {
      const directory = repositoryDirectory(action.repository);
      const below = action.directories.map((part) => `${directory}/${part}`);
      return { files: [], directories: action.nested ? below : [...below, directory] };
    }
    case 'corrupt-blob':
      return { files: [blobData(action.digest)], directories: [blobDirectory(action.digest)] };
    case 'link':
    case 'attributes':
      return { files: [], directories: [] };
  }
}

/** Apparent bytes of the data that an action removes: links are none, nor what was to be one. */
export function dataBytesOf(action: Action): number {
  if (!('bytes' in action)) return 0;
  return action.kind === 'temp' && isTemporaryLink(action.path) ? 0 : action.bytes;
}

/** The directory that holds an action's link. */
export function linkDirectory(action: LinkAction): string {
  const { repository, digest } = action;
  switch (action.place) {
    case 'revision':
      return revisionDirectory(repository, digest);
    case 'layer':
      return layerDirectory(repository, digest);
    case 'tag':
      return tagCurrentDirectory(repository, action.tag);
    case 'tag-index':
      return tagIndexDirectory(repository, action.tag, digest);
  }
}

function linkIn(directory: string): Removals {
  return { files: [`${directory}/${LINK}`], directories: [directory] };
}

function tagRemovals(action: Extract<Action, { kind: 'tag' }>): Removals {
  const { repository, tag } = action;
  const directory = tagDirectory(repository, tag);
  const current = tagCurrentDirectory(repository, tag);
  const entries = action.history.map((digest) => tagIndexDirectory(repository, tag, digest));
  return {
    files: [current, ...entries].map((path) => `${path}/${LINK}`),
    directories: [
      current,
      ...entries,
      ...action.directories.map((part) => `${directory}/${part}`),
      directory,
    ],
  };
}

function deepestFirst(a: string, b: string): number {
  return b.length - a.length || (a < b ? -1 : 1);
}
