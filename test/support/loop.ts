/** File systems of their own, in files on the disk: to be filled, cut off from power and mounted read-only. Needs root. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRoot } from './packages.ts';

export const FILE_SYSTEMS = ['ext4', 'xfs', 'btrfs'] as const;

export type FileSystem = (typeof FILE_SYSTEMS)[number];

const MIB = 1024 * 1024;

/** As small as their own makers allow, and without blocks that only root may have. */
const MAKE: Readonly<Record<FileSystem, { readonly bytes: number; readonly command: readonly string[] }>> = {
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

/** Why no such file system can be had here; undefined when it can. */
export function obstacleToLoop(): string | undefined {
  if (!isRoot()) return 'needs root';
  const { status } = spawnSync('losetup', ['-f'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'needs loop devices';
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
    run('xfs_io', '-x', '-c', 'shutdown', this.point);
    run('umount', this.point);
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
    for (const size of [MIB, 65536, 4096, 512, 1]) {
      const fd = openSync(join(this.point, `filler-${size}`), 'wx');
      try {
        fillFile(fd, size);
      } finally {
        closeSync(fd);
      }
      this.sync();
    }
  }

  remove(): void {
    spawnSync('umount', [this.point], { stdio: 'ignore' });
    spawnSync('losetup', ['-d', this.#device], { stdio: 'ignore' });
    rmSync(this.#folder, { recursive: true });
  }
}

function fillFile(fd: number, size: number): void {
  const block = Buffer.alloc(size, 0x66);
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
