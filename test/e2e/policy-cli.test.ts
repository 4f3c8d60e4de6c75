/** Policies on the command line: what is refused, and how it is said; what flags, files and CSV make of each other. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tagsCsv } from '../../src/report/csv.ts';
import { mustSucceed, plan, regsweep } from '../support/cli.ts';
import type { PlanReport } from '../support/cli.ts';
import { StoreBuilder } from '../support/store.ts';
import { makeFolder } from '../support/sweep.ts';

const DAY = 86_400_000;
const NOW = new Date('2026-06-01T00:00:00Z');
const AT_NOW = ['--now', NOW.toISOString(), '--registry-stopped'];

const folder = makeFolder('policy-cli');
const root = join(folder, 'root');
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Pushed so many days before `NOW`, and made so many before. */
function addTag(store: StoreBuilder, name: string, pushed: number, created = pushed): void {
  const [repository = '', tag = ''] = name.split(':');
  const config = JSON.stringify({
    created: new Date(NOW.getTime() - created * DAY).toISOString(),
    name,
  });
  store.image(repository, { layers: [Buffer.from(name)], config: Buffer.from(config), tag });
  store.setTimes(
    `${store.tagPath(repository, tag)}/current/link`,
    new Date(NOW.getTime() - pushed * DAY),
  );
}

