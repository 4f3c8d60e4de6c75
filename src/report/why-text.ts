import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { ToFree } from '../insight/why-free.js';
import type { Why } from '../insight/why.js';
import type { WhyPath } from '../insight/why-paths.js';
import { KIND } from '../registry/media-type.js';
import { escapeName, escapeText } from './escape.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  largestOf,
  plural,
  shellWord,
  shortenHex,
} from './format.js';
import type { Style } from './style.js';
import { shortenMiddle, wrap } from './table.js';

export interface WhyContext {
  /** As the user named it. */
  readonly root: string;
  readonly index: StoreIndex;
  /** By digest: the platform that an index says of it, a text from the disk. */
  readonly platforms: ReadonlyMap<number, string>;
  /** The rules behind a keep, where a policy was given. */
  readonly reasonsOf: (path: WhyPath) => readonly string[];
  /** The flags of this run that make a plan what it is, as they are to be typed again. */
  readonly flags: readonly string[];
  /** `--to-free`. */
  readonly toFree: boolean;
  readonly graceMs: number;
  readonly width: number;
  readonly all: boolean;
}

const PATHS_SHOWN = 20;
const NAMES_SHOWN = 5;
const WIDEST_NAME = 40;

/** Why something lives, as a tree; or why nothing holds it. */
export function renderWhy(why: Why, context: WhyContext, style: Style): string[] {
  const lines = [...heading(why, context, style), ...tree(why, context, style)];
  if (why.live) return [...lines, ...freeing(why.toFree, context, style)];
  const remains = why.remains.flatMap((text) =>
    told('  - ', shortenHex(escapeName(text)), context),
  );
  return [...lines, ...remains, ...fateOf(why, context)];
}

/** Of what nothing holds: whether it goes, and by which plan, to be pasted as it stands. */
function fateOf(why: Why, context: WhyContext): string[] {
  if (why.graced) {
    const age = formatDuration(context.graceMs);
    const text = `Too young to go: less than ${age} old and no manifest yet, so it may be part of a push (--grace 0).`;
    return told('', text, context);
  }
  if (why.held) {
    const text =
      'It stays: a link to it is no file that can be told, or dated in the future, so it may be part of a push (regsweep check).';
    return told('', text, context);
  }
  if (!why.present) return ['It has no data here.'];
  const command = ['regsweep plan', ...[context.root, ...context.flags].map(shellWord)].join(' ');
  return ['It is garbage, and listed by', `  ${command}`];
}

function heading(why: Why, { index, width }: WhyContext, style: Style): string[] {
  const digest = shortenHex(digestText(index, why.target.digest));
  const size = why.present
    ? why.bytes === undefined
      ? ''
      : `, ${formatBytes(why.bytes)}`
    : ', not there';
  const holders = new Set(why.paths.map(({ holder }) => holder.name));
  const repositories = new Set(why.paths.map(({ holder }) => holder.repository));
  const tags = new Set(
    why.paths.flatMap(({ holder }) => (holder.kind === 'tag' ? [holder.name] : [])),
  );
  const others = holders.size - tags.size;
  const held = [
    ...(tags.size > 0 ? [plural(tags.size, 'tag')] : []),
    ...(others > 0 ? [plural(others, tags.size > 0 ? 'other' : 'holder')] : []),
  ].join(' and ');
  const fate = why.live
    ? `held by ${held === '' ? 'nothing that was found' : held} in ${plural(repositories.size, 'repository')}`
    : 'held by nothing';
  const kind = why.kind === 'blob' ? 'layer or other blob' : why.kind;
  const text = `${digest}  ${kind}${size}, ${fate}`;
  return wrap(text, width).map((line, i) => (i === 0 ? style.strong(line) : line));
}

