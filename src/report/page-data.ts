/** What a page's script is given, as JSON. All texts are safe to show: nothing in them is markup. */
export interface PageData {
  readonly tree: TreeData;
  readonly tables: readonly TableData[];
}

/** The nodes of the treemap, parents before their children; node 0 is the whole store. */
export interface TreeData {
  readonly parent: readonly number[];
  readonly name: readonly string[];
  readonly bytes: readonly number[];
  /** Of a leaf: a place in `STATES`. */
  readonly state: readonly number[];
  /** Four numbers a node: left, top, right and bottom in its parent's box of `BOX` by `BOX`. */
  readonly box: readonly number[];
}

/** A parent's box in its children's units. */
export const BOX = 4096;

/** What becomes of something; colour and hatching go by it. */
export const STATES = ['kept', 'shared', 'dropped', 'damaged'] as const;
export type State = (typeof STATES)[number];

export interface TableData {
  readonly id: string;
  readonly title: string;
  /** What stands there instead of a table without rows. */
  readonly empty: string;
  readonly columns: readonly ColumnData[];
}

export interface ColumnData {
  readonly title: string;
  /** `day`: days since 1970. */
  readonly kind: 'text' | 'code' | 'count' | 'bytes' | 'day' | 'state';
  /** Where there are words, values are places among them; words are in their order. */
  readonly words?: readonly string[];
  /** Of texts: their places in their order, since a browser takes long to find it. */
  readonly ranks?: readonly number[];
  readonly values: readonly (string | number | null)[];
}
