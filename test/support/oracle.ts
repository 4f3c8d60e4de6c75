import { readModel } from './oracle-read.ts';
import type { Model, Repository } from './oracle-read.ts';
import type { FsLike } from './store.ts';

/**
 * The naive oracle: what is alive in a store, by the rules and by nothing else. Sets, and loops that repeat until
 * nothing changes; slow, and meant to be read. Everything here only ever adds, so the order of visits cannot matter.
 * Where the rules are silent it keeps.
 */
export interface OracleOptions {
  /** `-m`: untagged manifests go. */
  readonly untagged: boolean;
  readonly graceMs: number;
  /** An upload that is younger still goes on; by default 168 hours. */
  readonly uploadsOlderThanMs?: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface OracleResult {
  /** Digests that stay. A digest can be live and absent. */
  readonly live: ReadonlySet<string>;
  /** Digests of the blobs that are there as files. */
  readonly present: ReadonlySet<string>;
  /** `repository@digest` of revision links. */
  readonly keptRevisions: ReadonlySet<string>;
  readonly droppedRevisions: ReadonlySet<string>;
  /** Repositories that lose nothing because something kept in them cannot be read. */
  readonly tainted: ReadonlySet<string>;
  /** Set when no blob at all may be called garbage. */
  readonly everythingLive: boolean;
}

/** OCI's referrers tag, and cosign's three; sha512 is cut to 64 digits. */
const FALLBACK_TAG = /^(sha256|sha384|sha512)-([a-f0-9]{64})(\.sig|\.att|\.sbom)?$/;

/** A repository as the fixpoint grows: `manifests` are those reached in it, by their sha256. */
interface State {
  readonly repository: Repository;
  readonly manifests: Set<string>;
  tainted: boolean;
  /** Something in it that cannot be read may name anything: only its layer links limit what. */
  unknown: boolean;
}

class Oracle {
  readonly model: Model;
  readonly options: OracleOptions;
  readonly states: State[];
  readonly live = new Set<string>();
  /** Digests live as manifests in any repository. */
  readonly liveManifests = new Set<string>();
  /** Digests that are a revision somewhere. */
  readonly revisions = new Set<string>();
  /** Rule 12, stores of the 2.1 era: layer links that no manifest explains, and that lead to a manifest. */
  readonly layerRevisions = new Map<Repository, string[]>();
  changed = false;

  constructor(model: Model, options: OracleOptions) {
    this.model = model;
    this.options = options;
    this.states = model.repositories.map((repository) => ({
      repository,
      manifests: new Set<string>(),
      tainted: repository.unreadable || repository.protected || repository.hidden,
      unknown: repository.unreadable,
    }));
    for (const { repository } of this.states) {
      for (const digest of repository.revisions.keys()) this.revisions.add(this.resolve(digest));
    }
    for (const { repository } of this.states) {
      const named = this.named(repository);
      const layers = [...repository.layers.keys()].map((digest) => this.resolve(digest));
      this.layerRevisions.set(
        repository,
        layers.filter((digest) => !named.has(digest) && this.isManifest(digest)),
      );
    }
    for (const digest of [...this.layerRevisions.values()].flat()) this.revisions.add(digest);
  }

  /** A digest by another algorithm is known by the sha256 that its link holds. */
  resolve(digest: string): string {
    return this.model.aliases.get(digest) ?? digest;
  }

  isManifest(digest: string): boolean {
    const content = this.model.content(digest);
    return content.state === 'manifest' && content.looksLikeManifest;
  }

  exists(digest: string): boolean {
    return this.model.content(digest).state !== 'missing';
  }

  young(mtimeMs: number): boolean {
    return this.options.now - Math.min(mtimeMs, this.options.now) < this.options.graceMs;
  }

  /** An upload goes on in it, so earlier parts of the same push may be older than any grace. */
  isBusy(repository: Repository): boolean {
    const limit = this.options.uploadsOlderThanMs ?? 168 * 3_600_000;
    return repository.uploads.some((time) => this.options.now - time < limit);
  }

