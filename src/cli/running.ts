import type { Session } from './session.js';

/** A warning for each registry that seems to run on the store, with what that means for a command. */
export async function registryWarnings(
  { fs, root }: Session,
  { registryStopped = false }: { readonly registryStopped?: boolean },
  meaning: string,
): Promise<string[]> {
  if (registryStopped) return [];
  const { describeProcess, lookForRegistry } = await import('../sweep/quiescence.js');
  const { processes } = await lookForRegistry(fs, root);
  return processes.map((found) => `${describeProcess(found)}; ${meaning}`);
}
