/**
 * The README's sequences for a host, carried out to their ends: regsweep is the real one, docker, systemctl and the
 * others are stand-ins that record how they were called. And every regsweep that it names has the options it is named
 * with.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoStore } from '../../fixtures/demo/make.js';
import { mustSucceed, plan, PROGRAM, regsweep } from '../support/cli.ts';

const README = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const BLOCKS = [...README.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1] ?? '');

const carriedOut = new Set<string>();

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'regsweep-readme-'));
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
});

/** The one block that has these words. */
function blockOf(...words: readonly string[]): string {
  const found = BLOCKS.filter((block) => words.every((word) => block.includes(word)));
  expect([words, found.length]).toEqual([words, 1]);
  const [block = ''] = found;
  carriedOut.add(block);
  return block;
}

interface Host {
  readonly place: string;
  /** Where the README's stores are, by its own paths. */
  readonly store: string;
}

/** Paths of the README's host, below a folder of the test's. */
const PATHS = [
  '/var/lib/registry',
  '/data/registry',
  '/srv/mirror',
  '/etc/docker/registry/config.yml',
  '/etc/systemd/system',
  '/etc/zot',
  '/run/regsweep',
  '/out',
];

const DOCUMENTS: Readonly<Record<string, object>> = {
  'api/v2.0/retentions/1': {
    id: 1,
    algorithm: 'or',
    rules: [
      {
        action: 'retain',
        template: 'latestPushedK',
        params: { latestPushedK: 10 },
        tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: '**' }],
        scope_selectors: {
          repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }],
        },
      },
    ],
    scope: { level: 'project', ref: 2 },
  },
  'api/v4/projects/42': {
    id: 42,
    container_expiration_policy: { enabled: true, keep_n: 5, older_than: '14d', name_regex: '.*' },
  },
  'get-lifecycle-policy': {
    rules: [
      {
        rulePriority: 1,
        selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 30 },
        action: { type: 'expire' },
      },
    ],
  },
};

/** A store in each place that the README names, and what stands in for the programs of a host. */
function makeHost(name: string): Host {
  const place = join(folder, name);
  const store = join(place, 'store');
  fs.mkdirSync(join(place, 'bin'), { recursive: true });
  for (const path of ['etc/docker/registry', 'etc/zot', 'etc/systemd/system', 'run/regsweep']) {
    fs.mkdirSync(join(place, path), { recursive: true });
  }
  for (const path of ['var/lib', 'data', 'srv'])
    fs.mkdirSync(join(place, path), { recursive: true });
  makeDemoStore(store);
  fs.symlinkSync(store, join(place, 'var/lib/registry'));
  fs.symlinkSync(join(place, 'run/regsweep'), join(place, 'out'));
  const config = `version: 0.1\nstorage: { filesystem: { rootdirectory: ${store} } }\n`;
  fs.writeFileSync(join(place, 'etc/docker/registry/config.yml'), config);
  const zot = {
    repositories: ['**'],
    keepTags: [{ patterns: ['.*'], mostRecentlyPushedCount: 5 }],
  };
  const retention = { storage: { retention: { policies: [zot] } } };
  fs.writeFileSync(join(place, 'etc/zot/config.json'), JSON.stringify(retention));
  for (const [, file = '', yaml = ''] of README.matchAll(/```yaml\n# (\S+)\n([^]*?)```/g)) {
    fs.writeFileSync(join(place, file), yaml);
  }
  for (const [words, document] of Object.entries(DOCUMENTS)) {
    fs.writeFileSync(join(place, words.replaceAll('/', ' ')), JSON.stringify(document));
  }
  writePrograms(place);
  return { place, store };
}

