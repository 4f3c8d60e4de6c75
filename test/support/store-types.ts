import { createHash } from 'node:crypto';

/** What a store's builder works on and with: a file system, digests, media types. */

export interface StatsLike {
  readonly size: number;
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

type PathArg = string | Buffer;

/** The few synchronous calls that the test support needs; `node:fs` and memfs's `fs` both have them. */
export interface FsLike {
  mkdirSync(path: PathArg, options: { recursive: boolean }): unknown;
  writeFileSync(path: PathArg, data: string | Uint8Array): void;
  readFileSync(path: PathArg): string | Uint8Array;
  readdirSync(path: PathArg, options: { encoding: 'latin1' }): readonly unknown[];
  lstatSync(path: PathArg): StatsLike;
  chmodSync(path: string, mode: number): void;
  utimesSync(path: PathArg, atime: Date, mtime: Date): void;
  unlinkSync(path: PathArg): void;
  rmSync(path: PathArg, options: { recursive: boolean; force: boolean }): void;
  symlinkSync(target: string, path: PathArg): void;
  existsSync(path: PathArg): boolean;
  realpathSync(path: PathArg, options: { encoding: 'latin1' }): unknown;
}

/** A manifest as it was written: what a parent's descriptor says of it. */
export interface Written {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  /** Digests its text names as edges, in order. */
  readonly edges: readonly string[];
}

export interface ManifestOptions {
  readonly tag?: string;
  readonly subject?: Written;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  /** False writes the blob alone, with no revision link. */
  readonly revision?: boolean;
}

export interface ImageOptions extends ManifestOptions {
  /** Bytes are stored and linked; a sha256 digest is linked; a sha512 digest must be linked already. */
  readonly layers: readonly (Uint8Array | string)[];
  readonly config?: Uint8Array;
  readonly mediaType?: 'docker' | 'oci';
  /** Digests of foreign layers: described with `urls`, and not stored here. */
  readonly foreign?: readonly string[];
}

export interface IndexOptions extends ManifestOptions {
  readonly mediaType?: 'docker' | 'oci';
  /** One platform a child, `os/architecture`; `unknown/unknown` marks an attestation. */
  readonly platforms?: readonly string[];
}

export interface UploadOptions {
  readonly bytes: number;
  /** Absent: no `startedat` file, as after a crash. */
  readonly startedAt?: Date;
  readonly hashstates?: readonly number[];
}

export const MEDIA = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  foreignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  schema1: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

export const EMPTY_JSON: Uint8Array = Buffer.from('{}');

export function digestOf(
  bytes: string | Uint8Array,
  algorithm: 'sha256' | 'sha512' = 'sha256',
): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** `sha256:abc` as two path components. */
export function digestPath(digest: string): string {
  return digest.replace(':', '/');
}

/**
 * Sets the mtime and atime of everything below a path, the path itself included. Symlinks are left alone. The path is
 * a byte string, one character a byte, so that names which are not UTF-8 can be reached.
 */
export function setTimesBelow(fs: FsLike, path: string, date: Date): void {
  const native = Buffer.from(path, 'latin1');
  const stats = fs.lstatSync(native);
  if (stats.isSymbolicLink()) return;
  if (stats.isDirectory()) {
    for (const name of fs.readdirSync(native, { encoding: 'latin1' }))
      setTimesBelow(fs, `${path}/${String(name)}`, date);
  }
  fs.utimesSync(native, date, date);
}

export function descriptor(
  mediaType: string,
  digest: string,
  size: number,
): Record<string, unknown> {
  return { mediaType, size, digest };
}
