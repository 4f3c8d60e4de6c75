/** After an outage: check, mend, and ask the real registry what it says. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustSucceed, parseLines, regsweep } from './cli.ts';
import type { PlanLine } from './cli.ts';
import { getBlob, getManifest } from './registry.ts';
import type { Answer, Registry } from './registry.ts';
import { mustSweep } from './sweep.ts';
import type { SweepReport } from './sweep.ts';

/** What `check --json` prints at least. */
export interface CheckOutput {
  readonly findings: readonly {
    readonly code: string;
    readonly severity: string;
    readonly path: string;
    readonly breaks: readonly string[];
    readonly mendable: boolean;
  }[];
  readonly shoppingList: readonly {
    readonly repository: string;
    readonly tag?: string;
    readonly platform?: string;
    readonly blobs: readonly { readonly digest: string }[];
  }[];
}

/** `check ROOT --json --hash`; throws unless it ends as a check does. */
export async function checkRoot(root: string, flags: readonly string[] = []): Promise<CheckOutput> {
  const run = await regsweep(['check', root, '--json', '--hash', '--registry-stopped', ...flags]);
  if (run.code !== 0 && run.code !== 3) mustSucceed(run);
  const output = run.json as CheckOutput;
  const damaged = output.findings.some(({ severity }) => severity !== 'notice');
  if (damaged !== (run.code === 3)) throw new Error(`exit ${run.code}: ${run.stdout}`);
  return output;
}

export interface Mended {
  readonly before: CheckOutput;
  readonly plan: readonly PlanLine[];
  readonly sweep: SweepReport | undefined;
  readonly after: CheckOutput;
}

/** Checks, sweeps the plan that mends, and checks again: what was mendable is gone. */
export async function checkAndMend(root: string, flags: readonly string[] = []): Promise<Mended> {
  const folder = mkdtempSync(join(tmpdir(), 'regsweep-mend-'));
  try {
    const file = join(folder, 'mend');
    const before = await checkRoot(root, ['-o', file, ...flags]);
    const plan = parseLines(readFileSync(file, 'utf8'));
    const sweep = plan.length > 2 ? await mustSweep(file) : undefined;
    const after = await checkRoot(root);
    const left = new Set(after.findings.map(({ code, path }) => `${code} ${path}`));
    const unmended = before.findings.filter(
      ({ code, path, mendable }) => mendable && left.has(`${code} ${path}`),
    );
    if (unmended.length > 0) throw new Error(`not mended: ${JSON.stringify(unmended)}`);
    return { before, plan, sweep, after };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `pulls`, or what the registry serves instead; every byte is held against its digest. */
export async function pullAnswer(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<string> {
  let answer: Answer;
  try {
    answer = await getManifest(registry, repository, reference);
  } catch {
    return 'cuts the manifest off';
  }
  if (answer.status !== 200) return `HTTP ${answer.status} for the manifest`;
  const digest = answer.headers.get('docker-content-digest') ?? reference;
  if (digest.startsWith('sha256:') && sha256(answer.bytes) !== digest)
    return 'serves a wrong manifest';
  const { manifests = [], config, layers = [] } = JSON.parse(answer.bytes.toString()) as Body;
  for (const child of manifests) {
    const below = await pullAnswer(registry, repository, child.digest);
    if (below !== 'pulls') return below;
  }
  for (const blob of [...(config === undefined ? [] : [config]), ...layers]) {
    const found = await blobAnswer(registry, repository, blob.digest);
    if (found !== 'pulls') return found;
  }
  return 'pulls';
}

interface Body {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

async function blobAnswer(registry: Registry, repository: string, digest: string): Promise<string> {
  try {
    const { status, bytes } = await getBlob(registry, repository, digest);
    if (status !== 200) return `HTTP ${status} for a blob`;
    return sha256(bytes) === digest ? 'pulls' : 'serves a wrong blob';
  } catch {
    return 'cuts a blob off';
  }
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
