import { hierarchy, treemap } from 'd3-hierarchy';
import { BOX } from './page-data.js';
import type { State, TreeData } from './page-data.js';
import { STATES } from './page-data.js';

/** A part of a store as the treemap shows it; names are safe to show. */
export interface TreeNode {
  readonly name: string;
  /** Of a leaf. */
  readonly bytes?: number;
  readonly state?: State;
  readonly children?: readonly TreeNode[];
}

/** Layouts are made for boxes of this shape; a page stretches them. */
const WIDTH = 1000;
const HEIGHT = 460;

/** Lays out a tree: areas are in proportion to bytes, the largest first. */
export function layOutTree(tree: TreeNode): TreeData {
  const root = hierarchy<TreeNode>(tree, ({ children }) => children as TreeNode[] | undefined)
    .sum(({ bytes = 0 }) => bytes)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0) || (a.data.name < b.data.name ? -1 : 1));
  const laidOut = treemap<TreeNode>().size([WIDTH, HEIGHT])(root);
  const data = {
    parent: [] as number[],
    name: [] as string[],
    bytes: [] as number[],
    state: [] as number[],
    box: [] as number[],
  };
  const places = new Map<object, number>();
  laidOut.each((node) => {
    const { parent } = node;
    places.set(node, data.name.length);
    data.parent.push(parent === null ? 0 : (places.get(parent) ?? 0));
    data.name.push(node.data.name);
    data.bytes.push(Math.round(node.value ?? 0));
    data.state.push(STATES.indexOf(node.data.state ?? 'kept'));
    const outer = parent ?? { x0: 0, y0: 0, x1: WIDTH, y1: HEIGHT };
    data.box.push(
      within(node.x0, outer.x0, outer.x1),
      within(node.y0, outer.y0, outer.y1),
      within(node.x1, outer.x0, outer.x1),
      within(node.y1, outer.y0, outer.y1),
    );
  });
  return data;
}

function within(at: number, from: number, to: number): number {
  return to > from ? Math.round((BOX * (at - from)) / (to - from)) : 0;
}

/** Puts repositories under their namespaces, part by part. Names are whole: `shop/api`. */
export function nestByName(
  repositories: readonly { readonly name: string; readonly children: readonly TreeNode[] }[],
): TreeNode[] {
  interface Branch {
    readonly below: Map<string, Branch>;
    leaves: readonly TreeNode[];
  }
  const top: Branch = { below: new Map(), leaves: [] };
  for (const { name, children } of repositories) {
    let at = top;
    for (const part of name.split('/')) {
      const next = at.below.get(part) ?? { below: new Map<string, Branch>(), leaves: [] };
      at.below.set(part, next);
      at = next;
    }
    at.leaves = children;
  }
  const grow = (branch: Branch): TreeNode[] => [
    ...[...branch.below].map(([part, below]) => {
      // A namespace that holds but one other says nothing by itself.
      let [name, at] = [part, below];
      for (
        let [only] = at.below;
        at.below.size === 1 && at.leaves.length === 0;
        [only] = at.below
      ) {
        [name, at] = [`${name}/${only?.[0] ?? ''}`, only?.[1] ?? at];
      }
      return { name: at.below.size > 0 ? `${name}/` : name, children: grow(at) };
    }),
    ...branch.leaves,
  ];
  return grow(top);
}
