/** A real registry on a loopback port, its own garbage collector, and a small client for its API. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';
import { stringify } from 'yaml';

export interface RegistryOptions {
  /** The rootdirectory; `docker/registry/v2` appears below it with the first push. */
  readonly root: string;
  readonly readOnly?: boolean;
  readonly deleteEnabled?: boolean;
  /** The blob descriptor cache, off by default: it would hide what a sweep removed below a running registry. */
  readonly cache?: boolean;
  /** A file for all that it logs, the access log too. */
  readonly logFile?: string;
  /** Merged into the configuration, objects key by key. */
  readonly extraConfig?: ConfigTree;
}

export interface Registry {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Outside the root; it stays after `stop`, for the garbage collector. */
  readonly configPath: string;
  readonly root: string;
  /** SIGTERM, then waits for the exit. */
  stop(): Promise<void>;
}

export interface Collected {
  readonly marked: ReadonlySet<string>;
  /** The blobs called `eligible for deletion`. */
  readonly eligible: ReadonlySet<string>;
  /** The manifests called `eligible for deletion`, as `repository@digest`. */
  readonly deletedManifests: ReadonlySet<string>;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly headers: Headers;
}

export interface ConfigTree {
  readonly [key: string]: unknown;
}

/** All that an API call needs to know of a registry. */
export type Endpoint = Pick<Registry, 'url'>;

const EVERY_MANIFEST_TYPE = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
].join(', ');

const running = new Set<ChildProcess>();
const configFolders = new Set<string>();
// After the last test of a file that imports this: vitest ends its workers by a signal, so no `exit` handler runs.
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of configFolders) rmSync(folder, { recursive: true, force: true });
});

/** Starts `docker-registry serve` over a root and waits until it answers; another process may take the port first, so it tries again. */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), 'regsweep-registry-'));
  configFolders.add(folder);
  const configPath = join(folder, 'config.yml');
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    writeFileSync(configPath, stringify(configuration(options, port)));
    try {
      const { pid, stop } = await serve(configPath, port, options.logFile);
      const host = `127.0.0.1:${port}`;
      return { url: `http://${host}`, host, port, pid, configPath, root: options.root, stop };
    } catch (error) {
      if (attempt === 5 || !String(error).includes('address already in use')) throw error;
    }
  }
}

/** Runs the reference collector, `docker-registry garbage-collect`, and reads what it prints. */
export async function collectGarbage(
  configPath: string,
  options: { readonly dryRun: boolean; readonly deleteUntagged?: boolean },
): Promise<Collected> {
  const flags = [
    ...(options.dryRun ? ['--dry-run'] : []),
    ...(options.deleteUntagged ? ['-m'] : []),
  ];
  const child = spawn('docker-registry', ['garbage-collect', ...flags, configPath], {
    env: cleanEnvironment(),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const text = Buffer.concat(stdout).toString();
  return {
    ...readCollectorOutput(text),
    exitCode: code ?? -1,
    stdout: text,
    stderr: Buffer.concat(stderr).toString(),
  };
}

/** Uploads a blob in one piece and returns its digest. */
export async function pushBlob(
  registry: Endpoint,
  repository: string,
  bytes: Uint8Array,
  algorithm = 'sha256',
): Promise<string> {
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  const location = await openUpload(registry, repository);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectStatus(
    201,
    await call(location, { method: 'PUT', body: bytes, headers }),
    `push of ${digest}`,
  );
  return digest;
}

/** Mounts a blob of another repository; false if the registry wants an upload instead. */
export async function mountBlob(
  registry: Endpoint,
  repository: string,
  digest: string,
  from: string,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from });
  const answer = await call(`${registry.url}/v2/${repository}/blobs/uploads/?${query.toString()}`, {
    method: 'POST',
  });
  return answer.status === 201;
}

/** Puts a manifest under a tag or its digest, and returns its digest. */
export async function putManifest(
  registry: Endpoint,
  repository: string,
  reference: string,
  bytes: Uint8Array,
  mediaType: string,
): Promise<string> {
  const url = `${registry.url}/v2/${repository}/manifests/${reference}`;
  const answer = await call(url, {
    method: 'PUT',
    body: bytes,
    headers: { 'content-type': mediaType },
  });
  await expectStatus(201, answer, `manifest ${repository}:${reference}`);
  return answer.headers.get('docker-content-digest') ?? '';
}

/** Deletes a manifest by digest, as the tutorials do. */
export async function deleteManifest(
  registry: Endpoint,
  repository: string,
  digest: string,
): Promise<void> {
  const answer = await call(`${registry.url}/v2/${repository}/manifests/${digest}`, {
    method: 'DELETE',
  });
  await expectStatus(202, answer, `delete of ${repository}@${digest}`);
}

/** GET of a manifest by tag or digest, in whatever type it is stored. */
export function getManifest(
  registry: Endpoint,
  repository: string,
  reference: string,
): Promise<Answer> {
  return call(`${registry.url}/v2/${repository}/manifests/${reference}`, {
    headers: { accept: EVERY_MANIFEST_TYPE },
  });
}

/** HEAD of a blob: the status tells. */
export function headBlob(registry: Endpoint, repository: string, digest: string): Promise<Answer> {
  return call(`${registry.url}/v2/${repository}/blobs/${digest}`, { method: 'HEAD' });
}

