/** Getting it there: the tarball of npm pack without a network, the one with Node in it, the Dockerfile. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoStore } from '../../fixtures/demo/make.js';
import { describeUnless, isRoot } from '../support/packages.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
  version: string;
};
const TARBALL = `regsweep-${version}.tgz`;
/** Root can take the network away; others only point npm at a port where nobody listens. */
const NO_NETWORK = isRoot() && spawnSync('unshare', ['-n', 'true']).status === 0;
const POLICY = "version: 1\npolicies: [{ repositories: ['**'], untagged: drop }]\n";

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-packaging-'));
  npm(CHECKOUT, ['pack', '--silent', '--pack-destination', folder]);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** npm as on a machine of its own: an empty cache and home, and nobody's settings. */
function npm(cwd: string, args: readonly string[]): void {
  const home = mkdtempSync(join(folder, 'home-'));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    npm_config_cache: join(home, 'cache'),
    npm_config_registry: 'http://127.0.0.1:9/',
    npm_config_update_notifier: 'false',
  };
  const words = [...(NO_NETWORK ? ['unshare', '-n'] : []), 'npm', ...args];
  run(words, { cwd, env });
}

function run(
  [program = '', ...args]: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): string {
  const { NODE_OPTIONS: _options, ...inherited } = process.env;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    env: inherited,
    ...options,
    encoding: 'utf8',
    timeout: 170_000,
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

/** A plan that starts workers and reads YAML: every dependency has to be there. */
function expectToWork(words: readonly string[], place: string, shown = place): void {
  makeDemoStore(join(place, 'registry'));
  writeFileSync(join(place, 'policy.yaml'), POLICY);
  expect(run([...words, '--version']).trim()).toBe(version);
  const flags = ['--policy', `${shown}/policy.yaml`, '--threads', '2', '--json'];
  const report = JSON.parse(run([...words, 'plan', `${shown}/registry`, ...flags])) as {
    tags: { total: number };
    manifests: { dropped: number };
  };
  expect(report.tags.total).toBe(21);
  expect(report.manifests.dropped).toBe(5);
}

describe('the tarball of npm pack', () => {
  test('holds the program and what it needs, and nothing of the checkout besides', () => {
    const files = execFileSync('tar', ['-tzf', join(folder, TARBALL)], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const own = files.filter((file) => !file.startsWith('package/node_modules/'));
    const strange = own.filter(
      (file) => !/^package\/(?:dist\/(?:.*\.js|package\.json)|[^/]+)$/.test(file),
    );
    expect(strange.sort()).toEqual(['package/bin/package.json', 'package/bin/regsweep.js']);
    const { dependencies } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) {
      expect(files).toContain(`package/node_modules/${name}/package.json`);
    }
  });

  test('installs in a clean folder, with no network and an empty cache', () => {
    const place = mkdtempSync(join(folder, 'clean-'));
    writeFileSync(join(place, 'package.json'), '{}');
    npm(place, ['install', '--offline', '--no-audit', '--no-fund', join(folder, TARBALL)]);
    expectToWork([join(place, 'node_modules/.bin/regsweep')], place);
  });
});

describeUnless(obstacleToClean(), 'the Dockerfile', () => {
  test('gives a root in which the entry point works', () => {
    const { copies, runs, entry } = readDockerfile();
    const place = mkdtempSync(join(folder, 'image-'));
    for (const { pattern, to } of copies) {
      const matches = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
      const found = readdirSync(folder).filter((name) => matches.test(name));
      expect(found).toEqual([TARBALL]);
      mkdirSync(join(place, to), { recursive: true });
      for (const name of found) copyFileSync(join(folder, name), join(place, to, name));
    }
    makeDemoStore(join(place, 'var/lib/registry'));
    const script = join(folder, 'build.sh');
    writeFileSync(script, buildScript(place, [...runs, `${entry.join(' ')} plan -m`]));
    const report = run(['unshare', '-mn', 'sh', '-eu', script]);
    expect(report).toContain('7 repositories  21 tags  26 manifests  109 blobs');
    expect(readdirSync(join(place, 'tmp'))).toEqual([]);
  });
});

interface Dockerfile {
  readonly copies: readonly { readonly pattern: string; readonly to: string }[];
  readonly runs: readonly string[];
  readonly entry: readonly string[];
}

function readDockerfile(): Dockerfile {
  const steps = readFileSync(join(CHECKOUT, 'Dockerfile'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
  const of = (kind: string): string[] =>
    steps.filter(([word]) => word === kind).map(([, rest]) => rest);
  expect(steps.map(([word]) => word)).toEqual(['FROM', 'COPY', 'RUN', 'ENTRYPOINT']);
  expect(of('FROM')[0]).toMatch(/^node:\d+-slim$/);
  return {
    copies: of('COPY').map((rest) => {
      const [pattern = '', to = ''] = rest.split(' ');
      return { pattern, to };
    }),
    runs: of('RUN'),
    entry: JSON.parse(of('ENTRYPOINT')[0] ?? '[]') as string[],
  };
}

/** The image's base: this machine's /usr, read-only, but a /usr/local with nothing but Node and npm. */
function buildScript(place: string, steps: readonly string[]): string {
  const lines = [
    'mount --make-rprivate /',
    `cd ${place}`,
    'mkdir -p usr dev proc root tmp',
    'mount --rbind /usr usr && mount -o remount,bind,ro usr',
    'for name in bin sbin lib lib64; do',
    '  if [ -L /$name ]; then ln -s "$(readlink /$name)" $name',
    '  elif [ -d /$name ]; then mkdir $name; mount --rbind /$name $name; fi',
    'done',
    'mount -t tmpfs none usr/local',
    'mkdir -p usr/local/bin usr/local/lib/node_modules/npm',
    `touch usr/local/bin/node && mount --bind ${process.execPath} usr/local/bin/node`,
    `mount --bind ${npmFolder()} usr/local/lib/node_modules/npm`,
    'ln -s ../lib/node_modules/npm/bin/npm-cli.js usr/local/bin/npm',
    'mount -t proc none proc',
    ...steps.map(
      (step) =>
        `chroot . /usr/bin/env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/bin sh -euc '${step}'`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function npmFolder(): string {
  return execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim() + '/npm';
}

function obstacleToClean(): string | undefined {
  if (!isRoot()) return 'needs root';
  if (spawnSync('unshare', ['-mn', 'true']).status !== 0) return 'may not unshare';
  return existsSync(npmFolder()) ? undefined : 'npm is not where Node looks for it';
}

const PORTABLE = `regsweep-${version}-linux-${process.arch}`;

/** The script needs npm's package of Node, from its cache or over the network. */
function makePortable(): string | undefined {
  const made = spawnSync(
    process.execPath,
    [join(CHECKOUT, 'bin/portable.mjs'), '--out', tmpdir()],
    {
      encoding: 'utf8',
      timeout: 240_000,
    },
  );
  return made.status === 0 ? made.stdout.trim() : undefined;
}

const portable = makePortable();

describeUnless(portable === undefined ? 'npm has no Node here' : undefined, 'the portable', () => {
  beforeAll(() => {
    run(['tar', '-xzf', portable ?? '', '-C', folder]);
    rmSync(portable ?? '');
  });

  test('runs where it was unpacked, and over a link, without any Node', () => {
    const place = mkdtempSync(join(folder, 'host-'));
    const link = join(place, 'regsweep');
    run(['ln', '-s', join(folder, PORTABLE, 'regsweep'), link]);
    const withoutNode = ['env', '-i', 'PATH=/nowhere', '/bin/sh', '-c'];
    const bin = mkdtempSync(join(place, 'bin-'));
    for (const tool of ['dirname', 'readlink']) {
      run(['ln', '-s', run(['sh', '-c', `command -v ${tool}`]).trim(), join(bin, tool)]);
    }
    const command = `PATH=${bin} exec "$0" "$@"`;
    expectToWork([...withoutNode, command, link], place);
  });

  describeUnless(isRoot() ? undefined : 'needs root', 'in a bare root', () => {
    test('needs the libraries of C and C++ and no other file', () => {
      const place = mkdtempSync(join(folder, 'bare-'));
      run(['cp', '-r', join(folder, PORTABLE), join(place, 'regsweep')]);
      const libraries = librariesOf(join(place, 'regsweep/node'));
      const known = /\/(?:ld-linux[\w-]*|lib(?:c|m|dl|pthread|gcc_s|stdc\+\+))\.so[.\d]*$/;
      expect(libraries.filter((path) => !known.test(path))).toEqual([]);
      for (const path of libraries) {
        mkdirSync(join(place, dirname(path)), { recursive: true });
        copyFileSync(path, join(place, path));
      }
      const words = ['chroot', place, '/regsweep/node', '/regsweep/lib/bin/regsweep.js'];
      expectToWork(words, place, '');
    });
  });
});

function librariesOf(program: string): string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/(\/\S+)(?= \()/g)].map((match) => match[1] ?? '');
}
