/** Small images, the same for the same seed, and skopeo to carry them to a registry and back. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  getManifest,
  mountBlob,
  pushBlob,
  putManifest,
  type Endpoint,
  type Registry,
} from './registry.ts';

export type Format = 'docker' | 'oci';

export interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface Layer extends Blob {
  /** The digest of the tar inside the gzip, which an image's config names. */
  readonly diffId: string;
}

export interface Manifest {
  readonly manifest: Buffer;
  readonly digest: string;
  readonly mediaType: string;
  /** What has to be in the repository before the manifest: its blobs and, for an index, its children. */
  readonly blobs: readonly Blob[];
  readonly children: readonly Manifest[];
}

export interface Image extends Manifest {
  readonly config: Blob;
  readonly layers: readonly Layer[];
  readonly platform: string;
}

export interface ImageOptions {
  readonly seed: string;
  /** How many layers of its own, above those of `base`. */
  readonly layers?: number;
  readonly layerBytes?: number;
  readonly format?: Format;
  readonly platform?: string;
  /** The layers it starts with, shared with another image. */
  readonly base?: readonly Layer[];
  readonly created?: string;
}

/** What was pushed, as the registry gives it back. */
export interface Pushed {
  readonly repository: string;
  /** A tag, or the digest of what was pushed without one. */
  readonly reference: string;
  readonly digest: string;
  readonly mediaType: string;
  /** The digests of everything a pull needs: the manifest, its children, their configs and layers. Sorted. */
  readonly needs: readonly string[];
  /** Those of `needs` that are manifests. */
  readonly manifests: readonly string[];
}

export interface Story {
  /** Docker schema 2, by HTTP; its layers lie below those of most others. */
  readonly base: Pushed;
  /** Docker schema 2, converted and pushed by skopeo. */
  readonly webOld: Pushed;
  readonly web: Pushed;
  /** OCI, by skopeo. */
  readonly api: Pushed;
  /** An OCI index of two platforms, by skopeo. */
  readonly multi: Pushed;
  /** Untagged, with `api` as its subject. */
  readonly artifact: Pushed;
  /** Under the cosign tag of `web`. */
  readonly signature: Pushed;
  /** An image of another repository whose layers are mounted from `base`. */
  readonly mounted: Pushed;
}

const MEDIA_TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
} as const;

/** An image of a few random but repeatable layers. */
export function makeImage(options: ImageOptions): Image {
  const {
    seed,
    layers: count = 2,
    layerBytes = 1500,
    format = 'oci',
    platform = 'linux/amd64',
    base = [],
  } = options;
  const layers = [...base];
  for (let n = 0; n < count; n++) layers.push(makeLayer(`${seed}/${n}`, layerBytes));
  const [os, architecture] = platform.split('/');
  const created = options.created ?? '2024-05-01T12:00:00Z';
  const config = blobOf({
    architecture,
    os,
    created,
    config: { Labels: { seed } },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((_, n) => ({ created, created_by: `layer ${n}` })),
  });
  const types = MEDIA_TYPES[format];
  const body = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(types.config, config),
    layers: layers.map((layer) => descriptor(types.layer, layer)),
  };
  return { ...manifestOf(body, types.manifest, [config, ...layers]), config, layers, platform };
}

/** A gzipped tar of one file; real ones, since skopeo compresses what is not. */
export function makeLayer(seed: string, bytes: number): Layer {
  const tar = tarOf(`${seed.replaceAll(/\W+/g, '-')}.bin`, randomBytes(seed, bytes));
  const packed = gzipSync(tar);
  return { digest: sha256(packed), bytes: packed, diffId: sha256(tar) };
}

/** An index (or Docker manifest list) over images. */
export function makeIndex(images: readonly Image[], format: Format = 'oci'): Manifest {
  const mediaType = MEDIA_TYPES[format].index;
  const manifests = images.map((image) => {
    const [os, architecture] = image.platform.split('/');
    return {
      mediaType: image.mediaType,
      size: image.manifest.length,
      digest: image.digest,
      platform: { os, architecture },
    };
  });
  return manifestOf({ schemaVersion: 2, mediaType, manifests }, mediaType, [], images);
}