function writePrograms(place: string): void {
  const program = (name: string, script: string): void =>
    fs.writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const record = `echo "$(basename "$0") $*" >>'${place}/calls'`;
  // Nobody sits at this terminal, and other tests' registries may run on this machine.
  program(
    'regsweep',
    `${record}
[ "$1" = sweep ] && set -- "$@" --yes --registry-stopped
XDG_STATE_HOME='${place}/state' exec '${process.execPath}' '${PROGRAM}' "$@"`,
  );
  const document = `for name in '${place}'/*; do case "$*" in *"$(basename "$name" | tr ' ' /)"*) cat "$name";; esac; done`;
  for (const name of ['curl', 'aws']) program(name, document);
  program('systemctl', record);
  program(
    'docker',
    `${record}
case "$1" in
inspect) echo '${place}/store' ;;
exec) [ "$2" = harbor-db ] && cat '${place}/artifacts' ;;
run) while [ "$1" != regsweep ]; do shift; done
  export REGSWEEP_ROOT='${place}/store'; exec "$@" ;;
esac`,
  );
}

/** Runs a block on a host, and returns how docker and systemctl were called, in order. */
function carryOut({ place }: Host, block: string): { calls: string[]; output: string } {
  let script = block;
  for (const path of PATHS) {
    script = script.replaceAll(new RegExp(`(?<=[ "'=:])${path}\\b`, 'g'), place + path);
  }
  // What is in quotes for docker is for docker: inside the container it is the container's path.
  script = script.replaceAll(`"${place}/var/lib/registry"}}`, '"/var/lib/registry"}}');
  const { NO_COLOR: _no, FORCE_COLOR: _force, NODE_OPTIONS: _options, ...env } = process.env;
  const run = spawnSync('sh', ['-c', script], {
    cwd: place,
    env: { ...env, PATH: `${join(place, 'bin')}${delimiter}${env['PATH'] ?? ''}` },
    encoding: 'utf8',
  });
  const output = run.stdout + run.stderr;
  expect(run.status, output).toBe(0);
  expect(output).not.toMatch(/^error: |not found/m);
  const calls = fs.existsSync(join(place, 'calls'))
    ? fs.readFileSync(join(place, 'calls'), 'utf8').trim().split('\n')
    : [];
  return { calls, output };
}

/** Calls without the rest of their words, so that their order can be read. */
function heads(calls: readonly string[], words = 2): string[] {
  return calls.map((call) => {
    const count = call.startsWith('regsweep') ? 2 : words;
    return call.split(' ').slice(0, count).join(' ');
  });
}

async function garbage(root: string, flags: readonly string[] = ['-m']): Promise<number> {
  return (await plan(root, flags)).blobs.size;
}

