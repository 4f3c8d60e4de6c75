import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/policy/evaluate.ts';
import { policyFromFlags, withNamed } from '../../src/policy/flags.ts';
import type { PolicyFlags } from '../../src/policy/flags.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { printPolicy } from '../../src/policy/print.ts';
import { formatTarget, parseTarget } from '../../src/policy/target.ts';
import { NOW, named, repository, tag } from '../support/policy.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const FACTS = [
  repository('shop/api', [tag('latest', 300), tag('pr-1', 200), tag('pr-2', 100), tag('v1', 1)]),
  repository('other', [tag('old', 300)]),
];

function dropped(flags: PolicyFlags): string[] {
  const policy = policyFromFlags(flags);
  if (policy === undefined) throw new Error('no policy');
  const result = evaluate(policy, FACTS, { now: NOW, pulls: { fromMs: 0 } });
  expect(result.refusals).toEqual([]);
  return named(result, FACTS, 'drop');
}

describe('flags', () => {
  test.each<[PolicyFlags, string[]]>([
    [{ keepLast: '2' }, ['latest', 'pr-1']],
    [{ olderThan: '90d' }, ['latest', 'pr-1', 'pr-2', 'old']],
    [{ olderThan: '90d', keepLast: '2' }, ['latest', 'pr-1']],
    [{ notPulledFor: '150d' }, ['latest', 'pr-1', 'old']],
    [{ notPulledFor: '150d', olderThan: '250d' }, ['latest', 'old']],
    [{ olderThan: '90d', repository: ['shop/**'] }, ['latest', 'pr-1', 'pr-2']],
    [{ olderThan: '90d', tag: ['pr-*'] }, ['pr-1', 'pr-2']],
    [{ olderThan: '90d', protect: ['latest'] }, ['pr-1', 'pr-2', 'old']],
    [{ olderThan: '90d', protect: ['shop/api'] }, ['old']],
    [{ olderThan: '90d', protect: ['shop/*:pr-*', 're:o.d'] }, ['latest']],
    [{ untagged: true }, []],
    [{ drop: ['shop/api:v1', 'other'] }, ['v1', 'old']],
    [{ drop: ['shop/api:latest'], protect: ['latest'] }, []],
  ])('%j', (flags, expected) => {
    expect(dropped(flags)).toEqual(expected);
  });

  test('none at all are no policy', () => {
    expect(policyFromFlags({})).toBeUndefined();
    expect(policyFromFlags({ drop: [], tag: [], untagged: false })).toBeUndefined();
  });

  test.each<[PolicyFlags, RegExp]>([
    [{ tag: ['x'] }, /--tag selects, and nothing says what to drop/],
    [{ tag: ['x'], untagged: true }, /--tag selects/],
    [{ repository: ['x'] }, /--repository selects/],
    [{ protect: ['x'] }, /--protect selects/],
    [{ keepLast: '-1' }, /whole number/],
    [{ olderThan: '90' }, /no duration/],
    [{ olderThan: '9d', protect: [`a@${DIGEST}`] }, /protected by a file/],
    [{ olderThan: '9d', tag: ['a/b'] }, /can never match/],
    [{ drop: ['shop/*'] }, /names nothing/],
    [{ drop: ['Shop'] }, /names nothing/],
    [{ drop: ['shop:'] }, /names nothing/],
    [{ drop: ['shop@sha256:12'] }, /names nothing/],
    [{ drop: [`shop:v1@${DIGEST}`] }, /names nothing/],
  ])('%j is refused', (flags, message) => {
    expect(() => policyFromFlags(flags)).toThrow(message);
  });

  test('printed they read as the same policy', async () => {
    const flags: PolicyFlags = {
      untagged: true,
      keepLast: '10',
      olderThan: '90d',
      notPulledFor: '12h30m',
      repository: ['shop/**'],
      tag: ['pr-*', 're:v\\d+'],
      protect: ['latest', 'shop/api:v1'],
      drop: ['shop/dead', 'shop/api:v1', `shop/old@${DIGEST}`],
    };
    const policy = policyFromFlags(flags);
    if (policy === undefined) throw new Error('no policy');
    const printed = printPolicy(policy);
    expect(printed).toMatchInlineSnapshot(`
      "version: 1
      limits: { allow-empty-repository: true }
      protect:
        - { tags: [ latest ], reason: --protect }
        - repositories: [ shop/api ]
          tags: [ v1 ]
          reason: --protect
      drop:
        [
          shop/dead,
          shop/api:v1,
          shop/old@sha256:0000000000000000000000000000000000000000000000000000000000000000
        ]
      policies:
        - name: flags
          repositories: [ shop/** ]
          untagged: drop
          rules:
            - name: tags
              tags: [ pr-*, re:v\\d+ ]
              keep: { last: 10 }
              drop: { older-than: 90d, not-pulled-for: 12h30m }
      "
    `);
    expect(printPolicy(await parsePolicy(printed, 'x'))).toBe(printed);
  });

  test('`--drop` and `--protect` add to a file', async () => {
    const file = await parsePolicy(
      "version: 1\npolicies: [{ repositories: ['**'], rules: [{ tags: [pr-*], drop: always }] }]",
      'x',
    );
    const both = withNamed(file, { drop: ['other'], protect: ['pr-2'] });
    const result = evaluate(both, FACTS, { now: NOW });
    expect(named(result, FACTS, 'drop')).toEqual(['pr-1', 'old']);
    expect(result.refusals).toEqual([]);
  });

  test('targets are printed as they are read', () => {
    for (const text of ['shop/dead', 'shop/api:v1', `shop/old@${DIGEST}`]) {
      expect(formatTarget(parseTarget(text))).toBe(text);
    }
  });
});