  add<T>(set: Set<T>, item: T): void {
    if (set.has(item)) return;
    set.add(item);
    this.changed = true;
  }

  /** What the manifests of a repository name, be they kept, dropped or deleted; followed by content. */
  named(repository: Repository): Set<string> {
    const named = new Set<string>();
    const seen = new Set<string>();
    const currents = [...repository.tags.values()].flatMap(({ current }) =>
      current === undefined ? [] : [current],
    );
    const links = [...repository.revisions.keys(), ...(this.layerRevisions.get(repository) ?? [])];
    const queue = [...links, ...repository.deleted, ...currents].map((digest) =>
      this.resolve(digest),
    );
    for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      for (const edge of this.model.content(digest).edges) {
        named.add(this.resolve(edge.digest));
        if (edge.manifest || this.revisions.has(this.resolve(edge.digest)))
          queue.push(this.resolve(edge.digest));
      }
    }
    return new Set([...named, ...seen]);
  }

  /** A root counts if its blob is there, or if a link says that it should be: its absence is damage then. */
  addRoot(state: State, digest: string): void {
    const target = this.resolve(digest);
    if (this.exists(target) || state.repository.revisions.has(digest))
      this.add(state.manifests, target);
  }

  addRoots(state: State): void {
    const { repository } = state;
    const tags = [...repository.tags];
    const hasTag = tags.some(
      ([name, { current }]) => !FALLBACK_TAG.test(name) || this.isItsOwn(name, current),
    );
    const everything = !this.options.untagged || !hasTag || state.tainted;
    for (const [digest, mtimeMs] of repository.revisions) {
      // What it names and what it refers to is unknown: a guess that it may go could lose a signature.
      const unread = this.model.content(this.resolve(digest)).state === 'unreadable';
      const odd = unread || repository.oddRevisions.has(digest);
      if (everything || odd || this.young(mtimeMs)) this.addRoot(state, digest);
    }
    for (const digest of this.layerRevisions.get(repository) ?? []) {
      if (everything || this.young(repository.layers.get(digest) ?? 0)) this.addRoot(state, digest);
    }
    for (const [name, { current, exact, history }] of tags) {
      if (current !== undefined && (everything || this.fallbackStays(name, current)))
        this.addRoot(state, current);
      const readable = exact && current !== undefined && this.exists(this.resolve(current));
      if (!readable || state.tainted) for (const digest of history) this.addRoot(state, digest);
    }
    if (!state.tainted) return;
    for (const digest of [...repository.deleted, ...repository.named]) this.addRoot(state, digest);
    for (const digest of repository.layers.keys()) this.add(this.live, this.resolve(digest));
  }

  /** Rule 7. Any other tag stays. */
  fallbackStays(tag: string, current: string): boolean {
    if (this.isItsOwn(tag, current)) return true;
    const subjects = this.subjectsOf(tag);
    const found = subjects.some((digest) => this.revisions.has(digest));
    if (!found || subjects.some((digest) => this.liveManifests.has(digest))) return true;
    const kept = this.keptWith(this.resolve(current));
    return subjects.some((digest) => kept.has(digest));
  }

  /** On the very manifest that it is named after; or named as a list of referrers, and on no index. */
  isItsOwn(tag: string, current: string | undefined): boolean {
    if (current === undefined) return false;
    const target = this.resolve(current);
    const { state, isIndex } = this.model.content(target);
    const isNoList = !tag.includes('.') && state === 'manifest' && !isIndex;
    return isNoList || this.subjectsOf(tag).includes(target);
  }

  /** All that would be kept if a manifest was, and a little more. */
  keptWith(digest: string): Set<string> {
    const kept = new Set([digest]);
    for (const at of kept) {
      for (const edge of this.model.content(at).edges) kept.add(this.resolve(edge.digest));
      for (const { repository } of this.states) {
        for (const revision of repository.revisions.keys()) {
          const { subjects } = this.model.content(this.resolve(revision));
          if (subjects.some((subject) => this.resolve(subject) === at)) {
            kept.add(this.resolve(revision));
          }
        }
        for (const [name, { current }] of repository.tags) {
          if (current !== undefined && this.subjectsOf(name).includes(at)) {
            kept.add(this.resolve(current));
          }
        }
      }
    }
    return kept;
  }

