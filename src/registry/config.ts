import { parseDocument } from 'yaml';
import { AppError, messageOf } from '../fs/errors.js';
import { DEFAULT_ROOT } from './layout.js';
import { isTree } from './tree.js';
import type { Tree } from './tree.js';

/** What the registry's own configuration says of its store. */
export interface RegistryConfig {
  readonly rootDirectory: string;
  /** `proxy.remoteurl`: the registry is a pull-through cache. */
  readonly remoteUrl: string | undefined;
  /** `auth.*.realm`; Harbor's names it. */
  readonly realms: readonly string[];
}

/** The registry's own override of `storage.filesystem.rootdirectory`. */
const ROOT_VARIABLE = 'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY';

/** And that of `proxy.remoteurl`, by which most caches in containers are configured. */
const PROXY_VARIABLE = 'REGISTRY_PROXY_REMOTEURL';

/** The registry stores in a bucket or in memory: there is nothing on a disk. */
export class StorageElsewhereError extends AppError {}

/**
 * Reads a registry's `config.yml`. `shownAs` names the file in errors.
 * @throws AppError `usage` for text that is no YAML, and for a store that is not a file system.
 */
export function parseConfig(
  text: string,
  shownAs: string,
  env: Readonly<Record<string, string | undefined>>,
): RegistryConfig {
  const document = parseDocument(text, { prettyErrors: true });
  const problem = document.errors[0];
  if (problem !== undefined) {
    const at = problem.linePos?.[0];
    const where = at === undefined ? shownAs : `${shownAs}:${at.line}:${at.col}`;
    throw new AppError('usage', `${where}: ${problem.message.split('\n')[0] ?? 'no YAML'}`);
  }
  const config = toTree(document, shownAs);
  const storage = config['storage'];
  if (storage === undefined && env[ROOT_VARIABLE] === undefined) throw noConfig(shownAs);
  const filesystem = isTree(storage) ? storage['filesystem'] : undefined;
  const named = isTree(filesystem) ? filesystem['rootdirectory'] : undefined;
  const fromEnv = env[ROOT_VARIABLE];
  const isFilesystem = storage === 'filesystem' || (isTree(storage) && 'filesystem' in storage);
  if (!isFilesystem && fromEnv === undefined) {
    throw new StorageElsewhereError('usage', `${shownAs}: its storage is not a file system`, [
      'regsweep works on a registry that stores on a disk (storage.filesystem.rootdirectory)',
    ]);
  }
  return {
    rootDirectory: fromEnv ?? (typeof named === 'string' ? named : DEFAULT_ROOT),
    remoteUrl: remoteUrlOf(config['proxy'], env[PROXY_VARIABLE]),
    realms: realmsOf(config['auth']),
  };
}

function toTree(document: ReturnType<typeof parseDocument>, shownAs: string): Tree {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new AppError('usage', `${shownAs}: ${messageOf(error)}`, [], error);
  }
  if (isTree(value)) return value;
  throw noConfig(shownAs);
}

function noConfig(shownAs: string): AppError {
  return new AppError('usage', `${shownAs}: not a registry's configuration`, [
    "ROOT is a rootdirectory, its docker/registry/v2, or the registry's config.yml",
  ]);
}

function remoteUrlOf(proxy: unknown, fromEnv: string | undefined): string | undefined {
  const named = isTree(proxy) ? proxy['remoteurl'] : undefined;
  const url = fromEnv ?? named;
  return typeof url === 'string' && url !== '' ? url : undefined;
}

function realmsOf(auth: unknown): string[] {
  if (!isTree(auth)) return [];
  const realms = [];
  for (const method of Object.values(auth)) {
    const realm = isTree(method) ? method['realm'] : undefined;
    if (typeof realm === 'string') realms.push(realm);
  }
  return realms;
}
