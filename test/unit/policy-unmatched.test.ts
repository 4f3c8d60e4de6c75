import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/policy/evaluate.ts';
import { policyFromFlags } from '../../src/policy/flags.ts';
import type { PolicyFlags } from '../../src/policy/flags.ts';
import { NOW, repository, ruleYaml, run, tag } from '../support/policy.ts';

const STORE = [
  repository('shop/api', [tag('v1', 1), tag('pr-1', 2)]),
  repository('shop/web', [tag('v2', 1)]),
  repository('tools', [], [{ digest: 'sha256:a', pushedMs: NOW }]),
];

function notesOf(flags: PolicyFlags): readonly string[] {
  const policy = policyFromFlags(flags);
  if (policy === undefined) throw new Error('no policy');
  return evaluate(policy, STORE, { now: NOW }).notes;
}

describe('what takes nothing of the store is noted', () => {
  test.each<[PolicyFlags, readonly string[]]>([
    [
      { protect: ['shop/wbe'] },
      ['--protect shop/wbe: no repository matches, so it protects nothing'],
    ],
    [
      { protect: ['shop/api:v2'] },
      ['--protect shop/api:v2: no tag that can be read matches, so it protects nothing'],
    ],
    [
      { protect: ['shop'] },
      ['--protect shop: no tag that can be read matches, so it protects nothing'],
    ],
    [{ protect: ['shop/web', 'v1', 'shop/*:pr-*', 're:v\\d'] }, []],
    [{ repository: ['shop/wbe', 'shop/api'] }, ['--repository shop/wbe: no repository matches']],
    [
      { repository: ['shop/web'], tag: ['pr-*', 'v*'] },
      ['--tag pr-*: no tag that can be read matches'],
    ],
    [{ tag: ['*'] }, []],
    [{ tag: ['re:caf\u00e9'] }, ['--tag re:caf\u00c3\u00a9: no tag that can be read matches']],
  ])('%j', (flags, expected) => {
    expect(notesOf({ olderThan: '90d', ...flags })).toEqual(expected);
  });

  test('of a file, what it protects: its rules may be for other stores too', async () => {
    const head = 'protect: [{ repositories: [shop/wbe, shop/wab] }, { tags: [v1, stable] }]';
    const yaml = ruleYaml('drop: { older-than: 90d }', head).replace(
      "['**'], drop",
      '[none], drop',
    );
    const { notes } = await run(yaml, STORE);
    expect(notes).toEqual([
      'protect shop/wbe, shop/wab: no repository matches, so it protects nothing',
    ]);
  });
});
