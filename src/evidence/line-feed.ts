/** A longer line is no request that a registry answers with success; it is skipped. */
export const LONGEST_LINE = 64 * 1024;

const NEWLINE = 0x0a;

export interface LineFeed {
  /** Takes the next bytes; they may be overwritten once it returns. */
  push(chunk: Buffer): void;
  /** The last line, when it has no newline. */
  end(): void;
}

/**
 * Cuts bytes into lines, without copying them but for a line that two chunks share.
 *
 * @param onLine is given a buffer and the line's range in it; `from` is -1 for a line that is
 *   longer than `LONGEST_LINE`.
 */
export function makeLineFeed(onLine: (bytes: Buffer, from: number, to: number) => void): LineFeed {
  const held = Buffer.allocUnsafe(LONGEST_LINE);
  let length = 0;
  let isTooLong = false;

  const hold = (chunk: Buffer, from: number, to: number): void => {
    if (length + to - from > LONGEST_LINE) isTooLong = true;
    if (!isTooLong) length += chunk.copy(held, length, from, to);
  };
  const release = (): void => {
    const to = length;
    const from = isTooLong ? -1 : 0;
    length = 0;
    isTooLong = false;
    onLine(held, from, to);
  };

  return {
    push(chunk) {
      let at = 0;
      if (length > 0 || isTooLong) {
        const newline = chunk.indexOf(NEWLINE);
        hold(chunk, 0, newline < 0 ? chunk.length : newline);
        if (newline < 0) return;
        release();
        at = newline + 1;
      }
      for (;;) {
        const newline = chunk.indexOf(NEWLINE, at);
        if (newline < 0) break;
        onLine(chunk, newline - at > LONGEST_LINE ? -1 : at, newline);
        at = newline + 1;
      }
      hold(chunk, at, chunk.length);
    },
    end() {
      if (length > 0 || isTooLong) release();
    },
  };
}
