/** A client that pushes, moves and deletes in repositories of its own, and what a pull of all of them finds. */
import { createHash } from 'node:crypto';
import { makeSignature } from '../support/images.ts';
import type { Manifest } from '../support/images.ts';
import {
  deleteManifest,
  getBlob,
  getManifest,
  mountBlob,
  pushBlob,
  putManifest,
  startUpload,
} from '../support/registry.ts';
import type { Endpoint } from '../support/registry.ts';
import type { Prng } from '../support/prng.ts';
import type { Factory, Repository, Wanted } from './model.ts';

export interface Tally {
  pushes: number;
  moves: number;
  deletes: number;
  /** Deletes that the registry gave up half way, at a tag that a kill has left empty. */
  deletesCutShort: number;
  uploads: number;
}

const TAGS = ['latest', 'stable', '1.0', '1.1', '2.0', 'nightly'];

/** Where all clients look for layers to mount. */
const mountable = new Map<string, string>();

/**
 * Works until told to stop, or until the registry goes away.
 * @returns the repository that was worked on when the registry went away: its state is open.
 */
export async function work(
  registry: Endpoint,
  repositories: readonly Repository[],
  factory: Factory,
  prng: Prng,
  tally: Tally,
  isOver: () => boolean,
  hasEmptyTag: (repository: string) => boolean,
): Promise<Repository | undefined> {
  while (!isOver()) {
    const repository = prng.pick(repositories);
    try {
      await act(registry, repository, factory, prng, tally, hasEmptyTag);
    } catch (error) {
      // Only a registry that was killed may fail a request; any other failure is a finding.
      if (isOver() && isGone(error)) return repository;
      throw error;
    }
  }
  return undefined;
}

function isGone(error: unknown): boolean {
  return error instanceof TypeError && /fetch failed|terminated/.test(error.message);
}

async function act(
  registry: Endpoint,
  repository: Repository,
  factory: Factory,
  prng: Prng,
  tally: Tally,
  hasEmptyTag: (repository: string) => boolean,
): Promise<void> {
  const { name, tags, known, referrers } = repository;
  const subject = known.get([...tags.values()][prng.int(Math.max(1, tags.size))] ?? '');
  const dice = prng.next();
  if (subject === undefined || dice < 0.55) {
    await pushUnder(registry, repository, factory.image(), prng.pick(TAGS), prng);
    tally.pushes++;
  } else if (dice < 0.7) {
    const tag = prng.pick(TAGS);
    await putManifest(registry, name, tag, subject.manifest, subject.mediaType);
    tags.set(tag, subject.digest);
    tally.moves++;
  } else if (dice < 0.8) {
    try {
      await deleteManifest(registry, name, subject.digest);
    } catch (error) {
      // It removes the manifest, then looks for its tags, and stops with 500 at an empty link.
      if (isGone(error) || !hasEmptyTag(name)) throw error;
      tally.deletesCutShort++;
    }
    repository.forget(subject.digest);
    tally.deletes++;
  } else if (dice < 0.95) {
    const signature = makeSignature(subject.digest);
    const item = dice < 0.88 ? factory.referrer(subject) : signature;
    const reference = item === signature ? signature.tag : item.digest;
    await push(registry, name, item, reference, prng);
    referrers.push({ reference, digest: item.digest, subject: subject.digest });
    tally.pushes++;
  } else {
    await startUpload(registry, name, prng.bytes(prng.int(5_000)));
    tally.uploads++;
  }
}

async function pushUnder(
  registry: Endpoint,
  repository: Repository,
  item: Manifest,
  tag: string,
  prng: Prng,
): Promise<void> {
  await push(registry, repository.name, item, tag, prng);
  repository.tags.set(tag, item.digest);
  repository.known.set(item.digest, item);
}

async function push(
  registry: Endpoint,
  name: string,
  item: Manifest,
  reference: string,
  prng: Prng,
): Promise<void> {
  for (const child of item.children) await push(registry, name, child, child.digest, prng);
  for (const blob of item.blobs) {
    const from = mountable.get(blob.digest);
    const mounts = from !== undefined && from !== name && prng.chance(0.5);
    // The blob may be swept since; the registry then wants an upload.
    if (mounts && (await mountBlob(registry, name, blob.digest, from))) continue;
    await pushBlob(registry, name, blob.bytes);
    mountable.set(blob.digest, name);
  }
  await putManifest(registry, name, reference, item.manifest, item.mediaType);
}

/** The hash of every byte behind a reference; throws where one is missing or wrong. */
export async function pull(registry: Endpoint, wanted: Wanted): Promise<string> {
  const hash = createHash('sha256');
  const found = await pullManifest(registry, wanted.repository, wanted.reference, hash);
  if (found !== wanted.digest) throw new Error(`is ${found}, and should be ${wanted.digest}`);
  return hash.digest('hex');
}

interface Body {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

async function pullManifest(
  registry: Endpoint,
  repository: string,
  reference: string,
  hash: ReturnType<typeof createHash>,
): Promise<string> {
  const { status, bytes } = await getManifest(registry, repository, reference);
  if (status !== 200) throw new Error(`${reference}: HTTP ${status}`);
  const digest = digestOf(bytes);
  if (reference.startsWith('sha256:') && reference !== digest)
    throw new Error(`${reference}: other bytes`);
  hash.update(bytes);
  const body = JSON.parse(bytes.toString()) as Body;
  for (const child of body.manifests ?? []) {
    await pullManifest(registry, repository, child.digest, hash);
  }
  for (const { digest: blob } of [...(body.config ? [body.config] : []), ...(body.layers ?? [])]) {
    const answer = await getBlob(registry, repository, blob);
    if (answer.status !== 200) throw new Error(`${blob}: HTTP ${answer.status}`);
    if (digestOf(answer.bytes) !== blob) throw new Error(`${blob}: other bytes`);
    hash.update(answer.bytes);
  }
  return digest;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
