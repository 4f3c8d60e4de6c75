import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/fs/errors.ts';
import { isRewritten, plannedTime } from '../../src/plan/action.ts';
import type { Action, ActionKind } from '../../src/plan/action.ts';
import { planLines } from '../../src/plan/plan-file.ts';
import { parsePlan } from '../../src/plan/read-plan.ts';
import type { Plan } from '../../src/plan/read-plan.ts';
import type { Digest } from '../../src/registry/digest.ts';
import { planHeader } from '../support/plan-header.ts';
import { digestOf } from '../support/store.ts';

const d = digestOf('a') as Digest;
const d512 = digestOf('a', 'sha512') as Digest;
const hex = d.slice('sha256:'.length);
const uuid = '0e1cf65c-8f34-4b4c-8f8a-3f1f8d6a1f10';

const header = planHeader({ survivors: 'y' });

const link = {
  kind: 'link',
  repository: 'a/b',
  digest: d,
  content: d,
  mode: 420,
  uid: 0,
  gid: 0,
} as const;

const owner = { mode: 0o644, uid: 1000, gid: 0 } as const;

/** One of each kind, and each form that a kind has. */
const ONE_OF_EACH: readonly Action[] = [
  {
    kind: 'upload',
    repository: 'a/b',
    id: uuid,
    bytes: 3,
    files: ['data', 'startedat', 'hashstates/sha256/0', 'hashstates/sha256/', 'hashstates/'],
  },
  { kind: 'temp', path: `blobs/sha256/${hex.slice(0, 2)}/${hex}/data.${uuid}.tmp`, bytes: 4 },
  { kind: 'temp', path: `repositories/a/b/_manifests/tags/v1/current/link.${uuid}.tmp`, bytes: 0 },
  {
    kind: 'tag',
    repository: 'a/b',
    tag: 'v1',
    digest: d,
    history: [d, d512],
    directories: ['index/sha256', 'index'],
    reason: 'because',
    mtimeMs: 0,
  },
  { kind: 'revision', repository: 'a', digest: d, reason: 'untagged', mtimeMs: -1 },
  { kind: 'tag-index', repository: 'a/b', tag: '_x', digest: d },
  { kind: 'blob', digest: d, bytes: 5, mtimeNs: '1700000000000000001' },
  { kind: 'blob', digest: d, bytes: 0, mtimeNs: '-1' },
  { kind: 'layer-link', repository: 'a/b', digest: d512, mtimeMs: 1_700_000_000_000 },
  { kind: 'empty-directory', path: `blobs/sha256/${hex.slice(0, 2)}/${hex}` },
  { kind: 'empty-directory', path: `repositories/a/b/_layers/sha256/${hex}` },
  { kind: 'empty-directory', path: 'repositories/a/namespace' },
  { kind: 'repository', repository: 'a/b', directories: ['_layers'], nested: true },
  { ...link, place: 'revision', mtimeMs: 1.5 },
  { ...link, place: 'layer', mtimeMs: 0 },
  { ...link, place: 'tag', tag: 'v1', mtimeMs: -1 },
  { ...link, place: 'tag-index', tag: 'v1', content: d512, mtimeMs: 0 },
  { ...link, place: 'tag', tag: 'v1', mtimeMs: 0, replaces: '' },
  { ...link, place: 'layer', mtimeMs: 0, replaces: 'c2hhMjU2', exact: '', removes: true },
  { kind: 'corrupt-blob', digest: d, bytes: 7 },
  ...[
    `blobs/sha256/${hex.slice(0, 2)}`,
    `blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
    'repositories/a/b',
    'repositories/a/b/_manifests/revisions/sha256',
    `repositories/a/b/_layers/sha256/${hex}/link`,
    'repositories/a/b/_manifests/tags/v1',
    'repositories/a/b/_manifests/tags/v1/current/link',
    `repositories/a/b/_manifests/tags/v1/index/sha256/${hex}/link`,
  ].map((path) => ({ kind: 'attributes' as const, path, ...owner, was: { ...owner, mode: 0 } })),
];

/** The text of a plan, with a trailer that fits whatever the lines say. */
function seal(lines: readonly unknown[], trailer: object = {}): string {
  const text = lines
    .map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
    .join('');
  const sha256 = createHash('sha256').update(text).digest('hex');
  return `${text}${JSON.stringify({ kind: 'trailer', actions: lines.length - 1, bytes: 0, sha256, ...trailer })}\n`;
}

function parse(text: string | Buffer, lineLimit?: number): Plan {
  return parsePlan(Buffer.from(text), 'the.plan', lineLimit);
}

function refusal(text: string | Buffer, lineLimit?: number): string {
  try {
    parse(text, lineLimit);
  } catch (error) {
    if (error instanceof AppError && error.code === 'usage') return error.message;
    throw error;
  }
  return 'taken';
}

const whole = [...planLines(header, ONE_OF_EACH, 12)].join('');

describe('a plan file', () => {
  test('of every kind reads as it was written', () => {
    const plan = parse(whole);
    expect(plan.header).toEqual(header);
    expect(plan.actions).toEqual(ONE_OF_EACH);
    expect(plan.trailer).toMatchObject({ actions: ONE_OF_EACH.length, bytes: 12 });
    const again = [...planLines(plan.header, plan.actions, 12)].join('');
    expect(parse(again).actions).toEqual(ONE_OF_EACH);
  });

  test('knows all kinds', () => {
    const kinds: Record<ActionKind, true> = {
      upload: true,
      temp: true,
      tag: true,
      revision: true,
      'tag-index': true,
      blob: true,
      'layer-link': true,
      'empty-directory': true,
      repository: true,
      link: true,
      'corrupt-blob': true,
      attributes: true,
    };
    expect(new Set(ONE_OF_EACH.map(({ kind }) => kind))).toEqual(new Set(Object.keys(kinds)));
  });

  test('of no action is one', () => {
    expect(parse([...planLines(header, [], 0)].join('')).actions).toEqual([]);
  });

  test('that removes something says what is to stay; one that only puts back need not', () => {
    const { survivors: _, ...silent } = header;
    const textOf = (actions: readonly Action[]): string =>
      [...planLines(silent, actions, 12)].join('');
    for (const action of ONE_OF_EACH) {
      const expected =
        action.kind === 'link' || action.kind === 'attributes'
          ? 'taken'
          : expect.stringContaining('what is to stay');
      expect(refusal(textOf([action]))).toEqual(expected);
    }
    const odd = [...planLines({ ...header, survivors: 7 as never }, [], 0)].join('');
    expect(refusal(odd)).toContain('its header lacks a part');
  });

  test('that is cut off anywhere is none', () => {
    for (let end = 0; end < whole.length; end++) {
      expect(refusal(whole.slice(0, end)), `${end} bytes`).toMatch(
        /^the\.plan: not a plan to carry out/,
      );
    }
  });

  test('with any byte changed is none', () => {
    // The trailer's own figures are held against the lines; its `bytes` are only shown.
    const body = whole.lastIndexOf('\n', whole.length - 2);
    for (let at = 0; at < body; at += 7) {
      const changed = whole.slice(0, at) + (whole[at] === 'x' ? 'y' : 'x') + whole.slice(at + 1);
      expect(refusal(changed), `at ${at}`).toContain('it was changed after it was written');
    }
  });

  test('with something after its trailer is none', () => {
    expect(refusal(`${whole}\n`)).toContain('cut off');
    expect(refusal(`${whole}{"kind":"blob"}\n`)).toContain('cut off');
    expect(refusal(whole + whole)).toContain('changed after it was written');
  });

  test('is read line by line, whatever bytes its characters have', () => {
    const reasons = ['ä', '€', '𝄞', '\u2028', 'e\u0301'].map((text) => text.repeat(7));
    const actions = reasons.map((reason): Action => ({
      kind: 'revision',
      repository: 'a',
      digest: d,
      reason,
      mtimeMs: 0,
    }));
    const text = [...planLines(header, actions, 0)].join('');
    expect(parse(text).actions).toEqual(actions);
    // No line is as long as the whole.
    const longest = Math.max(...text.split('\n').map((line) => Buffer.byteLength(line)));
    expect(parse(text, longest).actions).toEqual(actions);
  });

  test('is held against its checksum by its bytes, not by the text that they decode to', () => {
    const action = { kind: 'revision', repository: 'a', digest: d, reason: '\ufffd', mtimeMs: 0 };
    const written = Buffer.from([...planLines(header, [action as Action], 0)].join(''));
    const at = written.indexOf('\ufffd');
    // Bytes that are not UTF-8 decode to the very character that was there.
    const changed = Buffer.concat([
      written.subarray(0, at),
      Buffer.from([0xff]),
      written.subarray(at + 3),
    ]);
    expect(changed.toString()).toBe(written.toString());
    expect(refusal(written)).toBe('taken');
    expect(refusal(changed)).toContain('changed after it was written');
  });

  test('with a line that no string could hold is refused, with its number', () => {
    const long = { ...ONE_OF_EACH[4], reason: 'x'.repeat(2000) };
    const text = seal([header, ONE_OF_EACH[0], long]);
    expect(refusal(text)).toBe('taken');
    expect(refusal(text, 2000)).toMatch(/^the\.plan:3: .*longer than a line can be \(2000 bytes\)/);
    expect(refusal(seal([{ ...header, policy: 'x'.repeat(2000) }]), 2000)).toMatch(
      /^the\.plan:1: .*longer than a line can be/,
    );
  });

  test('that ends in a line that no string could hold is cut off', () => {
    const begun = `{"kind":"header"${'\0'.repeat(2000)}`;
    for (const text of [begun, `${begun}\n`, `${whole}${'\0'.repeat(2000)}\n`]) {
      expect(refusal(text, 1000)).toContain('cut off');
    }
    expect(refusal('\0'.repeat(2000), 1000)).toContain('no plan (no header)');
  });

  test.each([
    ['', 'it is no plan (no header)'],
    ['\n', 'it is no plan'],
    ['null\n', 'it is no plan'],
    ['{"kind":"trailer"}\n', 'it is no plan'],
    ['#!/bin/sh\nexit\n', 'it is no plan'],
    ['{"kind":"header"}\nnot json\n', 'cut off'],
    [seal([header], { actions: -1 }), 'cut off'],
    [seal([header], { bytes: '0' }), 'cut off'],
    [seal([header], { sha256: 7 }), 'cut off'],
    [seal([header], { actions: 1 }), 'it has 0 actions and its trailer says 1'],
    [seal([header], { sha256: '0' }), 'changed after it was written'],
    [seal([], { actions: 0 }), ':1: '],
  ])('%j is none', (text, why) => {
    expect(refusal(text)).toContain(why);
  });

  test.each([
    { kind: 'blob' },
    { format: 2 },
    { format: '1' },
    { root: 'relative' },
    { root: 7 },
    { dev: -1 },
    { dev: '1' },
    { ino: 2 },
    { ino: '2x' },
    { created: 7 },
    { created: 'today' },
    { created: '2026-02-30T12:00:00.000Z' },
    { policy: undefined },
    { counts: undefined },
    { counts: { mends: 'x' } },
    { options: null },
    { options: [] },
    { options: { ...header.options, graceMs: -1 } },
    { options: { ...header.options, uploadsOlderThanMs: 'x' } },
    { options: { ...header.options, writeOff: [7] } },
    { options: { ...header.options, allowMounts: 'x' } },
  ])('whose header has %j is refused, with its line', (part) => {
    expect(refusal(seal([{ ...header, ...part }]))).toMatch(/^the\.plan:1: /);
  });

  test.each([
    '',
    'null',
    '7',
    '[]',
    '"text"',
    '{',
    '{}',
    '{"kind":7}',
    '{"kind":"link"}',
    '{"kind":"toString"}',
    '{"kind":"__proto__"}',
    '{"kind":"header"}',
  ])('with the line %j is refused, with its number', (line) => {
    expect(refusal(seal([header, ONE_OF_EACH[0], line]))).toMatch(/^the\.plan:3: /);
  });
});

const BAD: Readonly<Record<string, readonly unknown[]>> = {
  repository: [
    undefined,
    7,
    '',
    '/',
    'a//b',
    '../a',
    'a/..',
    'A',
    'a/_b',
    '_a',
    'a/',
    '/a',
    `a${'b'.repeat(255)}`,
    'a\0',
    'a\n',
    'ä',
    '.',
    'a/./b',
  ],
  digest: [
    undefined,
    7,
    '',
    'sha256:',
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex}0`,
    `md5:${hex}`,
    `sha256:../../${hex}`,
    `sha512:${hex}`,
    `${d}\n`,
    ` ${d}`,
  ],
  tag: [undefined, 7, '', '.', '..', '-a', 'a/b', 'a'.repeat(129), 'a\0', 'a\n', 'ä'],
  id: [undefined, 7, '', '.', '..', 'a/b', '../x', 'a\0'],
  bytes: [undefined, '1', -1, 1.5, Number.MAX_SAFE_INTEGER + 1, null],
  mtimeNs: [undefined, 1, '', 'x', '1.5', '1'.repeat(21), '--1'],
  files: [
    undefined,
    'data',
    [7],
    ['../data'],
    ['/data'],
    ['data/x'],
    ['hashstates/../x'],
    ['hashstates/sha256/x/y'],
    ['..'],
    ['.'],
    [''],
  ],
  history: [undefined, [7], ['x'], [`sha256:../${hex}`]],
  nested: [undefined, 'true', 1],
  content: [undefined, 7, '', 'sha256:x', `${d}\n`],
  place: [undefined, 'blob', 7, '__proto__'],
  mode: [undefined, -1, '420', 1.5],
  uid: [undefined, -1, '0', 1.5],
  gid: [undefined, -1, '0', 1.5],
  mtimeMs: [undefined, '1', null],
  replaces: [7, 'not base64', '====', 'A'.repeat(344)],
  exact: [7, null, '../x', 'A'.repeat(344)],
  removes: [false, 'true', 1],
  was: [undefined, 7, [], {}, { ...owner, mode: 0o10000 }, { ...owner, uid: -1 }],
};

const BAD_DIRECTORIES = [
  undefined,
  'index',
  [7],
  ['..'],
  ['../x'],
  ['index/..'],
  ['/'],
  [''],
  ['current'],
  ['_layers/sha256/x'],
];
const BAD_PATHS: Readonly<Record<string, readonly unknown[]>> = {
  temp: [
    undefined,
    7,
    '',
    `blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
    `blobs/sha256/00/${hex}/data.${uuid}.tmp`,
    `blobs/sha256/${hex.slice(0, 2)}/${hex}/../data.${uuid}.tmp`,
    `/etc/data.${uuid}.tmp`,
    `data.${uuid}.tmp`,
    `repositories/a/_uploads/${uuid}/data.${uuid}.tmp`,
    `repositories/../a/_manifests/tags/v1/current/link.${uuid}.tmp`,
    `repositories/a/_manifests/tags/../current/link.${uuid}.tmp`,
    `repositories/a/_manifests/tags/v1/current/link`,
  ],
  attributes: [
    undefined,
    '',
    '.',
    'blobs',
    'blobs/sha256',
    'repositories',
    'repositories/..',
    'repositories/a/../b',
    'repositories/a/_x',
    `repositories/a/_uploads/${uuid}`,
    `repositories/a/_layers/sha256/${hex}x/link`,
    'repositories/a/_manifests/tags/../current/link',
    'repositories/a/_manifests/tags/v1/index/md5',
    `blobs/sha256/00/${hex}/data`,
    `blobs/sha256/${hex.slice(0, 2)}/${hex}/../data`,
    '/etc/passwd',
  ],
  'empty-directory': [
    undefined,
    7,
    '',
    '.',
    'blobs',
    'blobs/sha256',
    `blobs/sha256/${hex.slice(0, 2)}`,
    `blobs/sha256/00/${hex}`,
    `blobs/sha512/${hex.slice(0, 2)}/${hex}`,
    `blobs/sha256/${hex.slice(0, 2)}/${hex}/`,
    'repositories',
    'repositories/',
    'repositories/..',
    'repositories/a/../b',
    'repositories/a/_layers',
    'repositories/a/_layers/sha256',
    'repositories/a/_manifests',
    '/repositories/a',
    `repositories/a/_layers/sha256/${hex}x`,
    `repositories/a\n/_layers/sha256/${hex}`,
  ],
};

const malformed = ONE_OF_EACH.flatMap((action) =>
  Object.keys(action).flatMap((field) => {
    const bad =
      field === 'path'
        ? BAD_PATHS[action.kind]
        : field === 'directories'
          ? BAD_DIRECTORIES
          : BAD[field];
    return (bad ?? []).map(
      (value) => [`${action.kind}.${field}`, value, { ...action, [field]: value }] as const,
    );
  }),
);

describe('an action', () => {
  test('has every field that says what is touched in this test', () => {
    const shown = new Set(['kind', 'reason', 'path', 'directories']);
    const fields = new Set(ONE_OF_EACH.flatMap((action) => Object.keys(action)));
    expect([...fields].filter((field) => !shown.has(field) && BAD[field] === undefined)).toEqual(
      [],
    );
    expect(malformed.length).toBeGreaterThan(300);
  });

  test.each(malformed)('is refused with %s = %j', (_, __, action) => {
    expect(refusal(seal([header, action]))).toMatch(
      /^the\.plan:2: .*no action that a plan can have/,
    );
  });

  test('of a blob that is not sha256 is refused', () => {
    expect(refusal(seal([header, { ...ONE_OF_EACH[6], digest: d512 }]))).toMatch(/^the\.plan:2: /);
  });

  test('has nothing more than its parts', () => {
    const line = { ...ONE_OF_EACH[6], path: '/etc/passwd' };
    expect(parse(seal([header, line])).actions).toEqual([ONE_OF_EACH[6]]);
  });
});

test('a time that no plan can say exactly is none, when planned as when looked at again', () => {
  for (const timeMs of [1e17, -1e17, Infinity, NaN]) {
    expect(plannedTime(timeMs)).toBe(0);
    expect(isRewritten(timeMs, { mtimeMs: plannedTime(timeMs) })).toBe(false);
    expect(isRewritten(1_700_000_000_000, { mtimeMs: plannedTime(timeMs) })).toBe(true);
  }
  expect(plannedTime(-0.5)).toBe(-1);
});