describe('the maintenance window', () => {
  test('of a container', async () => {
    const host = makeHost('container');
    const { calls, output } = carryOut(host, blockOf('docker inspect'));
    expect(heads(calls)).toEqual([
      'docker inspect',
      'docker stop',
      'regsweep plan',
      'regsweep sweep',
      'docker start',
    ]);
    expect(output).toMatch(/WOULD FREE[^]*Done: freed/);
    expect(await garbage(host.store)).toBe(0);
  });

  test.each([
    ['docker compose', ['docker compose stop', 'docker compose start']],
    [
      'systemctl stop docker-registry',
      ['systemctl stop docker-registry', 'systemctl start docker-registry'],
    ],
  ])('of %s', async (words, [stop, start]) => {
    const host = makeHost(words.replaceAll(' ', '-'));
    const { calls } = carryOut(host, blockOf(words, '--max-duration 2h', ...(stop ? [stop] : [])));
    expect([calls.length, calls[0], calls.at(-1)]).toEqual([
      4,
      expect.stringMatching(`^${stop}`),
      expect.stringMatching(`^${start}`),
    ]);
    expect(await garbage(host.store)).toBe(0);
  });

  test('from an image of its own', async () => {
    const host = makeHost('image');
    const { calls } = carryOut(host, blockOf('--volumes-from'));
    expect(heads(calls)).toEqual([
      'docker stop',
      'docker run',
      'regsweep plan',
      'docker run',
      'regsweep sweep',
      'docker start',
    ]);
    expect(await garbage(host.store)).toBe(0);
  });

  test('with 0 bytes free', async () => {
    const host = makeHost('full');
    const { calls } = carryOut(host, blockOf('-o - | regsweep sweep -'));
    expect([calls[0], calls.at(-1)]).toEqual(['docker stop registry', 'docker start registry']);
    expect(await garbage(host.store)).toBe(0);
    const { output } = carryOut(host, blockOf('--what-if', '--free 50GiB'));
    expect(output).toMatch(/DEDUPLICATION[^]*WHAT WOULD BE FREED[^]*50\.0 GiB CANNOT BE MET/);
  });

  test('after an outage', async () => {
    const host = makeHost('outage');
    const { calls } = carryOut(host, blockOf('--newest-first'));
    expect([calls[0], calls.at(-1)]).toEqual(['docker stop registry', 'docker start registry']);
    expect(fs.readFileSync(join(host.place, 'push-again.csv'), 'utf8')).toContain('team/legacy');
    const again = await regsweep(['check', host.store, '--json']);
    const { findings } = again.json as { findings: { code: string }[] };
    // The damaged data made way for a push.
    expect(findings.map(({ code }) => code)).toEqual(['missing-manifest']);
  });

  test('of a pull-through cache', async () => {
    const host = makeHost('mirror');
    fs.symlinkSync(host.store, join(host.place, 'srv/mirror'));
    fs.writeFileSync(join(host.store, 'scheduler-state.json'), '{}');
    const { calls, output } = carryOut(host, blockOf('/srv/mirror'));
    expect([calls[0], calls.at(-1)]).toEqual(['docker stop mirror', 'docker start mirror']);
    // It is far below that size already.
    expect(output).toMatch(/EVICTION +to 200 GiB[^]*Done: freed/);
  });

  test('of Harbor, by what its database says', async () => {
    const host = makeHost('harbor');
    for (const name of ['database', 'redis', 'job_logs']) {
      fs.mkdirSync(join(host.place, 'data', name));
    }
    fs.renameSync(host.store, join(host.place, 'data/registry'));
    const root = join(host.place, 'data/registry');
    const { lines } = await plan(root, ['--keep-last', '1', '-m', '--disk-is-authority']);
    const revisions = lines.filter(({ kind }) => kind === 'revision');
    const gone = new Set(revisions.map((one) => `${one.repository ?? ''}@${one.digest ?? ''}`));
    const all = listRevisions(root);
    const used = all.filter((name) => !gone.has(name));
    fs.writeFileSync(join(host.place, 'artifacts'), used.map((name) => `${name}\n`).join(''));
    const { calls, output } = carryOut(host, blockOf('harbor-db'));
    expect(heads(calls, 3)).toEqual([
      'docker compose stop',
      'docker exec harbor-db',
      'regsweep plan',
      'regsweep sweep',
      'docker exec redis',
      'docker compose start',
    ]);
    expect(calls[1]).toContain("-At -c SELECT repository_name || '@' || digest FROM artifact");
    expect(output).toMatch(/Done: freed/);
    const left = new Set(listRevisions(root));
    expect(used.filter((name) => !left.has(name))).toEqual([]);
  });
});

/** Every manifest's link of a store, as `repository@digest`. */
function listRevisions(root: string): string[] {
  const repositories = join(root, 'docker/registry/v2/repositories');
  return fs
    .readdirSync(repositories, { recursive: true })
    .map(String)
    .flatMap((path) => {
      const match = /^(.*)\/_manifests\/revisions\/sha256\/(\w+)\/link$/.exec(path);
      return match === null ? [] : [`${match[1]}@sha256:${match[2]}`];
    })
    .sort();
}

