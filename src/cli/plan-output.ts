import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { actionsOf } from '../plan/actions.js';
import { planLines } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import { survivorsOf } from '../plan/survivors.js';
import { tagRows } from '../plan/tag-rows.js';
import { tagsCsv } from '../report/csv.js';
import type { StoreRoot } from '../scan/root.js';
import { writeOut } from './out-lines.js';
import type { PlanFlags } from './plan-command.js';
import { planHeader } from './plan-header.js';
import type { MadePlan, PlanSettings } from './plan-maker.js';

/** Writes a row a tag: what becomes of it, and why. */
export function writeCsv(file: string, root: StoreRoot, made: MadePlan): void {
  writeOut(root.root, file, tagsCsv(tagRows(made.survey, made.outcome)));
}

/** Writes the plan. Returns the sha256 of its file, by which a sweep shows it. */
export function writePlan(
  file: string,
  flags: PlanFlags,
  settings: PlanSettings,
  root: StoreRoot,
  made: MadePlan,
): string {
  const hash = createHash('sha256');
  const { survey, garbage, summary } = made;
  const lines = planLines(
    headerOf(flags, settings, root, made),
    actionsOf(survey, garbage),
    summary.freed.bytes,
  );
  writeOut(root.root, file, hashed(lines, hash));
  return hash.digest('hex');
}

function* hashed(lines: Iterable<string>, hash: Hash): Generator<string> {
  for (const line of lines) {
    hash.update(line);
    yield line;
  }
}

function headerOf(
  flags: PlanFlags,
  settings: PlanSettings,
  root: StoreRoot,
  { summary, options, survey, garbage }: MadePlan,
): PlanHeader {
  const { words, text } = settings.choice;
  const { graceMs, uploadsOlderThanMs, orphansOnly } = options;
  return planHeader(root, {
    policyText: text,
    policy: words,
    options: {
      graceMs,
      uploadsOlderThanMs,
      orphansOnly,
      writeOff: flags.writeOff,
      allowMounts: flags.allowMount,
    },
    counts: {
      tags: summary.tags.dropped,
      manifests: summary.manifests.dropped,
      blobs: summary.blobs.dropped,
      layerLinks: summary.layerLinks.dropped,
      uploads: summary.uploads.dropped,
      files: summary.files,
    },
    survivors: survivorsOf(survey.index, actionsOf(survey, garbage)),
  });
}
