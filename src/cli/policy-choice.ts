import { resolve } from 'node:path';
import { toBytePath } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import { makeReadFs } from '../fs/node-fs.js';
import type { ReadFs } from '../fs/read-fs.js';
import { parseDigest } from '../registry/digest.js';
import type { Policy } from '../policy/model.js';
import { attempt, placeOf } from '../policy/problem.js';
import type { Problem } from '../policy/problem.js';

/** The flags that say what to keep and drop, as typed. */
export interface PolicyOptions {
  readonly policy?: string;
  readonly untagged?: boolean;
  readonly deleteUntagged?: boolean;
  readonly keepLast?: string;
  readonly olderThan?: string;
  readonly notPulledFor?: string;
  readonly repository?: readonly string[];
  readonly tag?: readonly string[];
  readonly protect?: readonly string[];
  readonly drop?: readonly string[];
  readonly accessLog?: readonly string[];
  readonly evictTo?: string;
  readonly isCache?: boolean;
  readonly allow?: readonly string[];
}

/** What a run keeps and drops. */
export interface PolicyChoice {
  /** Undefined where there is none, and for `-m` alone, which needs no language. */
  readonly policy: Policy | undefined;
  /** `-m`. */
  readonly untagged: boolean;
  /** In a few words, for the plan file's header. */
  readonly words: string;
  /** The whole policy in its own language. */
  readonly text: string;
  /** As it is to be typed again. */
  readonly flags: readonly string[];
  /** The directory that the names of files in it count from. */
  readonly folder: string;
}

const POLICY_LIMIT = 4 * 1024 * 1024;

/**
 * The policy of a run, from a file or from flags.
 * @throws AppError `usage`, with file, line and column where there are.
 */
export async function choosePolicy(options: PolicyOptions): Promise<PolicyChoice> {
  const untagged = options.untagged === true || options.deleteUntagged === true;
  const flags = typedAgain(options, untagged);
  if (options.policy !== undefined) refuseBoth(options, untagged);
  // `-m` alone, or nothing at all, is decided without the language.
  const isPlain = typedAgain({ ...options, allow: [] }, untagged).every((flag) => flag === '-m');
  const policy = isPlain ? undefined : await readPolicyOf(options, untagged);
  return {
    policy,
    untagged,
    words: wordsFor(options, flags, policy, untagged),
    text: await textOf(policy, untagged),
    flags,
    folder: folderOf(options.policy ?? ''),
  };
}

/** The directory that the names in a policy file count from. */
export function folderOf(file: string): string {
  const slash = file.lastIndexOf('/');
  return slash < 0 ? '.' : file.slice(0, slash + 1);
}

function wordsFor(
  { policy: file }: PolicyOptions,
  flags: readonly string[],
  policy: Policy | undefined,
  untagged: boolean,
): string {
  if (file !== undefined) return `policy ${file}`;
  if (policy !== undefined) return flags.join(' ');
  return untagged ? 'drop untagged manifests' : 'drop no manifest';
}

async function textOf(policy: Policy | undefined, untagged: boolean): Promise<string> {
  if (policy === undefined) return untagged ? DROP_UNTAGGED : 'version: 1\npolicies: []\n';
  const { printPolicy } = await import('../policy/print.js');
  return printPolicy(policy);
}

/** What `-m` is short for. */
const DROP_UNTAGGED = `version: 1
policies:
  - name: flags
    repositories: ['**']
    untagged: drop
`;

async function readPolicyOf(
  options: PolicyOptions,
  untagged: boolean,
): Promise<Policy | undefined> {
  const { policyFromFlags, withNamed } = await import('../policy/flags.js');
  const allowResetTimes = options.allow?.includes('reset-times') === true;
  const logs = options.accessLog ?? [];
  const { policy: file } = options;
  const evicts = options.evictTo !== undefined;
  if (file === undefined)
    return withLogs(policyFromFlags({ ...options, untagged, evicts, allowResetTimes }), logs);
  const { parsePolicy } = await import('../policy/parse.js');
  const policy = await parsePolicy(readText(makeReadFs(), file), file);
  return withLogs(withNamed(policy, { ...options, allowResetTimes }), logs);
}

/** Logs that were named on the command line count from where it was typed. */
function withLogs(policy: Policy | undefined, logs: readonly string[]): Policy | undefined {
  if (policy === undefined || logs.length === 0) return policy;
  const named = logs.map((pattern) => resolve(pattern));
  const evidence = { ...policy.evidence, logs: [...policy.evidence.logs, ...named] };
  return { ...policy, evidence };
}

function refuseBoth(options: PolicyOptions, untagged: boolean): void {
  const { keepLast, olderThan, notPulledFor, repository, tag } = options;
  const others = [keepLast, olderThan, notPulledFor, repository, tag];
  if (!untagged && others.every((value) => value === undefined)) return;
  throw new AppError('usage', '--policy goes with --protect, --drop and --access-log alone', [
    'what the other flags say belongs into the file; --print-policy shows how it is written',
  ]);
}

