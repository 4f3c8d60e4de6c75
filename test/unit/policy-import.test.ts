import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/policy/evaluate.ts';
import type { RepositoryFacts } from '../../src/policy/facts.ts';
import { splitWords } from '../../src/policy/import-acr.ts';
import { expandBraces } from '../../src/policy/import-harbor.ts';
import { importPolicy } from '../../src/policy/import.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { DAY, NOW, named, repository, tag } from '../support/policy.ts';

const json = (value: unknown): string => JSON.stringify(value, null, 2);

/** What the imported policy drops; limits are the user's to set. */
async function dropped(text: string, facts: readonly RepositoryFacts[]): Promise<string[]> {
  const { yaml } = await importPolicy(text, 'in.json');
  const policy = await parsePolicy(yaml, 'out.yaml');
  return named(evaluate(policy, facts, { now: NOW, pulls: { fromMs: 0 } }), facts, 'drop');
}

const selector = (pattern: string, decoration = 'matches', extras = ''): object => ({
  kind: 'doublestar',
  decoration,
  pattern,
  extras,
});
const harborRule = (
  template: string,
  params: object,
  tags: object,
  repo = '**',
  more: object = {},
): object => ({
  id: 1,
  priority: 0,
  disabled: false,
  action: 'retain',
  template,
  params,
  tag_selectors: [tags],
  scope_selectors: { repository: [selector(repo, 'repoMatches')] },
  ...more,
});
const harbor = (...rules: object[]): string =>
  json({
    id: 4,
    algorithm: 'or',
    rules,
    trigger: { kind: 'Schedule', settings: { cron: '0 0 0 * * *' } },
    scope: { level: 'project', ref: 2 },
  });

