import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { createGzip, gzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { memfs } from 'memfs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeLineFeed } from '../../src/evidence/line-feed.ts';
import { readLogs } from '../../src/evidence/read-logs.ts';
import type { LogEvidence, LogOptions } from '../../src/evidence/read-logs.ts';
import { AppError } from '../../src/fs/errors.ts';
import { makeLogFs } from '../../src/fs/log-fs.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 21);

let base = '';
beforeEach(() => {
  base = fs.mkdtempSync(join(os.tmpdir(), 'regsweep-logs-'));
});
afterEach(() => {
  fs.rmSync(base, { recursive: true });
});

function read(patterns: readonly string[], more: Partial<LogOptions> = {}): Promise<LogEvidence> {
  return readLogs(patterns, { fs: makeLogFs(), base, nowMs: NOW, ...more });
}

function line(timeMs: number, path = '/v2/', status = 200): string {
  return `${new Date(timeMs).toISOString()} h registry: 10.0.0.1 "GET ${path} HTTP/1.1" ${status} 1\n`;
}

/** A request every six hours of a day, and a pull of `a:v<day>` at its noon. */
function day(daysAgo: number): string {
  const from = NOW - daysAgo * DAY;
  const pull = line(from + 12 * HOUR, `/v2/a/manifests/v${daysAgo}`);
  return line(from) + line(from + 6 * HOUR) + pull + line(from + 18 * HOUR);
}

function write(name: string, content: string | Uint8Array): void {
  fs.writeFileSync(join(base, name), content);
}

async function failureOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'done';
}

const UNREAD =
  'logs: a log could not be read in full, and may show any pull: nothing counts as not pulled; mend it, or leave it out';

