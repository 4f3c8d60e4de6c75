import { createPrng } from './prng.ts';
import type { Prng } from './prng.ts';
import { addFeature } from './generate-features.ts';
import { StoreBuilder } from './store.ts';
import type { FsLike, Written } from './store.ts';

/** What a store can have beside tagged images; each is added to about every fifth repository, at least once. */
export const FEATURES = [
  'referrers',
  'cosign',
  'own-name',
  'referrers-tag',
  'deleted',
  'interrupted',
  'uploads',
  'mounts',
  'attestations',
  'schema1',
  'sha512',
  'artifacts',
  'relinkable',
  'young-untagged',
  'build-cache',
  'foreign',
  'promoted',
  'temp',
  'tagless',
  'nested',
] as const;
export type Feature = (typeof FEATURES)[number];

export interface StoreShape {
  readonly seed: number;
  readonly repositories: number;
  readonly tagsPerRepository: number;
  /** Share of the tags that were pushed twice: the older manifest is left untagged, in the tag's history. */
  readonly overwritten?: number;
  /** Share of the tags that name an index of two or three platforms. */
  readonly multiArch?: number;
  /** Blobs that nothing links, as a share of those that something does. */
  readonly orphans?: number;
  readonly features?: readonly Feature[];
  /** Fewest and most bytes of a layer. */
  readonly layerBytes?: readonly [number, number];
  /** The time the store is looked at; everything in it is `ageDays` older, but for what has to be young. */
  readonly now?: Date;
  readonly ageDays?: number;
}

export interface Expected {
  /** Digests of the blobs that go. */
  readonly blobs: ReadonlySet<string>;
  readonly bytes: number;
}

/** What is in the store and what is garbage there, from the books kept while writing: nothing here is read back. */
export interface StoreTruth {
  readonly repositories: number;
  readonly tags: number;
  /** Revision links. */
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
  /** With no policy. */
  readonly plain: Expected;
  /** With `-m`; `manifests` holds `repository@digest`. */
  readonly untagged: Expected & { readonly manifests: ReadonlySet<string> };
}

/** `kept` always stays, `untagged` goes with `-m` only, `garbage` goes in any case. */
export type Fate = 'kept' | 'untagged' | 'garbage';

export interface Pushed {
  readonly repository: string;
  readonly written: Written;
  readonly fate: Fate;
}

/** The shape of the acceptance test: 25 repositories of 12 tags. */
export const ACCEPTANCE_SHAPE: StoreShape = {
  seed: 20_240_501,
  repositories: 25,
  tagsPerRepository: 12,
  overwritten: 0.2,
  multiArch: 0.1,
  orphans: 0.05,
};

/** The store under construction, with its books. */
export class Books {
  readonly builder: StoreBuilder;
  readonly prng: Prng;
  readonly shape: StoreShape;
  readonly now: Date;
  readonly repositories: string[] = [];
  /** Repositories without a tag: `-m` leaves them alone, so nothing in them is ever dropped. */
  readonly tagless = new Set<string>();
  readonly pushed: Pushed[] = [];
  /** What the manifests of a repository name, whatever their fate. */
  readonly named = new Map<string, Set<string>>();
  /** Repositories with an upload that goes on: earlier parts of the same push stay. */
  readonly busy = new Set<string>();
  /** Files younger than the grace, relative to `docker/registry/v2`. */
  readonly young: string[] = [];
  readonly bases: Uint8Array[][] = [];
  readonly keptBlobs = new Set<string>();
  readonly untaggedBlobs = new Set<string>();
  readonly keptManifests = new Set<string>();
  readonly untaggedManifests = new Set<string>();

  constructor(fs: FsLike, root: string, shape: StoreShape) {
    this.builder = new StoreBuilder(fs, root);
    this.prng = createPrng(shape.seed);
    this.shape = shape;
    this.now = shape.now ?? new Date();
    for (let i = 0; i < 3; i++) this.bases.push([this.layer(), this.layer()]);
  }

  /** New content; 16 random bytes at the least, so no two are ever alike. */
  layer(): Uint8Array {
    const [fewest, most] = this.shape.layerBytes ?? [16, 400];
    return this.prng.bytes(Math.max(16, fewest + this.prng.int(most - fewest + 1)));
  }

  config(architecture = 'amd64'): Uint8Array {
    const created = new Date(this.now.getTime() - this.prng.int(400) * 86_400_000).toISOString();
    const rootfs = { type: 'layers', diff_ids: [`sha256:${this.prng.hex(64)}`] };
    return Buffer.from(
      JSON.stringify({ architecture, os: 'linux', created, config: { Cmd: ['sh'] }, rootfs }),
    );
  }

  /** Pushes an image on one of the shared bases, without a tag. */
  image(repository: string, architecture?: string): Written {
    const layers = [...this.prng.pick(this.bases)];
    for (let i = this.prng.int(3); i >= 0; i--) layers.push(this.layer());
    const mediaType = this.prng.chance(0.5) ? 'oci' : 'docker';
    return this.builder.image(repository, { layers, config: this.config(architecture), mediaType });
  }

  /** Pushes an index of two or three platforms; its children come after it in the list. */
  multiArch(repository: string): Written[] {
    const platforms = this.prng
      .shuffle(['linux/amd64', 'linux/arm64', 'linux/s390x'])
      .slice(0, 2 + this.prng.int(2));
    const children = platforms.map((platform) => this.image(repository, platform.split('/')[1]));
    return [this.builder.index(repository, children, { platforms }), ...children];
  }