/** An OCI artifact with the empty config, attached to its subject. */
export function makeArtifact(options: {
  readonly seed: string;
  readonly subject: Pick<Manifest, 'digest' | 'mediaType'> & { readonly size?: number };
  readonly artifactType: string;
}): Manifest {
  const config = blobOf({});
  const payload = { digest: '', bytes: randomBytes(options.seed, 300) };
  const layer = { ...payload, digest: sha256(payload.bytes) };
  const { digest, mediaType, size = 1 } = options.subject;
  const body = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.oci.manifest,
    artifactType: options.artifactType,
    config: descriptor('application/vnd.oci.empty.v1+json', config),
    layers: [descriptor(options.artifactType, layer)],
    subject: { mediaType, digest, size },
  };
  return manifestOf(body, MEDIA_TYPES.oci.manifest, [config, layer]);
}

/** What `cosign sign` pushes for a digest, and the tag it pushes it to. */
export function makeSignature(subject: string): Manifest & { readonly tag: string } {
  const payload = blobOf({
    critical: {
      type: 'cosign container image signature',
      image: { 'docker-manifest-digest': subject },
    },
  });
  const config = blobOf({
    architecture: '',
    os: '',
    config: {},
    rootfs: { type: 'layers', diff_ids: [payload.digest] },
  });
  const body = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.oci.manifest,
    config: descriptor(MEDIA_TYPES.oci.config, config),
    layers: [descriptor('application/vnd.dev.cosign.simplesigning.v1+json', payload)],
  };
  const tag = `${subject.replace(':', '-')}.sig`;
  return { ...manifestOf(body, MEDIA_TYPES.oci.manifest, [config, payload]), tag };
}

/** Writes an OCI layout; skopeo then reads `oci:DIR:TAG`. */
export function writeOciLayout(folder: string, tagged: Readonly<Record<string, Manifest>>): void {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  const write = ({ digest, bytes }: Blob): void =>
    writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), bytes);
  const writeManifest = (item: Manifest): void => {
    item.children.forEach(writeManifest);
    [...item.blobs, { digest: item.digest, bytes: item.manifest }].forEach(write);
  };
  Object.values(tagged).forEach(writeManifest);
  const manifests = Object.entries(tagged).map(([tag, { digest, mediaType, manifest }]) => {
    return {
      mediaType,
      digest,
      size: manifest.length,
      annotations: { 'org.opencontainers.image.ref.name': tag },
    };
  });
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** Pushes over HTTP, blobs and children first, under a tag or else by digest. */
export async function pushManifest(
  registry: Endpoint,
  repository: string,
  item: Manifest,
  tag?: string,
): Promise<Pushed> {
  for (const child of item.children) await pushManifest(registry, repository, child);
  for (const blob of item.blobs) await pushBlob(registry, repository, blob.bytes);
  await putManifest(registry, repository, tag ?? item.digest, item.manifest, item.mediaType);
  return readBack(registry, repository, tag ?? item.digest);
}

