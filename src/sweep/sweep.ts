import { AppError } from '../fs/errors.js';
import { makeWriteFs } from '../fs/node-write-fs.js';
import type { OutFile } from '../fs/out-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { dataBytesOf } from '../plan/action.js';
import type { Action } from '../plan/action.js';
import { surveyStore } from '../plan/derive.js';
import { keepEverything } from '../graph/liveness.js';
import { isUndo } from '../plan/plan-file.js';
import type { Plan } from '../plan/read-plan.js';
import type { StoreRoot } from '../scan/root.js';
import type { ScanOptions } from '../scan/scan.js';
import { applyAction } from './apply.js';
import type { Outcome } from './apply.js';
import { REMOVED } from './blob-shard.js';
import { Hand } from './hand.js';
import { phasesOf } from './phases.js';
import type { Phase } from './phases.js';
import { checkBlobs, checkPlan } from './prepare.js';
import { isRemoved, prefixOf, removeBlobActions } from './remove-blobs.js';
import type { BlobAction } from './remove-blobs.js';
import { Watch } from './watch.js';
import { writeUndo } from './undo.js';
import { offerOf, verify } from './verify.js';
import type { Verification } from './verify.js';

export interface SweepOptions {
  readonly plan: Plan;
  readonly fs: ReadFs;
  readonly root: StoreRoot;
  readonly scan: ScanOptions;
  readonly devices: readonly number[];
  readonly threads: number;
  readonly workerFile?: URL;
  /** Remove links only, and leave the blobs for a later plan. */
  readonly linksOnly: boolean;
  /** Where what is removed is noted as a plan that puts it back, before anything is removed. */
  readonly undo: (() => OutFile) | undefined;
  /** Element 0 turns 1 to stop at the next safe point. */
  readonly stop: Int32Array;
  /** @throws AppError `running`; asked before the first action, before the blobs, and while they go. */
  readonly assertStopped: () => Promise<void>;
  /** Asked before anything is changed; false ends the sweep there. */
  readonly confirm: () => Promise<boolean>;
  readonly onAction: (action: Action, outcome: string) => void;
  readonly onProgress: (phase: string, done: number, total: number, freedBytes: number) => void;
}

export interface SweepResult {
  readonly ended: 'complete' | 'stopped' | 'declined';
  /** Actions carried out now; what was already done is not counted. */
  readonly done: number;
  readonly already: number;
  /** Actions that were not reached. */
  readonly remaining: number;
  /** Apparent bytes of the data that was removed, but for what another hard link keeps. */
  readonly freedBytes: number;
  readonly blobs: number;
  /** Directories that were not empty, and stay. */
  readonly left: readonly string[];
  /** Tags and manifests that an undo did not put back, since the manifests' blobs are gone. */
  readonly notPutBack: readonly string[];
  /** Of the whole file system, before and after, as it says itself. */
  readonly freeBytes: { readonly before: number; readonly after: number };
  /** Undefined when nothing was begun. */
  readonly verification: Verification | undefined;
}

/**
 * Carries out a plan: checks it against the disk, removes links, derives the live set again,
 * removes blobs, removes what they left behind, and verifies. Cut off anywhere, the store is
 * consistent, and the same plan goes on from there.
 */
export async function runSweep(options: SweepOptions): Promise<SweepResult> {
  const run = new Run(options);
  return await run.all();
}

class Run {
  readonly #options: SweepOptions;
  readonly #left: string[] = [];
  /** Of an undo: `repository@digest` of the manifests whose blobs are gone. */
  readonly #gone: Set<string> | undefined;
  readonly #notPutBack = new Set<string>();
  #skipped = 0;
  #done = 0;
  #already = 0;
  #blobs = 0;
  #freedBytes = 0;

  constructor(options: SweepOptions) {
    this.#options = options;
    // A repair is stale then: what it does to the rest may go by what that link says.
    this.#gone = isUndo(options.plan.header) ? new Set() : undefined;
  }

