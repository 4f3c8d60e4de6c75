import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Document, LineCounter, Node } from 'yaml';
import type { Position } from './model.js';

export type Path = readonly PropertyKey[];

/** Where things are in a YAML document. */
export interface SourceMap {
  /** The value at a path; when there is none, the nearest value above it. */
  readonly valueAt: (path: Path) => Position;
  /** The key itself, of the mapping at a path. */
  readonly keyAt: (path: Path, key: string) => Position;
  readonly offsetAt: (offset: number) => Position;
}

/** Builds the map; aliases are followed to what they stand for. */
export function mapSource(document: Document, lines: LineCounter): SourceMap {
  const offsetAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const positionOf = (node: Node | null): Position => offsetAt(node?.range?.[0] ?? 0);
  const find = (path: Path): Node | null => {
    let node: Node | null = document.contents;
    for (const step of path) {
      const next = childOf(resolved(node, document), step);
      if (next === undefined) return node;
      node = next;
    }
    return node;
  };
  return {
    offsetAt,
    valueAt: (path) => positionOf(find(path)),
    keyAt: (path, key) => {
      const node = resolved(find(path), document);
      if (isMap(node)) {
        for (const pair of node.items) {
          if (isScalar(pair.key) && pair.key.value === key) return positionOf(pair.key);
        }
      }
      return positionOf(node);
    },
  };
}

function resolved(node: Node | null, document: Document): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}

function childOf(node: Node | null, step: PropertyKey): Node | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step];
    return isNode(item) ? item : undefined;
  }
  if (!isMap(node)) return undefined;
  for (const pair of node.items) {
    if (isScalar(pair.key) && pair.key.value === step && isNode(pair.value)) return pair.value;
  }
  return undefined;
}
