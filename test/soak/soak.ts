/**
 * A day in the life of a registry, many times over: clients push, move and delete; it is killed
 * now and then, and stopped; regsweep plans and sweeps, and is killed now and then as well; it
 * is started, and all that pulled before is pulled and compared.
 */
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustSucceed, plan, regsweep } from '../support/cli.ts';
import { createPrng } from '../support/prng.ts';
import type { Prng } from '../support/prng.ts';
import { getManifest, startRegistry } from '../support/registry.ts';
import type { Registry } from '../support/registry.ts';
import { STOPPED, start } from '../support/sweep.ts';
import { pull, work } from './client.ts';
import type { Tally } from './client.ts';
import { Factory, makeBases, Repository } from './model.ts';
import type { Wanted } from './model.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  /** For the store, the plans and the state; empty at first. */
  readonly folder: string;
  readonly clients?: number;
  readonly onRound?: (text: string) => void;
}

export interface SoakResult extends Tally {
  rounds: number;
  kills: number;
  sweeps: number;
  sweepsKilled: number;
  pulls: number;
  /** Tags that a killed registry left half-written, so that they did not pull before the sweep. */
  lostByKills: number;
  blobsSwept: number;
  bytesSwept: number;
  differences: string[];
}

const WORK_MS = 4_000;
/** No waiting for what is young: the registry is stopped. */
const FLAGS = ['-m', '--grace', '0', '--uploads-older-than', '0'];

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const day = new Day(options);
  for (const end = Date.now() + options.seconds * 1000; Date.now() < end;) await day.round();
  return day.result;
}

class Day {
  readonly #options: SoakOptions;
  readonly #prng: Prng;
  readonly #crews: readonly Crew[];
  readonly #root: string;
  readonly result: SoakResult = {
    rounds: 0,
    pushes: 0,
    moves: 0,
    deletes: 0,
    deletesCutShort: 0,
    uploads: 0,
    kills: 0,
    sweeps: 0,
    sweepsKilled: 0,
    pulls: 0,
    lostByKills: 0,
    blobsSwept: 0,
    bytesSwept: 0,
    differences: [],
  };

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#prng = createPrng(options.seed);
    this.#root = join(options.folder, 'registry');
    mkdirSync(this.#root, { recursive: true });
    this.#crews = makeCrews(options.seed, options.clients ?? 4);
  }