test('units are written and switched on', () => {
  const host = makeHost('units');
  const { calls } = carryOut(host, blockOf('regsweep.timer'));
  expect(calls.filter((call) => call.startsWith('systemctl'))).toEqual([
    'systemctl daemon-reload',
    'systemctl enable --now regsweep.timer',
    'systemctl list-timers regsweep.timer',
  ]);
  for (const unit of ['regsweep.service', 'regsweep.timer']) {
    expect(fs.readFileSync(join(host.place, 'etc/systemd/system', unit), 'utf8')).toMatch(
      /^\[Unit\]/m,
    );
  }
});

test("other systems' documents become policies", async () => {
  const host = makeHost('import');
  carryOut(host, blockOf('regsweep policy import -'));
  for (const name of ['harbor', 'zot', 'ecr', 'gitlab']) {
    mustSucceed(await regsweep(['policy', 'check', join(host.place, `${name}-rules.yaml`)]));
  }
});

describe('the examples in the help', () => {
  const examples = async (command: string): Promise<string[]> => {
    const { stdout } = mustSucceed(await regsweep([command, '--help']));
    const found = stdout.match(/^ {2}regsweep .*$/gm) ?? [];
    expect(found.length).toBeGreaterThan(2);
    return found;
  };
  const PLAN = 'regsweep plan /var/lib/registry -m -o plan.ndjson';

  test('of plan', async () => {
    const host = makeHost('help-plan');
    makeDemoStore(join(host.place, 'srv/mirror'));
    fs.writeFileSync(join(host.place, 'srv/mirror/scheduler-state.json'), '{}');
    fs.renameSync(join(host.place, 'shop.yaml'), join(host.place, 'policy.yaml'));
    for (const line of await examples('plan')) {
      expect(carryOut(host, `rm -f plan.ndjson\n${line}`).output).toContain('WOULD FREE');
    }
    expect(await garbage(host.store)).toBe(0);
  });

  test('of sweep', async () => {
    const [whole = '', links = '', back = ''] = await examples('sweep');
    const host = makeHost('help-sweep');
    const before = listRevisions(host.store);
    carryOut(host, `${PLAN}\n${links}`);
    expect(listRevisions(host.store).length).toBeLessThan(before.length);
    carryOut(host, back);
    expect(listRevisions(host.store)).toEqual(before);
    carryOut(host, `rm plan.ndjson\n${PLAN}\n${whole}`);
    expect(await garbage(host.store)).toBe(0);
  });

  test('of check', async () => {
    const host = makeHost('help-check');
    // 3: there is damage, which a push has to mend.
    carryOut(host, `${(await examples('check')).join('\n')}; test $? -eq 3`);
    expect(fs.readFileSync(join(host.place, 'push-again.csv'), 'utf8')).toContain('team/legacy');
  });
});

test('no sequence is left out', ({ skip }) => {
  if (carriedOut.size === 0) skip('the tests before were not asked for');
  // The first is what `npm start` and `npm test` do, which this test is part of.
  const [, ...sequences] = BLOCKS;
  expect(sequences.filter((block) => !carriedOut.has(block))).toEqual([]);
});

test('every regsweep that it names has that command, and those options', async () => {
  const commands = [
    ...README.matchAll(
      /\bregsweep (plan|sweep|check|analyze|why|export|policy \w+|generate \w+)\b([^`\n|&;]*)/g,
    ),
  ];
  expect(commands.length).toBeGreaterThan(50);
  const helps = new Map<string, string>();
  for (const [whole, command = '', rest = ''] of commands) {
    if (!helps.has(command)) {
      helps.set(command, mustSucceed(await regsweep([...command.split(' '), '--help'])).stdout);
    }
    for (const [option] of rest.matchAll(/(?<=\s)--?[a-z][\w-]*/g)) {
      const known = new RegExp(`(?:^|[\\s,])${option}(?=[\\s,])`, 'm');
      expect([whole, known.test(helps.get(command) ?? '')]).toEqual([whole, true]);
    }
  }
});
