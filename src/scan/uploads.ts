import { isUploadDirectory, isUploadFile, isUploadId } from '../registry/layout.js';
import { parseRfc3339 } from '../registry/time.js';
import type { FoundUpload } from './facts.js';
import type { ShardReader } from './shard.js';

/** Bytes of a `startedat` file that are looked at: an RFC 3339 time is about 35. */
const STARTED_BUFFER = 64;

/**
 * The uploads in progress or abandoned of one repository. Its age is that of `startedat`
 * (distribution registry/storage/purgeuploads.go), else its newest file's, else its own
 * directory's. One that was begun on no day that there is is never old.
 */
export function readUploads(
  reader: ShardReader,
  directory: string,
  repository: number,
): FoundUpload[] {
  const listing = reader.directories(directory, () => undefined);
  const uploads = [];
  for (const { name, kind } of listing?.others ?? []) {
    if (kind === 'symlink') reader.follow(`${directory}/${name}`);
    reader.note('stray', 'notice', `${directory}/${name}`, 'not an upload; left alone');
  }
  for (const id of listing?.names ?? []) {
    const path = `${directory}/${id}`;
    if (!isUploadId(id)) {
      reader.note('stray', 'notice', path, 'not named as an upload is; left alone');
      continue;
    }
    uploads.push({ repository, id, ...measure(reader, path) });
  }
  return uploads;
}

function measure(reader: ShardReader, path: string): Omit<FoundUpload, 'repository' | 'id'> {
  const files: string[] = [];
  const strays: string[] = [];
  let bytes = 0;
  let allocated = 0;
  let newest = -1;
  walk(reader, path, '', 0, (relative, kind) => {
    if (kind === 'directory' && isUploadDirectory(relative)) {
      files.push(`${relative}/`);
      return;
    }
    if (kind !== 'file' || !isUploadFile(relative)) {
      strays.push(relative);
      return;
    }
    const stat = reader.try(`${path}/${relative}`, (absolute) => reader.fs.stat(absolute));
    if (stat === undefined) return;
    files.push(relative);
    newest = Math.max(newest, stat.mtimeMs);
    if (stat.nlink > 1) return;
    bytes += stat.size;
    allocated += stat.allocated;
  });
  for (const stray of strays) {
    reader.note('stray', 'notice', `${path}/${stray}`, 'no part of an upload; left alone');
  }
  if (newest < 0) {
    newest = reader.try(path, (absolute) => reader.fs.stat(absolute)?.mtimeMs) ?? Infinity;
  }
  const startedMs = startedAt(reader, path, files) ?? newest;
  files.sort();
  return { bytes, allocated, startedMs, files: strays.length === 0 ? files : undefined };
}

/** Depth of `hashstates/<algorithm>/<offset>`. */
const UPLOAD_DEPTH = 2;

function walk(
  reader: ShardReader,
  root: string,
  prefix: string,
  depth: number,
  each: (relative: string, kind: string) => void,
): void {
  const path = prefix === '' ? root : `${root}/${prefix.slice(0, -1)}`;
  for (const { name, kind } of reader.try(path, (absolute) => reader.fs.entries(absolute)) ?? []) {
    const relative = prefix + name;
    each(relative, kind);
    if (kind === 'directory' && depth < UPLOAD_DEPTH && isUploadDirectory(relative)) {
      walk(reader, root, `${relative}/`, depth + 1, each);
    }
  }
}

function startedAt(reader: ShardReader, path: string, files: string[]): number | undefined {
  if (!files.includes('startedat')) return undefined;
  const buffer = new Uint8Array(STARTED_BUFFER);
  const length = reader.try(`${path}/startedat`, (absolute) => reader.fs.read(absolute, buffer));
  const text = Buffer.from(buffer.buffer, 0, length ?? 0)
    .toString('latin1')
    .trim();
  const time = parseRfc3339(text);
  return Number.isNaN(time) ? undefined : time;
}
