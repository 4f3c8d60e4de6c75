import {
  EMPTY_JSON,
  MEDIA,
  descriptor,
  digestOf,
  digestPath,
  setTimesBelow,
} from './store-types.ts';
import type {
  FsLike,
  ImageOptions,
  IndexOptions,
  ManifestOptions,
  UploadOptions,
  Written,
} from './store-types.ts';

export { EMPTY_JSON, MEDIA, digestOf, digestPath, setTimesBelow } from './store-types.ts';
export type {
  FsLike,
  ImageOptions,
  IndexOptions,
  ManifestOptions,
  StatsLike,
  UploadOptions,
  Written,
} from './store-types.ts';

/**
 * Writes registry stores by hand, straight from the description of the format, sharing no code with the program
 * under test: what it believes about the layout is a second opinion.
 */

export class StoreBuilder {
  readonly fs: FsLike;
  readonly root: string;
  /** `<root>/docker/registry/v2`. */
  readonly base: string;
  /** Bytes of every blob written, by digest; a sha512 digest is there too, under its own name. */
  readonly sizes = new Map<string, number>();
  /** `repo@digest` of every revision link written. */
  readonly revisions = new Set<string>();
  /** `repo:tag` of every tag written. */
  readonly tags = new Set<string>();
  /** Digests of the layer links of each repository. */
  readonly layerLinks = new Map<string, Set<string>>();
  /** Directories known to be there: mkdir is most of the cost of a small store. */
  readonly #made = new Set<string>();

  constructor(fs: FsLike, root: string) {
    this.fs = fs;
    this.root = root;
    this.base = `${root}/docker/registry/v2`;
    this.mkdir('blobs/sha256');
    this.mkdir('repositories');
  }

