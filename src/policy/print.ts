import { Document, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Node } from 'yaml';
import type { Policy } from './model.js';
import { toTree } from './tree.js';
import type { TreeMap } from './tree.js';

/** A comment above the value at a path, or above the whole text. */
export interface Comment {
  readonly path: readonly (string | number)[];
  readonly text: string;
}

/** A policy as YAML of the policy language; reading it gives the same policy. */
export function printPolicy(policy: Policy): string {
  return printTree(toTree(policy), []);
}

/** A tree as YAML, with comments; short values stay on one line. */
export function printTree(tree: TreeMap, comments: readonly Comment[]): string {
  const document = new Document(tree, { aliasDuplicateObjects: false });
  if (isNode(document.contents)) setFlow(document.contents);
  for (const { path, text } of comments) {
    const comment = wrap(text, 94 - 2 * path.length)
      .map((line) => ` ${line}`)
      .join('\n');
    if (path.length === 0) {
      document.commentBefore = join(document.commentBefore, comment);
      continue;
    }
    const holder = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const target = commentable(holder, path.at(-1));
    if (target) target.commentBefore = join(target.commentBefore, comment);
  }
  return document.toString({ lineWidth: 100, singleQuote: true, flowCollectionPadding: true });
}

function join(above: string | null | undefined, comment: string): string {
  return above ? `${above}\n${comment}` : comment;
}

/** In a mapping a comment hangs on the key, in a list on the item. */
function commentable(holder: unknown, step: string | number | undefined): Node | undefined {
  if (isSeq(holder) && typeof step === 'number') {
    const item = holder.items[step];
    return isNode(item) ? item : undefined;
  }
  if (!isMap(holder)) return undefined;
  const pair = holder.items.find(({ key }) => isScalar(key) && key.value === step);
  return isNode(pair?.key) ? pair.key : undefined;
}

/** Collections that hold scalars alone, or one such level more, are written on one line. */
function setFlow(node: Node): number {
  if (!isMap(node) && !isSeq(node)) return 0;
  let depth = 0;
  const children: readonly unknown[] = isMap(node)
    ? node.items.map(({ value }) => value)
    : node.items;
  for (const child of children) if (isNode(child)) depth = Math.max(depth, setFlow(child));
  const short = depth === 0 || (isMap(node) && depth === 1 && node.items.length <= 2);
  const named = isMap(node) && node.items.some(({ key }) => isScalar(key) && key.value === 'name');
  if (short && !named) node.flow = true;
  return short && !named ? depth + 1 : 9;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}
