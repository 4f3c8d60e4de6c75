import { z } from 'zod';
import { AppError } from '../fs/errors.js';
import { isOnCalendar } from '../registry/time.js';
import { parseDuration } from './duration.js';
import type { Duration } from './duration.js';

/**
 * The shape of a policy file. The file is read with YAML's failsafe schema, so every scalar is the
 * text as written: a tag `1.10` stays that, and `no` is no boolean.
 */

const KEYS = new Map<string, readonly string[]>();

/** The keys that a mapping knows, by the name that `unknown key` errors give as their message. */
export function keysOf(name: string): readonly string[] {
  return KEYS.get(name) ?? [];
}

function mapping<T extends z.ZodRawShape>(name: string, shape: T): z.ZodObject<T, z.core.$strict> {
  KEYS.set(name, Object.keys(shape));
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return name;
      return issue.code === 'invalid_type' ? `expected a mapping: ${name}` : undefined;
    },
  });
}

/** Refuses `{}` where it would say everything: who writes it has forgotten something. */
function someField<T extends z.ZodType<Readonly<Record<string, unknown>>>>(
  shape: T,
  instead: string,
): T {
  return shape.refine((value) => Object.values(value).some((field) => field !== undefined), {
    error: `a mapping without a field; write ${instead}`,
    // A field that is misspelt is an error of its own.
    when: ({ issues }) => issues.length === 0,
  });
}

function oneOf<const T extends readonly string[]>(
  ...values: T
): z.ZodEnum<Record<T[number], T[number]>> {
  const shown = values.map((value) => `\`${value}\``).join(' or ');
  const entries = Object.fromEntries(values.map((value) => [value, value])) as Record<
    T[number],
    T[number]
  >;
  return z.enum(entries, { error: () => `expected ${shown}` });
}

function list<T extends z.ZodType>(item: T): z.ZodArray<T> {
  const error = 'expected a list with at least one entry';
  return z.array(item, { error }).min(1, { error });
}

const text = z.string({ error: 'expected a text' }).min(1, { error: 'expected a text' });
const count = z
  .string({ error: 'expected a whole number' })
  .regex(/^\d{1,9}$/, { error: 'expected a whole number' })
  .transform(Number);
const flag = oneOf('true', 'false').transform((value) => value === 'true');
const duration = parsed<Duration>('a duration, such as 90d', parseDuration);

/** A scalar with its own parser, whose message becomes the error. */
function parsed<T>(what: string, parse: (value: string) => T) {
  return z.string({ error: `expected ${what}` }).transform((value, context): T => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

const timezone = parsed('a time zone, such as Europe/Zurich', (value) => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone && value;
  } catch (error) {
    throw new AppError('usage', `\`${value}\` is no time zone; write Europe/Zurich`, [], error);
  }
});

const date = parsed('a date, such as 2013-03-20', (value) => {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(value) && isOnCalendar(value);
  if (isDate) return Date.parse(`${value}T00:00:00Z`);
  throw new AppError('usage', `\`${value}\` is no date; write 2013-03-20`);
});

const limit = parsed('a count or a share, such as 40%', (value) => {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(%?)$/.exec(value);
  const number = Number(match?.[1]);
  if (match?.[2] === '%' && number <= 100) return { percent: number };
  if (match?.[2] === '' && Number.isInteger(number)) return { count: number };
  throw new AppError('usage', `\`${value}\` is no limit; write 40% or 500`);
});

const patterns = z.union(
  [
    list(text),
    someField(
      mapping('patterns', { include: list(text).optional(), exclude: list(text).optional() }),
      "`include`, `exclude` or ['**']",
    ),
  ],
  { error: 'expected a list of patterns, or `include` and `exclude`' },
);

const keep = mapping('keep', {
  last: count.optional(),
  'last-pulled': count.optional(),
  order: oneOf('pushed', 'created', 'semver', 'name').optional(),
  per: oneOf('major', 'minor').optional(),
  within: duration.optional(),
  anchor: oneOf('now', 'newest').optional(),
  hourly: count.optional(),
  daily: count.optional(),
  weekly: count.optional(),
  monthly: count.optional(),
  yearly: count.optional(),
  'pulled-within': duration.optional(),
});

const drop = mapping('drop', {
  'older-than': duration.optional(),
  'not-pulled-for': duration.optional(),
});

const rule = mapping('rule', {
  name: text.optional(),
  tags: patterns,
  exclusive: flag.optional(),
  'group-by': text.optional(),
  time: oneOf('pushed', 'created').optional(),
  keep: z
    .union([oneOf('always'), keep], { error: 'expected `always` or a mapping: keep' })
    .optional(),
  drop: z
    .union([oneOf('always'), drop], { error: 'expected `always` or a mapping: drop' })
    .optional(),
});

const untagged = someField(
  mapping('untagged', {
    'keep-within': duration.optional(),
    'keep-last': count.optional(),
  }),
  '`keep`, `drop`, `keep-within` or `keep-last`',
);

const repositoryPolicy = mapping('policy', {
  name: text.optional(),
  repositories: patterns,
  otherwise: oneOf('keep', 'drop').optional(),
  untagged: z
    .union([oneOf('keep', 'drop'), untagged], {
      error: 'expected `keep`, `drop` or a mapping: untagged',
    })
    .optional(),
  rules: list(rule).optional(),
});

const protection = mapping('protect', {
  repositories: patterns.optional(),
  tags: patterns.optional(),
  'digests-file': text.optional(),
  reason: text.optional(),
});

const evidence = mapping('evidence', {
  created: list(oneOf('annotation', 'config')).optional(),
  'implausible-before': date.optional(),
  pushed: oneOf('check', 'trust').optional(),
  pulled: mapping('pulled', {
    logs: list(text).optional(),
    atime: oneOf('true', 'false', 'drop').optional(),
    missing: oneOf('keep', 'use-pushed').optional(),
  }).optional(),
});

export const policySchema = mapping('the policy file', {
  version: z.literal('1', { error: 'this is a tool for `version: 1`' }),
  clock: mapping('clock', { timezone: timezone.optional() }).optional(),
  evidence: evidence.optional(),
  defaults: mapping('defaults', {
    'unmatched-repositories': oneOf('keep').optional(),
    referrers: oneOf('follow-subject').optional(),
  }).optional(),
  limits: mapping('limits', {
    'max-drop-tags': limit.optional(),
    'allow-empty-repository': flag.optional(),
  }).optional(),
  protect: list(protection).optional(),
  drop: list(text).optional(),
  policies: list(repositoryPolicy).optional(),
});

export type PolicyShape = z.infer<typeof policySchema>;
export type PolicyItem = z.infer<typeof repositoryPolicy>;
export type RuleItem = z.infer<typeof rule>;
export type ProtectionItem = z.infer<typeof protection>;
export type PatternsItem = z.infer<typeof patterns>;
