import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { evaluate } from '../../src/policy/evaluate.ts';
import type { EvaluateOptions } from '../../src/policy/evaluate.ts';
import type { Evaluation, RepositoryFacts } from '../../src/policy/facts.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { compilePattern, globToRegex } from '../../src/policy/pattern.ts';
import { printPolicy, printTree } from '../../src/policy/print.ts';
import type { TreeMap } from '../../src/policy/tree.ts';
import {
  count,
  days,
  KEEP_FIELDS,
  maybe,
  names,
  order,
  policyTree,
} from '../support/policy-arbitraries.ts';
import { HOUR, NOW, show } from '../support/policy.ts';

const instant = fc.integer({ min: -2, max: 24 * 60 }).map((hours) => NOW - hours * HOUR);
const time = fc.oneof(
  { weight: 9, arbitrary: instant },
  { weight: 1, arbitrary: fc.constantFrom(undefined, 0) },
);
const repositoryFacts = fc
  .record({
    tags: fc.uniqueArray(
      fc.record({
        name: names,
        digest: fc.integer({ min: 1, max: 5 }),
        pushedMs: time,
        createdMs: time,
        pulledMs: maybe(instant),
        fallback: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      }),
      { selector: ({ name }) => name, maxLength: 10 },
    ),
    untagged: fc.uniqueArray(
      fc.record({ digest: fc.integer({ min: 6, max: 9 }), pushedMs: time }),
      {
        selector: ({ digest }) => digest,
      },
    ),
  })
  .map(({ tags, untagged }): RepositoryFacts => ({ name: 'a', tags, untagged }));
const coverage = maybe(fc.record({ fromMs: instant, toMs: maybe(instant) }));

/** Undefined where the tree is refused: the generator does not know every rule of sense. */
async function decide(
  tree: TreeMap,
  facts: RepositoryFacts,
  options: Partial<EvaluateOptions>,
): Promise<Evaluation | undefined> {
  let policy;
  try {
    policy = await parsePolicy(printTree(tree, []), 'p.yaml');
  } catch (error) {
    if (error instanceof Error && /can never match|a keep without a field/.test(error.message))
      return undefined;
    throw error;
  }
  return evaluate(policy, [facts], { now: NOW, ...options });
}

/** Decisions with their reasons as text, so that they compare. */
function shown(evaluation: Evaluation | undefined, part: 'tags' | 'untagged'): string[] {
  return (evaluation?.repositories[0]?.[part] ?? []).map(show);
}

function droppedTags(evaluation: Evaluation, facts: RepositoryFacts): Set<string> {
  const decided = evaluation.repositories[0]?.tags ?? [];
  return new Set(
    facts.tags.filter((_, i) => decided[i]?.decision === 'drop').map(({ name }) => name),
  );
}

const CASES = fc.tuple(policyTree, repositoryFacts, coverage);
const RUNS = { numRuns: 300 };

/** One rule for every tag, with at most one field of keep: most tags are then in its hands. */
const FOCUSED = CASES.map(([tree, facts, pulls]): [TreeMap, RepositoryFacts, typeof pulls] => {
  const { protect: _, ...rest } = structuredClone(tree) as TreeMap & {
    policies: [{ rules: [RuleTree & { tags: string[]; exclusive: boolean }, ...unknown[]] }];
  };
  const [first] = rest.policies[0].rules;
  const { keep, ...rule } = first;
  const some = Object.entries(keep ?? {}).filter(([key]) => key === 'last' || key === 'order');
  const kept = some.length > 1 ? { keep: Object.fromEntries(some) } : {};
  const rules = [{ ...rule, ...kept, tags: ['**'] }];
  return [{ ...rest, policies: [{ ...rest.policies[0], rules }] } as TreeMap, facts, pulls];
});
const EITHER = fc.oneof(CASES, FOCUSED);
vi.setConfig({ testTimeout: 60_000 });