describe('files', () => {
  test('rotated ones, packed or not, are read as one log whatever their names', async () => {
    write('access.log', day(1));
    write('access.log.1', gzipSync(day(2)));
    write('access.log.2.gz', Buffer.concat([gzipSync(day(4)), gzipSync(day(3))]));
    write('access.log.3.gz', day(5).slice(0, -1));
    write('other.txt', day(9));
    const evidence = await read(['access.log*', 'access.log']);
    expect(evidence.coverage).toEqual({ fromMs: NOW - 5 * DAY, toMs: NOW - 6 * HOUR, gaps: [] });
    expect(evidence.pulledMs('a', 'v4')).toBe(NOW - 3.5 * DAY);
    expect(evidence.pulledMs('a', 'v9')).toBeUndefined();
    expect(evidence.notes).toEqual([]);
    expect(
      evidence.files.map(({ name, lines, pulls }) => [name.slice(base.length), lines, pulls]),
    ).toEqual([
      ['/access.log', 4, 1],
      ['/access.log.1', 4, 1],
      ['/access.log.2.gz', 8, 2],
      ['/access.log.3.gz', 4, 1],
    ]);
    expect(evidence.files[2]).toMatchObject({
      fromMs: NOW - 4 * DAY,
      toMs: NOW - 2 * DAY - 6 * HOUR,
    });
  });

  test('a missing one ends what is covered, and is told', async () => {
    write('access.log.1', day(5) + day(4));
    write('access.log', day(2) + day(1));
    const { coverage, notes, pulledMs } = await read(['access*']);
    expect(coverage?.fromMs).toBe(NOW - 2 * DAY);
    expect(pulledMs('a', 'v5')).toBe(NOW - 4.5 * DAY);
    expect(notes).toEqual([
      'logs: no sign of pulls being logged from 2026-11-17 18:00 UTC to 2026-11-19 00:00 UTC; only what is after it counts',
    ]);
    expect((await read(['access*'], { silenceMs: 2 * DAY })).coverage?.gaps).toEqual([]);
  });

  test('gzip that is cut off gives its whole lines, and a note', async () => {
    const text = Array.from({ length: 2000 }, (_, i) =>
      line(NOW - DAY + i, `/v2/a/manifests/v${i}`),
    ).join('');
    const packed = gzipSync(text, { level: 1 });
    write('cut.gz', packed.subarray(0, packed.length - 500));
    const { files, notes, pulledMs } = await read(['cut.gz']);
    expect(notes).toEqual([`${base}/cut.gz: gzip file cut off; read as far as it goes`, UNREAD]);
    expect(files[0]?.lines).toBeGreaterThan(1800);
    expect(files[0]?.lines).toBeLessThan(2000);
    expect(files[0]?.recognised).toBe(files[0]?.lines);
    expect(pulledMs('a', `v${(files[0]?.lines ?? 0) - 1}`)).toBeDefined();
  });

  test('gzip that is damaged, or followed by what is no gzip, is no error', async () => {
    const packed = gzipSync(day(1));
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, 40, 60);
    write('damaged', damaged);
    write('tail', Buffer.concat([packed, Buffer.alloc(3_000_000)]));
    const { files, notes } = await read(['*']);
    expect(notes).toContain(`${base}/damaged: gzip file damaged; read up to the damage`);
    expect(files.find(({ name }) => name.endsWith('tail'))?.pulls).toBe(1);
  });

  test('what cannot be made sense of is told, file by file', async () => {
    write('a-good', day(1));
    write('b-empty', '');
    write('c-noise', 'hello\nworld\n');
    write(
      'd-syslog',
      'Nov 20 10:00:00 172.18.0.1 proxy[1]: 10.0.0.1 - "GET /v2/ HTTP/1.1" 200 2 "-"\n',
    );
    write('e-site', line(NOW - HOUR, '/index.html'));
    write('f.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]));
    write('g-clock', line(NOW + 9 * DAY) + line(NOW + 9 * DAY));
    const { notes } = await read(['*', 'none-*.log']);
    expect(notes.map((note) => note.replace(`${base}/`, ''))).toEqual([
      'c-noise: no line is of a format that is known',
      "d-syslog: its times have no year; use the registry's own log, or let syslog write RFC 3339",
      'e-site: no line is a request to a registry',
      'f.zst: packed with zstd; unpack it first',
      'g-clock: 2 lines have times before 2013 or in the future; ignored',
      'g-clock: no line is a request to a registry',
      UNREAD,
      'logs: no file matches none-*.log',
    ]);
  });

  test.each<[string, string | Uint8Array]>([
    ['packed otherwise', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0])],
    ['cut off', gzipSync(day(2)).subarray(0, -9)],
    ['damaged', Buffer.concat([gzipSync(day(2)).subarray(0, 40), Buffer.alloc(40, 0xff)])],
    ['of no known format', 'a pull, of some image\n'],
    ['without a year', 'Nov 20 10:00:00 host "GET /v2/a/manifests/v1 HTTP/1.1" 200 2\n'],
  ])('one that is %s may have any pull in it: nothing is covered', async (_, content) => {
    write('log', day(1));
    write('log.1', content);
    const evidence = await read(['log*']);
    expect(evidence).toMatchObject({
      coverage: undefined,
      lack: 'a log could not be read in full',
    });
    expect(evidence.notes).toContain(UNREAD);
    expect(evidence.pulledMs('a', 'v1')).toBe(NOW - DAY / 2);
  });

  test('and so may one that is not there', async () => {
    write('log', day(1));
    const { coverage, lack, notes } = await read(['log', 'log.1']);
    expect([coverage, lack]).toEqual([undefined, 'a log that was named is not there']);
    expect(notes).toHaveLength(2);
  });

  test('what is empty, has just begun or is still being written is no hole', async () => {
    write('log', day(1) + line(NOW - HOUR).slice(0, 30));
    write('log.1', '');
    write('log.2', line(NOW - HOUR).slice(0, 30));
    write('log.3', line(NOW - HOUR, '/index.html'));
    const { coverage, lack } = await read(['log*']);
    expect([coverage?.fromMs, lack]).toEqual([NOW - DAY, undefined]);
  });

  test('logs that prove nothing are told, and cover nothing', async () => {
    write('log', line(NOW - HOUR, '/v2/', 401));
    const { coverage, notes } = await read(['log']);
    expect(coverage).toBeUndefined();
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^logs: nothing in them proves that pulls are logged/);
  });

  test('logs that end long ago are told', async () => {
    write('log', day(9));
    expect((await read(['log'])).notes).toEqual(['logs: they end at 2026-11-12 18:00 UTC']);
  });

  test('no file at all, a file that nobody may read, and a stop are errors', async () => {
    write('log', day(1));
    fs.mkdirSync(join(base, 'folder'));
    expect(await failureOf(read(['nope*', 'folder']))).toBe(
      `usage: no log matches nope*, folder in ${base}`,
    );
    expect(await failureOf(read(['log'], { isStopped: () => true }))).toMatch(/^stopped: /);
    expect((await read([])).coverage).toBeUndefined();
    const denied = { ...makeLogFs(), open: () => fail('EACCES') };
    expect(await failureOf(read(['log'], { fs: denied }))).toBe(
      `io: cannot read the log ${base}/log: EACCES`,
    );
    const gone = { ...makeLogFs(), open: () => fail('ENOENT') };
    expect(await failureOf(read(['log'], { fs: gone }))).toMatch(/^io: /);
    const broken = { ...makeLogFs(), open: () => ({ read: () => fail('EIO'), close: () => {} }) };
    expect(await failureOf(read(['log'], { fs: broken }))).toMatch(/^io: /);
  });

  test('symlinks to files are read, and devices and directories are not', async () => {
    write('real', day(1));
    fs.symlinkSync('real', join(base, 'link.log'));
    fs.symlinkSync('/dev/zero', join(base, 'zero.log'));
    fs.symlinkSync('nowhere', join(base, 'dangling.log'));
    fs.mkdirSync(join(base, 'folder.log'));
    const { files } = await read(['*.log']);
    expect(files.map(({ name }) => name)).toEqual([join(base, 'link.log')]);
    expect(() => makeLogFs().open('/dev/zero')).toThrow('no regular file');
  });

  test('a name with brackets is that file; an absolute pattern counts from nowhere', async () => {
    write('access[1].log', day(1));
    const { files } = await read(['access[1].log', join(base, 'access*')]);
    expect(files).toHaveLength(1);
    const { fs: memory } = memfs({ '/var/log/registry/sub/a.log': day(1) });
    const other = await read(['**/*.log'], { fs: makeLogFs(memory as never), base: '/var/log' });
    expect(other.files[0]).toMatchObject({ name: '/var/log/registry/sub/a.log', pulls: 1 });
  });

  test('progress goes from nothing to all', async () => {
    write('a', day(1).repeat(9000));
    write('b', gzipSync(day(2)));
    const seen: number[] = [];
    const totals = new Set<number>();
    await read(['*'], { onProgress: (done, total) => seen.push(done) && totals.add(total) });
    expect([...totals]).toEqual([seen.at(-1)]);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(3);
  });
});