  /** Makes a directory; like every path here, it is relative to `docker/registry/v2`. */
  mkdir(path: string): void {
    if (this.#made.has(path)) return;
    this.fs.mkdirSync(`${this.base}/${path}`, { recursive: true });
    this.#made.add(path);
  }

  writeFile(path: string, content: string | Uint8Array): void {
    this.mkdir(path.slice(0, path.lastIndexOf('/')));
    this.fs.writeFileSync(`${this.base}/${path}`, content);
  }

  /** Writes a link file with any content at all, right or wrong. */
  writeLink(path: string, content: string): void {
    this.writeFile(path, content);
  }

  /** What an interrupted atomic write leaves (3.1 and later): a file beside the one that was meant. */
  temp(path: string, content: string | Uint8Array = 'half'): void {
    this.writeFile(path, content);
  }

  blobPath(digest: string): string {
    const hex = digest.slice('sha256:'.length);
    return `blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
  }

  blob(bytes: string | Uint8Array): string {
    const digest = digestOf(bytes);
    if (!this.sizes.has(digest)) {
      this.sizes.set(digest, Buffer.byteLength(bytes));
      this.writeFile(this.blobPath(digest), bytes);
    }
    return digest;
  }

  layerLinkPath(repository: string, digest: string): string {
    return `repositories/${repository}/_layers/${digestPath(digest)}/link`;
  }

  layerLink(repository: string, digest: string): void {
    this.writeLink(this.layerLinkPath(repository, digest), digest);
    const links = this.layerLinks.get(repository) ?? new Set();
    this.layerLinks.set(repository, links.add(digest));
  }

  /**
   * A layer pushed by its sha512: the blob is stored by sha256, and two links name it, both holding the sha256
   * (distribution registry/storage/blobwriter.go, linkedblobstore.go). Returns the sha512 digest.
   */
  sha512Layer(repository: string, bytes: Uint8Array): string {
    const target = this.blob(bytes);
    const alias = digestOf(bytes, 'sha512');
    this.sizes.set(alias, bytes.length);
    this.writeLink(this.layerLinkPath(repository, alias), target);
    this.layerLink(repository, target);
    return alias;
  }

  revisionPath(repository: string, digest: string): string {
    return `repositories/${repository}/_manifests/revisions/${digestPath(digest)}/link`;
  }

  revision(repository: string, digest: string): void {
    this.writeLink(this.revisionPath(repository, digest), digest);
    this.revisions.add(`${repository}@${digest}`);
  }

  /** What API DELETE leaves of a manifest: its revision directory, without the link. */
  deleteRevision(repository: string, digest: string): void {
    this.fs.unlinkSync(`${this.base}/${this.revisionPath(repository, digest)}`);
    this.revisions.delete(`${repository}@${digest}`);
  }

  tagPath(repository: string, tag: string): string {
    return `repositories/${repository}/_manifests/tags/${tag}`;
  }

  /** Sets a tag; tagging again moves `current` and leaves the older digest in the index, as the registry does. */
  tag(
    repository: string,
    tag: string,
    digest: string,
    options: { history?: readonly string[] } = {},
  ): void {
    for (const entry of [...(options.history ?? []), digest]) {
      this.writeLink(`${this.tagPath(repository, tag)}/index/${digestPath(entry)}/link`, entry);
    }
    this.writeLink(`${this.tagPath(repository, tag)}/current/link`, digest);
    this.tags.add(`${repository}:${tag}`);
  }

  /** Stores the text of a manifest and links it. */
  manifest(
    repository: string,
    value: unknown,
    mediaType: string,
    edges: readonly string[],
    options: ManifestOptions,
  ): Written {
    const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 3);
    const digest = this.blob(text);
    if (options.revision !== false) this.revision(repository, digest);
    if (options.tag !== undefined) this.tag(repository, options.tag, digest);
    return { digest, size: Buffer.byteLength(text), mediaType, edges };
  }

  image(repository: string, options: ImageOptions): Written {
    const oci =
      options.mediaType === 'oci' ||
      options.subject !== undefined ||
      options.artifactType !== undefined;
    const config = this.blob(options.config ?? EMPTY_JSON);
    this.layerLink(repository, config);
    const layers = options.layers.map((layer) => {
      const digest = typeof layer === 'string' ? layer : this.blob(layer);
      if (digest.startsWith('sha256:')) this.layerLink(repository, digest);
      return digest;
    });
    const layerType = oci ? MEDIA.ociLayer : MEDIA.dockerLayer;
    const foreign = (options.foreign ?? []).map((digest) => ({
      ...descriptor(MEDIA.foreignLayer, digest, 1234),
      urls: ['https://example.com/layer'],
    }));
    const mediaType = oci ? MEDIA.ociManifest : MEDIA.dockerManifest;
    const value = {
      schemaVersion: 2,
      mediaType,
      ...this.#common(options),
      config: descriptor(oci ? MEDIA.ociConfig : MEDIA.dockerConfig, config, this.#size(config)),
      layers: [
        ...foreign,
        ...layers.map((digest) => descriptor(layerType, digest, this.#size(digest))),
      ],
    };
    return this.manifest(
      repository,
      value,
      mediaType,
      [config, ...layers, ...(options.foreign ?? [])],
      options,
    );
  }

  index(repository: string, children: readonly Written[], options: IndexOptions = {}): Written {
    const oci = options.mediaType !== 'docker';
    const mediaType = oci ? MEDIA.ociIndex : MEDIA.dockerList;
    const manifests = children.map((child, i) => {
      const [os, architecture] = (options.platforms?.[i] ?? 'linux/amd64').split('/');
      return {
        ...descriptor(child.mediaType, child.digest, child.size),
        platform: { architecture, os },
      };
    });
    const value = { schemaVersion: 2, mediaType, ...this.#common(options), manifests };
    return this.manifest(
      repository,
      value,
      mediaType,
      children.map((child) => child.digest),
      options,
    );
  }

  /** A schema 1 manifest; its signatures are left out, which no reader of the disk minds. */
  schema1(
    repository: string,
    options: ManifestOptions & { layers: readonly Uint8Array[] },
  ): Written {
    const layers = options.layers.map((layer) => this.blob(layer));
    for (const digest of layers) this.layerLink(repository, digest);
    const value = {
      schemaVersion: 1,
      name: repository,
      tag: options.tag ?? 'latest',
      architecture: 'amd64',
      fsLayers: layers.map((blobSum) => ({ blobSum })),
      history: layers.map((_, i) => ({ v1Compatibility: JSON.stringify({ id: `layer-${i}` }) })),
    };
    return this.manifest(repository, value, MEDIA.schema1, layers, options);
  }

  /** The artifact manifest of OCI 1.1's release candidates: no config, no layers, `blobs`. */
  artifact(
    repository: string,
    options: ManifestOptions & { blobs: readonly Uint8Array[] },
  ): Written {
    const blobs = options.blobs.map((bytes) => this.blob(bytes));
    for (const digest of blobs) this.layerLink(repository, digest);
    const value = {
      mediaType: MEDIA.ociArtifact,
      artifactType: 'application/vnd.example.sbom.v1',
      ...this.#common(options),
      blobs: blobs.map((digest) =>
        descriptor('application/octet-stream', digest, this.#size(digest)),
      ),
    };
    return this.manifest(repository, value, MEDIA.ociArtifact, blobs, options);
  }

  upload(repository: string, id: string, options: UploadOptions): void {
    const path = `repositories/${repository}/_uploads/${id}`;
    this.writeFile(`${path}/data`, Buffer.alloc(options.bytes, 0x55));
    if (options.startedAt)
      this.writeFile(`${path}/startedat`, options.startedAt.toISOString().replace('.000Z', 'Z'));
    for (const offset of options.hashstates ?? [])
      this.writeFile(`${path}/hashstates/sha256/${offset}`, 'state');
  }

  setTimes(path: string, date: Date): void {
    this.fs.utimesSync(`${this.base}/${path}`, date, date);
  }

  /** Puts everything in the store at one time, so that no grace protects it. */
  ageEverything(date: Date): void {
    setTimesBelow(this.fs, this.root, date);
  }

  #common(options: ManifestOptions): Record<string, unknown> {
    const { subject, annotations, artifactType } = options;
    return {
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(subject === undefined
        ? {}
        : { subject: descriptor(subject.mediaType, subject.digest, subject.size) }),
      ...(annotations === undefined ? {} : { annotations }),
    };
  }

  #size(digest: string): number {
    const size = this.sizes.get(digest);
    if (size === undefined) throw new Error(`${digest} was never written`);
    return size;
  }
}
