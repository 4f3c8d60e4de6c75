import type { BytePath } from '../fs/read-fs.js';
import { PACKED } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { REPOSITORIES } from '../registry/layout.js';
import type { StoreRoot } from './root.js';
import { chunksOf, contextOf, inParts } from './scan.js';
import type { ScanOptions } from './scan.js';
import { emptyRooms, ROOM } from './usage-shard.js';
import type { Amount, LinkedFile, Room, UsageFacts } from './usage-shard.js';
import type { Portrait } from './portrait-shard.js';

/** A store's room on the disk, file by file; it adds up to what `du` says of the rootdirectory. */
export interface StoreUsage {
  /** Blobs that have data: packed digests, and beside them what was measured. */
  readonly digests: Uint8Array;
  readonly bytes: Float64Array;
  readonly allocated: Float64Array;
  /** Milliseconds since 1970. */
  readonly mtimeMs: Float64Array;
  /** By repository: what is in its `_manifests`, `_layers` and `_uploads`. */
  readonly repositories: ReadonlyMap<BytePath, Readonly<Record<Room, Readonly<Amount>>>>;
  /** What belongs to no repository, besides the data of blobs. */
  readonly frame: Readonly<Record<Room, Readonly<Amount>>>;
  readonly findings: readonly Finding[];
}

const PATHS_A_SHARD = 16;

/** Measures every file of a rootdirectory: one system call a file. */
export async function measureUsage(options: ScanOptions, root: StoreRoot): Promise<StoreUsage> {
  const registry = root.base === root.root ? '' : root.base.slice(root.root.length + 1);
  const context = { base: root.root, registry, writeOff: options.writeOff };
  const join = new Join(registry);
  let deferred: readonly BytePath[] = [];
  const first = [{ ...context, paths: [''] }];
  for await (const facts of options.runner.run('usage', first)) {
    ({ deferred } = facts);
    join.take([''], facts);
  }
  const shards = inParts(deferred, PATHS_A_SHARD).map((paths) => ({ ...context, paths }));
  let done = 0;
  for await (const facts of options.runner.run('usage', shards)) {
    join.take(shards[done++]?.paths ?? [], facts);
    options.onProgress?.('details', done, shards.length);
  }
  return join.usage();
}

/** Reads what some manifests (packed digests) say of themselves, in the order asked for. */
export async function readAllPortraits(
  options: ScanOptions,
  digests: Uint8Array,
  configs: boolean,
): Promise<Portrait[]> {
  const shards = chunksOf(digests, PORTRAITS_A_SHARD * PACKED).map((part) => ({
    ...contextOf(options),
    digests: part,
    configs,
  }));
  const found: Portrait[] = [];
  for await (const { portraits } of options.runner.run('portraits', shards)) {
    for (const portrait of portraits) found.push(portrait);
    options.onProgress?.('manifests', found.length, digests.length / PACKED);
  }
  return found;
}

const PORTRAITS_A_SHARD = 512;

class Join {
  readonly #repositories: string;
  readonly #parts: UsageFacts[] = [];
  readonly #byRepository = new Map<BytePath, Record<Room, Amount>>();
  readonly #frame = emptyRooms();
  /** Hard links that were met before. */
  readonly #seen = new Set<string>();

  constructor(registry: BytePath) {
    this.#repositories = registry === '' ? `${REPOSITORIES}/` : `${registry}/${REPOSITORIES}/`;
  }

  take(paths: readonly BytePath[], facts: UsageFacts): void {
    const { allocated } = facts;
    const rooms = paths.map((path, i) => {
      const into = this.#roomsOf(path);
      for (const room of ROOM) addTo(into[room], facts.rooms[i]?.[room]);
      return into;
    });
    for (const file of facts.linked) {
      const isNew = !this.#seen.has(file.key);
      this.#seen.add(file.key);
      this.#takeLinked(file, isNew, allocated, rooms);
    }
    this.#parts.push(facts);
  }

  usage(): StoreUsage {
    const parts = this.#parts;
    return {
      digests: joined(Uint8Array, parts, 'digests'),
      bytes: joined(Float64Array, parts, 'bytes'),
      allocated: joined(Float64Array, parts, 'allocated'),
      mtimeMs: joined(Float64Array, parts, 'mtimeMs'),
      repositories: this.#byRepository,
      frame: this.#frame,
      findings: parts.flatMap(({ findings }) => findings),
    };
  }

  /** Of a blob the apparent size is its own, however often it is linked. */
  #takeLinked(
    { blob, room, path, bytes, allocated }: LinkedFile,
    isNew: boolean,
    blobs: Float64Array,
    rooms: readonly Record<Room, Amount>[],
  ): void {
    if (blob >= 0 && !isNew) blobs[blob] = 0;
    if (blob < 0 && isNew) addTo((rooms[path] as Record<Room, Amount>)[room], { bytes, allocated });
  }

  /** Those of the repository that a path is of: `.../repositories/NAME/_layers`. */
  #roomsOf(path: BytePath): Record<Room, Amount> {
    if (!path.startsWith(this.#repositories)) return this.#frame;
    const name = path.slice(this.#repositories.length, path.lastIndexOf('/'));
    const rooms = this.#byRepository.get(name) ?? emptyRooms();
    this.#byRepository.set(name, rooms);
    return rooms;
  }
}

function addTo(into: Amount, amount: Readonly<Amount> | undefined): void {
  into.bytes += amount?.bytes ?? 0;
  into.allocated += amount?.allocated ?? 0;
}

function joined<K extends 'digests' | 'bytes' | 'allocated' | 'mtimeMs', A extends UsageFacts[K]>(
  make: new (length: number) => A,
  parts: readonly UsageFacts[],
  key: K,
): A {
  const whole = new make(parts.reduce((sum, part) => sum + part[key].length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part[key], at);
    at += part[key].length;
  }
  return whole;
}
