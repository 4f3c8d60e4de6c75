import { displayName } from '../fs/bytes.js';
import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Why } from '../insight/why.js';
import type { WhyPath } from '../insight/why-paths.js';
import { safeJson } from './escape.js';

/** Why something lives, as one JSON document. `toFree` is null where no set of names frees it. */
export function renderWhyJson(
  why: Why,
  index: StoreIndex,
  reasonsOf: (path: WhyPath) => readonly string[],
): string {
  const { target, toFree } = why;
  const document = {
    target: digestText(index, target.digest),
    asked: displayName(target.name),
    kind: why.kind,
    bytes: why.bytes ?? null,
    present: why.present,
    live: why.live,
    keptByGrace: why.graced,
    keptByLink: why.held,
    paths: why.paths.map(({ holder, chain }) => [
      displayName(holder.name),
      ...chain.map((digest) => digestText(index, digest)),
    ]),
    holders: why.paths.map((path) => ({
      kind: path.holder.kind,
      name: displayName(path.holder.name),
      why: path.holder.why === undefined ? null : displayName(path.holder.why),
      reasons: reasonsOf(path).map(displayName),
    })),
    truncated: why.truncated,
    remains: why.remains.map(displayName),
    toFree:
      toFree === undefined || toFree.obstacle !== undefined ? null : toFree.names.map(displayName),
    obstacle: toFree?.obstacle === undefined ? null : displayName(toFree.obstacle),
    frees:
      toFree === undefined || toFree.obstacle !== undefined
        ? null
        : {
            tags: toFree.tags,
            manifests: toFree.manifests,
            blobs: toFree.blobs,
            bytes: toFree.bytes,
          },
  };
  return `${safeJson(document, 2)}\n`;
}
