/** Policies of every shape, as trees that are printed and read as users write them. */
import * as fc from 'fast-check';
import type { TreeMap } from '../../src/policy/tree.ts';

export const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
export const days = fc.integer({ min: 0, max: 60 }).map((n) => `${n}d`);
export const count = fc.integer({ min: 0, max: 4 });

/** Fields that stand by themselves, so that adding one is no change to another. */
export const KEEP_FIELDS: Record<string, fc.Arbitrary<string | number>> = {
  last: count,
  'last-pulled': count,
  within: days,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
  'pulled-within': days,
};
const keepMap = fc
  .record(
    Object.fromEntries(Object.entries(KEEP_FIELDS).map(([key, value]) => [key, maybe(value)])),
  )
  .map((fields) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
  );
const dropMap = fc
  .constantFrom('older-than', 'not-pulled-for')
  .chain((key) => fc.record({ [key]: days }));
export const order = fc.constantFrom('pushed', 'created', 'semver', 'name');
export const names = fc.constantFrom(
  'v1.0.0',
  '1.1',
  'v2.0.0-rc1',
  '1.10.0',
  'pr-1',
  'pr-2',
  'pr-x',
  'nightly-9',
  'nightly-10',
  'latest',
  'a',
);
const pattern = fc.constantFrom(
  '*',
  'v*',
  'pr-*',
  'nightly-*',
  're:v?\\d+\\.\\d+.*',
  '*1*',
  'latest',
);

const ruleTree = fc
  .record({
    tags: fc.uniqueArray(pattern, { minLength: 1, maxLength: 2 }),
    exclusive: fc.boolean(),
    grouped: fc.boolean(),
    keep: maybe(keepMap),
    order,
    drop: fc.oneof(fc.constant('always'), dropMap),
  })
  .map(({ tags, exclusive, grouped, keep, order: by, drop }) => {
    const says =
      keep !== undefined &&
      Object.keys(keep).some((key) => key !== 'order' && !zeroBucket(keep, key));
    return {
      tags,
      exclusive,
      ...(grouped ? { 'group-by': 're:([a-z]*)-?.*' } : {}),
      ...(says ? { keep: { ...keep, order: by } } : {}),
      drop,
    };
  });

/** A bucket of 0 says nothing, and a `keep` of nothing else is refused. */
function zeroBucket(keep: Record<string, unknown>, key: string): boolean {
  return ['hourly', 'daily', 'weekly', 'monthly', 'yearly'].includes(key) && keep[key] === 0;
}

export const policyTree = fc
  .record({
    rules: fc.array(ruleTree, { minLength: 1, maxLength: 3 }),
    otherwise: fc.constantFrom('keep', 'drop'),
    untagged: fc.oneof(
      fc.constantFrom('keep', 'drop'),
      fc.record({ 'keep-within': days, 'keep-last': count }),
    ),
    missing: fc.constantFrom('keep', 'use-pushed'),
    protect: fc.array(pattern, { maxLength: 1 }),
    timezone: fc.constantFrom('UTC', 'Europe/Zurich', 'America/St_Johns'),
  })
  .map(({ rules, otherwise, untagged, missing, protect, timezone }): TreeMap => ({
    version: 1,
    clock: { timezone },
    evidence: { pulled: { missing } },
    limits: { 'allow-empty-repository': true },
    ...(protect.length > 0 ? { protect: [{ tags: protect }] } : {}),
    policies: [{ repositories: ['**'], otherwise, untagged, rules }],
  }));
