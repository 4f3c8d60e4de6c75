import { hash } from 'node:crypto';
import fs from 'node:fs';
import { createPrng } from '../support/prng.ts';
import type { Prng } from '../support/prng.ts';
import { MEDIA } from '../support/store.ts';

/**
 * The store of the benchmark: a busy company's registry, with real shapes and tiny layers. What costs a collector is
 * the number of things, not their bytes. Nothing is kept in memory but counts and the shared base layers.
 */
export interface BenchOptions {
  /** 1 is 1,000 repositories and 626,000 files. */
  readonly scale: number;
  readonly seed?: number;
}

export interface BenchTruth {
  readonly version: number;
  readonly scale: number;
  readonly seed: number;
  repositories: number;
  tags: number;
  manifests: number;
  blobs: number;
  bytes: number;
  layerLinks: number;
  files: number;
  /** Goes without a policy: what nothing links. */
  orphans: { blobs: number; bytes: number };
  /** Goes with `-m` in addition. */
  untagged: { manifests: number; blobs: number; bytes: number; layerLinks: number };
  buildSeconds: number;
}

const VERSION = 1;
const TAGS_PER_REPOSITORY = 40;
/** Of the tags: pushed twice, so that 9,700 of 57,700 manifests are untagged. */
const RETAGGED = 0.2425;
const MULTI_ARCH = 0.1;
const BASES = 200;
const BASES_PER_REPOSITORY = 7;
const ORPHANS_PER_REPOSITORY = 12.9;
/** Chance of a third layer of an image's own, beside two. */
const THIRD_LAYER = { tagged: 0.541, untagged: 0.227 } as const;
const DAY = 86_400;

interface Blob {
  readonly digest: string;
  readonly size: number;
}

interface Repository {
  readonly path: string;
  readonly bases: readonly (readonly Blob[])[];
  /** Base layers linked here, and whether a tagged image needs them. */
  readonly linked: Map<string, boolean>;
}

class Builder {
  readonly base: string;
  readonly prng: Prng;
  readonly truth: BenchTruth;
  /** Seconds since 1970; the mtime of what is being written. */
  time = 0;
  #serial = 0;

  constructor(root: string, truth: BenchTruth) {
    this.base = `${root}/docker/registry/v2`;
    this.prng = createPrng(truth.seed);
    this.truth = truth;
    fs.mkdirSync(`${this.base}/blobs/sha256`, { recursive: true });
    fs.mkdirSync(`${this.base}/repositories`);
    for (let i = 0; i < 256; i++)
      fs.mkdirSync(`${this.base}/blobs/sha256/${i.toString(16).padStart(2, '0')}`);
  }

  /** Writes into a directory that is there. */
  file(path: string, content: string): void {
    const fd = fs.openSync(path, 'w');
    fs.writeSync(fd, content);
    fs.futimesSync(fd, this.time, this.time);
    fs.closeSync(fd);
    this.truth.files++;
  }

  link(parent: string, digest: string): void {
    const directory = `${parent}/${digest.slice(7)}`;
    fs.mkdirSync(directory);
    this.file(`${directory}/link`, digest);
  }

  /** New content; the caller sees to it that no two are alike. */
  blob(content: string): Blob {
    const hex = hash('sha256', content);
    const directory = `${this.base}/blobs/sha256/${hex.slice(0, 2)}/${hex}`;
    fs.mkdirSync(directory);
    this.file(`${directory}/data`, content);
    this.truth.blobs++;
    this.truth.bytes += content.length;
    return { digest: `sha256:${hex}`, size: content.length };
  }

  layer(): Blob {
    return this.blob(`layer ${this.#serial++} ${this.prng.hex(8 + this.prng.int(32))}`);
  }

