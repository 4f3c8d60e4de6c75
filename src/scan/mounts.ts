import type { BytePath, ReadFs } from '../fs/read-fs.js';

export interface Mount {
  readonly major: number;
  readonly minor: number;
  /** Where in its file system the mount's root is. */
  readonly root: BytePath;
  /** Where it is mounted. */
  readonly point: BytePath;
  readonly type: string;
  readonly options: readonly string[];
}

/** The mounts that a process sees; empty where /proc does not tell. */
export function readMounts(fs: ReadFs, process = 'self'): Mount[] {
  const parts: Uint8Array[] = [];
  try {
    // A read gives a page at most, which thirty mounts fill. The kernel limits how many there are.
    fs.readParts(`/proc/${process}/mountinfo`, new Uint8Array(64 * 1024), (part) => {
      parts.push(Uint8Array.from(part));
      return true;
    });
  } catch {
    // No /proc, or another process's that is gone or hidden: the caller is told 'no mounts'.
    return [];
  }
  return parseMounts(Buffer.concat(parts).toString('latin1'));
}

/** Parses proc_pid_mountinfo(5). */
function parseMounts(text: string): Mount[] {
  const mounts = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const [, , device, root, point, options] = fields;
    const dash = fields.indexOf('-', 6);
    if (device === undefined || root === undefined || point === undefined || dash < 0) continue;
    const [major, minor] = device.split(':').map(Number);
    mounts.push({
      major: major ?? 0,
      minor: minor ?? 0,
      root: unescapeMount(root),
      point: unescapeMount(point),
      type: fields[dash + 1] ?? '',
      options: (options ?? '').split(','),
    });
  }
  return mounts;
}

/** Mount points strictly below a directory: bind mounts of the same file system show only here. */
export function mountsBelow(mounts: readonly Mount[], directory: BytePath): Mount[] {
  return mounts.filter(({ point }) => point.startsWith(`${directory}/`));
}

/**
 * Tells whether a directory, by its path below `base`, is a mount point or holds one. Neither can
 * be removed, however empty it is: rmdir says EBUSY, and a sweep that is told to ends there.
 */
export function mountTeller(fs: ReadFs, base: BytePath): (path: BytePath) => boolean {
  const held = new Set<BytePath>();
  for (const { point } of mountsBelow(readMounts(fs), base)) {
    let path = point.slice(base.length + 1);
    for (; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('/')))) held.add(path);
  }
  return (path) => held.has(path);
}

/** The mount that holds a path: the longest point above it, the last of equals. */
export function mountOf(mounts: readonly Mount[], path: BytePath): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const { point } = mount;
    const holds = point === '/' || path === point || path.startsWith(`${point}/`);
    if (holds && point.length >= (best?.point.length ?? 0)) best = mount;
  }
  return best;
}

function unescapeMount(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