/** A text file of the user's, whole. @throws AppError `usage` */
export function readText(fs: ReadFs, file: string): string {
  const buffer = new Uint8Array(POLICY_LIMIT + 1);
  let length: number;
  try {
    // As for a shell, a symbolic link is as good as what it leads to.
    length = fs.read(fs.resolve(toBytePath(file)), buffer);
  } catch (error) {
    throw new AppError('usage', `cannot read ${file}`, ['is it there, and readable?'], error);
  }
  if (length > POLICY_LIMIT) throw new AppError('usage', `${file} is larger than 4 MiB`);
  return new TextDecoder().decode(buffer.subarray(0, length));
}

/** The digests that each `digests-file` of a policy lists. @throws AppError `usage` */
export function readDigestFiles(
  fs: ReadFs,
  { policy, folder }: PolicyChoice,
): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { digestsFile: name, at } of policy?.protect ?? []) {
    if (name === undefined || found.has(name)) continue;
    const text = readDigestFile(fs, name, folder, placeOf(policy?.shownAs, at));
    found.set(name, parseDigestList(text, name));
  }
  return found;
}

/** A `digests-file` counts from the policy's folder. @throws AppError `usage`, with its place. */
function readDigestFile(fs: ReadFs, name: string, folder: string, place: string): string {
  const path = name.startsWith('/') ? name : `${folder}/${name}`;
  try {
    return readText(fs, path);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `${place}${error.message}`, error.hint, error.cause);
  }
}

/** The lists that a policy file names, and that cannot be read on this host, each with its place. */
export function findUnreadableLists(fs: ReadFs, policy: Policy, folder: string): Problem[] {
  const problems: Problem[] = [];
  for (const { digestsFile: name, at } of policy.protect) {
    if (name === undefined || at === undefined) continue;
    attempt(
      problems,
      () => at,
      () => readDigestFile(fs, name, folder, ''),
    );
  }
  return problems;
}

/**
 * Digests, alone or at the end of an image's name, apart by white space or commas: a line each, or
 * many on one, as `kubectl get pods -o jsonpath` prints them. `#` begins a comment. A word without
 * a digest is an error: what it names would go unprotected.
 */
function parseDigestList(text: string, shownAs: string): string[] {
  const digests: string[] = [];
  text.split('\n').forEach((line, i) => {
    for (const { 0: word, index } of line.replace(/#.*/, '').matchAll(/[^\s,]+/g)) {
      const digest = digestIn(word);
      if (digest === undefined) {
        const place = `${shownAs}:${i + 1}:${index + 1}`;
        throw new AppError('usage', `${place}: no digest in \`${shorten(word)}\``, [
          'write sha256:..., alone or after an image name, with blanks, commas or lines between; # begins a comment',
        ]);
      }
      digests.push(digest);
    }
  });
  if (digests.length > 0) return digests;
  throw new AppError('usage', `${shownAs} lists no digest`, [
    'was what made it successful? an empty list protects nothing',
  ]);
}

/** The digest that a word ends in; undefined too where another stands before it, unseparated. */
function digestIn(word: string): string | undefined {
  const last = /[a-z\d]+:[\da-f]+$/.exec(word);
  const digest = last === null ? undefined : parseDigest(last[0]);
  return LIKE_DIGEST.test(word.slice(0, last?.index)) ? undefined : digest;
}

/** Whole or not; a port or a tag before the last digest does not look so. */
const LIKE_DIGEST = /sha\d{3}:/;

const WORD_SHOWN = 60;

function shorten(word: string): string {
  return word.length > WORD_SHOWN ? `${word.slice(0, WORD_SHOWN)}...` : word;
}

/** The flags of the policy, as a plan's report repeats them. */
function typedAgain(options: PolicyOptions, untagged: boolean): string[] {
  const one = (flag: string, value: string | undefined): string[] =>
    value === undefined ? [] : [flag, value];
  const all = (flag: string, values: readonly string[] = []): string[] =>
    values.flatMap((value) => [flag, value]);
  return [
    ...(untagged ? ['-m'] : []),
    ...one('--policy', options.policy),
    ...one('--keep-last', options.keepLast),
    ...one('--older-than', options.olderThan),
    ...one('--not-pulled-for', options.notPulledFor),
    ...all('--repository', options.repository),
    ...all('--tag', options.tag),
    ...all('--protect', options.protect),
    ...all('--drop', options.drop),
    ...all('--access-log', options.accessLog),
    ...all('--allow', options.allow),
    ...one('--evict-to', options.evictTo),
    ...(options.isCache === true ? ['--is-cache'] : []),
  ];
}
