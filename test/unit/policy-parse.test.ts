import { describe, expect, test, vi } from 'vitest';
import { parsePolicy, readPolicy } from '../../src/policy/parse.ts';
import { formatProblem } from '../../src/policy/problem.ts';

async function problems(yaml: string): Promise<string[]> {
  const read = await readPolicy(yaml, 'shop.yaml');
  expect(read.policy).toBeUndefined();
  return read.problems.map((problem) => formatProblem('shop.yaml', problem));
}

const HEAD = 'version: 1\npolicies:\n  - name: shop\n    repositories: ["**"]\n    rules:\n';
const rule = (body: string): string => `${HEAD}      - { name: r, tags: ['*'], ${body} }\n`;

describe('errors have a place and a hint', () => {
  test('an unknown key, with the nearest known one', async () => {
    const yaml = `${HEAD}      - name: old\n        tags: ['*']\n        drop:\n          older_than: 90d\n`;
    expect(await problems(yaml)).toEqual([
      'shop.yaml:9:11: unknown key `older_than` in drop; did you mean `older-than`?',
    ]);
  });

  test('all of them are collected, in the order of the file', async () => {
    const yaml = [
      'version: 1',
      'limit: { max-drop-tags: 40% }',
      'limits: { max-drop-tags: 140% }',
      'policies:',
      '  - name: a',
      '    repositories: ["**"]',
      '    colour: red',
      '    rules:',
      '      - { name: r, tags: [x], keep: { last: few }, drop: { older-than: 90 } }',
      '      - { name: s, tags: [], drop: sometimes }',
    ].join('\n');
    expect(await problems(yaml)).toEqual([
      'shop.yaml:2:1: unknown key `limit` in the policy file; did you mean `limits`?',
      'shop.yaml:3:26: max-drop-tags: `140%` is no limit; write 40% or 500',
      'shop.yaml:7:5: unknown key `colour` in policy; known are name, repositories, otherwise, untagged, rules',
      'shop.yaml:9:45: last: expected a whole number',
      'shop.yaml:9:72: older-than: `90` is no duration; write 90d, 12h30m, 2w or 0',
      'shop.yaml:10:26: tags: expected a list with at least one entry',
      'shop.yaml:10:36: drop: expected `always` or a mapping: drop',
    ]);
  });

  test.each([
    ['', 'shop.yaml:1:1: an empty policy: the file says nothing'],
    ['# nothing\n', 'shop.yaml:1:1: an empty policy: the file says nothing'],
    ['version: 1\n', 'shop.yaml:1:1: an empty policy: it has no policies'],
    [
      'version: 1\npolicies: []\n',
      'shop.yaml:2:11: policies: expected a list with at least one entry',
    ],
    [
      'version: 2\npolicies: [{ repositories: [a] }]\n',
      'shop.yaml:1:10: version: this is a tool for `version: 1`',
    ],
    [
      'policies: [{ repositories: [a] }]\n',
      'shop.yaml:1:1: version: this is a tool for `version: 1`',
    ],
    ['- a\n', 'shop.yaml:1:1: expected a mapping: the policy file'],
    ['a: [b\n', /^shop\.yaml:2:1: /],
    ['version: 1\nversion: 1\n', /^shop\.yaml:2:1: Map keys must be unique/],
    ['version: 1\npolicies: *x\n', /^shop\.yaml:1:1: Unresolved alias/],
    [
      'version: 1\ndrop: [a]\n---\nversion: 1\n',
      'shop.yaml:3:1: a second YAML document begins here, and a policy is one; put it into a file of its own',
    ],
    [
      'version: 1\nclock: { timezone: Mars/Base }\npolicies: [{ repositories: [a] }]\n',
      'shop.yaml:2:20: timezone: `Mars/Base` is no time zone; write Europe/Zurich',
    ],
    [
      'version: 1\nevidence: { implausible-before: 2013-02-30 }\npolicies: [{ repositories: [a] }]\n',
      /2:33: implausible-before: `2013-02-30` is no date/,
    ],
    [
      'version: 1\nprotect: [{ reason: x }]\npolicies: [{ repositories: [a] }]\n',
      /2:11: protect names nothing/,
    ],
    [
      'version: 1\nprotect: [{ tags: [a], digests-file: f }]\npolicies: [{ repositories: [a] }]\n',
      /write two entries/,
    ],
    [
      "version: 1\npolicies: [{ repositories: ['**'], untagged: { keep_last: 1 } }]\n",
      'shop.yaml:2:48: unknown key `keep_last` in untagged; did you mean `keep-last`?',
    ],
    [
      "version: 1\npolicies: [{ repositories: ['**'], untagged: {} }]\n",
      'shop.yaml:2:46: untagged: a mapping without a field; write `keep`, `drop`, `keep-within` or `keep-last`',
    ],
    [
      'version: 1\npolicies: [{ repositories: {}, untagged: drop }]\n',
      "shop.yaml:2:28: repositories: a mapping without a field; write `include`, `exclude` or ['**']",
    ],
    [
      'version: 1\npolicies: [{ repositories: [a], rules: [{ tags: {}, drop: always }] }]\n',
      /^shop\.yaml:2:49: tags: a mapping without a field/,
    ],
    [
      'version: 1\nprotect: [{ tags: {} }]\npolicies: [{ repositories: [a] }]\n',
      /^shop\.yaml:2:19: tags: a mapping without a field/,
    ],
    ['version: 1\ndrop: ["shop/*"]\n', 'shop.yaml:2:8: `shop/*` names nothing that can be dropped'],
    [
      rule("drop: always, group-by: 're:(a'"),
      /6:\d+: `re:\(a` does not compile: missing closing \)/,
    ],
    [
      `${HEAD}      - name: r\n        tags: ['v*', 're:[z-a]']\n        drop: always\n`,
      'shop.yaml:7:22: `re:[z-a]` does not compile: invalid character class range: `z-a`',
    ],
  ])('%j', async (yaml, expected) => {
    const [first] = await problems(yaml);
    if (typeof expected === 'string') expect(first).toBe(expected);
    else expect(first).toMatch(expected);
  });
});

