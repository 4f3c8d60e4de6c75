/** What is fuzzed, and the law of each: expected errors only, and agreement with a naive reading. */
import { createHash } from 'node:crypto';
import { parseLogLine } from '../../src/evidence/log-line.ts';
import { AppError } from '../../src/fs/errors.ts';
import { planLines } from '../../src/plan/plan-file.ts';
import { parsePlan } from '../../src/plan/read-plan.ts';
import { removalsOf } from '../../src/plan/action.ts';
import { readPolicy } from '../../src/policy/parse.ts';
import { PACKED, unpackDigest } from '../../src/registry/digest.ts';
import { EDGE, EdgeBuffer } from '../../src/registry/edges.ts';
import { parseLink } from '../../src/registry/link.ts';
import { scanManifest } from '../../src/registry/manifest.ts';
import { KIND } from '../../src/registry/media-type.ts';
import { parseRepositoryName, parseTag } from '../../src/registry/reference.ts';
import { DIGEST } from '../support/oracle-manifest.ts';
import { planHeader } from '../support/plan-header.ts';
import { MEDIA, digestOf } from '../support/store.ts';
import type { Target } from './fuzz.ts';

const A = digestOf('a');
const B = digestOf('b');
const WIDE = digestOf('c', 'sha512');
const JSON_TOKENS = ['{', '}', '[', ']', ':', ',', '"', '\\', '\\u0064', '\\u017f', 'null', '-1e9'];

const edges = new EdgeBuffer();

/** What the program sees: digests that are edges, and its kind. */
function scanned(input: Buffer): { readonly kind: number; readonly found: ReadonlySet<string> } {
  edges.clear();
  const { kind } = scanManifest(input, edges);
  const found = new Set<string>();
  for (let i = 0; i < edges.count; i++) {
    if (((edges.flags[i] ?? 0) & EDGE.subject) !== 0) continue;
    found.add(edges.others.get(i) ?? unpackDigest(edges.digests, i * PACKED));
  }
  return { kind, found };
}

/** What JSON.parse sees: digests under `digest` or `blobSum`, but for the subject's. */
function naiveEdges(value: unknown, key: string, depth: number, top: string): string[] {
  if (typeof value === 'string') {
    const digest = value.toLowerCase();
    const counts = /^(?:digest|blobsum)$/i.test(key) && DIGEST.test(digest);
    return counts && top !== 'subject' ? [digest] : [];
  }
  if (Array.isArray(value)) return value.flatMap((one) => naiveEdges(one, key, depth + 1, top));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) =>
    naiveEdges(one, name, depth + 1, depth === 0 ? name : top),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const manifests: Target = {
  name: 'manifests',
  corpus: [
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: { mediaType: MEDIA.ociConfig, size: 2, digest: A },
      layers: [{ mediaType: MEDIA.ociLayer, size: 3, digest: B, urls: ['https://example.com'] }],
      subject: { mediaType: MEDIA.ociManifest, size: 4, digest: WIDE },
      annotations: { note: A },
    }),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: MEDIA.ociManifest, digest: A, platform: { os: 'linux' } }],
    }),
    JSON.stringify({ schemaVersion: 1, fsLayers: [{ blobSum: A }, { blobSum: B }] }),
    JSON.stringify({ blobs: [{ digest: WIDE }], artifactType: 'x' }),
    '{}',
  ],
  tokens: [...JSON_TOKENS, A, B, WIDE, '"digest":', '"Subject":{', '"layers":[', '"size":'],
  check(input) {
    const { kind, found } = scanned(input);
    const value = parseJson(input.toString('utf8'));
    if (!isObject(value)) {
      // More than JSON.parse takes may be read; less is never taken for whole.
      return;
    }
    if (kind === KIND.malformed) throw new Error('JSON.parse reads it, and the scan does not');
    for (const digest of naiveEdges(value, '', 0, '')) {
      if (!found.has(digest)) throw new Error(`an edge is lost: ${digest}`);
    }
  },
};