  /** Enters manifests of a repository into the books, with all that each of them names. */
  record(
    repository: string,
    manifests: readonly Written[],
    wanted: Fate,
    canBeSubject = true,
  ): void {
    const fate = wanted === 'untagged' && this.tagless.has(repository) ? 'kept' : wanted;
    for (const written of manifests) {
      if (canBeSubject) this.pushed.push({ repository, written, fate });
      const named = this.named.get(repository) ?? new Set();
      this.named.set(repository, named);
      for (const digest of [written.digest, ...written.edges]) named.add(digest);
      if (fate === 'garbage') continue;
      const blobs = fate === 'kept' ? this.keptBlobs : this.untaggedBlobs;
      const revisions = fate === 'kept' ? this.keptManifests : this.untaggedManifests;
      for (const digest of [written.digest, ...written.edges]) blobs.add(digest);
      revisions.add(`${repository}@${written.digest}`);
    }
  }

  /** Repositories that have tags. */
  tagged(): string[] {
    return this.repositories.filter((repository) => !this.tagless.has(repository));
  }

  /** What links name that no manifest of their repository does, where an upload goes on. */
  keepOngoingPushes(): void {
    for (const repository of this.busy) {
      for (const digest of this.builder.layerLinks.get(repository) ?? []) {
        if (this.named.get(repository)?.has(digest) !== true) this.keptBlobs.add(digest);
      }
    }
  }

  truth(): StoreTruth {
    const { sizes, tags, revisions } = this.builder;
    const expected = (keep: (digest: string) => boolean): Expected => {
      const blobs = new Set(
        [...sizes.keys()].filter((digest) => digest.startsWith('sha256:') && !keep(digest)),
      );
      return { blobs, bytes: totalBytes(blobs, sizes) };
    };
    const all = expected(() => false);
    return {
      repositories: this.repositories.length,
      tags: tags.size,
      manifests: revisions.size,
      blobs: all.blobs.size,
      bytes: all.bytes,
      plain: expected((digest) => this.keptBlobs.has(digest) || this.untaggedBlobs.has(digest)),
      untagged: {
        ...expected((digest) => this.keptBlobs.has(digest)),
        manifests: new Set(
          [...this.untaggedManifests].filter((revision) => !this.keptManifests.has(revision)),
        ),
      },
    };
  }
}

function totalBytes(digests: Iterable<string>, sizes: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const digest of digests) total += sizes.get(digest) ?? 0;
  return total;
}

const NAMESPACES = ['shop', 'team', 'infra/base', 'ml'];

function nameRepositories(books: Books): void {
  const { shape, repositories } = books;
  const has = (feature: Feature): boolean => shape.features?.includes(feature) ?? false;
  for (let i = 0; i < shape.repositories; i++) {
    const parent = repositories[i - 1];
    const nested = has('nested') && parent !== undefined && i % 5 === 1;
    repositories.push(nested ? `${parent}/sub` : `${NAMESPACES[i % NAMESPACES.length]}/app-${i}`);
  }
  if (has('tagless')) {
    repositories.push('digests/only');
    books.tagless.add('digests/only');
  }
}

/** The first `share` of the items in a random order: an exact share, where tossing a coin would give about that. */
function chooseShare<T>(prng: Prng, items: readonly T[], share: number): Set<T> {
  return new Set(prng.shuffle(items).slice(0, Math.round(items.length * share)));
}

function pushTags(books: Books): void {
  const { shape, prng, builder } = books;
  const slots = books.tagged().flatMap((repository) =>
    Array.from({ length: shape.tagsPerRepository }, (_, i) => ({
      repository,
      tag: i === 0 ? 'latest' : `1.${i}.0`,
    })),
  );
  const overwritten = chooseShare(prng, slots, shape.overwritten ?? 0);
  const multiArch = chooseShare(prng, slots, shape.multiArch ?? 0);
  for (const slot of slots) {
    const { repository, tag } = slot;
    for (const fate of overwritten.has(slot)
      ? (['untagged', 'kept'] as const)
      : (['kept'] as const)) {
      const manifests = multiArch.has(slot)
        ? books.multiArch(repository)
        : [books.image(repository)];
      builder.tag(repository, tag, (manifests[0] as Written).digest);
      books.record(repository, manifests, fate);
    }
  }
  for (const repository of books.tagless)
    books.record(repository, [books.image(repository)], 'kept');
}

function pushOrphans(books: Books): void {
  const count = Math.round(books.builder.sizes.size * (books.shape.orphans ?? 0));
  for (let i = 0; i < count; i++) books.builder.blob(books.layer());
}

/** Writes a whole, healthy store of the given shape below `root`, and returns what is true of it. */
export function generateStore(fs: FsLike, root: string, shape: StoreShape): StoreTruth {
  const books = new Books(fs, root, shape);
  nameRepositories(books);
  pushTags(books);
  for (const feature of shape.features ?? []) {
    for (let i = Math.ceil(shape.repositories / 5); i > 0; i--) addFeature(books, feature);
  }
  pushOrphans(books);
  books.keepOngoingPushes();

  const { builder, now } = books;
  builder.ageEverything(new Date(now.getTime() - (shape.ageDays ?? 30) * 86_400_000));
  for (const path of books.young) builder.setTimes(path, new Date(now.getTime() - 5 * 60_000));
  return books.truth();
}
