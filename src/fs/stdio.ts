import { writeSync } from 'node:fs';

/** Writes to the process's own output from `at` on; like write(2) it may take a part only. */
export function writeOutput(fd: 1 | 2, bytes: Uint8Array, at: number): number {
  return writeSync(fd, bytes, at);
}