describe('Harbor', () => {
  const facts = [
    repository('library/api', [
      tag('latest', 90),
      tag('v1', 80),
      tag('v2', 70),
      tag('dev', 3, { pulledMs: NOW - DAY }),
    ]),
    repository('library/web', [tag('x', 500)]),
  ];

  test('rules are ORed, and what none retains goes', async () => {
    const text = harbor(
      harborRule('latestPushedK', { latestPushedK: 1 }, selector('v*')),
      harborRule('always', {}, selector('{latest,stable}')),
    );
    const { format, yaml } = await importPolicy(text, 'harbor.json');
    expect(format).toBe('harbor');
    expect(yaml).toMatchInlineSnapshot(`
      "# From a Harbor retention policy. There the unit is the artifact: any tag that is retained keeps
      # its siblings on the same digest, here each tag is decided by itself and the manifest stays
      # while one tag stays. Harbor 2.15 and later has no tags on disk at all.
      # Harbor names repositories within their project, and the project by a number: put its name for
      # the first \`*\` of \`repositories\`, or the rules hold in every project.

      version: 1
      policies:
        - name: harbor 1
          repositories: [ '**' ]
          otherwise: drop
          # Harbor discards artifacts without a tag too, unless a rule retains them; here that is
          # said by \`untagged: drop\`.
          untagged: keep
          rules:
            - name: latestPushedK
              tags: [ v* ]
              keep: { last: 1 }
            - name: always
              tags: [ latest, stable ]
              keep: always
      "
    `);
    expect(await dropped(text, facts)).toEqual(['v1', 'dev', 'x']);
  });

  test('each template, exclusion, and repositories that no rule touches', async () => {
    const only = (template: string, n: number): string =>
      harbor(harborRule(template, { [template]: n }, selector('v*', 'excludes'), 'api'));
    expect(await dropped(only('nDaysSinceLastPush', 10), facts)).toEqual(['latest', 'v1', 'v2']);
    expect(await dropped(only('nDaysSinceLastPull', 10), facts)).toEqual(['latest', 'v1', 'v2']);
    expect(await dropped(only('lastXDays', 100), facts)).toEqual(['v1', 'v2']);
    expect(await dropped(only('latestActiveK', 1), facts)).toEqual(['latest', 'v1', 'v2']);
    expect(await dropped(only('latestPulledN', 1), facts)).toEqual(['latest', 'v1', 'v2']);
  });

  test('several scopes: the narrower comes first and has the rules of both', async () => {
    const text = harbor(
      harborRule('latestPushedK', { latestPushedK: 1 }, selector('**')),
      harborRule('always', {}, selector('v1'), 'api'),
      harborRule('always', {}, selector('x'), 'web', { disabled: true }),
    );
    const { yaml } = await importPolicy(text, 'h.json', { project: 'library' });
    expect(yaml).toContain('library/api');
    expect(yaml).toContain('is disabled in Harbor');
    expect(await dropped(text, facts)).toEqual(['latest', 'v2']);
  });

  test('a scope that never has a say is left out, and its rules are not lost', async () => {
    const text = harbor(
      harborRule('always', {}, selector('v1'), '{api,web}'),
      harborRule('always', {}, selector('v2'), '{web,api}'),
      harborRule('always', {}, selector('dev'), '**', {
        scope_selectors: { repository: [selector('**', 'repoExcludes')] },
      }),
    );
    const { yaml } = await importPolicy(text, 'h.json', { project: 'library' });
    expect(yaml.replaceAll('\n# ', ' ')).toContain(
      'Left out: the scope library/web, library/api: `harbor 1` comes first and takes every repository of it.',
    );
    expect(yaml).toContain('Left out: rule `always (3)` excludes every repository.');
    expect(await dropped(text, facts)).toEqual(['latest', 'dev', 'x']);
    const none = harborRule('always', {}, selector('x'), '**', {
      scope_selectors: { repository: [selector('**', 'repoExcludes')] },
    });
    await expect(importPolicy(harbor(none), 'h')).rejects.toThrow(/no enabled rule/);
  });

  test('untagged artifacts are kept as a rule says that speaks for them', async () => {
    const text = harbor(
      harborRule(
        'latestPushedK',
        { latestPushedK: 3 },
        selector('**', 'matches', '{"untagged":true}'),
      ),
    );
    const { yaml } = await importPolicy(text, 'h.json');
    expect(yaml).toContain('untagged: { keep-last: 3 }');
  });

  test('what cannot be said is refused', async () => {
    const label = { kind: 'label', decoration: 'with', pattern: 'x' };
    await expect(importPolicy(harbor(harborRule('always', {}, label)), 'h')).rejects.toThrow(
      /selects by `label`/,
    );
    await expect(
      importPolicy(harbor(harborRule('odd', { odd: 1 }, selector('**'))), 'h'),
    ).rejects.toThrow(/template `odd`/);
  });

  test('braces are lists', () => {
    expect(expandBraces('{a,b}-{1,2}')).toEqual(['a-1', 'a-2', 'b-1', 'b-2']);
    expect(expandBraces('v*')).toEqual(['v*']);
  });
});

