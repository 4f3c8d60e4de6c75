/** A store on each kind of file system: in a file of its own, in memory, or in layers. Needs root. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { FILE_SYSTEMS, LoopMount } from './loop.ts';
import type { FileSystem } from './loop.ts';

export const PLACES = [...FILE_SYSTEMS, 'tmpfs', 'overlay'] as const;

export interface Place {
  /** The folder on that file system in which the store is. */
  readonly point: string;
  remove(): void;
}

/** Mounts, and has the store made: on an overlay, in the layer below, where nothing can be removed. */
export function openPlace(type: (typeof PLACES)[number], make: (folder: string) => void): Place {
  if (isLoop(type)) {
    const place = openLoop(type);
    make(place.point);
    return place;
  }
  const folder = mkdtempSync(join(tmpdir(), `regsweep-${type}-`));
  chmodSync(folder, 0o755);
  const point = join(folder, 'mnt');
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(folder, 'm', name));
  mkdirSync(point);
  mkdirSync(join(folder, 'm'));
  // An overlay cannot have its own upper layer on an overlay, which a container's /tmp may be.
  mount('tmpfs', join(folder, 'm'), 'size=256m');
  for (const path of [lower, upper, work]) mkdirSync(path ?? '');
  make(lower ?? '');
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  if (type === 'overlay') mount('overlay', point, options);
  const remove = (): void => {
    spawnSync('umount', [point], { stdio: 'ignore' });
    execFileSync('umount', [join(folder, 'm')]);
    rmSync(folder, { recursive: true });
  };
  return { point: type === 'overlay' ? point : (lower ?? ''), remove };
}

function openLoop(type: FileSystem): Place {
  const loop = new LoopMount(type);
  // Other users work there too.
  chmodSync(dirname(loop.point), 0o755);
  return { point: loop.point, remove: () => loop.remove() };
}

function isLoop(type: string): type is FileSystem {
  return FILE_SYSTEMS.some((one) => one === type);
}

function mount(type: string, point: string, options: string): void {
  execFileSync('mount', ['-t', type, '-o', options, 'none', point]);
}
