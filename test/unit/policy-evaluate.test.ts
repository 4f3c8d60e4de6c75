import { describe, expect, test } from 'vitest';
import type { RepositoryFacts } from '../../src/policy/facts.ts';
import type { EvaluateOptions } from '../../src/policy/evaluate.ts';
import { NO_SUCH_TIME } from '../../src/registry/time.ts';
import { DAY, HOUR, NOW, named, repository, ruleYaml, run, table, tag } from '../support/policy.ts';

const AGES = [1, 5, 10, 30, 100, 400];
const BY_AGE = [
  repository(
    'a',
    AGES.map((days) => tag(`t${days}`, days)),
  ),
];

async function kept(
  body: string,
  facts: readonly RepositoryFacts[] = BY_AGE,
  options: Partial<EvaluateOptions> = {},
  head = '',
): Promise<string> {
  const result = await run(ruleYaml(body, head), facts, options);
  return named(result, facts, 'keep').join(' ');
}

const VERSIONS = [
  repository(
    'a',
    ['1.9.0', 'v1.10.0', '1.10.0-rc1', '2.0.0', '2.1', '2.0.5', 'latest'].map((name, i) =>
      tag(name, i + 1),
    ),
  ),
];
const FULL = { pulls: { fromMs: NOW - 400 * DAY } };
const PULLS = [
  repository('a', [
    tag('hot', 200, { pulledMs: NOW - DAY }),
    tag('cold', 200, { pulledMs: NOW - 100 * DAY }),
    tag('never', 200),
    tag('fresh', 2),
  ]),
];
const SOME = { pulls: { fromMs: NOW - 20 * DAY } };

type Row = [
  body: string,
  kept: string,
  facts?: RepositoryFacts[],
  options?: Partial<EvaluateOptions>,
];

describe('every field of keep', () => {
  test.each<Row>([
    ['keep: always', 't1 t5 t10 t30 t100 t400'],
    ['keep: { last: 2 }, drop: always', 't1 t5'],
    ['keep: { last: 0 }, drop: always', ''],
    ['keep: { last: 99 }, drop: always', 't1 t5 t10 t30 t100 t400'],
    ['keep: { within: 10d }, drop: always', 't1 t5 t10'],
    ['keep: { within: 9d23h }, drop: always', 't1 t5'],
    ['keep: { within: 9d, anchor: newest }, drop: always', 't1 t5 t10'],
    ['keep: { daily: 3 }, drop: always', 't1 t5 t10'],
    ['keep: { yearly: 2 }, drop: always', 't1 t400'],
    ['keep: { monthly: 3 }, drop: always', 't1 t10 t100'],
    ['keep: { last: 1, yearly: 2, within: 5d }, drop: always', 't1 t5 t400'],
    ['keep: { last: 2, order: semver }, drop: always', '2.1 2.0.5 latest', VERSIONS],
    ['keep: { last: 1, order: semver, per: major }, drop: always', 'v1.10.0 2.1 latest', VERSIONS],
    [
      'keep: { last: 1, order: semver, per: minor }, drop: always',
      '1.9.0 v1.10.0 2.1 2.0.5 latest',
      VERSIONS,
    ],
    ['keep: { last: 3, order: name }, drop: always', '2.1 v1.10.0 latest', VERSIONS],
    ['keep: { pulled-within: 14d }, drop: always', 'hot', PULLS, FULL],
    ['keep: { pulled-within: 14d }, drop: always', 'hot', PULLS, SOME],
    ['keep: { pulled-within: 30d }, drop: always', 'hot cold never fresh', PULLS, SOME],
    ['keep: { pulled-within: 14d }, drop: always', 'hot cold never fresh', PULLS],
    ['keep: { last-pulled: 1 }, drop: always', 'hot', PULLS, FULL],
    ['keep: { last-pulled: 2 }, drop: always', 'hot cold', PULLS, FULL],
    ['keep: { last-pulled: 3 }, drop: always', 'hot cold never fresh', PULLS, FULL],
  ])('%s', async (body, expected, facts, options) => {
    expect((await kept(body, facts, options)).split(' ').sort()).toEqual(
      expected.split(' ').sort(),
    );
  });

  test('with `use-pushed`, the push stands in for pulls that nobody saw', async () => {
    const head = 'evidence: { pulled: { missing: use-pushed } }';
    expect(await kept('keep: { pulled-within: 14d }, drop: always', PULLS, {}, head)).toBe(
      'hot fresh',
    );
    expect(await kept('keep: { last-pulled: 3 }, drop: always', PULLS, FULL, head)).toBe(
      'hot cold fresh',
    );
    expect(await kept('drop: { not-pulled-for: 90d }', PULLS, {}, head)).toBe('hot fresh');
  });
});