describe('zot', () => {
  const text = json({
    distSpecVersion: '1.1.0',
    storage: {
      rootDirectory: '/tmp/zot',
      gc: true,
      retention: {
        dryRun: false,
        delay: '24h',
        policies: [
          {
            repositories: ['infra/*', 'prod/*'],
            deleteReferrers: true,
            keepTags: [
              { patterns: ['v2.*', '.*-prod'] },
              { patterns: ['v3.*'], pulledWithin: '168h' },
            ],
          },
          {
            repositories: ['**'],
            deleteUntagged: false,
            keepTags: [
              {
                mostRecentlyPushedCount: 1,
                mostRecentlyPulledCount: 1,
                pulledWithin: '24h',
                pushedWithin: '48h',
              },
              { patterns: ['never'] },
            ],
          },
          { repositories: ['unused'] },
        ],
      },
    },
  });

  test('the first entry claims, expressions are unanchored, the rest goes', async () => {
    const { format, yaml } = await importPolicy(text, 'zot.json');
    expect(format).toBe('zot');
    expect(yaml).toMatchInlineSnapshot(`
      "# From a zot retention configuration. zot goes by its own records of pushes and pulls; this goes
      # by the times of the links and by access logs.
      # Left out: \`never\` comes after what takes all tags.
      # Left out: \`unused\` comes after what takes all repositories.

      version: 1
      policies:
        # zot also deletes referrers whose subject is gone; here they follow their subject.
        - name: infra/* prod/*
          repositories: [ infra/*, prod/* ]
          otherwise: drop
          untagged: { keep-within: 1d }
          rules:
            # zot: a pattern matches anywhere in a tag; the first entry that matches claims it.
            - name: v2.* .*-prod
              tags: [ re:.*(?:v2.*).*, re:.*(?:.*-prod).* ]
              exclusive: true
              keep: always
            # zot: a pattern matches anywhere in a tag; the first entry that matches claims it.
            - name: v3.*
              tags: [ re:.*(?:v3.*).* ]
              exclusive: true
              # zot: pulledWithin accepts a recent push too, hence \`within\` next to it.
              keep: { within: 7d, pulled-within: 7d }
              drop: always
        - name: '**'
          repositories: [ '**' ]
          otherwise: drop
          untagged: keep
          rules:
            - name: entry 1
              tags: [ '**' ]
              exclusive: true
              # zot: pulledWithin accepts a recent push too, hence \`within\` next to it.
              keep: { last: 1, last-pulled: 1, within: 2d, pulled-within: 1d }
              drop: always
      "
    `);
  });

  test('decides as zot does', async () => {
    const { yaml } = await importPolicy(
      text.replace(/,\s*\{\s*"repositories": \[\s*"unused"\s*\]\s*\}/, ''),
      'z',
    );
    const facts = [
      repository('infra/a', [
        tag('xv2.1', 900),
        tag('a-prod', 900),
        tag('v3.1', 900),
        tag('v3.2', 900, { pulledMs: NOW - DAY }),
        tag('v3.3', 3),
        tag('other', 1),
      ]),
      repository('b', [
        tag('t1', 10),
        tag('t2', 20, { pulledMs: NOW - 10 * DAY }),
        tag('t3', 30),
        tag('t4', 1),
      ]),
    ];
    const policy = await parsePolicy(yaml, 'z.yaml');
    const result = evaluate(policy, facts, { now: NOW, pulls: { fromMs: 0 } });
    expect(named(result, facts, 'drop')).toEqual(['v3.1', 'other', 't1', 't3']);
  });
});

