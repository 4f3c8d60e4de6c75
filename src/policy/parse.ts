import { LineCounter, parseDocument } from 'yaml';
import { AppError, messageOf } from '../fs/errors.js';
import { buildPolicy } from './build.js';
import { findDoubts, findErrors } from './lint.js';
import type { Policy } from './model.js';
import { formatProblem, sortProblems } from './problem.js';
import type { Problem } from './problem.js';
import { mapSource } from './source-map.js';
import type { Path, SourceMap } from './source-map.js';
import { nearest } from './suggest.js';

/** What reading a policy file found; without `policy` there are problems. */
export interface ReadPolicy {
  readonly policy: Policy | undefined;
  readonly problems: readonly Problem[];
  /** Legal, and probably not meant. */
  readonly doubts: readonly Problem[];
}

/**
 * Parses a policy file. `shownAs` names it in errors.
 * @throws AppError `usage`: the first problem as `file:line:column: text`, the others as its hints.
 */
export async function parsePolicy(text: string, shownAs: string): Promise<Policy> {
  const { policy, problems } = await readPolicy(text, shownAs);
  if (policy !== undefined) return policy;
  const [first = '', ...others] = problems.map((one) => formatProblem(shownAs, one));
  throw new AppError('usage', first, others);
}

/** As `parsePolicy`, with the problems as data and the doubts too. */
export async function readPolicy(text: string, shownAs: string): Promise<ReadPolicy> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    // Else a key that is a mapping makes Node print a warning of its own.
    logLevel: 'error',
  });
  const source = mapSource(document, lines);
  // What follows from nesting that is too deep says nothing of the file.
  const tooDeep = document.errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION').slice(0, 1);
  const wrong = tooDeep.length > 0 ? tooDeep : [...document.errors, ...document.warnings];
  const problems: Problem[] = wrong.map(({ code, message, pos }) => ({
    at: source.offsetAt(pos[0]),
    message: OWN_WORDS[code] ?? message.split('\n')[0] ?? 'no YAML',
  }));
  if (problems.length > 0) return refused(problems);
  if (document.contents === null || text.trim() === '') {
    return refused([{ at: source.offsetAt(0), message: 'an empty policy: the file says nothing' }]);
  }
  const tree = toTree(() => document.toJS({ maxAliasCount: 100 }), problems, source);
  if (tree === undefined) return refused(problems);

  // zod loads in 60 ms, and most runs read no policy file.
  const { keysOf, policySchema } = await import('./schema.js');
  const shape = policySchema.safeParse(tree.value);
  if (!shape.success) {
    for (const issue of shape.error.issues) problems.push(...explain(issue, [], source, keysOf));
    return refused(problems);
  }
  if (shape.data.policies === undefined && shape.data.drop === undefined) {
    return refused([{ at: source.offsetAt(0), message: 'an empty policy: it has no policies' }]);
  }
  const policy = withPlaces(buildPolicy(shape.data, shownAs, source, problems), source);
  problems.push(...findErrors(policy));
  if (problems.length > 0) return refused(problems);
  return { policy, problems, doubts: sortProblems(findDoubts(policy)) };
}

/** The places of what can turn out to be wrong only on a host, or for a store. */
function withPlaces(policy: Policy, { valueAt }: SourceMap): Policy {
  return {
    ...policy,
    limits: { ...policy.limits, at: valueAt(['limits', 'max-drop-tags']) },
    protect: policy.protect.map((one, i) => ({
      ...one,
      at: valueAt(['protect', i, 'digests-file']),
    })),
  };
}

/** For what the parser says to those who call it, and not to those who write a file. */
const OWN_WORDS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS:
    'a second YAML document begins here, and a policy is one; put it into a file of its own',
  RESOURCE_EXHAUSTION:
    'brackets or lists within each other, deeper than can be read; a policy needs six levels',
};

function refused(problems: readonly Problem[]): ReadPolicy {
  return { policy: undefined, problems: sortProblems(problems), doubts: [] };
}

/** Aliases that name nothing, or too much, show only when the tree is built. */
function toTree(
  build: () => unknown,
  problems: Problem[],
  source: SourceMap,
): { readonly value: unknown } | undefined {
  try {
    return { value: build() };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    problems.push({ at: source.offsetAt(0), message: messageOf(error) });
    return undefined;
  }
}

/** The part of zod's issues that is looked at; loose, so that zod's types stay out of here. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: Path;
  readonly message: string;
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly Issue[])[];
}

function explain(
  issue: Issue,
  above: Path,
  source: SourceMap,
  keysOf: (mapping: string) => readonly string[],
): Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return (issue.keys ?? []).map((key) => ({
      at: source.keyAt(path, key),
      message: `unknown key \`${key}\` in ${issue.message}; ${hint(key, keysOf(issue.message))}`,
    }));
  }
  // Of a union, the branch that was meant is the one that fails deeper than at its own type.
  const meant = issue.errors?.find((branch) =>
    branch.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
  );
  if (issue.code === 'invalid_union' && meant !== undefined) {
    return meant.flatMap((one) => explain(one, path, source, keysOf));
  }
  const last = path.at(-1);
  const label = typeof last === 'string' ? `${last}: ` : '';
  return [{ at: source.valueAt(path), message: `${label}${issue.message}` }];
}

function hint(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === undefined ? `known are ${known.join(', ')}` : `did you mean \`${near}\`?`;
}