/** Pushes with skopeo, which may convert (`format`); an index goes with all its children. */
export async function pushWithSkopeo(
  registry: Registry,
  repository: string,
  tag: string,
  item: Manifest,
  format?: 'oci' | 'v2s2',
): Promise<Pushed> {
  const folder = mkdtempSync(join(tmpdir(), 'regsweep-layout-'));
  try {
    writeOciLayout(folder, { [tag]: item });
    const flags = ['--all', ...(format === undefined ? [] : ['--format', format])];
    await skopeoCopy(
      `oci:${folder}:${tag}`,
      `docker://${registry.host}/${repository}:${tag}`,
      flags,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  return readBack(registry, repository, tag);
}

/** `skopeo copy`, without TLS on either side. */
export async function skopeoCopy(
  source: string,
  destination: string,
  flags: readonly string[] = [],
): Promise<void> {
  await skopeo([
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    '--dest-tls-verify=false',
    ...flags,
    source,
    destination,
  ]);
}

/** `skopeo inspect --raw`: the manifest's text as a client sees it. */
export function skopeoInspect(image: string): Promise<string> {
  return skopeo(['inspect', '--raw', '--tls-verify=false', image]);
}

/** Pulls everything behind a reference into a directory and returns each file's sha256, for comparing pulls byte by byte. */
export async function pullToDirectory(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'regsweep-pull-'));
  try {
    const name = `${repository}${reference.includes(':') ? '@' : ':'}${reference}`;
    await skopeoCopy(`docker://${registry.host}/${name}`, `dir:${folder}`, [
      '--all',
      '--preserve-digests',
    ]);
    return new Map(
      readdirSync(folder)
        .sort()
        .map((file) => [file, sha256(readFileSync(join(folder, file)))]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Fills a registry with one of each kind that people push. */
export async function pushStory(registry: Registry): Promise<Story> {
  const below = makeImage({ seed: 'base', format: 'docker' });
  const image = (seed: string): Image => makeImage({ seed, layers: 1, base: below.layers });
  const base = await pushManifest(registry, 'shop/base', below, '1');
  const webOld = await pushWithSkopeo(registry, 'shop/web', '1.0', image('web 1.0'), 'v2s2');
  const web = await pushWithSkopeo(registry, 'shop/web', '1.1', image('web 1.1'), 'v2s2');
  const api = await pushWithSkopeo(registry, 'shop/api', '2.0', image('api 2.0'));
  const platforms = ['linux/amd64', 'linux/arm64'].map((platform) =>
    makeImage({ seed: `multi ${platform}`, platform }),
  );
  const multi = await pushWithSkopeo(registry, 'shop/multi', '1', makeIndex(platforms));
  const sbom = makeArtifact({ seed: 'sbom', subject: api, artifactType: 'application/spdx+json' });
  const artifact = await pushManifest(registry, 'shop/api', sbom);
  const signed = makeSignature(web.digest);
  const signature = await pushManifest(registry, 'shop/web', signed, signed.tag);
  for (const layer of below.layers) {
    if (!(await mountBlob(registry, 'shop/mounted', layer.digest, 'shop/base')))
      throw new Error(`no mount of ${layer.digest}`);
  }
  const above = makeImage({ seed: 'mounted', layers: 0, base: below.layers, format: 'docker' });
  await pushBlob(registry, 'shop/mounted', above.config.bytes);
  await putManifest(registry, 'shop/mounted', '1', above.manifest, above.mediaType);
  const mounted = await readBack(registry, 'shop/mounted', '1');
  return { base, webOld, web, api, multi, artifact, signature, mounted };
}

/** Asks the registry what a reference needs: skopeo may have converted what it was given. */
export async function readBack(
  registry: Endpoint,
  repository: string,
  reference: string,
): Promise<Pushed> {
  const answer = await getManifest(registry, repository, reference);
  if (answer.status !== 200) throw new Error(`${repository}:${reference}: HTTP ${answer.status}`);
  const digest = sha256(answer.bytes);
  const parsed = JSON.parse(answer.bytes.toString()) as Partial<
    Record<'config' | 'layers' | 'manifests', unknown>
  >;
  const needs = new Set([digest]);
  const manifests = new Set([digest]);
  for (const child of descriptors(parsed.manifests)) {
    const below = await readBack(registry, repository, child);
    below.needs.forEach((need) => needs.add(need));
    below.manifests.forEach((manifest) => manifests.add(manifest));
  }
  for (const blob of descriptors(parsed.layers)) needs.add(blob);
  if (parsed.config !== undefined)
    for (const config of descriptors([parsed.config])) needs.add(config);
  const mediaType = answer.headers.get('content-type') ?? '';
  return {
    repository,
    reference,
    digest,
    mediaType,
    needs: [...needs].sort(),
    manifests: [...manifests].sort(),
  };
}

function descriptors(list: unknown): string[] {
  return list === undefined ? [] : (list as { digest: string }[]).map(({ digest }) => digest);
}

function skopeo(args: readonly string[]): Promise<string> {
  return run('skopeo', ['--insecure-policy', ...args]);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${code}: ${stderr}`);
  return Buffer.concat(stdout).toString();
}

function manifestOf(
  body: object,
  mediaType: string,
  blobs: readonly Blob[],
  children: readonly Manifest[] = [],
): Manifest {
  const manifest = Buffer.from(JSON.stringify(body));
  return { manifest, digest: sha256(manifest), mediaType, blobs, children };
}

function blobOf(value: object): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { digest: sha256(bytes), bytes };
}

function descriptor(
  mediaType: string,
  blob: Blob,
): { mediaType: string; size: number; digest: string } {
  return { mediaType, size: blob.bytes.length, digest: blob.digest };
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Incompressible, so that sizes come out as asked for. */
function randomBytes(seed: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let n = 0; n * 32 < length; n++)
    blocks.push(createHash('sha256').update(`${seed}#${n}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

/** One file in the ustar format (POSIX.1-1988). */
function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, width: number): string =>
    `${value.toString(8).padStart(width - 1, '0')}\0`;
  header.write(name, 0);
  header.write(
    octal(0o644, 8) + octal(0, 8) + octal(0, 8) + octal(content.length, 12) + octal(0, 12),
    100,
  );
  header.write('        0', 148);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
}
