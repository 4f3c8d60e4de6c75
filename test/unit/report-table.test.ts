import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layOutEntries } from '../../src/report/entries.ts';
import { layOutTable, shortenMiddle, wrap } from '../../src/report/table.ts';
import type { Column } from '../../src/report/table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'Repository', align: 'left', flexible: true },
  { title: 'frees', align: 'right' },
  { title: 'shared', align: 'right' },
];

describe('layOutTable', () => {
  test('aligns numbers at the right, under their titles', () => {
    const rows = [
      ['shop/api', '2.03 MiB', '33%'],
      ['team/dashboard', '509 KiB', '7%'],
    ];
    expect(layOutTable(COLUMNS, rows, 80)).toEqual([
      '  Repository         frees  shared',
      '  shop/api        2.03 MiB     33%',
      '  team/dashboard   509 KiB      7%',
    ]);
  });

  test('shortens the flexible column, and no number', () => {
    const rows = [['a/very/long/name/of/a/repository', '2.03 MiB', '33%']];
    expect(layOutTable(COLUMNS, rows, 38)).toEqual([
      '  Repository             frees  shared',
      '  a/very/l...pository  2.03 MiB     33%'.replace(
        'a/very/l...pository ',
        'a/very/l...ository ',
      ),
    ]);
  });

  test('has its titles without any row', () => {
    expect(layOutTable(COLUMNS, [], 80)).toEqual(['  Repository  frees  shared']);
  });
});

describe('shortenMiddle', () => {
  test.each<[string, number, string]>([
    ['short', 5, 'short'],
    ['a longer text', 9, 'a l...ext'],
    ['abcdefgh', 5, 'a...h'],
    ['abcdefgh', 4, 'abcd'],
    ['abcdefgh', 0, ''],
    ['', 0, ''],
  ])('%j in %i: %j', (text, room, shortened) => {
    expect(shortenMiddle(text, room)).toBe(shortened);
  });

  test('never takes more room, and never halves a character', () => {
    const texts = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(texts, fc.nat(50), (text, room) => {
        const shortened = shortenMiddle(text, room);
        expect(Array.from(shortened).length).toBeLessThanOrEqual(Math.max(room, 0));
        expect(shortened).not.toMatch(/\p{Cs}/u);
      }),
    );
  });
});

describe('wrap', () => {
  test('breaks at spaces', () => {
    expect(wrap('to be or not to be', 8)).toEqual(['to be or', 'not to', 'be']);
    expect(wrap('', 8)).toEqual(['']);
    expect(wrap('a   b ', 8)).toEqual(['a b']);
  });

  test('no line is longer than the room, and no word is lost', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 5, max: 40 }), (texts, room) => {
        const lines = wrap(texts.join(' '), room);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(room);
        const shown = texts.map((word) => shortenMiddle(word, room)).join(' ');
        expect(lines.join(' ')).toBe(shown);
      }),
    );
  });
});

describe('layOutEntries', () => {
  const entries = [
    { label: '88 MiB in 12 blobs', text: 'no manifest yet', way: '--grace 0' },
    { label: '2.1 GiB in shop/api', text: 'a manifest there is damaged, so all stays' },
  ];

  test('has labels beside texts, and the way out at the right edge', () => {
    expect(layOutEntries(entries, 72)).toEqual([
      '    88 MiB in 12 blobs   no manifest yet                       --grace 0',
      '    2.1 GiB in shop/api  a manifest there is damaged, so all stays',
    ]);
  });

  test('has labels above texts where there is little room', () => {
    expect(layOutEntries(entries, 40)).toEqual([
      '    88 MiB in 12 blobs',
      '      no manifest yet          --grace 0',
      '    2.1 GiB in shop/api',
      '      a manifest there is damaged, so',
      '      all stays',
    ]);
  });

  test('has a label alone that is too long for its column', () => {
    const label = 'repositories/team/something/_manifests/tags';
    expect(layOutEntries([...entries, { label, text: 'a stray' }], 72).slice(2)).toEqual([
      '    repositories/team/something/_manifests/tags',
      '                         a stray',
    ]);
  });

  test('keeps within its width', () => {
    const text = fc.stringMatching(/^[a-z/]{1,30}( [a-z:]{1,40}){0,8}$/);
    const entry = fc.record({ label: text, text, way: fc.constant('regsweep check') });
    fc.assert(
      fc.property(fc.array(entry), fc.integer({ min: 40, max: 160 }), (some, width) => {
        for (const line of layOutEntries(some, width)) {
          expect(line.length).toBeLessThanOrEqual(width);
        }
      }),
    );
  });
});

test('any number of rows and entries is laid out', () => {
  const many = Array.from({ length: 300_000 }, () => ['x']);
  expect(layOutTable([{ title: 'Name', align: 'left' }], many, 80)).toHaveLength(300_001);
  expect(
    layOutEntries(
      many.map(() => ({ label: 'x', text: 'y' })),
      80,
    ),
  ).toHaveLength(300_000);
});
