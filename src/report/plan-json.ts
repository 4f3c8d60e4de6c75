import type { Finding } from '../registry/finding.js';
import { displayName } from '../fs/bytes.js';
import type { PlanSummary } from '../plan/summary.js';
import { safeJson } from './escape.js';

export interface PlanJsonContext {
  readonly root: string;
  /** In a few words. */
  readonly policy: string;
  readonly seconds: number;
  readonly warnings: readonly string[];
  readonly refused: readonly string[];
  readonly young: number;
}

/** The plan's figures as one JSON document. */
export function renderPlanJson(summary: PlanSummary, context: PlanJsonContext): string {
  const document = {
    root: context.root,
    policy: context.policy,
    repositories: summary.repositories,
    tags: summary.tags,
    manifests: summary.manifests,
    blobs: summary.blobs,
    layerLinks: summary.layerLinks,
    uploads: summary.uploads,
    temporaries: summary.temporaries,
    emptyRepositories: summary.emptyRepositories,
    freed: summary.freed,
    files: summary.files,
    actions: summary.actions,
    keptByGrace: { ...summary.graced, manifests: context.young },
    tainted: summary.tainted.map(({ name, why, bytes }) => ({
      repository: displayName(name),
      why: displayName(why),
      bytes,
    })),
    byRepository: summary.table.map((row) => ({ ...row, name: displayName(row.name) })),
    damage: summary.findings.map(findingJson),
    warnings: context.warnings,
    refused: context.refused,
    seconds: Math.round(context.seconds * 1000) / 1000,
  };
  return `${safeJson(document, 2)}\n`;
}

function findingJson(finding: Finding): object {
  const { repository, tag, path, detail, ...rest } = finding;
  return {
    ...rest,
    path: displayName(path),
    detail: displayName(detail),
    ...(repository === undefined ? {} : { repository: displayName(repository) }),
    ...(tag === undefined ? {} : { tag: displayName(tag) }),
  };
}