  config(architecture: string): Blob {
    const created = new Date(this.time * 1000).toISOString();
    const Labels = { 'org.opencontainers.image.revision': this.prng.hex(40) };
    const config = { Entrypoint: ['/usr/bin/app'], WorkingDir: '/srv', Labels };
    return this.blob(
      JSON.stringify({ architecture, os: 'linux', created, serial: this.#serial++, config }),
    );
  }

  layerLink(repository: Repository, blob: Blob): void {
    this.link(`${repository.path}/_layers/sha256`, blob.digest);
    this.truth.layerLinks++;
  }

  manifest(repository: Repository, value: object): Blob {
    const blob = this.blob(JSON.stringify(value, undefined, 3));
    this.link(`${repository.path}/_manifests/revisions/sha256`, blob.digest);
    this.truth.manifests++;
    return blob;
  }
}

function descriptor(mediaType: string, { digest, size }: Blob): object {
  return { mediaType, size, digest };
}

function pushImage(
  builder: Builder,
  repository: Repository,
  kept: boolean,
  architecture = 'amd64',
): Blob {
  const { prng, truth } = builder;
  const before = { blobs: truth.blobs, bytes: truth.bytes, layerLinks: truth.layerLinks };
  const base = prng.pick(repository.bases);
  const own = [builder.layer(), builder.layer()];
  if (prng.chance(kept ? THIRD_LAYER.tagged : THIRD_LAYER.untagged)) own.push(builder.layer());
  const config = builder.config(architecture);
  for (const blob of [config, ...own]) builder.layerLink(repository, blob);
  const links = truth.layerLinks;
  for (const blob of base) {
    if (!repository.linked.has(blob.digest)) builder.layerLink(repository, blob);
    repository.linked.set(blob.digest, kept || repository.linked.get(blob.digest) === true);
  }
  const manifest = builder.manifest(repository, {
    schemaVersion: 2,
    mediaType: MEDIA.dockerManifest,
    config: descriptor(MEDIA.dockerConfig, config),
    layers: [...base, ...own].map((blob) => descriptor(MEDIA.dockerLayer, blob)),
  });
  if (!kept) {
    truth.untagged.manifests++;
    truth.untagged.blobs += truth.blobs - before.blobs;
    truth.untagged.bytes += truth.bytes - before.bytes;
    truth.untagged.layerLinks += links - before.layerLinks;
  }
  return manifest;
}

function pushIndex(builder: Builder, repository: Repository): Blob {
  const manifests = ['amd64', 'arm64'].map((architecture) => ({
    ...descriptor(MEDIA.dockerManifest, pushImage(builder, repository, true, architecture)),
    platform: { architecture, os: 'linux' },
  }));
  return builder.manifest(repository, { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
}

function pushTag(builder: Builder, repository: Repository, tag: string): void {
  const { prng, truth } = builder;
  const directory = `${repository.path}/_manifests/tags/${tag}`;
  for (const path of ['', '/current', '/index', '/index/sha256']) fs.mkdirSync(directory + path);
  if (prng.chance(RETAGGED)) {
    const { digest } = pushImage(builder, repository, false);
    builder.link(`${directory}/index/sha256`, digest);
  }
  builder.time += 3600;
  const { digest } = prng.chance(MULTI_ARCH)
    ? pushIndex(builder, repository)
    : pushImage(builder, repository, true);
  builder.link(`${directory}/index/sha256`, digest);
  builder.file(`${directory}/current/link`, digest);
  truth.tags++;
}

function makeRepository(
  builder: Builder,
  number: number,
  bases: readonly (readonly Blob[])[],
  now: number,
): void {
  const { prng, truth } = builder;
  const path = `${builder.base}/repositories/team${number % 20}/group${number % 4}/app${number}`;
  fs.mkdirSync(`${path}/_layers/sha256`, { recursive: true });
  fs.mkdirSync(`${path}/_manifests/revisions/sha256`, { recursive: true });
  fs.mkdirSync(`${path}/_manifests/tags`);
  const chosen = Array.from({ length: BASES_PER_REPOSITORY }, () => prng.pick(bases));
  const repository: Repository = { path, bases: [...new Set(chosen)], linked: new Map() };
  for (let i = 0; i < TAGS_PER_REPOSITORY; i++) {
    // A version every nine days, the last of them five days ago.
    builder.time = now - (TAGS_PER_REPOSITORY - i) * 9 * DAY + 4 * DAY;
    pushTag(builder, repository, `v${1 + Math.floor(i / 10)}.${i % 10}.${prng.int(20)}`);
  }
  for (const needed of repository.linked.values()) if (!needed) truth.untagged.layerLinks++;
  truth.repositories++;
}

function readTruth(path: string): Partial<BenchTruth> | undefined {
  return fs.existsSync(path)
    ? (JSON.parse(fs.readFileSync(path, 'utf8')) as Partial<BenchTruth>)
    : undefined;
}

/**
 * Builds the store below `root`, which must not be there yet, and writes what is true of it to `<root>.truth.json`.
 * A store that was built with the same parameters is taken as it is.
 */
export function makeBenchStore(root: string, options: BenchOptions): BenchTruth {
  const { scale, seed = 1 } = options;
  const truthPath = `${root}.truth.json`;
  const known = readTruth(truthPath);
  if (
    known?.version === VERSION &&
    known.scale === scale &&
    known.seed === seed &&
    fs.existsSync(root)
  ) {
    return known as BenchTruth;
  }
  const started = performance.now();
  const truth: BenchTruth = {
    version: VERSION,
    scale,
    seed,
    repositories: 0,
    tags: 0,
    manifests: 0,
    blobs: 0,
    bytes: 0,
    layerLinks: 0,
    files: 0,
    orphans: { blobs: 0, bytes: 0 },
    untagged: { manifests: 0, blobs: 0, bytes: 0, layerLinks: 0 },
    buildSeconds: 0,
  };
  const builder = new Builder(root, truth);
  const now = Math.floor(Date.now() / 1000);
  builder.time = now - 400 * DAY;
  const count = Math.max(1, Math.round(1000 * scale));
  const bases = Array.from(
    { length: Math.max(BASES_PER_REPOSITORY, Math.round(BASES * scale)) },
    (_, i) => Array.from({ length: 4 + (i % 2) }, () => builder.layer()),
  );
  for (let i = 0; i < count; i++) makeRepository(builder, i, bases, now);
  const before = { blobs: truth.blobs, bytes: truth.bytes };
  builder.time = now - 30 * DAY;
  for (let i = Math.round(count * ORPHANS_PER_REPOSITORY); i > 0; i--) builder.layer();
  truth.orphans = { blobs: truth.blobs - before.blobs, bytes: truth.bytes - before.bytes };
  truth.buildSeconds = Math.round((performance.now() - started) / 100) / 10;
  fs.writeFileSync(truthPath, `${JSON.stringify(truth, undefined, 2)}\n`);
  return truth;
}
