import { AppError, errnoOf, messageOf } from '../fs/errors.js';
import { writeOutput } from '../fs/stdio.js';

/**
 * Writes all of a text to a descriptor, or throws: Node ends with 0 when what it printed did
 * not arrive (`node ... > /dev/full`), and a report that is cut off must not pass for one.
 * A reader that went away (`| head`) is no failure.
 */
export function print(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeOutput(fd, bytes, at);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        continue;
      }
      if (code === 'EPIPE') return;
      throw new AppError('io', `cannot write the output: ${messageOf(error)}`, [], error);
    }
  }
}

/** Columns that a report may use: those of the terminal from 40 to 160, else `COLUMNS`, else 80. */
export function reportWidth(env: Readonly<Record<string, string | undefined>>): number {
  const told = process.stdout.columns ?? Number(env['COLUMNS'] ?? '');
  return Math.min(160, Math.max(40, Number.isFinite(told) && told > 0 ? told : 80));
}
