import { errnoOf, messageOf } from '../fs/errors.js';
import type { BytePath, DirectoryListing, QuickStat, ReadFs } from '../fs/read-fs.js';
import { packHex, PACKED } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { REPOSITORIES } from '../registry/layout.js';
import type { Lead } from './facts.js';

/** What every shard's handler is given: data only, so that it crosses to a worker. */
export interface ShardContext {
  /** `docker/registry/v2`, resolved. */
  readonly base: BytePath;
  /** Paths below `base` that the operator gives up: what cannot be read there is absent. */
  readonly writeOff: readonly BytePath[];
}

/** Whether anything is there, and what, cannot be told. */
export const UNSEEN = 'unseen';

/** Why a repository may lose nothing that has a symlink in it. */
export const HAS_LINK = 'a symbolic link stands in it';

/** A symlink that dangles, runs in a circle, or goes on behind a file. */
const LEADS_NOWHERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Reads below `base`, and turns what cannot be read into findings instead of exceptions. */
export class ShardReader {
  readonly fs: ReadFs;
  readonly base: BytePath;
  readonly findings: Finding[] = [];
  readonly leads: Lead[] = [];
  readonly #writeOff: readonly BytePath[];

  constructor(fs: ReadFs, context: ShardContext) {
    this.fs = fs;
    this.base = context.base;
    this.#writeOff = context.writeOff;
  }

  /** Runs one call on a path; ENOENT, and an error that is noted as a finding, are undefined. */
  try<T>(path: BytePath, call: (absolute: BytePath) => T): T | undefined {
    try {
      return call(`${this.base}/${path}`);
    } catch (error) {
      this.failed(path, error);
      return undefined;
    }
  }

  /**
   * What stands at a path: undefined where nothing does, `unseen` where that cannot be told and was
   * noted. Asked of every link, so no function is made for it, as `try` needs one.
   */
  look(path: BytePath): QuickStat | typeof UNSEEN | undefined {
    try {
      return this.fs.quickStat(`${this.base}/${path}`);
    } catch (error) {
      this.failed(path, error);
      return UNSEEN;
    }
  }

  /** Takes what a call on a path threw: ENOENT is nothing, and the rest is noted. */
  failed(path: BytePath, error: unknown): void {
    // A part that is not there holds nothing; the roots themselves are asserted before.
    if (errnoOf(error) !== 'ENOENT') this.unreadable(path, error);
  }

  /** Notes a path that cannot be seen: nothing may be called garbage then. */
  unreadable(path: BytePath, error: unknown): void {
    const code = errnoOf(error) ?? messageOf(error);
    if (code === 'ESHORTLIST' && !this.isWrittenOff(path)) {
      this.note('short-listing', 'blind', path, messageOf(error));
    } else {
      this.hides('unreadable', path, code, 'what it holds is unknown');
    }
  }

  /** Notes `what` is wrong with a path, which hides something, unless the path was given up. */
  hides(
    code: Finding['code'],
    path: BytePath,
    what: string,
    meaning: string,
    about: Pick<Finding, 'repository' | 'tag' | 'digest'> = {},
  ): void {
    if (this.isWrittenOff(path)) {
      this.note('written-off', 'notice', path, `${what}: given up by --write-off`, about);
    } else {
      this.note(code, 'blind', path, `${what}: ${meaning}`, about);
    }
  }

  /**
   * Notes a symlink where a blob is to be. The registry follows it, and may serve an image from
   * behind it, or something that refers to one: while that is not seen, nothing may be called
   * garbage. One that leads nowhere hides nothing.
   */
  noteLink(path: BytePath): void {
    try {
      this.fs.resolve(`${this.base}/${path}`);
    } catch (error) {
      if (LEADS_NOWHERE.has(errnoOf(error) ?? '')) {
        this.note('symlink', 'notice', path, 'leads nowhere; left alone');
      } else {
        this.unreadable(path, error);
      }
      return;
    }
    this.hides('symlink', path, 'a symbolic link', 'the registry follows it, no plan does');
  }

  /**
   * Where a symlink leads, undefined where that is nowhere. The registry follows it, so what it
   * serves by the path of the symlink is lost with what stands at the other end.
   */
  follow(path: BytePath): BytePath | undefined {
    let target: BytePath;
    try {
      target = this.fs.resolve(`${this.base}/${path}`);
    } catch (error) {
      const code = errnoOf(error) ?? '';
      // Nothing is behind it for the registry either.
      if (!LEADS_NOWHERE.has(code)) this.unreadable(path, error);
      return undefined;
    }
    this.#addLead(path, target);
    return target;
  }

  #addLead(path: BytePath, target: BytePath): void {
    const top = `${this.base}/${REPOSITORIES}`;
    if (`${top}/`.startsWith(target === '/' ? target : `${target}/`)) {
      this.leads.push({ path, into: '' });
    } else if (target.startsWith(`${top}/`)) {
      this.leads.push({ path, into: target.slice(top.length + 1) });
    }
  }

  note(
    code: Finding['code'],
    severity: Finding['severity'],
    path: BytePath,
    detail: string,
    about: Pick<Finding, 'repository' | 'tag' | 'digest'> = {},
  ): void {
    this.findings.push({ code, severity, path, detail, ...about });
  }

  isWrittenOff(path: BytePath): boolean {
    return this.#writeOff.some((given) => path === given || path.startsWith(`${given}/`));
  }

  /**
   * The subdirectories of a directory; undefined when it is not there or cannot be read.
   * A symlink in its place is read through, since the registry follows it, and `odd` is
   * told: what is seen that way is a root and never a target.
   */
  directories(path: BytePath, odd: (why: string) => void): DirectoryListing | undefined {
    return this.try(path, (absolute) => {
      try {
        return this.fs.directories(absolute);
      } catch (error) {
        const code = errnoOf(error);
        if (code !== 'ELOOP') throw error;
        this.note('symlink', 'damage', path, 'a symbolic link; read, and never changed');
        odd(HAS_LINK);
        const target = this.fs.resolve(absolute);
        this.#addLead(path, target);
        return this.fs.directories(target);
      }
    });
  }
}

/** A growing list of packed digests. */
export class PackedList {
  count = 0;
  #bytes = new Uint8Array(PACKED * 256);

  /** Appends 64 hex digits; false when they are not that. */
  pushHex(hex: string): boolean {
    this.#reserve();
    if (hex.length !== 2 * PACKED) return false;
    if (!packHex(hex, 0, this.#bytes, this.count * PACKED)) return false;
    this.count++;
    return true;
  }

  pushZero(): void {
    this.#reserve();
    this.#bytes.fill(0, this.count * PACKED, (this.count + 1) * PACKED);
    this.count++;
  }

  push(packed: Uint8Array, offset: number): void {
    this.#reserve();
    this.#bytes.set(packed.subarray(offset, offset + PACKED), this.count * PACKED);
    this.count++;
  }

  /** Takes back all but the first `count`. */
  cut(count: number): void {
    this.count = count;
  }

  /** The list in an array of its own, exactly as long. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.count * PACKED);
  }

  #reserve(): void {
    if ((this.count + 1) * PACKED <= this.#bytes.length) return;
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