describe('rules that can never match or do anything are refused', () => {
  const policy = (rules: string): string => `${HEAD}${rules}`;
  test.each([
    [
      "      - { name: r, tags: ['shop/x'], drop: always }\n",
      /6:27: `shop\/x` can never match: a tag has no `\/`/,
    ],
    [
      "      - { name: r, tags: { include: ['v*'], exclude: ['*'] }, drop: always }\n",
      /rule `r` can never match: what it includes is excluded again/,
    ],
    [
      "      - { name: a, tags: ['*'], exclusive: true, drop: always }\n      - { name: b, tags: ['v*'], drop: always }\n",
      /7:9: rule `b` can never match: `a` is exclusive and takes every tag of it/,
    ],
    [
      "      - { name: a, tags: ['v1'], drop: always }\n      - { name: b, tags: ['v*'], exclusive: true, drop: always }\n",
      /6:9: rule `a` can never match: `b` is exclusive/,
    ],
    ["      - { name: r, tags: ['*'] }\n", /rule `r` can never do anything: no keep, no drop/],
    ["      - { name: r, tags: ['*'], keep: {} }\n", /has a keep without a field/],
    [
      "      - { name: r, tags: ['*'], keep: { order: semver }, drop: always }\n",
      /has a keep without a field/,
    ],
    ["      - { name: r, tags: ['*'], drop: {} }\n", /write `drop: always`/],
    [
      "      - { name: r, tags: ['*'], keep: { last: 1, per: major }, drop: always }\n",
      /`per` without `order: semver`/,
    ],
    [
      "      - { name: r, tags: ['*'], keep: { last: 1, anchor: newest }, drop: always }\n",
      /`anchor` without `within`/,
    ],
    [
      "      - { name: r, tags: ['a'], drop: always }\n      - { name: r, tags: ['b'], drop: always }\n",
      /a second rule is named `r`/,
    ],
  ])('%s', async (rules, expected) => {
    expect((await problems(policy(rules))).join('\n')).toMatch(expected);
  });

  test('a policy behind one that takes all its repositories', async () => {
    const yaml =
      "version: 1\npolicies:\n  - { name: a, repositories: ['shop/**'] }\n  - { name: b, repositories: [shop/api] }\n";
    expect(await problems(yaml)).toEqual([
      'shop.yaml:4:5: policy `b` can never match: `a` comes first and takes every repository of it',
    ]);
  });

  test('an exclusive rule that excludes leaves room', async () => {
    const yaml = policy(
      "      - { name: a, tags: { include: ['*'], exclude: [x] }, exclusive: true, drop: always }\n      - { name: b, tags: [x], drop: always }\n",
    );
    await expect(parsePolicy(yaml, 'x')).resolves.toBeDefined();
  });
});

