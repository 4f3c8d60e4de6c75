/** File systems of their own, in files on the disk: to be filled, cut off from power and mounted read-only. Needs root. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRoot, requirePackages } from './packages.ts';

export const FILE_SYSTEMS = ['ext4', 'xfs', 'btrfs'] as const;

export type FileSystem = (typeof FILE_SYSTEMS)[number];

const MIB = 1024 * 1024;

const FILLERS = [MIB, 65536, 4096, 512, 1];

/** As small as their own makers allow, and without blocks that only root may have. */
const MAKE: Readonly<
  Record<FileSystem, { readonly bytes: number; readonly command: readonly string[] }>
> = {
  ext4: { bytes: 64 * MIB, command: ['mkfs.ext4', '-q', '-m', '0'] },
  xfs: { bytes: 320 * MIB, command: ['mkfs.xfs', '-q'] },
  btrfs: { bytes: 128 * MIB, command: ['mkfs.btrfs', '-q'] },
};

/** What a journal does not hold yet must get lost with the power, so it is written out as late as can be. */
const OPTIONS: Readonly<Record<FileSystem, string>> = {
  ext4: 'commit=600',
  xfs: 'defaults',
  btrfs: 'commit=600',
};

const PACKAGE_OF: Readonly<Record<FileSystem, string>> = {
  ext4: 'e2fsprogs',
  xfs: 'xfsprogs',
  btrfs: 'btrfs-progs',
};

/** Why these file systems cannot be had here; undefined when they can. Installs what makes them, if it may. */
export function obstacleToLoop(types: readonly FileSystem[] = FILE_SYSTEMS): string | undefined {
  if (!isRoot()) return 'needs root';
  if (!runs('losetup', '-f')) return 'needs loop devices';
  const missing = requirePackages(types.map((type) => PACKAGE_OF[type]));
  return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`;
}

function runs(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

export class LoopMount {
  readonly #type: FileSystem;
  readonly #folder: string;
  readonly #device: string;
  /** Where it is mounted. */
  readonly point: string;

  constructor(type: FileSystem, bytes = MAKE[type].bytes) {
    this.#type = type;
    this.#folder = mkdtempSync(join(tmpdir(), `regsweep-${type}-`));
    this.point = join(this.#folder, 'mnt');
    mkdirSync(this.point);
    const image = join(this.#folder, 'image');
    const fd = openSync(image, 'wx');
    ftruncateSync(fd, bytes);
    closeSync(fd);
    const [program = '', ...args] = MAKE[type].command;
    run(program, ...args, image);
    // A device of its own, kept over mounts: the store's identity is in every plan.
    this.#device = run('losetup', '-f', '--show', image).trim();
    this.#mount();
  }

  #mount(): void {
    run('mount', '-t', this.#type, '-o', OPTIONS[this.#type], this.#device, this.point);
  }

  /** Writes out all that was changed. */
  sync(): void {
    run('sync', '-f', this.point);
  }

  /** What was not written out is lost; then it is mounted again, and recovers. */
  losePower(): void {
    this.cutPower();
    this.restorePower();
  }

  /** Every write fails from now on, and what was not written out is lost. */
  cutPower(): void {
    run('xfs_io', '-x', '-c', 'shutdown', this.point);
  }

  /** Mounts it again, when nobody uses it any more; it recovers. */
  restorePower(): void {
    run('umount', this.point);
    waitForRelease(this.#device);
    this.#mount();
  }

  remount(option: 'ro' | 'rw'): void {
    run('mount', '-o', `remount,${option}`, this.point);
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.point);
    return bavail * bsize;
  }

  /** Fills it to the last block, in ever smaller files. */
  fill(): void {
    for (const size of FILLERS) {
      fillFile(join(this.point, `filler-${size}`), size);
      this.sync();
    }
  }

  /** Gives back some blocks of 4 KiB of what `fill` took. */
  giveBack(blocks: number): void {
    const filler = join(this.point, `filler-${MIB}`);
    truncateSync(filler, Math.max(0, statSync(filler).size - 4096 * blocks));
    this.sync();
  }

  /** Removes what `fill` has made. */
  empty(): void {
    for (const size of FILLERS) rmSync(join(this.point, `filler-${size}`), { force: true });
    this.sync();
  }

  remove(): void {
    spawnSync('umount', [this.point], { stdio: 'ignore' });
    spawnSync('losetup', ['-d', this.#device], { stdio: 'ignore' });
    rmSync(this.#folder, { recursive: true });
  }
}

function fillFile(path: string, size: number): void {
  const block = Buffer.alloc(size, 0x66);
  let fd: number | undefined;
  try {
    fd = openSync(path, 'wx');
    for (;;) writeSync(fd, block);
  } catch (error) {
    if (!hasCode(error, 'ENOSPC')) throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const { O_RDWR, O_EXCL } = constants;

/**
 * Another test's mount namespace may hold on to a copy of the mount for a while, and until it ends a new mount would
 * be of the same file system, still without power. An exclusive open of the device fails so long.
 */
function waitForRelease(device: string): void {
  for (const end = Date.now() + 30_000; ; sleep(50)) {
    try {
      closeSync(openSync(device, O_RDWR | O_EXCL));
      return;
    } catch (error) {
      if (!hasCode(error, 'EBUSY') || Date.now() > end) throw error;
    }
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