describe('ECR', () => {
  const rule = (rulePriority: number, selection: object, description?: string): object => ({
    rulePriority,
    ...(description === undefined ? {} : { description }),
    selection,
    action: { type: 'expire' },
  });
  const text = json({
    rules: [
      rule(
        2,
        {
          tagStatus: 'tagged',
          tagPrefixList: ['beta'],
          countType: 'imageCountMoreThan',
          countNumber: 1,
        },
        'Rule 2',
      ),
      rule(
        1,
        {
          tagStatus: 'tagged',
          tagPatternList: ['prod*'],
          countType: 'sinceImagePushed',
          countUnit: 'days',
          countNumber: 14,
        },
        'Rule 1',
      ),
      rule(3, {
        tagStatus: 'untagged',
        countType: 'sinceImagePushed',
        countUnit: 'days',
        countNumber: 7,
      }),
      rule(9, {
        tagStatus: 'any',
        countType: 'sinceImagePulled',
        countUnit: 'days',
        countNumber: 30,
      }),
    ],
  });
  const facts = [
    repository('a', [
      tag('prod-1', 20),
      tag('prod-2', 5),
      tag('beta-1', 20),
      tag('beta-2', 10),
      tag('x', 40),
    ]),
  ];

  test('rules by priority, each with its tags alone', async () => {
    const { format, yaml } = await importPolicy(text, 'ecr.json');
    expect(format).toBe('ecr');
    expect(yaml).toMatchInlineSnapshot(`
      "# From an Amazon ECR lifecycle policy. There a policy belongs to one repository: narrow
      # \`repositories\` to it. The unit there is the image with all its tags, here the tag; a manifest
      # stays while one tag on it stays.

      version: 1
      policies:
        - name: ecr
          repositories: [ '**' ]
          untagged: { keep-within: 7d }
          rules:
            - name: Rule 1
              tags: [ prod* ]
              exclusive: true
              drop: { older-than: 14d }
            # ECR also counts images here that a rule before this one has claimed; here each counts
            # for its own rule alone.
            - name: Rule 2
              tags: [ beta* ]
              exclusive: true
              keep: { last: 1 }
              drop: always
            - name: rule 9
              tags: [ '**' ]
              exclusive: true
              drop: { not-pulled-for: 30d }
      "
    `);
    expect(await dropped(text, facts)).toEqual(['prod-1', 'beta-1', 'x']);
  });

  test('as `get-lifecycle-policy` gives it', async () => {
    const wrapped = json({ registryId: '1', repositoryName: 'a', lifecyclePolicyText: text });
    expect(await dropped(wrapped, facts)).toEqual(['prod-1', 'beta-1', 'x']);
  });

  test('patterns that are ANDed cannot be said, so their tags are kept', async () => {
    const and = json({
      rules: [
        rule(1, {
          tagStatus: 'tagged',
          tagPatternList: ['prod*', 'beta*'],
          countType: 'imageCountMoreThan',
          countNumber: 1,
        }),
        rule(2, { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 0 }),
      ],
    });
    expect((await importPolicy(and, 'e')).yaml).toMatch(
      /a tag for every one of these\s+# patterns|every one of these patterns/,
    );
    expect(await dropped(and, facts)).toEqual(['x']);
  });
});

describe('GitLab', () => {
  const facts = [
    repository('group/app', [
      ...['latest', 'main', 'dev-1', 'dev-2', 'dev-3'].map((name, i) =>
        tag(name, 1, { createdMs: NOW - (100 - i) * DAY }),
      ),
      tag('dev-4', 1, { createdMs: NOW - DAY }),
    ]),
  ];
  const attributes = {
    cadence: '1d',
    enabled: true,
    keep_n: 2,
    older_than: '14d',
    name_regex: '.*',
    name_regex_keep: 'main|v.+',
  };

  test.each([
    ['a project', { id: 5, container_expiration_policy: attributes }],
    ['a call', { container_expiration_policy_attributes: attributes }],
    ['by itself', attributes],
  ])('the attributes, from %s', async (_, document) => {
    expect(await dropped(json(document), facts)).toEqual(['dev-1', 'dev-2']);
  });

  test('is written with its differences', async () => {
    const { format, yaml } = await importPolicy(json(attributes), 'g.json');
    expect(format).toBe('gitlab');
    expect(yaml).toMatchInlineSnapshot(`
      "# From a GitLab cleanup policy. It is about the repositories of one project: narrow
      # \`repositories\` to them.

      version: 1
      policies:
        - name: gitlab
          repositories: [ '**' ]
          rules:
            # GitLab leaves \`latest\` out first, and \`keep_n\` counts only what is left after the name
            # filters: hence \`exclude\`. Its expressions are anchored RE2, as here. It goes by the
            # time of creation.
            - name: cleanup
              tags: { include: [ '**' ], exclude: [ latest, re:main|v.+ ] }
              time: created
              keep: { last: 2, order: created }
              drop: { older-than: 14d }
      "
    `);
  });

  test('without a count, and without a filter', async () => {
    expect(await dropped(json({ name_regex_delete: 'dev-.+', older_than: '98d' }), facts)).toEqual(
      [],
    );
    expect(
      await dropped(json({ name_regex_delete: 'dev-.+', older_than: '1month' }), facts),
    ).toEqual(['dev-1', 'dev-2', 'dev-3']);
    await expect(importPolicy(json({ keep_n: 1, older_than: '7d' }), 'g')).rejects.toThrow(
      /removes nothing/,
    );
  });
});