const links: Target = {
  name: 'links',
  corpus: [A, WIDE, `${A}\n`, ` ${A}`, '', 'sha256:'],
  tokens: ['sha256:', 'sha512:', 'sha384:', 'a'.repeat(64), '\n', ' ', '\0', 'A', ':'],
  check(input) {
    const text = input.toString('latin1');
    const naive = DIGEST.test(text)
      ? 'good'
      : DIGEST.test(text.trim())
        ? 'padded'
        : text === ''
          ? 'empty'
          : 'garbled';
    const read = parseLink(input);
    if (read.state !== naive) throw new Error(`${read.state}, and ${naive} by the grammar`);
    if ('digest' in read && read.digest !== text.trim()) throw new Error('another digest');
  },
};

const names: Target = {
  name: 'names',
  corpus: ['shop/api', 'a', 'a__b/c-d/e.f', 'latest', 'v1.2.3_x', 'a'.repeat(255)],
  tokens: ['/', '..', '.', '-', '__', '___', 'A', '\0', '%2f', '_layers', 'é', 'a'.repeat(128)],
  check(input) {
    const text = input.toString('latin1');
    const repository = parseRepositoryName(text);
    if (repository !== undefined && (repository !== text || !isSafePath(text) || text.length > 255))
      throw new Error('a name of a repository that is none');
    const tag = parseTag(text);
    if (tag !== undefined && (tag !== text || /[/\0]|^\./.test(text) || text.length > 128))
      throw new Error('a tag that is none');
  },
};

/** Whether a name can only ever lead to a folder of its own below `repositories`. */
function isSafePath(name: string): boolean {
  return name.split('/').every((part) => /^[a-z0-9][a-z0-9._-]*$/.test(part));
}

function planText(): string {
  const blob = { kind: 'blob', digest: A, bytes: 3, mtimeNs: '17' } as never;
  const others = [
    { kind: 'upload', repository: 'shop/api', id: 'x', bytes: 1, files: ['data'] },
    {
      kind: 'tag',
      repository: 'shop/api',
      tag: '1',
      digest: A,
      history: [B],
      directories: ['index'],
      reason: 'x',
      mtimeMs: 7,
    },
    { kind: 'revision', repository: 'shop/api', digest: A, reason: 'untagged', mtimeMs: 7 },
    { kind: 'layer-link', repository: 'shop/api', digest: B, mtimeMs: 7 },
    { kind: 'repository', repository: 'shop/dead', directories: ['_layers'], nested: false },
    { kind: 'empty-directory', path: 'repositories/shop/api/_uploads' },
  ] as never[];
  const header = planHeader({ survivors: 'x' });
  return [...planLines(header, [...others, blob], 3)].join('');
}

/** Signs what was mutated anew, so that the checks behind the checksum are reached too. */
function signed(text: string): string {
  const body = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
  const actions = Math.max(0, body.split('\n').length - 2);
  const sha256 = createHash('sha256').update(body).digest('hex');
  return `${body}${JSON.stringify({ kind: 'trailer', actions, bytes: 0, sha256 })}\n`;
}

const plans: Target = {
  name: 'plans',
  corpus: [planText()],
  tokens: [
    ...JSON_TOKENS,
    '\n',
    '..',
    '../',
    '/etc/passwd',
    '"kind":"blob"',
    '"kind":"link"',
    '"repository":"',
    '"path":"blobs/',
    '"place":"tag"',
    '__proto__',
    '"kind":"constructor"',
    '\\u0000',
    A,
  ],
  check(input) {
    for (const version of [input, Buffer.from(signed(input.toString('utf8')))]) {
      const plan = expected(() => parsePlan(version, 'plan'));
      for (const action of plan?.actions ?? []) {
        const { files, directories } = removalsOf(action);
        for (const path of [...files, ...directories]) {
          const parts = path.split('/');
          if (path.startsWith('/') || parts.includes('..') || path.includes('\0'))
            throw new Error(`a path that leads elsewhere: ${path}`);
        }
      }
    }
  },
};

