import { parseDocument } from 'yaml';
import { AppError } from '../fs/errors.js';
import { isTree } from '../registry/tree.js';
import { findAcr, importAcr } from './import-acr.js';
import type { Draft, ImportOptions } from './import-draft.js';
import { findEcr, importEcr } from './import-ecr.js';
import { findGitlab, importGitlab } from './import-gitlab.js';
import { findHarbor, importHarbor } from './import-harbor.js';
import { findZot, importZot } from './import-zot.js';
import { readPolicy } from './parse.js';
import { printTree } from './print.js';

export const IMPORT_FORMATS = ['harbor', 'zot', 'ecr', 'gitlab', 'acr'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

export interface ImportedPolicy {
  readonly format: ImportFormat;
  /** The policy, with a comment wherever the other system means something else. */
  readonly yaml: string;
}

/**
 * Reads another system's retention policy and writes it in this language. JSON or YAML, or the
 * `acr purge` command line; which system it is shows from its keys.
 * @throws AppError `usage` for a document of none of them, or with what cannot be said here.
 */
export async function importPolicy(
  text: string,
  shownAs: string,
  options: ImportOptions = {},
): Promise<ImportedPolicy> {
  try {
    const { format, draft } = readDraft(text, options);
    const tree = { version: 1, policies: draft.policies };
    // What the other system takes and this language refuses is said, not left to be found.
    const { problems } = await readPolicy(printTree(tree, []), shownAs);
    const wrong = problems.map(({ message }) => ({ path: [], text: `To be mended: ${message}` }));
    return { format, yaml: printTree(tree, [...draft.comments, ...wrong]) };
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'usage')) throw error;
    throw new AppError('usage', `${shownAs}: ${error.message}`, error.hint, error);
  }
}

function readDraft(
  text: string,
  options: ImportOptions,
): { readonly format: ImportFormat; readonly draft: Draft } {
  const acr = findAcr(text);
  if (acr !== undefined) return { format: 'acr', draft: importAcr(acr) };
  const document = readDocument(text);
  const ecr = findEcr(document);
  if (ecr) return { format: 'ecr', draft: importEcr(ecr, options) };
  const harbor = findHarbor(document);
  if (harbor) return { format: 'harbor', draft: importHarbor(harbor, options) };
  const zot = findZot(document);
  if (zot) return { format: 'zot', draft: importZot(zot) };
  const gitlab = findGitlab(document);
  if (gitlab) return { format: 'gitlab', draft: importGitlab(gitlab, options) };
  throw new AppError('usage', 'not a retention policy that regsweep knows', [
    'it reads Harbor, zot, ECR and GitLab documents and `acr purge` command lines',
  ]);
}

function readDocument(text: string): Record<string, unknown> {
  const document = parseDocument(text, { prettyErrors: false });
  const [problem] = document.errors;
  if (problem !== undefined) throw new AppError('usage', problem.message.split('\n')[0] ?? '');
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  return isTree(value) ? value : {};
}
