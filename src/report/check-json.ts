import type { CheckReport } from '../check/judge.js';
import { brokenText } from '../check/finding.js';
import type { CheckFinding } from '../check/finding.js';
import type { Mend } from '../check/mend.js';
import type { ShoppingItem } from '../check/shopping.js';
import { displayName } from '../fs/bytes.js';
import { csvLine } from './csv.js';
import { escapeName, safeJson } from './escape.js';

export interface CheckJsonContext {
  readonly root: string;
  readonly mend: Mend;
  readonly warnings: readonly string[];
  readonly seconds: number;
}

/** A check's findings as one JSON document. */
export function renderCheckJson(report: CheckReport, context: CheckJsonContext): string {
  const { survey, findings, shopping, links, hash } = report;
  const document = {
    root: context.root,
    repositories: survey.index.repositories.length,
    blobs: { total: report.blobs, bytes: report.bytes },
    allLinksRead: links,
    hash: hash ?? null,
    findings: findings.map(findingJson),
    shoppingList: shopping.map(itemJson),
    mend: { actions: context.mend.actions.length, ...context.mend.counts },
    warnings: context.warnings,
    seconds: Math.round(context.seconds * 1000) / 1000,
  };
  return `${safeJson(document, 2)}\n`;
}

function findingJson(finding: CheckFinding): object {
  const { code, severity, path, detail, repository, tag, digest, breaks, mendable, mend } = finding;
  return {
    code,
    severity,
    path: displayName(path),
    detail: displayName(detail),
    ...(repository === undefined ? {} : { repository: displayName(repository) }),
    ...(tag === undefined ? {} : { tag: displayName(tag) }),
    ...(digest === undefined ? {} : { digest }),
    breaks: breaks.map((broken) => displayName(brokenText(broken))),
    mendable,
    mend,
  };
}

function itemJson({ repository, tag, digest, platform, blobs }: ShoppingItem): object {
  return {
    repository: displayName(repository),
    ...(tag === undefined ? {} : { tag: displayName(tag) }),
    ...(digest === undefined ? {} : { digest }),
    ...(platform === undefined ? {} : { platform }),
    blobs,
  };
}

/** The images to push again as CSV, a row a blob; one without blobs has lost its tag alone. */
export function* shoppingCsv(items: readonly ShoppingItem[]): Generator<string> {
  yield csvLine(['repository', 'tag', 'manifest', 'platform', 'blob', 'bytes', 'why']);
  for (const { repository, tag, digest, platform, blobs } of items) {
    const name = [escapeName(repository), escapeName(tag ?? ''), digest ?? '', platform ?? ''];
    if (blobs.length === 0) yield csvLine([...name, '', '', 'its tag']);
    for (const blob of blobs) {
      yield csvLine([...name, blob.digest, String(blob.bytes ?? ''), blob.code]);
    }
  }
}
