/** What `generate` prints, given to those who read it: the shells, man and systemd. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoStore } from '../../fixtures/demo/make.js';
import { mustSucceed, plan, PROGRAM, regsweep } from '../support/cli.ts';
import { complete } from '../support/completion.ts';
import type { Shell } from '../support/completion.ts';
import { describeAsRoot, describeWithPackages } from '../support/packages.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-generate-'));
  mkdirSync(join(folder, 'registry'));
  writeFileSync(join(folder, 'rules.yaml'), '');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function generate(...args: readonly string[]): Promise<string> {
  return mustSucceed(await regsweep(['generate', ...args])).stdout;
}

/** The words of a help text's section: commands, or the long spellings of options. */
function listed(help: string, section: string): string[] {
  const text = help.split(`${section}:\n`)[1]?.split('\n\n')[0] ?? '';
  const word = section === 'Options' ? /^ {2}(?:-\w, )?(--[\w-]+)/gm : /^ {2}(\w[\w-]*)/gm;
  return [...text.matchAll(word)].map((match) => match[1] ?? '').sort();
}

/** Every command that a help leads to, with its own help. */
async function helps(path: readonly string[] = []): Promise<Map<string, string>> {
  const help = mustSucceed(await regsweep([...path, '--help'])).stdout;
  const found = new Map([[path.join(' '), help]]);
  for (const name of listed(help, 'Commands')) {
    if (name === 'help') continue;
    for (const entry of await helps([...path, name])) found.set(...entry);
  }
  return found;
}

test('every help fits 80 columns', async () => {
  for (const [path, help] of await helps()) {
    expect(
      help.split('\n').filter((line) => line.length > 80),
      path,
    ).toEqual([]);
  }
});

test('each takes the options of every command', async () => {
  const common = ['-q', '-v', '--no-progress', '--color', 'never', '--threads', '1'];
  const [man, service, timer] = [
    await generate('man'),
    await generate('systemd', 'service'),
    await generate('systemd', 'timer'),
  ];
  expect(await generate('man', ...common)).toBe(man);
  const json = async (...args: string[]): Promise<unknown> =>
    JSON.parse(await generate(...args, ...common, '--json'));
  expect(await json('man')).toEqual({ man });
  expect(await json('systemd')).toEqual({ service, timer });
  expect(await json('systemd', 'timer')).toEqual({ timer });
  expect(await json('completion', 'bash')).toEqual({
    completion: await generate('completion', 'bash'),
  });
});

describe.each<Shell>(['bash', 'zsh', 'fish'])('completion', (shell) => {
  describeWithPackages([shell], `for ${shell}`, () => {
    const file = (): string => join(folder, `completion.${shell}`);
    const ask = (line: string): string[] => complete(shell, file(), line, folder);

    beforeAll(async () => {
      writeFileSync(file(), await generate('completion', shell));
    });

    test('offers all commands and options that the help shows, and no others', async () => {
      for (const [path, help] of await helps()) {
        const start = `regsweep ${path}`.trimEnd();
        const commands = listed(help, 'Commands');
        if (commands.length > 0) expect(ask(`${start} `), start).toEqual(commands);
        const options = ask(`${start} --`).map((word) => word.replace(/=$/, ''));
        expect(options, start).toEqual(listed(help, 'Options'));
      }
    });

    test.each<[string, string[]]>([
      ['regsweep pl', ['plan']],
      ['regsweep policy ch', ['check']],
      ['regsweep generate completion ', ['bash', 'fish', 'zsh']],
      ['regsweep generate systemd ', ['service', 'timer']],
      ['regsweep plan --color ', ['always', 'auto', 'never']],
      ['regsweep plan --grace 2h --color a', ['always', 'auto']],
      ['regsweep plan -m ru', ['rules.yaml']],
      ['regsweep plan --policy ru', ['rules.yaml']],
      ['regsweep plan registry -o ru', ['rules.yaml']],
      ['regsweep plan --grace ', []],
      ['regsweep policy import zz', []],
    ])('%s', (line, words) => {
      expect(ask(line)).toEqual(words);
    });

    test('a value after an equals sign', () => {
      expect(ask('regsweep plan --color=ne').map((word) => word.replace(/.*=/, ''))).toEqual([
        'never',
      ]);
    });
  });
});

test('a shell that is not known is a mistake', async () => {
  const run = await regsweep(['generate', 'completion', 'csh']);
  expect(run.code).toBe(2);
  expect(run.stderr).toContain('bash, zsh, fish');
});

