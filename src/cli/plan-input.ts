import { toBytePath } from '../fs/bytes.js';
import { AppError, errnoOf, messageOf } from '../fs/errors.js';
import { makeReadFs } from '../fs/node-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { readInput } from '../fs/stdio.js';

/** Bytes, which are held whole. A string of them could not be: it ends at half of that. */
const PLAN_LIMIT = 1024 * 1024 * 1024;

/** A plan file's bytes, whole; `-` is standard input. @throws AppError `usage` */
export function readPlanBytes(source: string): Buffer {
  if (source === '-') {
    const bytes = readInput(PLAN_LIMIT);
    if (bytes.length > PLAN_LIMIT) throw tooLarge('standard input');
    return bytes;
  }
  const bytes = readPlanFile(makeReadFs(), source);
  if (bytes !== undefined) return bytes;
  throw new AppError('usage', `${source} is being written; wait for its end`, []);
}

/** Undefined for a file that grows. */
function readPlanFile(fs: ReadFs, source: string): Buffer | undefined {
  let isFile = false;
  try {
    const path = fs.resolve(toBytePath(source));
    const stat = fs.stat(path);
    isFile = stat?.kind === 'file';
    if (stat?.kind === 'file' && stat.size <= PLAN_LIMIT) {
      const buffer = Buffer.alloc(stat.size + 1);
      const length = fs.read(path, buffer);
      return length > stat.size ? undefined : buffer.subarray(0, length);
    }
  } catch (error) {
    throw unreadable(source, error);
  }
  if (isFile) throw tooLarge(source);
  throw new AppError('usage', `${source} is no plan`, ['make one: regsweep plan ... -o FILE']);
}

function tooLarge(shownAs: string): AppError {
  return new AppError('usage', `${shownAs} is larger than a plan can be (1 GiB)`, [
    'is it a plan? one that frees less is smaller: regsweep plan ... --free SIZE -o FILE',
  ]);
}

function unreadable(source: string, error: unknown): AppError {
  const code = errnoOf(error);
  if (code === 'EACCES' || code === 'EPERM') {
    return new AppError(
      'usage',
      `cannot read the plan ${source}: permission denied`,
      ['run as the user who made it (ls -l), or as root'],
      error,
    );
  }
  const why = code === 'ENOENT' ? 'no such file' : messageOf(error);
  const hint = 'is it the right file? a new one is made by: regsweep plan ... -o FILE';
  return new AppError('usage', `cannot read the plan ${source}: ${why}`, [hint], error);
}
