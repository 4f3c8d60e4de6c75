import { BUCKETS, DEFAULT_EVIDENCE, EMPTY_KEEP, FILE_LIMITS } from './model.js';
import type {
  Drop,
  EvidenceRules,
  Keep,
  Limits,
  Policy,
  Position,
  Protection,
  RepositoryPolicy,
  Rule,
  Target,
  Untagged,
} from './model.js';
import { compileGrouping, compilePattern } from './pattern.js';
import type { NameKind, Pattern, PatternSet } from './pattern.js';
import { attempt } from './problem.js';
import type { Problem } from './problem.js';
import type { PatternsItem, PolicyItem, PolicyShape, ProtectionItem, RuleItem } from './schema.js';
import type { Path, SourceMap } from './source-map.js';
import { parseTarget } from './target.js';

/** What building a model needs and fills. */
interface Site {
  readonly source: SourceMap;
  readonly problems: Problem[];
}

/** Turns a file of the right shape into a model; what is wrong in it goes into `problems`. */
export function buildPolicy(
  shape: PolicyShape,
  shownAs: string,
  source: SourceMap,
  problems: Problem[],
): Policy {
  const site: Site = { source, problems };
  return {
    shownAs,
    timezone: shape.clock?.timezone ?? 'UTC',
    evidence: buildEvidence(shape.evidence),
    limits: buildLimits(shape.limits),
    protect: (shape.protect ?? []).flatMap((item, i) =>
      buildProtection(item, ['protect', i], site),
    ),
    drop: (shape.drop ?? []).flatMap((text, i) => buildTarget(text, ['drop', i], site)),
    policies: (shape.policies ?? []).map((item, i) =>
      buildRepositoryPolicy(item, i, ['policies', i], site),
    ),
  };
}

function buildEvidence(item: PolicyShape['evidence']): EvidenceRules {
  return {
    created: item?.created ?? DEFAULT_EVIDENCE.created,
    implausibleBefore: item?.['implausible-before'] ?? DEFAULT_EVIDENCE.implausibleBefore,
    pushed: item?.pushed ?? DEFAULT_EVIDENCE.pushed,
    logs: item?.pulled?.logs ?? DEFAULT_EVIDENCE.logs,
    atime: buildAtime(item?.pulled?.atime),
    missing: item?.pulled?.missing ?? DEFAULT_EVIDENCE.missing,
  };
}

function buildAtime(value: 'true' | 'false' | 'drop' | undefined): EvidenceRules['atime'] {
  if (value === undefined) return DEFAULT_EVIDENCE.atime;
  return value === 'drop' ? 'drop' : value === 'true';
}

function buildLimits(item: PolicyShape['limits']): Limits {
  return {
    maxDropTags: item?.['max-drop-tags'] ?? FILE_LIMITS.maxDropTags,
    allowEmptyRepository: item?.['allow-empty-repository'] ?? FILE_LIMITS.allowEmptyRepository,
  };
}

function buildTarget(text: string, path: Path, site: Site): Target[] {
  const at = (): Position => site.source.valueAt(path);
  const target = attempt(site.problems, at, () => parseTarget(text));
  return target === undefined ? [] : [target];
}

function buildProtection(item: ProtectionItem, path: Path, site: Site): Protection[] {
  const digestsFile = item['digests-file'];
  const at = site.source.valueAt(path);
  if (item.repositories === undefined && item.tags === undefined && digestsFile === undefined) {
    site.problems.push({
      at,
      message: 'protect names nothing: write repositories, tags or digests-file',
    });
  }
  if (item.tags !== undefined && digestsFile !== undefined) {
    site.problems.push({ at, message: 'tags and digests-file in one entry: write two entries' });
  }
  const tags =
    item.tags === undefined ? undefined : buildSet(item.tags, 'tag', [...path, 'tags'], site);
  return [
    {
      repositories: buildSet(item.repositories, 'repository', [...path, 'repositories'], site),
      tags,
      digestsFile,
      reason: item.reason,
    },
  ];
}

function buildRepositoryPolicy(
  item: PolicyItem,
  index: number,
  path: Path,
  site: Site,
): RepositoryPolicy {
  const at = site.source.valueAt(path);
  return {
    name: item.name ?? `policy ${index + 1}`,
    at,
    repositories: buildSet(item.repositories, 'repository', [...path, 'repositories'], site),
    otherwise: item.otherwise ?? 'keep',
    untagged: buildUntagged(item.untagged),
    rules: (item.rules ?? []).map((rule, i) => buildRule(rule, i, [...path, 'rules', i], site)),
  };
}

function buildUntagged(item: PolicyItem['untagged']): Untagged {
  if (item === undefined) return 'keep';
  if (typeof item === 'string') return item;
  return { keepWithin: item['keep-within'], keepLast: item['keep-last'] ?? 0 };
}

function buildRule(item: RuleItem, index: number, path: Path, site: Site): Rule {
  const groupBy = item['group-by'];
  const groupAt = (): Position => site.source.valueAt([...path, 'group-by']);
  const keep = buildKeep(item);
  const ownClock = keep?.order === 'created' ? 'created' : 'pushed';
  return {
    name: item.name ?? `rule ${index + 1}`,
    at: site.source.valueAt(path),
    tags: buildSet(item.tags, 'tag', [...path, 'tags'], site),
    exclusive: item.exclusive ?? false,
    groupBy:
      groupBy === undefined
        ? undefined
        : attempt(site.problems, groupAt, () => compileGrouping(groupBy)),
    time: item.time ?? ownClock,
    keep,
    drop: buildDrop(item.drop),
  };
}

function buildKeep({ keep, time }: RuleItem): Keep | undefined {
  if (keep === undefined) return undefined;
  if (keep === 'always') return { ...EMPTY_KEEP, always: true };
  return {
    always: false,
    last: keep.last,
    lastPulled: keep['last-pulled'],
    within: keep.within,
    anchor: keep.anchor ?? 'now',
    buckets: BUCKETS.flatMap((bucket) => {
      const wanted = keep[bucket] ?? 0;
      return wanted > 0 ? [[bucket, wanted] as const] : [];
    }),
    pulledWithin: keep['pulled-within'],
    order: keep.order ?? time ?? 'pushed',
    per: keep.per,
  };
}

function buildDrop(drop: RuleItem['drop']): Drop | undefined {
  if (drop === undefined) return undefined;
  if (drop === 'always') return { always: true, olderThan: undefined, notPulledFor: undefined };
  return { always: false, olderThan: drop['older-than'], notPulledFor: drop['not-pulled-for'] };
}

function buildSet(
  item: PatternsItem | undefined,
  kind: NameKind,
  path: Path,
  site: Site,
): PatternSet {
  const bare = Array.isArray(item);
  const include = bare ? item : item?.include;
  const compile = (texts: readonly string[], where: Path): Pattern[] =>
    texts.flatMap((text, i) => {
      const at = (): Position => site.source.valueAt([...where, i]);
      return attempt(site.problems, at, () => compilePattern(text, kind)) ?? [];
    });
  return {
    include: compile(include ?? ['**'], bare ? path : [...path, 'include']),
    exclude: bare ? [] : compile(item?.exclude ?? [], [...path, 'exclude']),
  };
}
