import { toBytePath } from '../fs/bytes.js';
import { AppError, errnoOf, messageOf } from '../fs/errors.js';
import { makeReadFs } from '../fs/node-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { readInput } from '../fs/stdio.js';

const PLAN_LIMIT = 1024 * 1024 * 1024;

/** A plan file's text, whole; `-` is standard input. @throws AppError `usage` */
export function readPlanText(source: string): string {
  if (source === '-') return readInput();
  const bytes = readPlanBytes(makeReadFs(), source);
  if (bytes !== undefined) return Buffer.from(bytes.buffer, 0, bytes.length).toString('utf8');
  throw new AppError('usage', `${source} is being written; wait for its end`, []);
}

/** Undefined for a file that grows. */
function readPlanBytes(fs: ReadFs, source: string): Uint8Array | undefined {
  try {
    const path = fs.resolve(toBytePath(source));
    const stat = fs.stat(path);
    if (stat?.kind === 'file' && stat.size <= PLAN_LIMIT) {
      const buffer = new Uint8Array(stat.size + 1);
      const length = fs.read(path, buffer);
      return length > stat.size ? undefined : buffer.subarray(0, length);
    }
  } catch (error) {
    throw unreadable(source, error);
  }
  throw new AppError('usage', `${source} is no plan`, ['make one: regsweep plan ... -o FILE']);
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
