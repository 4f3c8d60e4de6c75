import { readSync, writeSync } from 'node:fs';
import { errnoOf } from './errors.js';

/** Writes to the process's own output from `at` on; like write(2) it may take a part only. */
export function writeOutput(fd: 1 | 2, bytes: Uint8Array, at: number): number {
  return writeSync(fd, bytes, at);
}

/** All of standard input; where there is more than `limit` bytes of it, some more than that. */
export function readInput(limit = Infinity): Buffer {
  const parts: Buffer[] = [];
  for (let total = 0; total <= limit;) {
    const chunk = Buffer.allocUnsafe(INPUT_CHUNK);
    const length = readSome(chunk);
    if (length === 0) break;
    parts.push(chunk.subarray(0, length));
    total += length;
  }
  return Buffer.concat(parts);
}

const INPUT_CHUNK = 256 * 1024;

function readSome(chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(0, chunk);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      // A pipe whose writer is not done, in non-blocking mode.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

/**
 * Asks on the terminal; the answer is one line, and empty where the input ends or a stop comes
 * instead.
 * @param onStop takes what is to be called when a signal asks to stop.
 * @param onInterrupt called for Ctrl-C, which in a terminal's raw mode is a key and no signal.
 */
export async function ask(
  question: string,
  onStop: (listener: () => void) => void,
  onInterrupt: () => void,
): Promise<string> {
  // Not before somebody is asked: with the streams that it brings, it takes 4 ms.
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.once('SIGINT', onInterrupt);
  onStop(() => lines.close());
  try {
    return await new Promise<string>((resolve) => {
      lines.once('close', () => resolve(''));
      lines.question(question, resolve);
    });
  } finally {
    lines.close();
  }
}