describeWithPackages(['man-db', 'groff'], 'the man page', () => {
  test('is formatted without a warning, and has every command and option', async () => {
    const page = await generate('man');
    const file = join(folder, 'regsweep.1');
    writeFileSync(file, page);
    const strict = spawnSync('groff', ['-man', '-ww', '-Tutf8', file], { encoding: 'utf8' });
    expect([strict.status, strict.stderr]).toEqual([0, '']);
    const env = { ...process.env, MANWIDTH: '200', MANPAGER: 'cat', MAN_KEEP_FORMATTING: '' };
    const { stdout, stderr, status } = spawnSync('man', ['--warnings=w', '-l', file], {
      env,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    for (const [path, help] of await helps()) {
      expect(stdout).toContain(path);
      for (const option of listed(help, 'Options')) expect(stdout).toContain(option);
    }
    expect(stdout).toMatch(/^EXIT STATUS\n(?:.*\n)* {7}143 /m);
  });

  test('is the same for the same program', async () => {
    expect(await generate('man')).toBe(await generate('man'));
  });
});

describe('the units of systemd', () => {
  test('stop the registry, plan, sweep, and start it whatever happens', async () => {
    const unit = await generate('systemd', 'service', '--program', '/opt/regsweep', '-m');
    const lines = unit.split('\n').filter((line) => /^(Exec|Success)/.test(line));
    expect(lines).toEqual([
      'ExecStartPre=/usr/bin/systemctl stop docker-registry.service',
      'ExecStart=/opt/regsweep plan /var/lib/registry --no-progress -o /run/regsweep/plan.ndjson -m',
      'ExecStart=/opt/regsweep sweep /run/regsweep/plan.ndjson --yes --no-progress --max-duration 2h',
      'ExecStopPost=/usr/bin/systemctl start docker-registry.service',
      'SuccessExitStatus=4',
    ]);
  });

  test('start the program where it is', async () => {
    expect(await generate('systemd', 'service')).toContain(
      `ExecStart=${process.execPath} ${PROGRAM} plan `,
    );
  });

  test('take a container for a unit', async () => {
    const unit = await generate('systemd', 'service', '--container', 'registry');
    expect(unit).toContain('\nExecStartPre=/usr/bin/docker stop registry\n');
    expect(unit).toContain('\nExecStopPost=/usr/bin/docker start registry\n');
  });

  test.each<[string, string[], RegExp]>([
    ['a folder that is relative', ['--root', 'registry'], /--root: "registry" is no absolute path/],
    ['a line break', ['--schedule', 'daily\nUser=nobody'], /--schedule: .* cannot stand/],
    ['no name of a unit', ['--registry-unit', 'a b'], /names no unit/],
    ['no name of a container', ['--container', '-f x'], /names no container/],
    ['no duration', ['--max-duration', '2 hours'], /--max-duration: /],
    ['a policy and -m, as plan does', ['--policy', '/etc/p.yaml', '-m'], /--policy and -m do not/],
    ['no unit of ours', ['socket'], /service, timer/],
  ])('refuse %s', async (_, args, message) => {
    const run = await regsweep(['generate', 'systemd', ...args]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(message);
  });

  describeWithPackages(['systemd'], 'by systemd itself', () => {
    describeAsRoot('carried out', () => {
      test('sweep the store, with the registry stopped before and started after', async () => {
        const root = join(folder, 'demo');
        makeDemoStore(root);
        const { steps, calls } = await carryOut(root);
        expect(calls).toEqual(['stop docker-registry.service', 'start docker-registry.service']);
        expect(steps).toEqual([0, 0, 0, 0]);
        expect((await plan(root, ['-m'])).blobs.size).toBe(0);
      });

      test('start the registry after a plan that failed', async () => {
        const { steps, calls } = await carryOut(join(folder, 'nowhere'));
        expect(calls).toEqual(['stop docker-registry.service', 'start docker-registry.service']);
        expect(steps).toEqual([0, 2, 0]);
      });
    });

    test.each<[string, string[]]>([
      ['plain', []],
      ['with odd names', ['--root', '/srv/my "reg" 100%/$x\\y', '--policy', "/etc/a b's.yaml"]],
    ])('are in order, %s', async (_, args) => {
      const units = mkdtempSync(join(folder, 'units-'));
      const service = join(units, 'regsweep.service');
      const timer = join(units, 'regsweep.timer');
      const calls = ['--registry-unit', 'regsweep-none', '--program', '/bin/true', ...args];
      writeFileSync(service, await generate('systemd', 'service', ...calls));
      writeFileSync(timer, await generate('systemd', 'timer', ...calls));
      const verify = spawnSync('systemd-analyze', ['verify', '--man=no', service, timer], {
        encoding: 'utf8',
      });
      expect([verify.status, verify.stderr]).toEqual([0, '']);
      const when = spawnSync('systemd-analyze', ['calendar', 'Sun 03:00'], { encoding: 'utf8' });
      expect(when.status, when.stderr).toBe(0);
    });
  });
});

/**
 * Runs the service's commands as systemd does for a oneshot: each after the success of the one
 * before, the last in any case. In a mount namespace with a /run and a systemctl of its own.
 * @returns the exit codes, and what systemctl was asked for.
 */
async function carryOut(root: string): Promise<{ steps: number[]; calls: string[] }> {
  const place = mkdtempSync(join(folder, 'unit-'));
  const stub = join(place, 'systemctl');
  const log = join(place, 'log');
  writeFileSync(stub, `#!/bin/sh\necho "$@" >>${log}\n`, { mode: 0o755 });
  const flags = ['--root', root, '-m', '--registry-stopped'];
  const unit = await generate('systemd', 'service', ...flags);
  const of = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((match) => match[1] ?? '');
  const script = [
    'mount -t tmpfs none /run && mkdir -m 700 /run/regsweep',
    `mount --bind ${stub} /usr/bin/systemctl`,
    `export ${of('Environment').join(' ').replace('/var/lib', place)}`,
    'step() { "$@" >>/run/out 2>&1; code=$?; echo $code; return $code; }',
    [...of('ExecStartPre'), ...of('ExecStart')].map((words) => `step ${words}`).join(' && '),
    ...of('ExecStopPost').map((words) => `step ${words}`),
  ].join('\n');
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const calls = readFileSync(log, 'utf8').trim().split('\n');
  return { steps: stdout.trim().split('\n').map(Number), calls };
}
