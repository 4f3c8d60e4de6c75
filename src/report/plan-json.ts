import type { Finding } from '../registry/finding.js';
import { displayName } from '../fs/bytes.js';
import type { WhatIf } from '../insight/what-if.js';
import type { GoalReport } from '../plan/meet-goal.js';
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
  readonly goal: GoalReport | undefined;
  readonly whatIf: WhatIf | undefined;
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
    ...goalJson(summary, context.goal),
    ...(context.whatIf === undefined ? {} : { whatIf: whatIfJson(context.whatIf) }),
    files: summary.files,
    actions: summary.actions,
    keptByGrace: { ...summary.graced, manifests: context.young },
    keptByLink: summary.held,
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

function goalJson(summary: PlanSummary, goal: GoalReport | undefined): object {
  if (goal === undefined) return {};
  const { totalBytes, steps, goalBytes, alreadyBytes, reachableBytes, offered } = goal;
  if (totalBytes === undefined) {
    const free = {
      goalBytes,
      alreadyBytes,
      reachableBytes,
      offered,
      reachedBytes: summary.freed.bytes,
      missingBytes: Math.max(0, goalBytes - summary.freed.bytes),
      steps: steps.map(({ name, bytes }) => ({ name: displayName(name), bytes })),
    };
    return { free };
  }
  const remainingBytes = totalBytes - summary.blobs.droppedBytes;
  const evict = {
    goalBytes,
    totalBytes,
    leastBytes: totalBytes - reachableBytes,
    offered,
    usedBy: goal.usedBy,
    remainingBytes,
    missingBytes: Math.max(0, remainingBytes - goalBytes),
    steps: steps.map(({ name, bytes, idleMs }) => ({
      name: displayName(name),
      idleSeconds: Math.round(idleMs / 1000),
      remainingBytes: totalBytes - bytes,
    })),
  };
  return { evict };
}

/** Bytes freed; element n is for `--keep-last n`, and for `--older-than` of n days. */
function whatIfJson({ keepLast, olderThan }: WhatIf): object {
  return { keepLast: [...keepLast], olderThanDays: [...olderThan] };
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