test("protect is never dropped, fallback tags are nobody's, every decision has a reason", async () => {
  await fc.assert(
    fc.asyncProperty(CASES, async ([tree, facts, pulls]) => {
      const result = await decide(tree, facts, { pulls });
      if (result === undefined) return;
      const shields = JSON.stringify(tree['protect'] ?? []);
      const [protection] = shields === '[]' ? [] : (/\["(.*?)"\]/.exec(shields)?.slice(1) ?? []);
      facts.tags.forEach(({ name, fallback }, i) => {
        const decided = result.repositories[0]?.tags[i];
        expect(decided?.reasons().length).toBeGreaterThan(0);
        const shielded =
          protection !== undefined &&
          compilePattern(protection.replaceAll('\\\\', '\\'), 'tag').matches(name);
        if (shielded) expect(decided?.decision).toBe('protect');
        else if (fallback) expect(decided?.decision).toBe('follow');
        const sides = decided?.reasons().map(({ side }) => side) ?? [];
        if (decided?.decision === 'drop') expect(sides).not.toContain('keep');
      });
    }),
    RUNS,
  );
});

test('twice is the same, and so is any order of the tags', async () => {
  await fc.assert(
    fc.asyncProperty(CASES, async ([tree, facts, pulls]) => {
      const once = await decide(tree, facts, { pulls });
      if (once === undefined) return;
      const again = await decide(tree, facts, { pulls });
      const other = await decide(
        tree,
        { ...facts, tags: [...facts.tags].reverse(), untagged: [...facts.untagged].reverse() },
        { pulls },
      );
      for (const part of ['tags', 'untagged'] as const) {
        expect(shown(again, part)).toEqual(shown(once, part));
        expect(shown(other, part).reverse()).toEqual(shown(once, part));
      }
    }),
    RUNS,
  );
});

type RuleTree = { keep?: Record<string, unknown>; drop: unknown };

/** The tree with its first rule changed. */
function changeRule(
  tree: TreeMap,
  change: (rule: RuleTree) => RuleTree | undefined,
): TreeMap | undefined {
  const copy = structuredClone(tree) as { policies: [{ rules: [RuleTree] }] } & TreeMap;
  const changed = change(copy.policies[0].rules[0]);
  if (changed === undefined) return undefined;
  copy.policies[0].rules[0] = changed;
  return copy;
}

test('one more field of keep never drops more', async () => {
  const field = fc
    .constantFrom(...Object.keys(KEEP_FIELDS))
    .chain((key) => fc.tuple(fc.constant(key), KEEP_FIELDS[key] ?? count));
  await fc.assert(
    fc.asyncProperty(EITHER, field, async ([tree, facts, pulls], [key, value]) => {
      const more = changeRule(tree, (rule) =>
        rule.keep !== undefined && key in rule.keep
          ? undefined
          : { ...rule, keep: { ...rule.keep, [key]: value } },
      );
      if (more === undefined) return;
      const [before, after] = [
        await decide(tree, facts, { pulls }),
        await decide(more, facts, { pulls }),
      ];
      if (before === undefined || after === undefined) return;
      const had = droppedTags(before, facts);
      for (const name of droppedTags(after, facts)) expect(had).toContain(name);
    }),
    RUNS,
  );
});

test('one more field of drop never drops more', async () => {
  await fc.assert(
    fc.asyncProperty(EITHER, days, async ([tree, facts, pulls], value) => {
      const more = changeRule(tree, ({ drop, ...rule }) => {
        const fields = drop === 'always' ? {} : (drop as Record<string, string>);
        return { ...rule, drop: { 'older-than': value, 'not-pulled-for': value, ...fields } };
      });
      if (more === undefined) return;
      const [before, after] = [
        await decide(tree, facts, { pulls }),
        await decide(more, facts, { pulls }),
      ];
      if (before === undefined || after === undefined) return;
      const had = droppedTags(before, facts);
      for (const name of droppedTags(after, facts)) expect(had).toContain(name);
    }),
    RUNS,
  );
});