describe('reading', () => {
  test('scalars stay what is written: no tag becomes a number or a truth', async () => {
    const yaml = `${HEAD}      - { tags: [1.10, no, 0x10, ~, 1e3], drop: always }\n`.replace(
      ', ~',
      '',
    );
    const { policies } = await parsePolicy(yaml, 'x');
    expect(policies[0]?.rules[0]?.tags.include.map(({ text }) => text)).toEqual([
      '1.10',
      'no',
      '0x10',
      '1e3',
    ]);
  });

  test('aliases are followed, also for places', async () => {
    const yaml = `version: 1\npolicies:\n  - { name: a, repositories: [a], rules: &r [{ tags: ['re:('], drop: always }] }\n  - { name: b, repositories: [b], rules: *r }\n`;
    expect(await problems(yaml)).toEqual([
      expect.stringMatching(/^shop\.yaml:3:55: `re:\(` does not compile/),
    ]);
  });

  test('names and defaults need not be said', async () => {
    const policy = await parsePolicy(
      "version: 1\npolicies: [{ repositories: ['**'], untagged: drop }]",
      'x',
    );
    expect(policy.policies[0]).toMatchObject({
      name: 'policy 1',
      otherwise: 'keep',
      untagged: 'drop',
    });
    expect(policy).toMatchObject({ timezone: 'UTC', limits: { allowEmptyRepository: false } });
  });

  test('doubts are told apart from errors', async () => {
    const { doubts } = await readPolicy(rule("keep: { within: 1d }, group-by: 're:(x)'"), 'x');
    expect(doubts.map(({ message }) => message)).toEqual([
      'rule `r` only keeps, and nothing in this policy drops tags',
      'rule `r` has group-by and counts nothing',
    ]);
  });

  test('an exclusive rule that only counts is in doubt: what it does not keep stays too', async () => {
    const more = (body: string): string =>
      rule(body).replace('    rules:', '    otherwise: drop\n    rules:');
    const { doubts } = await readPolicy(more('keep: { last: 1 }, exclusive: true'), 'x');
    expect(doubts.map(({ message }) => message)).toEqual([
      'rule `r` is exclusive and has no drop, so all its tags stay; to let go what it does not keep, write `drop: always`',
    ]);
    for (const body of ['keep: always, exclusive: true', 'keep: { last: 1 }']) {
      expect((await readPolicy(more(body), 'x')).doubts).toEqual([]);
    }
  });

  test('parsePolicy throws them all, a line each', async () => {
    const bad = rule('dorp: always, keep: { lest: 1 }');
    await expect(parsePolicy(bad, 'x.yaml')).rejects.toMatchObject({
      code: 'usage',
      message: 'x.yaml:6:33: unknown key `dorp` in rule; did you mean `drop`?',
      hint: ['x.yaml:6:55: unknown key `lest` in keep; did you mean `last`?'],
    });
  });

  test('a key that is a mapping is a problem, and Node prints nothing of its own', async () => {
    const warn = vi.spyOn(process, 'emitWarning');
    const yaml = 'version: 1\npolicies:\n  - repositories: ["**"]\n    ? {a: b}\n    : 1\n';
    expect((await problems(yaml)).join()).toMatch(/^shop\.yaml:3:5: unknown key `\{ a: b \}`/);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test('nesting that is too deep to read is one problem, with its line', async () => {
    const [problem, ...others] = await problems(`version: 1\npolicies: ${'['.repeat(20_000)}\n`);
    expect(problem).toMatch(/^shop\.yaml:2:\d+: brackets or lists within each other, deeper than/);
    expect(others).toEqual([]);
  });

  test('a bomb of aliases is refused', async () => {
    let yaml = 'version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n';
    for (let i = 1; i < 12; i++) yaml += `a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}]\n`;
    expect((await problems(yaml)).join()).toMatch(/alias/i);
  });
});