describe('every field of drop', () => {
  test.each<Row>([
    ['drop: always', ''],
    ['drop: { older-than: 30d }', 't1 t5 t10 t30'],
    ['drop: { older-than: 0 }', ''],
    ['drop: { not-pulled-for: 90d }', 'hot fresh', PULLS, FULL],
    ['drop: { not-pulled-for: 90d }', 'hot cold never fresh', PULLS, SOME],
    ['drop: { not-pulled-for: 90d }', 'hot cold never fresh', PULLS],
    ['drop: { not-pulled-for: 14d, older-than: 300d }', 'hot cold never fresh', PULLS, FULL],
    ['drop: { not-pulled-for: 14d, older-than: 30d }', 'hot fresh', PULLS, FULL],
    [
      'drop: { not-pulled-for: 14d }',
      'hot cold never fresh',
      PULLS,
      { pulls: { fromMs: 0, toMs: NOW - 3 * DAY } },
    ],
    [
      'drop: { not-pulled-for: 14d }',
      'hot fresh',
      PULLS,
      { pulls: { fromMs: 0, toMs: NOW - 20 * HOUR } },
    ],
  ])('%s', async (body, expected, facts, options) => {
    expect(await kept(body, facts, options)).toBe(expected);
  });

  test('evidence that could not be read in full keeps, whatever the push says', async () => {
    const options = { pullsLack: 'a log could not be read in full' };
    for (const missing of ['keep', 'use-pushed']) {
      const head = `evidence: { pulled: { missing: ${missing} } }`;
      for (const body of [
        'drop: { not-pulled-for: 90d }',
        'keep: { pulled-within: 90d }, drop: always',
        'keep: { last-pulled: 1 }, drop: always',
      ]) {
        expect(await kept(body, PULLS, options, head)).toBe('hot cold never fresh');
      }
    }
    const result = await run(ruleYaml('drop: { not-pulled-for: 90d }'), PULLS, options);
    expect(table(result, PULLS)[2]).toBe(
      'never: keep: p/r: keep not-pulled-for 90d (cannot tell: a log could not be read in full)',
    );
  });

  test('uncovered evidence says why', async () => {
    const result = await run(ruleYaml('drop: { not-pulled-for: 90d }'), PULLS, SOME);
    expect(table(result, PULLS)[2]).toBe(
      'never: keep: p/r: keep not-pulled-for 90d (cannot tell: evidence of pulls covers 20d of 90d)',
    );
  });
});