  async round(): Promise<void> {
    const { result } = this;
    const before = await this.#live();
    await this.#sweep();
    const registry = await this.#start();
    for (const [wanted, hash] of before) {
      const found = await attempt(() => pull(registry, wanted));
      result.pulls++;
      if (found !== hash) result.differences.push(`after a sweep, ${nameOf(wanted)}: ${found}`);
    }
    await registry.stop();
    result.rounds++;
    const { rounds, pushes, kills, sweeps, pulls, differences } = result;
    this.#options.onRound?.(
      `round ${rounds}: ${pushes} pushes, ${kills} kills, ${sweeps} sweeps, ` +
        `${pulls} pulls compared, ${differences.length} differences. ${differences.at(-1) ?? ''}`,
    );
  }

  /** Clients at work, and what pulls at the end of it. */
  async #live(): Promise<Map<Wanted, string>> {
    const { result } = this;
    for (let killed = this.#prng.chance(0.4); killed; killed = this.#prng.chance(0.3)) {
      const registry = await this.#start();
      const open = await this.#workUntilKilled(registry);
      result.kills++;
      await this.#settle(open);
    }
    const registry = await this.#start();
    await this.#work(registry, () => sleep(this.#prng.int(WORK_MS)));
    const pulled = new Map<Wanted, string>();
    for (const wanted of this.#wanted()) {
      const hash = await attempt(() => pull(registry, wanted));
      if (/^\w{64}$/.test(hash)) pulled.set(wanted, hash);
      else result.differences.push(`before a sweep, ${nameOf(wanted)}: ${hash}`);
    }
    await registry.stop();
    return pulled;
  }

  /** Lets all clients work until `end` has come, and returns the repositories left open. */
  async #work(registry: Registry, end: () => Promise<unknown>): Promise<Repository[]> {
    let over = false;
    const working = this.#crews.map(({ repositories, factory, prng }) =>
      work(registry, repositories, factory, prng, this.result, () => over, this.#hasEmptyTag),
    );
    const all = Promise.all(working);
    const watch = async (): Promise<void> => {
      await end();
      over = true;
    };
    try {
      // A client that fails ends the round at once.
      await Promise.race([all, watch()]);
    } finally {
      over = true;
    }
    return (await all).filter((repository) => repository !== undefined);
  }

  async #workUntilKilled(registry: Registry): Promise<Repository[]> {
    return await this.#work(registry, async () => {
      await sleep(this.#prng.int(WORK_MS));
      // First of all it is over, so that no client takes the failure for a finding.
      setImmediate(() => process.kill(registry.pid, 'SIGKILL'));
    }).finally(() => registry.stop());
  }

  /** What a killed registry left of the repositories that were written to is what counts from now on. */
  async #settle(open: readonly Repository[]): Promise<void> {
    const registry = await this.#start();
    for (const repository of new Set(open)) {
      for (const wanted of repository.wanted()) {
        const { reference } = wanted;
        const { bytes, headers } = await getManifest(registry, repository.name, reference);
        const digest = headers.get('docker-content-digest') ?? '';
        const whole = await attempt(() => pull(registry, { ...wanted, digest }));
        const isThere = bytes.length > 0 && /^\w{64}$/.test(whole);
        if (repository.tags.has(reference) && isThere) repository.tags.set(reference, digest);
        if (isThere) continue;
        this.result.lostByKills++;
        repository.tags.delete(reference);
        repository.dropReferrer(reference);
      }
    }
    await registry.stop();
  }

  async #sweep(): Promise<void> {
    const { result } = this;
    const file = join(this.#options.folder, `plan-${result.rounds}`);
    mustSucceed(await regsweep(['plan', this.#root, '-q', '-o', file, ...FLAGS, ...STOPPED]));
    const planned = await plan(this.#root, [...FLAGS, ...STOPPED]);
    const state = join(this.#options.folder, 'state');
    const sweep = ['sweep', file, '--yes', '-q', ...STOPPED];
    while (this.#prng.chance(0.3)) {
      const { child, done } = start(sweep, state);
      const ended = once(child, 'close');
      await Promise.race([ended, sleep(50 + this.#prng.int(500))]);
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        result.sweepsKilled++;
      }
      await done;
    }
    const { code, stderr } = await start(sweep, state).done;
    if (code !== 0) throw new Error(`sweep: exit ${code}: ${stderr}`);
    result.sweeps++;
    result.blobsSwept += planned.blobs.size;
    result.bytesSwept += planned.report.blobs.droppedBytes;
    const again = await plan(this.#root, [...FLAGS, ...STOPPED]);
    const [left] = again.lines.slice(1, -1);
    if (left !== undefined) result.differences.push(`planned again: ${JSON.stringify(left)}`);
  }

  #wanted(): Wanted[] {
    return this.#crews.flatMap(({ repositories }) =>
      repositories.flatMap((repository) => repository.wanted()),
    );
  }

  /** A registry that is killed while it writes a tag leaves the tag's link empty. */
  readonly #hasEmptyTag = (repository: string): boolean => {
    const tags = join(this.#root, 'docker/registry/v2/repositories', repository, '_manifests/tags');
    return readdirSync(tags).some((tag) => {
      const stat = statSync(join(tags, tag, 'current/link'), { throwIfNoEntry: false });
      return stat?.size === 0;
    });
  };

  async #start(): Promise<Registry> {
    return await startRegistry({ root: this.#root });
  }
}

/** One client: its repositories, its images, its dice. */
interface Crew {
  readonly repositories: readonly Repository[];
  readonly factory: Factory;
  readonly prng: Prng;
}

function makeCrews(seed: number, clients: number): Crew[] {
  const bases = makeBases(seed);
  return Array.from({ length: clients }, (_, n) => {
    const prng = createPrng(seed * 31 + n);
    const names = [`client${n}/api`, `client${n}/web`, `client${n}/deep/er/worker`];
    const repositories = names.map((name) => new Repository(name));
    return { repositories, factory: new Factory(prng, `${seed}/${n}`, bases), prng };
  });
}

/** The value, or what went wrong as a text. */
async function attempt(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function nameOf({ repository, reference }: Wanted): string {
  return `${repository}:${reference}`;
}
