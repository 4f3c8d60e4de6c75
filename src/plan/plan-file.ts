import { createHash } from 'node:crypto';
import { printableJson } from '../fs/bytes.js';
import type { Action } from './action.js';

/** Version of the plan file's format; another one is refused. */
export const PLAN_FORMAT = 1;

export interface PlanHeader {
  readonly kind: 'header';
  readonly format: number;
  readonly tool: string;
  /** ISO 8601: from when on the plan does not vouch for what was written. */
  readonly created: string;
  /** `docker/registry/v2` of the store, as a byte string, with its device and inode. */
  readonly root: string;
  readonly dev: number;
  readonly ino: string;
  /** sha256 of the policy, and the policy in a few words. */
  readonly policyHash: string;
  readonly policy: string;
  readonly options: PlanOptions;
  readonly counts: Readonly<Record<string, number>>;
  /** What the plan leaves alone, as `survivorsOf` numbers it; a plan that only puts back has none. */
  readonly survivors?: string;
}

/** Whether a plan only puts back, and so says nothing of what is to stay. */
export function isUndo({ survivors }: PlanHeader): boolean {
  return survivors === undefined;
}

/** What a sweep needs to derive the same live set again; times in milliseconds. */
export interface PlanOptions {
  readonly graceMs: number;
  readonly uploadsOlderThanMs: number;
  readonly orphansOnly: boolean;
  readonly writeOff: readonly string[];
  readonly allowMounts: readonly string[];
}

export interface PlanTrailer {
  readonly kind: 'trailer';
  readonly actions: number;
  /** Apparent bytes that the plan frees. */
  readonly bytes: number;
  /** Of every byte before the trailer's line. */
  readonly sha256: string;
}

/** The text of a plan file, line by line: header, actions in the order of the sweep, trailer. */
export function* planLines(
  header: PlanHeader,
  actions: Iterable<Action>,
  freedBytes: number,
): Generator<string> {
  const hash = createHash('sha256');
  let count = 0;
  const line = (value: object): string => {
    const text = `${printableJson(JSON.stringify(value))}\n`;
    hash.update(text);
    return text;
  };
  yield line(header);
  for (const action of actions) {
    count++;
    yield line(action);
  }
  const trailer: PlanTrailer = {
    kind: 'trailer',
    actions: count,
    bytes: freedBytes,
    sha256: hash.digest('hex'),
  };
  yield `${JSON.stringify(trailer)}\n`;
}