describe('times', () => {
  const odd = [
    repository('a', [
      tag('fine', 200, { createdMs: NOW - 300 * DAY }),
      tag('missing', 0, { pushedMs: undefined }),
      tag('epoch', 0, { pushedMs: 1000 }),
      tag('future', -1),
      tag('made1980', 200, { createdMs: Date.UTC(1980, 0, 1) }),
      tag('february31', 200, { createdMs: NO_SUCH_TIME }),
    ]),
  ];

  test('missing, implausible and future ones keep, with the reason', async () => {
    expect(table(await run(ruleYaml('drop: { older-than: 90d }'), odd), odd)).toEqual([
      'fine: drop: p/r: drop older-than 90d (200d)',
      'missing: keep: p/r: keep pushed (not known)',
      'epoch: keep: p/r: keep pushed (implausible: 1970-01-01T00:00:01Z)',
      'future: keep: p/r: keep pushed (in the future: 2024-06-11T12:00:00Z)',
      'made1980: drop: p/r: drop older-than 90d (200d)',
      'february31: drop: p/r: drop older-than 90d (200d)',
    ]);
  });

  test('`time: created` and `order: created` go by the image', async () => {
    const byTime = table(
      await run(ruleYaml('time: created, drop: { older-than: 250d }'), odd),
      odd,
    );
    expect(byTime[0]).toBe('fine: drop: p/r: drop older-than 250d (300d since created)');
    expect(byTime[4]).toMatch(/keep created \(implausible: 1980/);
    expect(byTime[5]).toMatch(/keep created \(implausible: no day or hour that there is\)/);
    const byOrder = await run(
      ruleYaml('keep: { last: 0, order: created }, drop: { older-than: 250d }'),
      odd,
    );
    expect(named(byOrder, odd, 'drop')).toEqual(['fine']);
  });

  test('what has no believable time uses up no count', async () => {
    expect(await kept('keep: { last: 1 }, drop: always', odd)).toBe(
      'missing epoch future made1980',
    );
  });

  test('a rule that needs no time does not ask for one', async () => {
    expect(await kept('drop: always', odd)).toBe('');
    expect(await kept('keep: { last: 0 }, drop: always', odd)).toBe('');
  });

  test('exactly as old as asked is kept, on both sides', async () => {
    const facts = [repository('a', [tag('edge', 30)])];
    expect(await kept('drop: { older-than: 30d }', facts)).toBe('edge');
    expect(await kept('keep: { within: 30d }, drop: always', facts)).toBe('edge');
  });
});

describe('groups', () => {
  const requests = [
    repository('a', [
      tag('pr-1-a', 1),
      tag('pr-1-b', 2),
      tag('pr-2-a', 3),
      tag('pr-2-b', 4),
      tag('pr-x', 5),
    ]),
  ];

  test('count each for itself; what is in no group stays', async () => {
    expect(
      await kept("group-by: 're:pr-(\\d+)-.*', keep: { last: 1 }, drop: always", requests),
    ).toBe('pr-1-a pr-2-a pr-x');
  });

  test('`anchor: newest` is the newest of the group', async () => {
    const body = "group-by: 're:pr-(\\d+)-.*', keep: { within: 0, anchor: newest }, drop: always";
    expect(await kept(body, requests)).toBe('pr-1-a pr-2-a pr-x');
  });

  test('ties: time, then semver, then name', async () => {
    const tied = [
      repository(
        'a',
        ['b', '1.10.0', '1.9.0', 'a', 'a10', 'a9'].map((name) => tag(name, 5)),
      ),
    ];
    const order = ['1.10.0', '1.9.0', 'b', 'a10', 'a9', 'a'];
    for (let last = 1; last <= order.length; last++) {
      const names = (await kept(`keep: { last: ${last} }, drop: always`, tied)).split(' ');
      expect(new Set(names)).toEqual(new Set(order.slice(0, last)));
    }
  });

  test('each repository counts for itself', async () => {
    const two = [
      BY_AGE[0] ?? repository('a', []),
      repository('b', [tag('u50', 50), tag('u60', 60)]),
    ];
    expect(await kept('keep: { last: 1 }, drop: always', two)).toBe('t1 u50');
  });
});

describe('precedence', () => {
  const facts = [
    repository('shop/api', [
      tag('v1', 100),
      tag('v2', 50),
      tag('x', 100),
      tag('sha256-x.sig', 1, { fallback: true }),
    ]),
  ];
  const yaml = (rules: string, more = '', head = ''): string =>
    `version: 1\nlimits: { allow-empty-repository: true }\n${head}\npolicies: [{ name: p, repositories: ['shop/*'], ${more} rules: [${rules}] }]\n`;

  test('protect beats keep, keep beats drop, drop beats otherwise', async () => {
    const rules = "{ name: k, tags: [v1], keep: always }, { name: d, tags: ['v*'], drop: always }";
    const head = 'protect: [{ tags: [v2], reason: floating }]';
    expect(table(await run(yaml(rules, 'otherwise: drop,', head), facts), facts)).toEqual([
      'v1: keep: p/k: keep always; p/d: drop always',
      'v2: protect: protect tags v2 (floating); p/d: drop always',
      'x: drop: p: otherwise drop',
      'sha256-x.sig: follow: default follow (it lives as long as what it names)',
    ]);
  });

  test('an exclusive rule has its tags alone, for votes and for counts', async () => {
    const rules =
      "{ name: a, tags: ['*'], keep: { last: 1 }, drop: always }, { name: b, tags: ['v2'], exclusive: true, drop: { older-than: 90d } }";
    expect(table(await run(yaml(rules), facts), facts)).toEqual([
      'v1: keep: p/a: keep last 1 (no. 1 by pushed); p/a: drop always',
      'v2: keep: p/b: default keep (drop older-than 90d does not hold: 50d)',
      'x: drop: p/a: drop always',
      'sha256-x.sig: follow: default follow (it lives as long as what it names)',
    ]);
  });

  test('the first exclusive rule that matches', async () => {
    const rules =
      "{ name: a, tags: ['v1'], exclusive: true, keep: always }, { name: b, tags: ['*'], exclusive: true, drop: always }";
    expect(named(await run(yaml(rules), facts), facts, 'drop')).toEqual(['v2', 'x']);
  });

  test('`otherwise: drop` is not for what an exclusive rule claims, and does not drop', async () => {
    const rule = "name: a, tags: ['v*'], keep: { last: 1 }, exclusive: true";
    const rules = (more: string): string =>
      yaml(`{ name: b, tags: [x], keep: { last: 0 } }, { ${rule}${more} }`, 'otherwise: drop,');
    expect(table(await run(rules(''), facts), facts)).toEqual([
      'v1: keep: p/a: default keep (the rule is exclusive, and has no drop)',
      'v2: keep: p/a: keep last 1 (no. 1 by pushed)',
      'x: drop: p: otherwise drop',
      'sha256-x.sig: follow: default follow (it lives as long as what it names)',
    ]);
    expect(named(await run(rules(', drop: always'), facts), facts, 'drop')).toEqual(['v1', 'x']);
  });

  test('`otherwise: drop` is for what no rule with a drop has judged', async () => {
    const rules =
      "{ name: a, tags: ['v*'], keep: { last: 1 } }, { name: b, tags: [x], drop: { older-than: 1000d } }";
    const result = await run(yaml(rules, 'otherwise: drop,'), facts);
    expect(named(result, facts, 'drop')).toEqual(['v1']);
  });

  test('the first policy that matches; none keeps', async () => {
    const two = [
      repository('a', [tag('t', 500)]),
      repository('b', [tag('t', 500)], [{ digest: 'D', pushedMs: 0 }]),
    ];
    const text =
      "version: 1\nlimits: { allow-empty-repository: true }\npolicies:\n  - { name: one, repositories: [a], rules: [{ tags: ['*'], keep: always }] }\n  - { name: two, repositories: { include: ['*'], exclude: [b] }, rules: [{ tags: ['*'], drop: always }] }\n";
    expect(table(await run(text, two), two)).toEqual([
      't: keep: one/rule 1: keep always',
      't: keep: default keep (no policy matches the repository)',
      '@D: keep: default keep (no policy matches the repository)',
    ]);
  });

  test('two tags on one digest are decided apart', async () => {
    const one = [
      repository('a', [tag('old', 100, { digest: 'D' }), tag('new', 1, { digest: 'D' })]),
    ];
    const result = await run(ruleYaml('drop: { older-than: 30d }'), one);
    expect([named(result, one, 'drop'), named(result, one, 'keep')]).toEqual([['old'], ['new']]);
  });

  test('a digests-file protects all tags of a digest, and manifests without one', async () => {
    const one = [
      repository(
        'a',
        [tag('t', 100, { digest: 7 }), tag('u', 100, { digest: 8 })],
        [{ digest: 7, pushedMs: 0 }],
      ),
    ];
    const head = 'protect: [{ digests-file: use.txt, reason: in use }]';
    const digestFiles = new Map([['use.txt', new Set([7])]]);
    expect(table(await run(ruleYaml('drop: always', head), one, { digestFiles }), one)).toEqual([
      't: protect: protect digests-file use.txt (in use); p/r: drop always',
      'u: drop: p/r: drop always',
      '@7: protect: protect digests-file use.txt (in use)',
    ]);
    await expect(run(ruleYaml('drop: always', head), one)).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('manifests without a tag', () => {
  const facts = [
    repository(
      'a',
      [tag('t', 1)],
      [
        { digest: 'D1', pushedMs: NOW - DAY },
        { digest: 'D9', pushedMs: NOW - 9 * DAY },
        { digest: 'D30', pushedMs: NOW - 30 * DAY },
        { digest: 'DX', pushedMs: undefined },
      ],
    ),
    repository('digests-only', [], [{ digest: 'E', pushedMs: NOW - 900 * DAY }]),
  ];
  const decide = async (untagged: string): Promise<string[]> => {
    const yaml = `version: 1\npolicies: [{ name: p, repositories: ['**'], untagged: ${untagged} }]\n`;
    return table(await run(yaml, facts), facts).filter((line) => line.startsWith('@'));
  };

  test('keep, drop, keep-within, keep-last', async () => {
    expect(await decide('{ keep-within: 7d, keep-last: 2 }')).toEqual([
      '@D1: keep: p: untagged keep-within 7d (24h); p: untagged keep-last 2 (no. 1)',
      '@D9: keep: p: untagged keep-last 2 (no. 2)',
      '@D30: drop: p: untagged drop (30d)',
      '@DX: keep: p: untagged keep (time of push not known)',
      '@E: keep: p: untagged keep (the repository has no tag at all)',
    ]);
    expect((await decide('drop')).map((line) => line.slice(0, 9))).toEqual([
      '@D1: drop',
      '@D9: drop',
      '@D30: dro',
      '@DX: drop',
      '@E: keep:',
    ]);
    expect((await decide('keep')).every((line) => line.includes(': keep: '))).toBe(true);
  });

  test('a repository without any tag is left alone, and reported', async () => {
    const yaml = "version: 1\npolicies: [{ name: p, repositories: ['**'], untagged: drop }]\n";
    expect((await run(yaml, facts)).notes).toEqual([
      'digests-only has manifests and no tag at all: left alone; --drop digests-only empties it',
    ]);
    const byName = await run(`${yaml}drop: [digests-only]\n`, facts);
    expect(table(byName, facts).at(-1)).toBe('@E: drop: drop named digests-only');
    expect(byName.notes).toEqual([]);
  });
});

test('tags that are no version are told of once for each rule that counts versions', async () => {
  const facts = [
    repository(
      'a',
      ['v1', 'v2', 'nightly', 'edge'].map((name) => tag(name, 9)),
    ),
    repository('b', [tag('main', 9), tag('pr-1', 9), tag('s.sig', 9, { fallback: true })]),
  ];
  const notes = async (rules: string, head = ''): Promise<readonly string[]> => {
    const yaml = `version: 1\n${head}\npolicies: [{ name: p, repositories: ['**'], rules: [${rules}] }]\n`;
    return (await run(yaml, facts)).notes;
  };
  const versions = 'keep: { last: 1, order: semver }, drop: always';
  const pulls = "{ name: pulls, tags: ['pr-*'], exclusive: true, drop: { older-than: 99d } }";
  expect(await notes(`{ name: r, tags: ['*'], ${versions} }, ${pulls}`)).toEqual([
    'p/r: 3 tags are no version and stay, such as a:nightly',
  ]);
  expect(await notes(`{ name: r, tags: ['m*'], ${versions} }, ${pulls}`)).toEqual([
    'p/r: b:main is no version and stays',
  ]);
  expect(await notes(`{ name: r, tags: ['m*'], ${versions} }`, "drop: ['b:main']")).toEqual([]);
  expect(await notes("{ name: r, tags: ['*'], keep: { last: 1 }, drop: always }")).toEqual([]);
});

describe('limits', () => {
  const facts = [
    repository(
      'a',
      AGES.map((days) => tag(`t${days}`, days)),
    ),
    repository('b', [tag('only', 500)]),
  ];
  const yaml = (limits: string, more = ''): string =>
    `version: 1\nlimits: { ${limits} }\n${more}\npolicies: [{ name: p, repositories: ['**'], rules: [{ name: r, tags: ['*'], drop: { older-than: 60d } }] }]\n`;

  test.each([
    ['max-drop-tags: 50%', '', ['empty-repository']],
    ['max-drop-tags: 40%', '', ['empty-repository', 'max-drop-tags']],
    ['max-drop-tags: 2, allow-empty-repository: true', '', ['max-drop-tags']],
    ['max-drop-tags: 3, allow-empty-repository: true', '', []],
    ['max-drop-tags: 2', 'drop: [b]', []],
    ['max-drop-tags: 0', "drop: [b, 'a:t100', 'a:t400']", []],
  ])('%s %s', async (limits, more, expected) => {
    const { refusals } = await run(yaml(limits, more), facts);
    expect(refusals.map(({ code }) => code)).toEqual(expected);
  });

  test('their messages name what and how much', async () => {
    const { refusals } = await run(yaml('max-drop-tags: 40%'), facts);
    expect(refusals.map(({ message }) => message)).toEqual([
      'p.yaml:4:12: b: policy `p` would drop every tag of it',
      'p.yaml:2:26: the policy would drop 3 of 7 tags; its limit is 40% (2)',
    ]);
  });
});

describe('--drop', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const facts = [
    repository(
      'a',
      [
        tag('x', 1, { digest }),
        tag('y', 1, { digest }),
        tag('z', 1),
        tag('s.sig', 1, { fallback: true }),
      ],
      [{ digest: 'U', pushedMs: NOW }],
    ),
  ];
  const yaml = (drop: string, head = ''): string =>
    `version: 1\n${head}\ndrop: [${drop}]\npolicies: [{ name: p, repositories: ['**'], rules: [{ name: r, tags: ['*'], keep: always }] }]\n`;

  test.each([
    ["'a:z'", ['z']],
    [`'a@${digest}'`, ['x', 'y']],
    ["'a'", ['x', 'y', 'z', 's.sig']],
    ["'a:s.sig'", ['s.sig']],
    ["'b'", []],
  ])('%s goes whatever the rules say', async (drop, expected) => {
    const result = await run(yaml(drop), facts);
    expect(named(result, facts, 'drop')).toEqual(expected);
    expect(result.refusals).toEqual([]);
  });

  test('but not what is protected; and what is not there is said', async () => {
    const result = await run(yaml("'a:z', 'a:gone'", 'protect: [{ tags: [z] }]'), facts);
    expect(named(result, facts, 'protect')).toEqual(['z']);
    expect(result.notes).toEqual(['--drop a:gone: nothing of that name can be pulled']);
  });

  test('digests may be numbers to the caller', async () => {
    const numbers = [repository('a', [tag('x', 1, { digest: 3 }), tag('y', 1, { digest: 4 })])];
    const keyOf = (text: string): number | undefined => (text === digest ? 3 : undefined);
    expect(named(await run(yaml(`'a@${digest}'`), numbers, { keyOf }), numbers, 'drop')).toEqual([
      'x',
    ]);
  });
});

describe('times of push that a copy has reset', () => {
  const copied = (count: number, spreadDays: number, hours = 0.5): RepositoryFacts =>
    repository(
      'a',
      Array.from({ length: count }, (_, i) =>
        tag(`t${i}`, 10 - (i * hours) / (24 * count), {
          createdMs: NOW - (11 + (i * spreadDays) / count) * DAY,
        }),
      ),
    );

  test.each([
    ['60 tags in half an hour, created over 100 days', [copied(60, 100)], 1],
    ['49 tags', [copied(49, 100)], 0],
    ['created over 20 days', [copied(60, 20)], 0],
    ['pushed over 5 hours', [copied(60, 100, 5)], 0],
    [
      'in a large store, one repository',
      [
        copied(60, 100),
        repository(
          'b',
          Array.from({ length: 300 }, (_, i) => tag(`u${i}`, i)),
        ),
      ],
      1,
    ],
  ])('%s', async (_, facts, refused) => {
    const { refusals } = await run(ruleYaml('drop: { older-than: 5d }'), facts);
    expect(refusals.length).toBe(refused);
  });

  test('the refusal names the rule, its place, the window and the ways out', async () => {
    const { refusals } = await run(ruleYaml('drop: { older-than: 5d }'), [copied(60, 100)]);
    expect(refusals).toMatchInlineSnapshot(`
      [
        {
          "code": "reset-times",
          "hint": "go by \`created\` (\`time: created\`, \`order: created\`), or believe them: \`evidence: { pushed: trust }\`, \`--allow reset-times\`",
          "message": "p.yaml:8:9: rule \`p/r\` goes by the time of push, and a copy or a restore has reset it: 60 of 60 tags have a time of push between 2024-05-31T12:00:00Z and 2024-05-31T12:29:30Z",
        },
      ]
    `);
  });

  test('its tags are kept; rules on `created` are not refused, and the override holds', async () => {
    const facts = [copied(60, 100)];
    const result = await run(ruleYaml('drop: { older-than: 5d }'), facts);
    expect(named(result, facts, 'drop')).toEqual([]);
    for (const yaml of [
      ruleYaml('time: created, drop: { older-than: 5d }'),
      ruleYaml('drop: { older-than: 5d }', 'evidence: { pushed: trust }'),
    ]) {
      const other = await run(yaml, facts);
      expect([other.refusals, named(other, facts, 'drop').length]).toEqual([[], 60]);
    }
  });
});