beforeAll(() => {
  const store = new StoreBuilder(fs, root);
  store.image('shop/base', { layers: [Buffer.from('base')], tag: 'latest' });
  store.ageEverything(new Date('2026-01-01'));
  for (const [tag, days] of [
    ['1.0', 100],
    ['1.1', 50],
    ['2.0', 10],
    ['latest', 10],
  ] as const) {
    addTag(store, `shop/api:${tag}`, days);
  }
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  fs.writeFileSync(file, text);
  return file;
}

const D = `sha256:${'d'.repeat(64)}`;

const tagsOf = (lines: readonly { kind: string; tag?: string }[]): string[] =>
  lines.flatMap(({ kind, tag }) => (kind === 'tag' && tag !== undefined ? [tag] : []));

describe('a policy that is refused', () => {
  test.each<[string, string, string[]]>([
    [
      'an unknown key, with the nearest',
      "version: 1\npolicies:\n  - name: p\n    repositories: ['**']\n    rules:\n      - { name: r, tags: ['*'], drop: { older_than: 3d } }\n",
      ['p.yaml:6:41: unknown key `older_than`', 'did you mean `older-than`?'],
    ],
    ['no YAML', 'version: [1\n', ['p.yaml:']],
    ['nothing', '', ['an empty policy']],
    [
      'an expression that does not compile',
      "version: 1\npolicies: [{ name: p, repositories: ['re:('], untagged: drop }]\n",
      ['p.yaml:2:38: `re:(` does not compile'],
    ],
  ])('for %s', async (_, yaml, expected) => {
    const file = write('p.yaml', yaml);
    for (const args of [
      ['plan', root, '--policy', file],
      ['policy', 'check', file],
    ]) {
      const run = await regsweep(args);
      expect(run.code).toBe(2);
      for (const text of expected) expect(run.stderr).toContain(text);
      expect(run.stderr).not.toContain(' at ');
    }
  });

  test.each<[string, string[], string]>([
    ['a file and flags', ['--policy', 'x.yaml', '--keep-last', '3'], '--policy goes with'],
    ['a file that is not there', ['--policy', '/nowhere/x.yaml'], 'cannot read /nowhere/x.yaml'],
    ['a selection without a deed', ['--repository', 'shop/**'], 'nothing says what to drop'],
    ['a bad duration', ['--older-than', '90'], '`90` is no duration'],
    ['a size without a unit', ['-m', '--free', '200'], '--free: `200` is no size'],
    ['a name that is none', ['--drop', 'Shop'], '`Shop` names nothing that can be dropped'],
    [
      'logs that are not there',
      ['--not-pulled-for', '3d', '--access-log', '/nowhere/*.log'],
      '/nowhere/*.log',
    ],
    ['what may not be allowed', ['--allow', 'everything'], 'Allowed choices are'],
  ])('for %s', async (_, flags, expected) => {
    const run = await regsweep(['plan', root, ...flags]);
    expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 2, stdout: '' });
    expect(run.stderr).toContain(expected);
  });

  test('for limits that it exceeds, and for a repository that it would empty', async () => {
    const rules = "repositories: ['shop/api'], rules: [{ name: r, tags: ['*'], drop: always }]";
    const file = write(
      'limits.yaml',
      `version: 1\nlimits: { max-drop-tags: 2 }\npolicies: [{ name: p, ${rules} }]\n`,
    );
    const out = join(folder, 'never');
    const run = await regsweep(['plan', root, '--policy', file, '-o', out]);
    expect(run.code).toBe(3);
    expect(run.stderr).toContain(`${file}:3:12: shop/api: policy \`p\` would drop every tag of it`);
    expect(run.stderr).toContain(
      `also: ${file}:2:26: the policy would drop 4 of 5 tags; its limit is 2`,
    );
    expect(fs.existsSync(out)).toBe(false);
  });

  test('for a list of digests that is not there: `policy check` tells of it too', async () => {
    const file = write(
      'unlisted.yaml',
      "version: 1\nprotect: [{ digests-file: absent.txt }]\npolicies: [{ name: p, repositories: ['**'], untagged: drop }]\n",
    );
    const place = `${file}:2:27: cannot read ${folder}/`;
    const run = await regsweep(['plan', root, '--policy', file]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(`error: ${place}`);
    // Where a policy is checked its list may not be made yet.
    const check = mustSucceed(await regsweep(['policy', 'check', file]));
    expect(check.stdout).toContain(`note: ${place}`);
  });

  test.each([
    ['', 'lists no digest'],
    ['# none\n', 'lists no digest'],
    ['shop/api:1.0\n', 'in-use.txt:1:1: no digest in `shop/api:1.0`'],
    [`# in use\n${D}, shop/api:1.0 ${D}\n`, 'in-use.txt:2:74: no digest in `shop/api:1.0`'],
    [`shop/api@${D};shop/api@${D}\n`, 'in-use.txt:1:1: no digest in `shop/api@sha256:'],
  ])('for a list of digests such as %j', async (text, expected) => {
    write('in-use.txt', text);
    const file = write(
      'protect.yaml',
      "version: 1\nprotect: [{ digests-file: in-use.txt }]\npolicies: [{ name: p, repositories: ['**'], untagged: drop }]\n",
    );
    const run = await regsweep(['plan', root, '--policy', file]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(expected);
  });

  test('and every digest of a list is one, however many are on a line', async () => {
    const rule = "repositories: ['shop/api'], rules: [{ tags: ['*'], drop: always }]";
    const head = 'version: 1\nlimits: { allow-empty-repository: true }\n';
    const policy = ['--policy', write('all.yaml', `${head}policies: [{ ${rule} }]\n`), ...AT_NOW];
    const all = (await plan(root, policy)).lines.filter(({ kind }) => kind === 'tag');
    const [a, b, c, d] = all.map(({ digest = '' }) => digest);
    write(
      'in-use.txt',
      `docker.io/shop/api:${'1'.repeat(40)}@${a} docker://${b},${c}\r\n\t# ${D}\r\nregistry:5000/x@${d} ${D}`,
    );
    const protect = 'protect: [{ digests-file: in-use.txt }]\npolicies: [{ name: p, ';
    const file = write('listed.yaml', `${head}${protect}${rule} }]\n`);
    expect([all.length, tagsOf((await plan(root, ['--policy', file, ...AT_NOW])).lines)]).toEqual([
      4,
      [],
    ]);
  });

  test('for times that a copy has reset, until told to believe them', async () => {
    const copied = join(folder, 'copied');
    const store = new StoreBuilder(fs, copied);
    for (let i = 0; i < 60; i++) addTag(store, `shop/api:t${i}`, 1, 1 + i);
    const flags = ['--older-than', '12h', ...AT_NOW];
    const run = await regsweep(['plan', copied, ...flags]);
    expect(run.code).toBe(3);
    expect(run.stderr).toMatch(
      /rule `flags\/tags` goes by the time of push, and a copy .* has reset it/,
    );
    const allowed = await plan(copied, [...flags, '--allow', 'reset-times']);
    expect(allowed.report.tags.dropped).toBe(60);
  });
});

test('an image of a day or an hour that does not exist is not taken for old', async () => {
  const odd = join(folder, 'odd');
  const store = new StoreBuilder(fs, odd);
  for (const created of ['2026-02-31T00:00:00Z', '2026-02-28T24:00:00Z', '2026-02-28T00:00:00Z']) {
    const tag = created.slice(5, 13);
    store.image('a', { layers: [], config: Buffer.from(JSON.stringify({ created })), tag });
  }
  store.ageEverything(new Date('2026-01-01'));
  const rule = "{ tags: ['*'], time: created, drop: { older-than: 30d } }";
  const policy = `version: 1\npolicies: [{ repositories: ['**'], rules: [${rule}] }]\n`;
  const { lines } = await plan(odd, ['--policy', write('odd.yaml', policy), ...AT_NOW]);
  expect(tagsOf(lines)).toEqual(['02-28T00']);
});

describe('flags', () => {
  test('keep by count and drop by age, and protect', async () => {
    const { lines } = await plan(root, ['--keep-last', '1', '--protect', 'latest', ...AT_NOW]);
    expect(tagsOf(lines)).toEqual(['1.0', '1.1']);
    expect(lines.find(({ tag }) => tag === '1.0')?.reason).toBe('flags/tags: drop always');
    const older = await plan(root, ['--older-than', '60d', '--repository', 'shop/api', ...AT_NOW]);
    expect(tagsOf(older.lines)).toEqual(['1.0']);
    expect(older.lines.find(({ tag }) => tag === '1.0')?.reason).toBe(
      'flags/tags: drop older-than 60d (100d)',
    );
  });

  test('print as a policy that does the same', async () => {
    const flags = [
      '-m',
      '--keep-last',
      '1',
      '--older-than',
      '20d',
      '--protect',
      'shop/base',
      '--drop',
      'shop/api:2.0',
    ];
    const printed = mustSucceed(await regsweep(['plan', ...flags, '--print-policy'])).stdout;
    const file = write('printed.yaml', printed);
    const [byFlags, byFile] = [
      await plan(root, [...flags, ...AT_NOW]),
      await plan(root, ['--policy', file, ...AT_NOW]),
    ];
    const actions = (lines: readonly { kind: string }[]): object[] => lines.slice(1, -1);
    expect(actions(byFile.lines)).toEqual(actions(byFlags.lines));
    expect(tagsOf(byFlags.lines)).toEqual(['1.0', '1.1', '2.0']);
  });

  test('of a policy are in the plan file and in the command to type', async () => {
    const { report, lines } = await plan(root, ['--older-than', '60d', ...AT_NOW]);
    expect(lines[0]).toMatchObject({ policy: '--older-than 60d' });
    expect(report).toMatchObject({ policy: '--older-than 60d' } as Partial<PlanReport>);
    const text = mustSucceed(
      await regsweep(['plan', root, '--tag', '*', '--older-than', '60d', ...AT_NOW]),
    ).stdout;
    expect(text).toContain(`--older-than 60d --tag '*' --now ${NOW.toISOString()} -o plan.ndjson`);
  });
});

test('policy check and import take the options of every command', async () => {
  const file = write(
    'common.yaml',
    "version: 1\npolicies: [{ name: p, repositories: ['**'], untagged: keep }]\n",
  );
  const common = ['-v', '--no-progress', '--color', 'never', '--threads', '1'];
  const check = mustSucceed(await regsweep(['policy', 'check', file, '-q', ...common]));
  expect(check.stdout).toBe('');
  const acr = write('acr.txt', "acr purge --filter 'shop/api:.*' --ago 30d");
  const args = ['policy', 'import', acr, ...common];
  const { stdout: yaml } = mustSucceed(await regsweep([...args, '-q']));
  expect(yaml).toContain('version: 1');
  const { stdout } = mustSucceed(await regsweep([...args, '--json']));
  expect(JSON.parse(stdout)).toEqual({ file: acr, format: 'acr', yaml });
});

test('what policy explain notes is wrapped', async () => {
  const protect = `protect: [{ repositories: [shop/nothing-of-this-name-was-ever-pushed-here] }]`;
  const text = `version: 1\n${protect}\npolicies: [{ name: p, repositories: ['**'], untagged: keep }]\n`;
  const args = ['policy', 'explain', write('noted.yaml', text), root, 'shop/api', ...AT_NOW];
  const { stderr } = mustSucceed(
    await regsweep(args.filter((arg) => arg !== '--registry-stopped')),
  );
  expect(stderr).toMatch(/^note: .*\n {2}\S/);
  expect(stderr.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

describe('CSV', () => {
  test('has a row a tag and a manifest, with what becomes of it and why', async () => {
    const file = join(folder, 'tags.csv');
    await plan(root, ['--older-than', '60d', '--csv', file, ...AT_NOW]);
    const [header, ...rows] = fs.readFileSync(file, 'utf8').trimEnd().split('\r\n');
    expect(header).toBe(
      'repository,tag,digest,pushed,created,pulled,decision,policy,rule,reason,all_reasons',
    );
    expect(
      rows.map((row) =>
        row
          .split(',')
          .filter((_, i) => [0, 1, 6].includes(i))
          .join(' '),
      ),
    ).toEqual([
      'shop/api 1.0 drop',
      'shop/api 1.1 keep',
      'shop/api 2.0 keep',
      'shop/api latest keep',
      'shop/base latest drop',
    ]);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  });

  test('gives no spreadsheet a formula and no terminal an escape', () => {
    const row = {
      repository: '=cmd()',
      tag: '\u001b[31m,"x"',
      digest: undefined,
      pushedMs: undefined,
      createdMs: Number.NaN,
      pulledMs: Infinity,
      decision: 'keep',
      policy: '@p',
      rule: '-r',
      reasons: ['+1', 'two\nlines'],
    } as const;
    const [, line = ''] = [...tagsCsv([row])];
    expect(line).toBe(`'=cmd(),"\\u{1b}[31m,""x""",,,,,keep,'@p,'-r,'+1,'+1; two\\u{a}lines\r\n`);
  });
});

describe('policy import', () => {
  test('of what is no policy says what it reads', async () => {
    const run = await regsweep(['policy', 'import', write('x.json', '{"a": 1}')]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/Harbor|ECR/);
  });

  test('gives a policy that is valid', async () => {
    const ecr = {
      rules: [
        {
          rulePriority: 1,
          selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 5 },
          action: { type: 'expire' },
        },
      ],
    };
    const imported = mustSucceed(
      await regsweep(['policy', 'import', write('ecr.json', JSON.stringify(ecr))]),
    );
    mustSucceed(await regsweep(['policy', 'check', write('imported.yaml', imported.stdout)]));
  });
});

test('the command that a report ends with makes the plan that it reports', async () => {
  const typed = ['-m', '--keep-last', '1', '--protect', 'latest', '--grace', '0'];
  const flags = [...typed, '--uploads-older-than', '24h', ...AT_NOW.slice(0, 2)];
  const { stdout } = mustSucceed(
    await regsweep(['plan', root, ...flags, '--no-progress', '--registry-stopped']),
  );
  const [, words = ''] = /^ {2}regsweep plan (.*) -o plan\.ndjson &&/m.exec(stdout) ?? [];
  const said = await plan(words.split(' ')[0] ?? '', words.split(' ').slice(1));
  const meant = await plan(root, flags);
  expect(tagsOf(meant.lines).sort()).toEqual(['1.0', '1.1']);
  expect(said.lines.slice(1, -1)).toEqual(meant.lines.slice(1, -1));
  expect(said.lines[0]).toMatchObject({ options: meant.lines[0]?.options });
});