/** GET of a blob. */
export function getBlob(registry: Endpoint, repository: string, digest: string): Promise<Answer> {
  return call(`${registry.url}/v2/${repository}/blobs/${digest}`, {});
}

/** Starts an upload, sends some bytes, and leaves it; returns its id, the directory's name below `_uploads`. */
export async function startUpload(
  registry: Endpoint,
  repository: string,
  bytes: Uint8Array,
): Promise<string> {
  const location = await openUpload(registry, repository);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectStatus(
    202,
    await call(location, { method: 'PATCH', body: bytes, headers }),
    'upload',
  );
  return location.pathname.split('/').at(-1) ?? '';
}

/** The tags of a repository, sorted; none for a repository that is not there. */
export async function listTags(registry: Endpoint, repository: string): Promise<string[]> {
  const answer = await call(`${registry.url}/v2/${repository}/tags/list`, {});
  if (answer.status === 404) return [];
  const { tags } = JSON.parse(answer.bytes.toString()) as { tags: string[] | null };
  return (tags ?? []).sort();
}

/**
 * What lies below `blobs/`: each digest and the size of its file, read without the registry. What is no file in its
 * place, as damage may leave it, is no blob.
 */
export function storedBlobs(root: string): Map<string, number> {
  const folder = join(root, 'docker/registry/v2/blobs/sha256');
  const sizes = new Map<string, number>();
  if (!existsSync(folder)) return sizes;
  for (const prefix of directoriesIn(folder)) {
    for (const hex of directoriesIn(join(folder, prefix))) {
      const data = join(folder, prefix, hex, 'data');
      const stat = lstatSync(data, { throwIfNoEntry: false });
      if (stat?.isFile() === true) sizes.set(`sha256:${hex}`, stat.size);
    }
  }
  return sizes;
}

function directoriesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

async function serve(
  configPath: string,
  port: number,
  logFile: string | undefined,
): Promise<Pick<Registry, 'pid' | 'stop'>> {
  // setpriv (util-linux) asks the kernel for a SIGKILL when this thread dies, however it dies.
  const command = ['--pdeathsig', 'KILL', 'docker-registry', 'serve', configPath];
  const child = spawn('setpriv', command, {
    env: cleanEnvironment(),
    stdio: ['ignore', logFile === undefined ? 'ignore' : openSync(logFile, 'a'), 'pipe'],
  });
  running.add(child);
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-10_000);
    if (logFile !== undefined) appendFileSync(logFile, chunk);
  });
  const exited = once(child, 'exit').finally(() => running.delete(child));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(patience);
  };
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) {
    if (!running.has(child)) throw new Error(`docker-registry did not start: ${log}`);
    if (await answers(port)) return { pid: child.pid ?? -1, stop };
  }
  await stop();
  throw new Error(`docker-registry did not answer on port ${port}: ${log}`);
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/v2/`)).ok;
  } catch {
    // Not listening yet; the caller's deadline and the child's exit end the wait.
    return false;
  }
}

function configuration(options: RegistryOptions, port: number): ConfigTree {
  const config = {
    version: '0.1',
    log:
      options.logFile === undefined
        ? { level: 'warn', accesslog: { disabled: true } }
        : { level: 'info', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: options.root },
      delete: { enabled: options.deleteEnabled ?? true },
      // Nothing may change behind a test's back.
      maintenance: {
        uploadpurging: { enabled: false },
        readonly: { enabled: options.readOnly ?? false },
      },
      ...(options.cache ? { cache: { blobdescriptor: 'inmemory' } } : {}),
    },
    http: { addr: `127.0.0.1:${port}`, secret: 'tests only' },
  };
  return merge(config, options.extraConfig ?? {});
}

function merge(base: ConfigTree, extra: ConfigTree): ConfigTree {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const old = merged[key];
    merged[key] = isTree(old) && isTree(value) ? merge(old, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without REGISTRY_*, which would override the file. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('REGISTRY_')),
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

function readCollectorOutput(
  text: string,
): Pick<Collected, 'marked' | 'eligible' | 'deletedManifests'> {
  const found = {
    marked: new Set<string>(),
    eligible: new Set<string>(),
    deletedManifests: new Set<string>(),
  };
  let repository = '';
  for (const line of text.split('\n')) {
    const [, what, digest] = /\b(marking|manifest|blob)\b.* (\w+:[0-9a-f]+)/.exec(line) ?? [];
    if (what === undefined || digest === undefined) {
      // A repository's name stands alone on its line, before what is said of it.
      if (/^\S+$/.test(line)) repository = line;
    } else if (what === 'marking') found.marked.add(digest);
    else if (what === 'blob') found.eligible.add(digest);
    else found.deletedManifests.add(`${repository}@${digest}`);
  }
  return found;
}

async function openUpload(registry: Endpoint, repository: string): Promise<URL> {
  const answer = await call(`${registry.url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  await expectStatus(202, answer, `upload to ${repository}`);
  return new URL(answer.headers.get('location') ?? '', registry.url);
}

async function call(url: string | URL, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  return {
    status: response.status,
    bytes: Buffer.from(await response.arrayBuffer()),
    headers: response.headers,
  };
}

async function expectStatus(status: number, answer: Answer, what: string): Promise<void> {
  if (answer.status !== status)
    throw new Error(`${what}: HTTP ${answer.status}: ${answer.bytes.toString()}`);
}
