import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/policy/evaluate.ts';
import { needsOf } from '../../src/policy/model.ts';
import { parsePolicy, readPolicy } from '../../src/policy/parse.ts';
import { printPolicy } from '../../src/policy/print.ts';
import { DAY, NOW, repository, show, tag } from '../support/policy.ts';

const YAML = String.raw`version: 1
clock: { timezone: Europe/Zurich }          # now is frozen when the run starts; --now overrides
evidence:
  created: [annotation, config]             # org.opencontainers.image.created, then the config's
  implausible-before: 2013-03-20            # reproducible builds stamp 1970 or 1980
  pulled: { logs: ['access*.log*'], atime: false, missing: keep }   # keep | use-pushed
defaults:
  unmatched-repositories: keep
  referrers: follow-subject
limits: { max-drop-tags: 40%, allow-empty-repository: false }
protect:                                    # beats every rule
  - { repositories: ['**'], tags: [latest, stable], reason: floating tags }
  - { digests-file: in-use.txt, reason: running in production }
policies:                                   # the first whose repositories match
  - name: shop
    repositories: { include: ['shop/**'], exclude: ['shop/base'] }
    otherwise: keep                         # tags that no rule claims: keep | drop
    untagged: { keep-within: 7d, keep-last: 0 }   # or: keep | drop
    rules:
      - name: releases
        tags: { include: ['re:v?\d+\.\d+\.\d+'], exclude: ['*-rc*'] }
        exclusive: true                     # tags that match belong to this rule alone
        keep: { last: 2, order: semver, per: major }
        drop: { older-than: 90d }
      - name: nightlies
        tags: ['nightly-*']
        keep: { within: 3d, daily: 7, weekly: 4 }
        drop: always
      - name: pull requests
        tags: ['pr-*']
        group-by: 're:pr-(?<id>\d+)'
        keep: { last: 1, pulled-within: 14d }
        drop: { not-pulled-for: 14d, older-than: 14d }
`;

const SIG = `sha256-${'7'.repeat(64)}.sig`;
const FACTS = [
  repository('shop/api', [
    tag('latest', 2, { digest: 'D9' }),
    tag('1.10.0', 2, { digest: 'D9' }),
    tag('1.9.0', 30, { digest: 'D7' }),
    tag('1.2.0', 200, { digest: 'D2' }),
    tag('pr-16', 40, { digest: 'D7' }),
    tag(SIG, 30, { digest: 'S7', fallback: true }),
  ]),
];
const OPTIONS = {
  now: NOW,
  digestFiles: new Map([['in-use.txt', new Set<string>()]]),
  // The logs reach back far enough and show no pull of anything.
  pulls: { fromMs: NOW - 30 * DAY },
};

async function decide(yaml: string, options: Partial<typeof OPTIONS> = OPTIONS): Promise<string[]> {
  const policy = await parsePolicy(yaml, 'shop.yaml');
  const result = evaluate(policy, FACTS, { now: NOW, ...options });
  expect(result.refusals).toEqual([]);
  return (result.repositories[0]?.tags ?? []).map(show);
}

describe('the worked example', () => {
  test('decides as its table says', async () => {
    expect(await decide(YAML)).toEqual([
      'protect: protect tags latest, stable (floating tags)',
      'keep: shop/releases: keep last 2 per major (no. 1 of major 1 by semver)',
      'keep: shop/releases: keep last 2 per major (no. 2 of major 1 by semver)',
      'drop: shop/releases: drop older-than 90d (200d)',
      'keep: shop/pull requests: keep last 1 (no. 1 of group 16 by pushed); shop/pull requests: drop older-than 14d (40d); shop/pull requests: drop not-pulled-for 14d (no pull seen, pushed 40d ago)',
      'follow: default follow (it lives as long as what it names)',
    ]);
  });

  test('with `last: 0` the link of pr-16 goes, and 1.9.0 still holds D7', async () => {
    const decisions = await decide(YAML.replace('last: 1, pulled', 'last: 0, pulled'));
    expect(decisions[4]).toMatch(/^drop: .*older-than 14d \(40d\);/);
    expect(decisions[2]).toMatch(/^keep/);
  });

  test('without any evidence of pulls pr-16 stays, and says why', async () => {
    const options = { digestFiles: OPTIONS.digestFiles };
    const decisions = await decide(YAML.replace('last: 1, pulled', 'last: 0, pulled'), options);
    expect(decisions[4]).toBe(
      'keep: shop/pull requests: keep pulled-within 14d (no evidence of pulls); shop/pull requests: keep not-pulled-for 14d (cannot tell: no evidence of pulls)',
    );
  });

  test('is read without a doubt, and printed it reads the same', async () => {
    const { policy, doubts } = await readPolicy(YAML, 'shop.yaml');
    expect(doubts).toEqual([]);
    if (policy === undefined) throw new Error('no policy');
    expect(needsOf(policy)).toEqual({ created: false, pulled: true });
    const printed = printPolicy(policy);
    expect(printPolicy(await parsePolicy(printed, 'again.yaml'))).toBe(printed);
    expect(printed).toMatchSnapshot();
  });
});
