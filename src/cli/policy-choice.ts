import { toBytePath } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import type { ReadFs } from '../fs/read-fs.js';
import { parseDigest } from '../registry/digest.js';
import type { Policy } from '../policy/model.js';

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
export async function choosePolicy(fs: ReadFs, options: PolicyOptions): Promise<PolicyChoice> {
  const untagged = options.untagged === true || options.deleteUntagged === true;
  const flags = typedAgain(options, untagged);
  const base = { untagged, flags, folder: '.' };
  if (options.policy !== undefined) return await readChoice(fs, options, base);
  const words = untagged ? 'drop untagged manifests' : 'drop no manifest';
  const isLanguage = flags.some((flag) => flag.startsWith('--'));
  if (!isLanguage) return { ...base, policy: undefined, words };
  const { policyFromFlags } = await import('../policy/flags.js');
  const allowResetTimes = options.allow?.includes('reset-times') === true;
  const policy = policyFromFlags({ ...options, untagged, allowResetTimes });
  return { ...base, policy, words: flags.join(' ') };
}

async function readChoice(
  fs: ReadFs,
  options: PolicyOptions,
  base: Omit<PolicyChoice, 'policy' | 'words'>,
): Promise<PolicyChoice> {
  const { policy: file = '' } = options;
  const { keepLast, olderThan, notPulledFor, repository, tag } = options;
  const others = [keepLast, olderThan, notPulledFor, repository, tag];
  if (base.untagged || others.some((value) => value !== undefined)) {
    throw new AppError('usage', '--policy goes with --protect and --drop alone', [
      'what the other flags say belongs into the file; --print-policy shows how it is written',
    ]);
  }
  const { parsePolicy } = await import('../policy/parse.js');
  const { withNamed } = await import('../policy/flags.js');
  const allowResetTimes = options.allow?.includes('reset-times') === true;
  const policy = await parsePolicy(readText(fs, file), file);
  const slash = file.lastIndexOf('/');
  return {
    ...base,
    policy: withNamed(policy, { ...options, allowResetTimes }),
    words: `policy ${file}`,
    folder: slash < 0 ? '.' : file.slice(0, slash + 1),
  };
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
  for (const { digestsFile: name } of policy?.protect ?? []) {
    if (name === undefined || found.has(name)) continue;
    const path = name.startsWith('/') ? name : `${folder}/${name}`;
    found.set(name, parseDigestList(readText(fs, path), name));
  }
  return found;
}

/** A digest a line, alone or at the end of an image's name; `#` begins a comment. */
function parseDigestList(text: string, shownAs: string): string[] {
  const digests: string[] = [];
  text.split('\n').forEach((line, i) => {
    const words = line.replace(/#.*/, '').trim();
    if (words === '') return;
    const digest = parseDigest(/[a-z\d]+:[\da-f]+$/.exec(words)?.[0] ?? '');
    if (digest === undefined) {
      throw new AppError('usage', `${shownAs}:${i + 1}: no digest in this line`, [
        'write sha256:..., alone or after an image name, a line each; # begins a comment',
      ]);
    }
    digests.push(digest);
  });
  if (digests.length > 0) return digests;
  throw new AppError('usage', `${shownAs} lists no digest`, [
    'was what made it successful? an empty list protects nothing',
  ]);
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
  ];
}