function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}

describe('lines', () => {
  test('a line of more than 64 KiB is skipped, and the next one is read', async () => {
    const long = `"${'x'.repeat(3_000_000)}`;
    write('log', `${long}\n${day(1)}${'y'.repeat(70_000)}\n${day(2)}${long}`);
    const { files } = await read(['log']);
    expect(files[0]).toMatchObject({ lines: 11, recognised: 8, pulls: 2 });
  });

  test.each([1, 2, 3, 7, 100, 70_000])('chunks of %i bytes give the same lines', (size) => {
    const text = Buffer.from(`one\n\ntwo\r\n${'z'.repeat(70_000)}\nthree\nlast`);
    const lines: string[] = [];
    const feed = makeLineFeed((bytes, from, to) => {
      lines.push(from < 0 ? 'too long' : bytes.toString('latin1', from, to));
    });
    for (let at = 0; at < text.length; at += size) feed.push(text.subarray(at, at + size));
    feed.end();
    feed.end();
    expect(lines).toEqual(['one', '', 'two\r', 'too long', 'three', 'last']);
  });
});

test('memory does not grow with the log', async () => {
  const block = Array.from({ length: 4096 }, (_, i) =>
    line(NOW - DAY + i, `/v2/a/manifests/v${i % 50}`),
  ).join('');
  const blocks = Math.ceil((64 * 1024 * 1024) / block.length);
  const parts = Readable.from(
    (function* () {
      for (let i = 0; i < blocks; i++) yield block;
    })(),
  );
  await pipeline(parts, createGzip({ level: 1 }), fs.createWriteStream(join(base, 'big.gz')));
  let highest = 0;
  let calls = 0;
  const before = memoryNow();
  const onProgress = (): void => {
    if (calls++ % 4 === 0) highest = Math.max(highest, memoryNow() - before);
  };
  const { files } = await read(['big.gz'], { onProgress });
  expect(files[0]?.lines).toBe(blocks * 4096);
  expect(highest).toBeLessThan(48 * 1024 * 1024);
});

function memoryNow(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
