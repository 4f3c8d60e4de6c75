import * as fc from 'fast-check';
import { memfs } from 'memfs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseLogLine } from '../../src/evidence/log-line.ts';
import { readLogs } from '../../src/evidence/read-logs.ts';
import type { LogEvidence } from '../../src/evidence/read-logs.ts';
import { makeLogFs } from '../../src/fs/log-fs.ts';
import { parseDigest } from '../../src/registry/digest.ts';
import { parseRepositoryName, parseTag } from '../../src/registry/reference.ts';

const NOW = Date.UTC(2026, 10, 21);
const HOUR = 3_600_000;
const DIGEST = `sha256:${'0a'.repeat(32)}`;

interface Request {
  readonly hoursAgo: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly format: 'access' | 'text' | 'json' | 'docker';
}

const requests: fc.Arbitrary<Request> = fc.record({
  hoursAgo: fc.integer({ min: -60, max: 2000 }),
  method: fc.constantFrom('GET', 'HEAD', 'PUT'),
  path: fc.constantFrom(
    '/v2/',
    '/v2/a/manifests/v1',
    '/v2/b%2Fc/manifests/v2',
    `/v2/a/manifests/${DIGEST}`,
    '/',
  ),
  status: fc.constantFrom(200, 304, 401, 404),
  format: fc.constantFrom('access', 'text', 'json', 'docker'),
});

function write({ hoursAgo, method, path, status, format }: Request): string {
  const time = new Date(NOW - hoursAgo * HOUR).toISOString();
  const access = `10.0.0.1 - - [${time}] "${method} ${path} HTTP/1.1" ${status} 2`;
  if (format === 'access') return access;
  if (format === 'docker') return JSON.stringify({ log: `${access}\n`, stream: 'stdout', time });
  const fields = {
    'http.request.method': method,
    'http.request.uri': path,
    'http.response.status': status,
  };
  if (format === 'json') return JSON.stringify({ ...fields, time });
  return `time="${time}" ${Object.entries(fields)
    .map(([key, value]) => `${key}="${value}"`)
    .join(' ')}`;
}

async function read(files: readonly (readonly string[])[], packed: boolean): Promise<LogEvidence> {
  const { fs } = memfs();
  fs.mkdirSync('/logs');
  files.forEach((lines, i) => {
    const text = lines.map((line) => `${line}\n`).join('');
    fs.writeFileSync(`/logs/${i}.log`, packed && i % 2 === 0 ? gzipSync(text) : text);
  });
  return readLogs(['*.log'], { fs: makeLogFs(fs as never), base: '/logs', nowMs: NOW });
}

/** All that it says of the logs as a whole, in an order of ours. */
function meaningOf({ repositories, coverage, files }: LogEvidence): unknown {
  const sorted = <K>(map: ReadonlyMap<K, number>): [K, number][] =>
    [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const pulls = [...repositories]
    .map(([name, { tags, digests }]) => [name, sorted(tags), sorted(digests)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const sum = (key: 'lines' | 'recognised' | 'requests' | 'pulls' | 'mistimed'): number =>
    files.reduce((total, file) => total + file[key], 0);
  return {
    pulls,
    coverage,
    counts: [sum('lines'), sum('recognised'), sum('requests'), sum('pulls'), sum('mistimed')],
  };
}

describe('logs', () => {
  it('say the same however their lines are spread over files', async () => {
    const shuffles = fc
      .array(requests, { minLength: 1, maxLength: 60 })
      .chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.shuffledSubarray(list, { minLength: list.length }),
          fc.array(fc.nat(4), { minLength: list.length, maxLength: list.length }),
        ),
      );
    await fc.assert(
      fc.asyncProperty(shuffles, fc.boolean(), async ([list, shuffled, places], packed) => {
        const files: string[][] = [[], [], [], [], []];
        shuffled.forEach((request, i) => files[places[i] ?? 0]?.push(write(request)));
        const whole = await read([list.map(write)], false);
        expect(meaningOf(await read(files, packed))).toEqual(meaningOf(whole));
      }),
      { numRuns: 60 },
    );
  });

  it('cover no more when a line is missing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(requests, { minLength: 2, maxLength: 40 }),
        fc.nat(),
        async (list, at) => {
          const whole = await read([list.map(write)], false);
          const less = await read(
            [list.filter((_, i) => i !== at % list.length).map(write)],
            false,
          );
          if (less.coverage === undefined) return;
          const gone = list[at % list.length];
          const time = NOW - (gone?.hoursAgo ?? 0) * HOUR;
          // A line that was the only one behind a hole made that hole the newest.
          const alone = time === whole.coverage?.fromMs;
          if (!alone)
            expect(whole.coverage?.fromMs ?? NOW).toBeLessThanOrEqual(less.coverage.fromMs);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a line', () => {
  const pieces = fc.constantFrom(
    '"',
    '{',
    '{"',
    ' ',
    '\\',
    '[',
    ']',
    'time="',
    'GET ',
    '/v2/',
    'a/manifests/b',
    ' HTTP/1.1" 200 ',
    '%',
    '?',
    '[10/Oct/2026:13:55:36 +0000] ',
    '2026-10-10T13:55:36Z',
    '{"log":"',
    '\\n","time":"',
    '"}',
    'http.request.uri=',
    'http.response.status=200',
  );
  const lines = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.oneof({ weight: 5, arbitrary: pieces }, { weight: 1, arbitrary: fc.string() }), {
        maxLength: 20,
      })
      .map((parts) => parts.join('')),
  );

  it('of any bytes is no error, and what is found in it is in the grammar', () => {
    fc.assert(
      fc.property(lines, (line) => {
        const found = parseLogLine(line);
        if (found === undefined) return;
        expect(Number.isInteger(found.timeMs)).toBe(true);
        if (found.kind === 'other') return;
        expect(parseRepositoryName(found.repository)).toBe(found.repository);
        if ('tag' in found.reference)
          expect(parseTag(found.reference.tag)).toBe(found.reference.tag);
        else expect(parseDigest(found.reference.digest)).toBe(found.reference.digest);
      }),
      { numRuns: 5000 },
    );
  });

  it('has the time that it was written with', () => {
    const times = fc.integer({ min: Date.UTC(2013, 0, 1), max: Date.UTC(2099, 0, 1) });
    fc.assert(
      fc.property(times, fc.integer({ min: -720, max: 720 }), (timeMs, zone) => {
        const local = new Date(timeMs + zone * 60_000).toISOString();
        const sign = zone < 0 ? '-' : '+';
        const [hours, minutes] = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60].map(
          (part) => String(part).padStart(2, '0'),
        );
        const iso = `time="${local.slice(0, -1)}${sign}${hours}:${minutes}" level=info`;
        expect(parseLogLine(iso)?.timeMs).toBe(timeMs);
        const month = new Date(timeMs + zone * 60_000).toLocaleString('en', {
          month: 'short',
          timeZone: 'UTC',
        });
        const clf = `${local.slice(8, 10)}/${month}/${local.slice(0, 4)}:${local.slice(11, 19)} ${sign}${hours}${minutes}`;
        expect(parseLogLine(`h - - [${clf}] "-" 400 0`)?.timeMs).toBe(timeMs - (timeMs % 1000));
      }),
    );
  });
});
