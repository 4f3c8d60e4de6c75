import { evaluate } from '../../src/policy/evaluate.ts';
import type { EvaluateOptions } from '../../src/policy/evaluate.ts';
import { formatReason } from '../../src/policy/facts.ts';
import type { Decided, Evaluation, RepositoryFacts, TagFacts } from '../../src/policy/facts.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
/** A Monday, so weeks are easy to count back from. */
export const NOW = Date.UTC(2024, 5, 10, 12);

/** A tag pushed so many days ago. */
export function tag(name: string, days: number, more: Partial<TagFacts> = {}): TagFacts {
  const digest = more.digest ?? `sha256:${name}`;
  return { name, pushedMs: NOW - days * DAY, fallback: false, ...more, digest };
}

export function repository(
  name: string,
  tags: readonly TagFacts[],
  untagged: RepositoryFacts['untagged'] = [],
): RepositoryFacts {
  return { name, tags, untagged };
}

export async function run(
  yaml: string,
  facts: readonly RepositoryFacts[],
  options: Partial<EvaluateOptions> = {},
): Promise<Evaluation> {
  return evaluate(await parsePolicy(yaml, 'p.yaml'), facts, { now: NOW, ...options });
}

/** A policy of one rule for every repository, its body given as YAML's flow style. */
export function ruleYaml(body: string, head = ''): string {
  return `version: 1\n${head}\nlimits: { allow-empty-repository: true }\npolicies:\n  - name: p\n    repositories: ['**']\n    rules:\n      - { name: r, tags: ['**'], ${body} }\n`;
}

/** `tag: decision: reasons`, a line a tag, in the order of the facts. */
export function table(evaluation: Evaluation, facts: readonly RepositoryFacts[]): string[] {
  return evaluation.repositories.flatMap((decisions, i) => [
    ...decisions.tags.map((decided, j) => `${facts[i]?.tags[j]?.name}: ${show(decided)}`),
    ...decisions.untagged.map(
      (decided, j) => `@${facts[i]?.untagged[j]?.digest}: ${show(decided)}`,
    ),
  ]);
}

export function show(decided: Decided): string {
  return `${decided.decision}: ${decided.reasons().map(formatReason).join('; ')}`;
}

/** The names that are decided so. */
export function named(
  evaluation: Evaluation,
  facts: readonly RepositoryFacts[],
  decision: Decided['decision'],
): string[] {
  return evaluation.repositories.flatMap((one, i) =>
    one.tags.flatMap((decided, j) =>
      decided.decision === decision ? [facts[i]?.tags[j]?.name ?? ''] : [],
    ),
  );
}