/** Undefined for an expected error; any other passes through. */
function expected<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

const policies: Target = {
  name: 'policies',
  corpus: [
    `version: 1
limits: { max-drop-tags: 60% }
protect:
  - { tags: [latest], reason: floating }
policies:
  - name: shop
    repositories: { include: ['shop/**'], exclude: [shop/old] }
    untagged: { keep-within: 7d }
    rules:
      - name: releases
        tags: ['re:v?\\\\d+']
        exclusive: true
        group-by: 're:pr-(\\\\d+)'
        keep: { last: 2, order: semver, per: major }
        drop: { older-than: 90d }
`,
    'version: 1\ndrop: [shop/dead, shop/api:v1]\n',
    'version: 1\nclock: { timezone: Europe/Zurich }\npolicies: []\n',
  ],
  tokens: [
    '&a ',
    '*a',
    '<<: *a',
    '!!js/function',
    '? ',
    '- ',
    '\t',
    '\r\n',
    '#',
    '|',
    '>',
    '---\n',
    '90d',
    '1e99d',
    '-1',
    '.inf',
    '~',
    '0x1',
    "'re:(a+)+$'",
    "'re:(?<x>a)'",
    '[[[',
    '{{{',
    '**',
    '*'.repeat(40),
    'keep:',
    'drop: always',
    'last: ',
    '\u0000',
    '%YAML 9.9\n',
    'é',
  ],
  async check(input) {
    const { policy, problems } = await readPolicy(input.toString('utf8'), 'policy.yaml');
    if ((policy === undefined) !== problems.length > 0) throw new Error('refused without a reason');
    for (const { at, message } of problems) {
      if (!(at.line >= 1 && at.column >= 1) || message === '') throw new Error('a problem nowhere');
    }
  },
};

const GET = 'GET /v2/shop/web/manifests/latest HTTP/1.1';

const logs: Target = {
  name: 'access logs',
  corpus: [
    `10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "${GET}" 200 88 "-" "docker/24.0.7"`,
    `10.0.0.1 - "${GET}" 200 1571 "-" "docker/20.10.12" 0.011 0.012 .`,
    'time="2026-10-10T13:55:36.9Z" level=info msg="response completed" http.request.method=GET http.request.uri=/v2/a/manifests/b http.response.status=200',
    JSON.stringify({
      msg: 'response completed',
      time: '2026-10-10T13:55:36Z',
      'http.request.method': 'HEAD',
      'http.request.uri': `/v2/shop/web/manifests/${A}`,
      'http.response.status': 200,
    }),
    JSON.stringify({ log: `x "${GET}" 200\n`, time: '2026-10-10T13:55:36.1Z' }),
    `2026-10-10T13:55:36Z stdout F 10.0.0.1 "${GET}" 200`,
  ],
  tokens: [
    ...JSON_TOKENS,
    '/v2/',
    '/manifests/',
    '%2F',
    '%',
    '?ns=',
    '"log":"',
    '"time":"',
    '[31/Feb/0000:99:99:99 ',
    '=',
    ' ',
    '\\"',
    '\\\\',
    '9'.repeat(30),
    '\u0000',
    '\u2028',
    'HEAD ',
    '2026-02-30T',
    A,
  ],
  check(input) {
    const line = parseLogLine(input);
    if (line?.kind !== 'pull') return;
    const { repository, reference } = line;
    if (parseRepositoryName(repository) === undefined) throw new Error(`pulled: ${repository}`);
    const good = 'tag' in reference ? parseTag(reference.tag) : DIGEST.test(reference.digest);
    if (good === undefined || good === false) throw new Error('pulled what has no name');
    // A time that is not known is NaN; one that is known is one that a Date can show.
    if (!Number.isNaN(line.timeMs)) new Date(line.timeMs).toISOString();
  },
};

export const TARGETS: readonly Target[] = [manifests, links, names, plans, policies, logs];
