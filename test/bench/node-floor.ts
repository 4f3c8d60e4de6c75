/**
 * The floor by Node: what `floor.c` does, with the calls of node:fs, and as little besides. What
 * a program for Node takes less than this, it does not look at.
 *
 *   node node-floor.js BASE THREADS [LOOKS]     BASE of a store of make-store.ts
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
} from 'node:fs';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | (constants.O_NOATIME ?? 0);
const PREFIXES = 256;
const HEX = 64;

interface Work {
  readonly base: string;
  readonly repositories: readonly string[];
  /** The file. */
  readonly list: string | undefined;
  /** One for each step: what is claimed of it. */
  readonly counters: Int32Array;
  /** Filled between the first step and the second: digests, as text, one after another. */
  readonly manifests: Uint8Array;
  /** How many of them; each thread waits for it, from -1. */
  readonly manifestCount: Int32Array;
}

/** What a thread saw in the first step. */
interface Seen {
  readonly revisions: readonly string[];
  readonly tags: number;
  readonly layerLinks: number;
  readonly blobs: number;
}

const buffer = Buffer.alloc(65_536);

function readFile(path: string): void {
  const fd = openSync(path, READ_FLAGS);
  readSync(fd, buffer, 0, buffer.length, null);
  closeSync(fd);
}

function findRepositories(path: string, found: string[]): void {
  const names = readdirSync(path);
  if (names.some((name) => name.startsWith('_'))) found.push(path);
  for (const name of names) {
    if (!name.startsWith('_')) findRepositories(`${path}/${name}`, found);
  }
}

function listParts({ base, repositories, list, counters }: Work): Seen {
  const seen = { revisions: [] as string[], tags: 0, layerLinks: 0, blobs: 0 };
  for (let i; (i = Atomics.add(counters, 0, 1)) < repositories.length + PREFIXES;) {
    if (i >= repositories.length) {
      const prefix = (i - repositories.length).toString(16).padStart(2, '0');
      seen.blobs += readdirSync(`${base}/blobs/sha256/${prefix}`).length;
      continue;
    }
    const repository = repositories[i] as string;
    const revisions = `${repository}/_manifests/revisions/sha256`;
    for (const hex of readdirSync(revisions)) {
      lstatSync(`${revisions}/${hex}/link`);
      seen.revisions.push(hex);
    }
    const tags = `${repository}/_manifests/tags`;
    for (const tag of readdirSync(tags)) {
      readFile(`${tags}/${tag}/current/link`);
      if (list !== undefined) lstatSync(`${tags}/${tag}/index/sha256`);
      seen.tags++;
    }
    seen.layerLinks += readdirSync(`${repository}/_layers/sha256`).length;
  }
  return seen;
}

function readManifests({ base, counters, manifests, manifestCount }: Work): void {
  const text = Buffer.from(manifests.buffer);
  for (let i; (i = Atomics.add(counters, 1, 1)) < (manifestCount[0] as number);) {
    const hex = text.toString('latin1', i * HEX, (i + 1) * HEX);
    readFile(`${base}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`);
  }
}

function look({ base, list, counters }: Work): void {
  if (list === undefined) return;
  const looks = readFileSync(list, 'latin1').trimEnd().split('\n');
  for (let i; (i = Atomics.add(counters, 2, 1)) < looks.length;) lstatSync(`${base}/${looks[i]}`);
}

function assist(work: Work): void {
  parentPort?.postMessage(listParts(work), []);
  Atomics.wait(work.manifestCount, 0, -1);
  readManifests(work);
  look(work);
}

async function main([base = '', threads = '', list]: readonly string[]): Promise<void> {
  const repositories: string[] = [];
  findRepositories(`${base}/repositories`, repositories);
  const share = (ints: number): Int32Array => new Int32Array(new SharedArrayBuffer(ints * 4));
  const work: Work = {
    base,
    repositories,
    list,
    counters: share(3),
    // Room for 1,000,000, of which only what is used takes memory.
    manifests: new Uint8Array(new SharedArrayBuffer(HEX * 1_000_000)),
    manifestCount: share(1).fill(-1),
  };
  const workers = Array.from(
    { length: Number(threads) - 1 },
    () => new Worker(new URL(import.meta.url), { workerData: work }),
  );
  const answers = workers.map(
    (worker) => new Promise<Seen>((resolve) => worker.once('message', resolve)),
  );
  const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  const seen = [listParts(work), ...(await Promise.all(answers))];
  const revisions = seen.flatMap((one) => one.revisions);
  const manifests = [...new Set(revisions)].sort();
  Buffer.from(work.manifests.buffer).write(manifests.join(''), 'latin1');
  work.manifestCount[0] = manifests.length;
  Atomics.notify(work.manifestCount, 0);
  readManifests(work);
  look(work);
  await Promise.all(ends);
  const total = (of: (one: Seen) => number): number => seen.reduce((sum, one) => sum + of(one), 0);
  console.log(
    JSON.stringify({
      repositories: repositories.length,
      revisions: revisions.length,
      manifests: manifests.length,
      tags: total(({ tags }) => tags),
      layerLinks: total(({ layerLinks }) => layerLinks),
      blobs: total(({ blobs }) => blobs),
    }),
  );
}

if (isMainThread) await main(process.argv.slice(2));
else assist(workerData as Work);