  /** What a fallback tag may be named after, by their sha256; none for any other tag. */
  subjectsOf(tag: string): string[] {
    const match = FALLBACK_TAG.exec(tag);
    if (!match) return [];
    const isSubject = (digest: string): boolean => digest.startsWith(`${match[1]}:${match[2]}`);
    const revisions = this.states
      .flatMap(({ repository }) => [...repository.revisions.keys()])
      .filter(isSubject);
    const subjects = match[1] === 'sha256' ? [...revisions, `sha256:${match[2]}`] : revisions;
    return subjects.map((digest) => this.resolve(digest));
  }

  /** Rule 6: a live subject keeps its referrers, in whatever repository they are. */
  addReferrers(state: State): void {
    const { repository } = state;
    for (const digest of [
      ...repository.revisions.keys(),
      ...(this.layerRevisions.get(repository) ?? []),
    ]) {
      const { subjects } = this.model.content(this.resolve(digest));
      if (subjects.some((subject) => this.liveManifests.has(this.resolve(subject))))
        this.addRoot(state, digest);
    }
  }

  expand(state: State): void {
    for (const digest of state.manifests) {
      const content = this.model.content(digest);
      this.add(this.live, digest);
      this.add(this.liveManifests, digest);
      // A child that is missing and no revision anywhere is a sparse index; any other gap has unknown edges.
      const sparse = content.state === 'missing' && !this.revisions.has(digest);
      if (content.state !== 'manifest' && !sparse && !state.unknown) {
        state.tainted = true;
        state.unknown = true;
        this.changed = true;
      }
      for (const edge of content.edges) {
        const target = this.resolve(edge.digest);
        this.add(this.live, target);
        if (edge.manifest || this.revisions.has(target)) this.add(state.manifests, target);
      }
    }
  }

  /** Rule 13: what a layer link names and no manifest of that repository does is a push that may still go on. */
  addInterruptedPushes(): void {
    const newest = new Map<string, number>(this.model.dataTimes);
    for (const { repository } of this.states) {
      for (const [digest, mtimeMs] of repository.layers) {
        const target = this.resolve(digest);
        newest.set(target, Math.max(newest.get(target) ?? 0, mtimeMs));
      }
    }
    for (const { repository } of this.states) {
      const named = this.named(repository);
      for (const digest of repository.layers.keys()) {
        const target = this.resolve(digest);
        const goesOn = this.isBusy(repository) || this.young(newest.get(target) ?? 0);
        if (!named.has(target) && goesOn) this.live.add(target);
      }
    }
  }

  run(): OracleResult {
    do {
      this.changed = false;
      for (const state of this.states) {
        this.addRoots(state);
        this.addReferrers(state);
        this.expand(state);
      }
    } while (this.changed);
    this.addInterruptedPushes();

    const blind = this.states.some((state) => state.unknown && !state.repository.layersReadable);
    const everythingLive = this.model.incomplete || blind;
    const present = new Set(this.model.dataTimes.keys());
    if (everythingLive) for (const digest of present) this.live.add(digest);
    const keptRevisions = new Set<string>();
    const droppedRevisions = new Set<string>();
    for (const { repository, manifests } of this.states) {
      for (const digest of repository.revisions.keys()) {
        const kept = manifests.has(this.resolve(digest));
        (kept ? keptRevisions : droppedRevisions).add(`${repository.name}@${digest}`);
      }
    }
    const tainted = new Set(
      this.states.filter((state) => state.tainted).map((state) => state.repository.name),
    );
    return { live: this.live, present, keptRevisions, droppedRevisions, tainted, everythingLive };
  }
}

/** What is alive in the store below `root`, the registry's rootdirectory. */
export function liveBlobs(fs: FsLike, root: string, options: OracleOptions): OracleResult {
  return new Oracle(readModel(fs, root), options).run();
}