test('`last: n` keeps n of each group, or all it has', async () => {
  await fc.assert(
    fc.asyncProperty(
      repositoryFacts,
      fc.integer({ min: 1, max: 5 }),
      order,
      async (facts, last, by) => {
        const rule = {
          tags: ['**'],
          'group-by': 're:([a-z]*).*',
          keep: { last, order: by },
          drop: 'always',
        };
        const tree = {
          version: 1,
          limits: { 'allow-empty-repository': true },
          policies: [{ repositories: ['**'], rules: [rule] }],
        };
        const result = await decide(tree, facts, {});
        const groups = new Map<string, { size: number; counted: number }>();
        facts.tags.forEach(({ name, fallback }, i) => {
          if (fallback) return;
          const key = /^[a-z]*/.exec(name)?.[0] ?? '';
          const group = groups.get(key) ?? { size: 0, counted: 0 };
          const reasons = result?.repositories[0]?.tags[i]?.reasons() ?? [];
          const unranked = reasons.some(({ side, field }) => side === 'keep' && field !== 'last');
          if (!unranked) group.size++;
          if (reasons.some(({ field }) => field === 'last')) group.counted++;
          groups.set(key, group);
        });
        for (const { size, counted } of groups.values()) expect(counted).toBe(Math.min(size, last));
      },
    ),
    RUNS,
  );
});

test('what is printed reads as the same policy', async () => {
  await fc.assert(
    fc.asyncProperty(CASES, async ([tree, facts, pulls]) => {
      let policy;
      try {
        policy = await parsePolicy(printTree(tree, []), 'p.yaml');
      } catch {
        return; // Refused trees are the other tests' business.
      }
      const again = await parsePolicy(printPolicy(policy), 'p.yaml');
      expect(printPolicy(again)).toBe(printPolicy(policy));
      const [a, b] = [policy, again].map((one) => evaluate(one, [facts], { now: NOW, pulls }));
      for (const part of ['tags', 'untagged'] as const)
        expect(shown(b, part)).toEqual(shown(a, part));
    }),
    RUNS,
  );
});

test('globs match as a naive matcher does', () => {
  const part = fc.constantFrom('a', 'b', '/', '*', '**', '?', '.', '-');
  const glob = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
  const name = fc
    .array(fc.constantFrom('a', 'b', '/', '.', '-'), { maxLength: 6 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(glob, name, (text, candidate) => {
      const regex = new RegExp(`^${globToRegex(text)}$`);
      expect(regex.test(candidate)).toBe(naive(text.replace(/\*{3,}/g, '**'), candidate));
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(glob, name, (text, candidate) => {
      if (candidate.includes('/') || /\/|^[.-]/.test(text)) return;
      expect(compilePattern(text, 'tag').matches(candidate)).toBe(
        naive(text.replace(/\*{3,}/g, '**'), candidate),
      );
    }),
    { numRuns: 3000 },
  );
});

/** By trying everything. */
function naive(glob: string, name: string, start = true): boolean {
  if (glob === '') return name === '';
  if (glob.startsWith('**')) {
    const rest = glob.slice(2);
    if (start && rest.startsWith('/')) {
      if (naive(rest.slice(1), name, true)) return true;
      for (let i = 0; i < name.length; i++) {
        if (name[i] === '/' && naive(rest.slice(1), name.slice(i + 1), true)) return true;
      }
      return false;
    }
    for (let i = 0; i <= name.length; i++) if (naive(rest, name.slice(i), false)) return true;
    return false;
  }
  if (glob.startsWith('*')) {
    for (let i = 0; i <= name.length; i++) {
      if (name.slice(0, i).includes('/')) return false;
      if (naive(glob.slice(1), name.slice(i), false)) return true;
    }
    return false;
  }
  if (name === '') return false;
  const fits = glob[0] === '?' ? name[0] !== '/' : glob[0] === name[0];
  return fits && naive(glob.slice(1), name.slice(1), glob[0] === '/');
}
