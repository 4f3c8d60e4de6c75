import nodeFs from 'node:fs';
import os from 'node:os';
import { memfs } from 'memfs';
import { StoreBuilder } from '../../support/store.ts';
import type { Written } from '../../support/store.ts';
import { planStore } from '../../support/survey.ts';
import type { PlanOptions, PlannedStore } from '../../support/survey.ts';

/** The time at which the stores of the rules are looked at. */
export const NOW = new Date('2026-03-01T00:00:00Z');
export const OLD = new Date('2026-01-01T00:00:00Z');
/** Five minutes old: within the grace of an hour. */
export const YOUNG = new Date(NOW.getTime() - 300_000);
export const FUTURE = new Date(NOW.getTime() + 86_400_000);

let made = 0;

/** Content that no other call returns. */
export function layer(): Uint8Array {
  return Buffer.from(`layer ${++made} ${'.'.repeat(40)}`);
}

/** An empty store in memory. */
export function newStore(): StoreBuilder {
  return new StoreBuilder(memfs().fs, '/r');
}

/** An empty store on a disk, for what memfs does not have; `remove` it afterwards. */
export function newStoreOnDisk(): StoreBuilder & { remove(): void } {
  const base = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const root = nodeFs.mkdtempSync(`${base}/regsweep-rules-`);
  const store = new StoreBuilder(nodeFs, root);
  return Object.assign(store, {
    remove: () => nodeFs.rmSync(root, { recursive: true, force: true }),
  });
}

/** An image with a config and a layer of its own. */
export function image(store: StoreBuilder, repository: string, tag?: string): Written {
  const options = { layers: [layer()], config: layer(), mediaType: 'oci' as const };
  return store.image(repository, tag === undefined ? options : { ...options, tag });
}

/** A manifest and everything that it names. */
export function closure(...manifests: readonly Written[]): string[] {
  return manifests.flatMap(({ digest, edges }) => [digest, ...edges]);
}

/** Makes the whole store two months old, but for some paths that are five minutes old. */
export function age(store: StoreBuilder, young: readonly string[] = []): void {
  store.ageEverything(OLD);
  for (const path of young) store.setTimes(path, YOUNG);
}

/** Plans at `NOW`. Whoever wants another age has set it before. */
export async function plan(store: StoreBuilder, options: PlanOptions = {}): Promise<PlannedStore> {
  return await planStore(store.fs, store.root, { now: NOW.getTime(), ...options });
}

export function sorted(items: Iterable<string>): string[] {
  return [...items].sort();
}

/** Lines of a plan of one kind. */
export function ofKind(planned: PlannedStore, kind: string): readonly object[] {
  return planned.actions.filter((action) => action.kind === kind);
}

/** Codes of all findings, once each. */
export function codes(planned: PlannedStore): string[] {
  return sorted(new Set(planned.findings.map((finding) => finding.split(' ')[0] as string)));
}
