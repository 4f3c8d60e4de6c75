import { brokenText } from './finding.js';
import type { Broken, CheckCode, CheckFinding } from './finding.js';

/** An image to push again, and the blobs that it needs; none where its tag alone is lost. */
export interface ShoppingItem extends Broken {
  readonly blobs: readonly {
    readonly digest: string;
    /** What is wrong with it here. */
    readonly code: CheckCode;
    /** Apparent bytes; undefined where nothing says. */
    readonly bytes: number | undefined;
  }[];
}

/** By repository, tag and platform: what only a push mends. */
export function shoppingList(
  findings: readonly CheckFinding[],
  bytesOf: (digest: string) => number | undefined,
): ShoppingItem[] {
  const items = new Map<string, ShoppingItem & { blobs: ShoppingItem['blobs'][number][] }>();
  for (const { severity, mendable, breaks, needs, code } of findings) {
    // What may be left out on purpose, and what a plan mends, nobody has to push.
    if (severity === 'notice' || mendable || !PUSHED.has(code)) continue;
    for (const broken of breaks) {
      const key = brokenText(broken);
      const item = items.get(key) ?? { ...broken, blobs: [] };
      items.set(key, item);
      for (const digest of needs) {
        if (item.blobs.some((blob) => blob.digest === digest)) continue;
        item.blobs.push({ digest, code, bytes: bytesOf(digest) });
      }
    }
  }
  const sorted = [...items].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
  for (const { blobs } of sorted) blobs.sort((a, b) => (a.digest < b.digest ? -1 : 1));
  return sorted;
}

/** Findings that a push mends. */
const PUSHED: ReadonlySet<CheckCode> = new Set<CheckCode>([
  'empty-link',
  'short-link',
  'garbled-link',
  'mismatched-link',
  'missing-link',
  'padded-link',
  'dead-tag',
  'missing-manifest',
  'empty-manifest',
  'corrupt-manifest',
  'oversized-manifest',
  'malformed-manifest',
  'missing-blob',
  'empty-blob',
  'truncated-blob',
  'overlong-blob',
  'corrupt-blob',
]);
