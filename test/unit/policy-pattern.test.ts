import { describe, expect, test } from 'vitest';
import { compileGrouping, compilePattern, globToRegex } from '../../src/policy/pattern.ts';

const CASES: readonly (readonly [
  'tag' | 'repository',
  string,
  readonly string[],
  readonly string[],
])[] = [
  ['tag', 'latest', ['latest'], ['latest2', 'xlatest', 'LATEST']],
  ['tag', 'pr-*', ['pr-', 'pr-1', 'pr-1.2-x'], ['xpr-1', 'pr']],
  ['tag', '*-rc*', ['1.0-rc1', '1-rc'], ['1.0-r', 'rc1']],
  ['tag', 'v*-rc', ['v1-rc', 'v-rc'], ['v1-rc2', 'v-r']],
  ['tag', 'v?.?', ['v1.2'], ['v10.2', 'v1.']],
  ['tag', '**', ['anything'], []],
  ['tag', 'a*b*c', ['abc', 'axxbyyc', 'abbcc'], ['ab', 'acb']],
  ['tag', 'a.b', ['a.b'], ['axb']],
  ['tag', 're:v?\\d+\\.\\d+', ['v1.2', '10.20'], ['v1.2.3', 'xv1.2', '1.2-rc']],
  ['tag', 're:a|ab', ['a', 'ab'], ['abb', 'b']],
  ['tag', 're:(?i)latest', ['LaTest'], ['latest1']],
  ['repository', 'shop/*', ['shop/api'], ['shop', 'shop/a/b', 'xshop/api']],
  ['repository', 'shop/**', ['shop/api', 'shop/a/b'], ['shop', 'shopx/a']],
  ['repository', '**/api', ['api', 'shop/api', 'a/b/api'], ['apix', 'shop/xapi']],
  ['repository', 'a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['az', 'a/bz']],
  ['repository', '**', ['a', 'a/b'], []],
  ['repository', '*', ['a'], ['a/b']],
  ['repository', 're:[A-Z]*x|shop', ['shop'], ['shops']],
  ['repository', '*-/a__b', ['x-/a__b'], ['x/a__b']],
  ['tag', 'RC*', ['RC1'], ['rc1']],
  ['repository', 's?op', ['shop'], ['s/op', 'sop']],
];

describe('patterns', () => {
  test.each(CASES)('%s %s', (kind, text, yes, no) => {
    const { matches } = compilePattern(text, kind);
    expect(yes.filter((name) => !matches(name))).toEqual([]);
    expect(no.filter((name) => matches(name))).toEqual([]);
  });

  test.each([
    ['tag', 'shop/api:v1', /no name has a `:`/],
    ['tag', 'a/b', /a tag has no `\/`/],
    ['tag', '', /it is empty/],
    ['tag', '-x', /begins with/],
    ['tag', '{a,b}', /`re:`/],
    ['tag', 'x'.repeat(129), /128/],
    ['repository', '/shop', /empty component/],
    ['repository', 'shop//x', /empty component/],
    ['repository', 'shop/api:v1', /no name has a `:`/],
    ['tag', 're:(a', /does not compile: missing closing \)/],
    ['tag', 're:a(?=b)', /does not compile/],
    ['tag', 're:a{1,2000}', /does not compile/],
  ] as const)('%s `%s` is refused', (kind, text, message) => {
    expect(() => compilePattern(text, kind)).toThrow(message);
  });

  test('hostile patterns end in linear time', () => {
    const long = `${'a'.repeat(127)}!`;
    const start = performance.now();
    for (const text of [
      `${'*a'.repeat(30)}*b`,
      `${'**a'.repeat(20)}z`,
      're:(a*)*b',
      're:(a|a)*c',
      're:(.*a){25}b',
      're:(a?){60}a{60}',
    ]) {
      const { matches } = compilePattern(text, 'tag');
      for (let i = 0; i < 100; i++) expect(matches(long)).toBe(false);
    }
    // Backtracking takes longer than the universe has for some of these.
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test('globs are translated with their other characters quoted', () => {
    expect(globToRegex('a.b*')).toBe('a\\.b[^/]*');
    expect(globToRegex('**/x')).toBe('(?:.*/)?x');
  });
});

describe('group-by', () => {
  test('the named group, or the first', () => {
    expect(compileGrouping('re:pr-(?<id>\\d+)').groupOf('pr-12')).toBe('12');
    expect(compileGrouping('re:(x|y)-(?<id>\\d+)').groupOf('x-12')).toBe('12');
    expect(compileGrouping('re:(x|y)-(\\d+)').groupOf('x-12')).toBe('x');
    expect(compileGrouping('re:pr-(\\d+)').groupOf('pr-12-x')).toBeUndefined();
    expect(compileGrouping('re:a(b)?').groupOf('a')).toBeUndefined();
  });

  test.each(['pr-*', 're:pr', 're:(?<a>x)(?<b>y)', 're:(x'])('refuses `%s`', (text) => {
    expect(() => compileGrouping(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