describe('acr purge', () => {
  const facts = [
    repository('hello-world', [
      tag('hello-1', 30),
      tag('hello-2', 20),
      tag('test-1', 30),
      tag('new', 1),
    ]),
    repository('ci/cache', [tag('z', 30)]),
  ];

  test.each([
    ["acr purge -r example --filter 'hello-world:.*' --ago 7d", ['hello-1', 'hello-2', 'test-1']],
    ['acr purge -r example --filter "hello-world:^hello.*" --ago 7d --keep 1', ['hello-1']],
    ["acr purge --filter='hello-world:\\w*est\\w*' --ago=5d --untagged", ['test-1']],
    ["acr purge --filter '.*/cache:.*' --filter 'hello-world:^test' --ago 2d3h6m", ['test-1', 'z']],
    [
      "acr purge --filter '.*:^hello' --filter 'hello-world:^test' --ago 0d",
      ['hello-1', 'hello-2', 'test-1'],
    ],
    [
      'az acr run --registry r --cmd \'acr purge --filter "hello-world:.*" --ago 25d\' /dev/null',
      ['hello-1', 'test-1'],
    ],
    ["acr purge \\\n  --filter 'hello-world:.*' \\\n  --ago 25d", ['hello-1', 'test-1']],
    ["acr purge --filter 'hello-world:.*' --ago 1d --untagged-only", []],
  ])('%s', async (line, expected) => {
    expect(await dropped(line, facts)).toEqual(expected);
  });

  test('is written with its differences', async () => {
    const { yaml } = await importPolicy(
      "acr purge --filter 'hello-world:^v' --filter 'my.repo:.*' --ago 30d --keep 3 --untagged",
      'a.sh',
    );
    expect(yaml).toMatchInlineSnapshot(`
      "# From an \`acr purge\` command line. It goes by the time of the last update; here that is the
      # time of push.
      # acr applies every filter that matches a repository; here the first policy that matches it is
      # the only one.

      version: 1
      policies:
        - name: purge hello-world
          repositories: [ hello-world ]
          untagged: { keep-within: 30d }
          rules:
            - name: purge
              tags: [ re:.*(?:^v).* ]
              # acr: --keep 3 counts only tags that already qualify (older than 30d); here the
              # newest 3 of all that match are kept, younger ones included.
              keep: { last: 3 }
              drop: { older-than: 30d }
        - name: purge my.repo
          repositories: [ re:my.repo ]
          untagged: { keep-within: 30d }
          rules:
            - name: purge
              tags: [ '**' ]
              # acr: --keep 3 counts only tags that already qualify (older than 30d); here the
              # newest 3 of all that match are kept, younger ones included.
              keep: { last: 3 }
              drop: { older-than: 30d }
      "
    `);
  });

  test('needs what acr needs', async () => {
    await expect(importPolicy("acr purge --filter 'a:.*'", 'a.sh')).rejects.toThrow(
      'a.sh: cannot be imported: the command has no --ago',
    );
    await expect(importPolicy('acr purge --ago 1d', 'a.sh')).rejects.toThrow(/no --filter/);
    await expect(importPolicy("acr purge --filter 'a' --ago 1d", 'a.sh')).rejects.toThrow(
      /the filter `a`/,
    );
  });

  test('words are split as a shell splits them', () => {
    expect(splitWords(`a 'b c' "d \\"e\\" \\w" f\\ g h'i'"j"`)).toEqual([
      'a',
      'b c',
      'd "e" \\w',
      'f g',
      'hij',
    ]);
  });
});

test('a document of none of them is refused', async () => {
  await expect(importPolicy('{"a": 1}', 'x.json')).rejects.toMatchObject({ code: 'usage' });
  await expect(importPolicy('a: [', 'x.json')).rejects.toMatchObject({ code: 'usage' });
  await expect(importPolicy('', 'x.json')).rejects.toMatchObject({ code: 'usage' });
});