function tree({ paths, truncated }: Why, context: WhyContext, style: Style): string[] {
  const shown = context.all ? paths : paths.slice(0, PATHS_SHOWN);
  const names = shown.map(({ holder }) =>
    shortenMiddle(shortDigest(escapeName(holder.name)), WIDEST_NAME),
  );
  const room = largestOf(0, names, ({ length }) => length);
  const seen = new Map<string, number>();
  const hidden = paths.length - shown.length;
  const lines = shown.flatMap((path, i) => {
    const last = i === shown.length - 1 && hidden === 0;
    const name = names[i] as string;
    const way = wayOf(path, seen, context);
    const rule = way === '' ? '' : ` ${'─'.repeat(room - name.length + 2)} ${way}`;
    const whole = `${last ? '└─' : '├─'} ${name}${rule}`;
    const stem = last ? '   ' : '│  ';
    const why = path.holder.why === undefined ? [] : [path.holder.why];
    const reasons = [...why, ...context.reasonsOf(path)].flatMap((text) =>
      told(`${stem}   `, shortenHex(escapeName(text)), context).map(style.dim),
    );
    return [shortenMiddle(whole, context.width), ...reasons];
  });
  const more = hidden > 0 ? [style.dim(`└─ ${formatCount(hidden)} more (--all)`)] : [];
  return [...lines, ...more, ...(truncated ? ['   and more paths than were looked for'] : [])];
}

/** The manifests between a holder and the target; ways that were shown before are not repeated. */
function wayOf({ holder, chain }: WhyPath, seen: Map<string, number>, context: WhyContext): string {
  const { index, platforms } = context;
  // A manifest without a tag is named by its digest, which need not be said twice.
  const between = chain.slice(holder.kind === 'untagged' ? 1 : 0, -1);
  if (between.length === 0) return '';
  const key = between.join(' ');
  const first = between[0] as number;
  const isIndex = index.kind[first] === KIND.index;
  if (seen.has(key)) return `(the same ${isIndex ? 'index' : 'manifest'})`;
  seen.set(key, 1);
  return between
    .map((digest) => {
      const text = shortDigest(digestText(index, digest));
      const what = index.kind[digest] === KIND.index ? 'index' : platforms.get(digest);
      return what === undefined ? text : `${escapeText(what)} ${text}`;
    })
    .join(' ── ');
}

/** In a tree, where many stand side by side, eight digits have to do. */
function shortDigest(text: string): string {
  return text.replaceAll(/(sha\d+:[0-9a-f]{8})[0-9a-f]+/g, '$1');
}

function freeing(toFree: ToFree | undefined, context: WhyContext, style: Style): string[] {
  if (toFree === undefined) return [];
  const { names, obstacle } = toFree;
  if (obstacle !== undefined) {
    const text = `Dropping tags does not free it: ${shortenHex(escapeName(obstacle))}.`;
    return told('', text, context).map(style.warn);
  }
  const shown = context.toFree || context.all ? names : names.slice(0, NAMES_SHOWN);
  const hidden = names.length - shown.length;
  const listed = shown.map((name) => shortenHex(escapeName(name)));
  if (hidden > 0) listed.push(`${formatCount(hidden)} more (--to-free)`);
  const whole =
    listed.length > 1
      ? `${listed.slice(0, -1).join(', ')} and ${listed.at(-1) ?? ''}`
      : (listed[0] ?? '');
  const gone = [
    plural(toFree.tags, 'tag'),
    plural(toFree.manifests, 'manifest'),
    plural(toFree.blobs, 'blob'),
  ].join(', ');
  const lines = told(
    '',
    `To free it: drop ${whole} (frees ${formatBytes(toFree.bytes)} with what else goes: ${gone}).`,
    context,
  );
  return context.toFree ? [...lines, ...commandOf(toFree, context)] : lines;
}

/** A command that can be pasted: names from the disk stand in it whole, or not at all. */
function commandOf({ names }: ToFree, { root }: WhyContext): string[] {
  if (!names.every((word) => /^[\w@%+=:,./-]+$/.test(word))) return [];
  return [
    `  regsweep plan ${shellWord(root)} ${names.map((name) => `--drop ${name}`).join(' \\\n    ')}`,
  ];
}

function told(indent: string, text: string, { width }: WhyContext): string[] {
  return wrap(text, width - indent.length).map(
    (line, i) => (i === 0 ? indent : indent.replace('-', ' ')) + line,
  );
}