  async all(): Promise<SweepResult> {
    const { plan, scan, root, fs } = this.#options;
    const freeBefore = fs.space(root.base).freeBytes;
    await this.#options.assertStopped();
    if (!(await this.#options.confirm())) return this.#result('declined', freeBefore, undefined);
    // The answer may have taken its time: everything is looked at after it.
    await this.#options.assertStopped();
    const survey = await checkPlan(scan, plan.header, plan.actions);
    const before = offerOf(survey.index, plan.actions, survey.blind);
    const writeFs = makeWriteFs({ ...root, devices: new Set(this.#options.devices) });
    let whole: boolean;
    try {
      const hand = new Hand(writeFs);
      if (this.#options.undo !== undefined) {
        writeUndo(this.#options.undo(), hand, fs, root, {
          plan,
          linksOnly: this.#options.linksOnly,
          resolving: before.resolving,
        });
      }
      whole = await this.#untilStopped(hand);
      hand.closeAll();
    } finally {
      writeFs.close();
    }
    // A signal asks for the end; the next run of the same plan verifies.
    if (scan.runner.isStopped()) return this.#result('stopped', freeBefore, undefined);
    const after = await surveyStore(scan, keepEverything);
    const verification = verify(before, after, plan.actions, whole);
    return this.#result(whole ? 'complete' : 'stopped', freeBefore, verification);
  }

  /** True when all phases were carried out; a scan that a signal ended is a safe point too. */
  async #untilStopped(hand: Hand): Promise<boolean> {
    try {
      return await this.#phases(hand);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'stopped') throw error;
      hand.sync();
      return false;
    }
  }

  /** True when all phases were carried out to their ends. */
  async #phases(hand: Hand): Promise<boolean> {
    for (const phase of phasesOf(this.#options.plan.actions, this.#options.linksOnly)) {
      if (phase.name === 'blobs') {
        const whole = await this.#blobPhase(hand, phase);
        if (!whole) return false;
      } else if (!(await this.#linkPhase(hand, phase))) {
        return false;
      }
    }
    return true;
  }

  async #linkPhase(hand: Hand, { name, actions }: Phase): Promise<boolean> {
    if (actions.length === 0) return true;
    let done = 0;
    for (const action of actions) {
      if (this.#isStopped()) {
        hand.sync();
        return false;
      }
      if (action.kind === 'blob') throw new Error('a blob outside of its phase');
      this.#take(action, applyAction(hand, action, this.#gone));
      if (++done % 64 === 0) await this.#breathe(name, done, actions.length);
    }
    hand.sync();
    this.#options.onProgress(name, done, actions.length, this.#freedBytes);
    return true;
  }

  async #blobPhase(hand: Hand, { name, actions }: Phase): Promise<boolean> {
    if (actions.length === 0) return true;
    const { plan, scan, root, devices, threads, workerFile, stop } = this.#options;
    await this.#options.assertStopped();
    await checkBlobs(scan, plan.header, plan.actions);
    let reached = 0;
    const watch = new Watch(this.#options.assertStopped, stop);
    await removeBlobActions(actions as BlobAction[], {
      root,
      devices,
      threads,
      ...(workerFile === undefined ? {} : { workerFile }),
      stop,
      onBlob: (action, state, isShared) => {
        if (state === REMOVED.no) return;
        reached++;
        if (isRemoved(state)) {
          this.#blobs++;
          hand.touch(prefixOf(action));
        }
        const left = state === REMOVED.left ? [`blob directory of ${action.digest}`] : [];
        this.#take(action, { done: isRemoved(state), left }, isShared ? 0 : action.bytes);
        if (reached % 256 === 0) {
          this.#options.onProgress(name, reached, actions.length, this.#freedBytes);
        }
      },
    }).finally(() => watch.end());
    hand.sync();
    await watch.assertQuiet();
    this.#options.onProgress(name, reached, actions.length, this.#freedBytes);
    return reached === actions.length && !this.#isStopped();
  }

  #take(action: Action, { done, left, gone }: Outcome, bytes = dataBytesOf(action)): void {
    if (gone !== undefined) {
      this.#skipped++;
      this.#notPutBack.add(gone);
      this.#options.onAction(action, 'gone');
      return;
    }
    if (done) {
      this.#done++;
      this.#freedBytes += bytes;
    } else {
      this.#already++;
    }
    for (const path of left) this.#left.push(path);
    this.#options.onAction(action, left.length > 0 ? 'left' : done ? 'done' : 'already');
  }

  #isStopped(): boolean {
    return Atomics.load(this.#options.stop, 0) !== 0;
  }

  /** Lets signals and timers in: every call below is synchronous. */
  async #breathe(name: string, done: number, total: number): Promise<void> {
    this.#options.onProgress(name, done, total, this.#freedBytes);
    await new Promise((resolve) => setImmediate(resolve));
  }

  #result(
    ended: SweepResult['ended'],
    before: number,
    verification: Verification | undefined,
  ): SweepResult {
    const { plan, fs, root, linksOnly } = this.#options;
    const planned = phasesOf(plan.actions, linksOnly).reduce(
      (total, { actions }) => total + actions.length,
      0,
    );
    return {
      ended,
      done: this.#done,
      already: this.#already,
      remaining: planned - this.#done - this.#already - this.#skipped,
      freedBytes: this.#freedBytes,
      blobs: this.#blobs,
      left: this.#left,
      notPutBack: [...this.#notPutBack].sort(),
      freeBytes: { before, after: fs.space(root.base).freeBytes },
      verification,
    };
  }
}

/**
 * Refuses a plan that was made for another store. A reboot numbers the devices of btrfs, NFS, LVM
 * and loop mounts anew: a plan can be made again, and an undo cannot, so that one goes by its path
 * and inode then. Each of its links asks for its own data.
 * @throws AppError `usage`
 */
export function assertSameRoot(plan: Plan, root: StoreRoot): void {
  const { header } = plan;
  const isSameDevice = header.dev === root.dev || (isUndo(header) && header.root === root.base);
  if (isSameDevice && header.ino === String(root.ino)) return;
  throw new AppError(
    'usage',
    `the plan is for another store: ${header.root} was not this directory`,
    ['another file system is mounted there now, or it was replaced; plan again'],
  );
}
