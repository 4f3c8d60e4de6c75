/** What clients pushed, moved and deleted, as they know it: each has repositories of its own. */
import { makeArtifact, makeImage, makeIndex, makeLayer } from '../support/images.ts';
import type { Layer, Manifest } from '../support/images.ts';
import type { Prng } from '../support/prng.ts';

/** What is asked for in a pull: a tag, or the digest of what only refers to something. */
export interface Wanted {
  readonly repository: string;
  readonly reference: string;
  readonly digest: string;
}

interface Referrer {
  /** Its digest, or the tag that is named after the subject. */
  readonly reference: string;
  readonly digest: string;
  readonly subject: string;
}

/** One repository, as the client that owns it believes it to be. */
export class Repository {
  readonly name: string;
  /** The digest of each tag. */
  readonly tags = new Map<string, string>();
  /** Artifacts and signatures: kept by what they refer to. */
  readonly referrers: Referrer[] = [];
  /** What was pushed here as an image, by its digest. */
  readonly known = new Map<string, Manifest>();

  constructor(name: string) {
    this.name = name;
  }

  /** As DELETE of a manifest by its digest: every tag on it goes too. */
  forget(digest: string): void {
    this.known.delete(digest);
    for (const [tag, on] of this.tags) if (on === digest) this.tags.delete(tag);
    for (let i = this.referrers.length - 1; i >= 0; i--) {
      if (this.referrers[i]?.subject === digest) this.referrers.splice(i, 1);
    }
  }

  dropReferrer(reference: string): void {
    const at = this.referrers.findIndex((one) => one.reference === reference);
    if (at >= 0) this.referrers.splice(at, 1);
  }

  /** All that a pull must find. */
  wanted(): Wanted[] {
    const live = new Set(this.tags.values());
    return [
      ...[...this.tags].map(([tag, digest]) => ({
        repository: this.name,
        reference: tag,
        digest,
      })),
      ...this.referrers
        .filter(({ subject }) => live.has(subject))
        .map(({ reference, digest }) => ({ repository: this.name, reference, digest })),
    ];
  }
}

/** Random images that share layers: with each other, and with those of other clients. */
export class Factory {
  readonly #prng: Prng;
  readonly #name: string;
  readonly #bases: readonly Layer[];
  #made = 0;

  constructor(prng: Prng, name: string, bases: readonly Layer[]) {
    this.#prng = prng;
    this.#name = name;
    this.#bases = bases;
  }

  image(): Manifest {
    const prng = this.#prng;
    if (prng.chance(0.15)) return makeIndex([this.#one('linux/amd64'), this.#one('linux/arm64')]);
    return this.#one('linux/amd64');
  }

  referrer(subject: Manifest): Manifest {
    const artifactType = 'application/vnd.example.sbom.v1';
    return makeArtifact({ seed: this.#next(), subject, artifactType });
  }

  #one(platform: string): ReturnType<typeof makeImage> {
    const prng = this.#prng;
    const count = prng.int(4);
    return makeImage({
      seed: this.#next(),
      layers: 1 + prng.int(3),
      layerBytes: 200 + prng.int(20_000),
      format: prng.chance(0.5) ? 'oci' : 'docker',
      platform,
      base: prng.shuffle(this.#bases).slice(0, count),
    });
  }

  #next(): string {
    return `${this.#name}/${this.#made++}`;
  }
}

/** Layers for `Factory`, the same for all clients. */
export function makeBases(seed: number): Layer[] {
  return Array.from({ length: 12 }, (_, n) => makeLayer(`soak-${seed}-${n}`, 3_000));
}
