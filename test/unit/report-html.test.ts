import { describe, expect, test } from 'vitest';
import { html, renderPage } from '../../src/report/html.ts';
import { layOutTree, nestByName } from '../../src/report/html-tree.ts';
import { joinModules } from '../../src/report/html-script.ts';
import { textColumn } from '../../src/report/html-tables.ts';
import { BOX } from '../../src/report/page-data.ts';
import { partOf } from '../../src/insight/amounts.ts';
import { makeOwners } from '../../src/insight/owners.ts';

const leaf = (name: string, bytes: number): { name: string; bytes: number; state: 'kept' } => ({
  name,
  bytes,
  state: 'kept',
});

describe('the treemap', () => {
  test('has areas in proportion to bytes, each within its parent', () => {
    const tree = layOutTree({ name: 'all', children: [leaf('a', 300), leaf('b', 100)] });
    expect(tree.name).toEqual(['all', 'a', 'b']);
    expect(tree.bytes).toEqual([400, 300, 100]);
    const areas = [1, 2].map((node) => {
      const [left = 0, top = 0, right = 0, bottom = 0] = tree.box.slice(node * 4, node * 4 + 4);
      expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
      expect(Math.max(right, bottom)).toBeLessThanOrEqual(BOX);
      return ((right - left) * (bottom - top)) / BOX ** 2;
    });
    expect(areas[0]).toBeCloseTo(0.75, 2);
    expect(areas[1]).toBeCloseTo(0.25, 2);
  });

  test('nests repositories, those inside of others too, and skips namespaces that say nothing', () => {
    const nested = nestByName([
      { name: 'shop/api', children: [leaf('1', 1)] },
      { name: 'shop/api/next', children: [leaf('2', 1)] },
      { name: 'team/deep/only/x', children: [leaf('3', 1)] },
    ]);
    expect(JSON.parse(JSON.stringify(nested))).toMatchObject([
      { name: 'shop/api/', children: [{ name: 'next' }, { name: '1' }] },
      { name: 'team/deep/only/x', children: [{ name: '3' }] },
    ]);
  });

  test('of nothing is nothing', () => {
    const { box, bytes } = layOutTree({ name: 'all', children: [] });
    expect(bytes).toEqual([0]);
    expect(box.every(Number.isFinite)).toBe(true);
  });
});

describe('a page', () => {
  const page = {
    title: '<b>"\'&',
    about: [],
    tiles: [],
    approval: [],
    warnings: ['</script>'],
    whatIf: undefined,
    data: {
      tree: layOutTree({ name: '</script><script>', children: [] }),
      tables: [],
    },
    footer: '',
  };

  test('has no markup but its own', () => {
    const text = [...renderPage(page, 'run();')].join('');
    expect(text.match(/<script/g)).toHaveLength(2);
    expect(text.match(/<\/script/g)).toHaveLength(2);
    expect(text).not.toContain('<b>');
    expect(html('<>&"\'')).toBe('&#60;&#62;&#38;&#34;&#39;');
  });

  test.each(['</script>', '</SCRIPT', '<!--'])('takes no script with %s in it', (script) => {
    expect(() => [...renderPage(page, script)]).toThrow(/cannot stand in a page/);
  });

  test('joins modules without their imports and exports', () => {
    const text = joinModules([
      'export function a() { return 1; }\nexport {};\n',
      "import { a } from './a.js';\nexport const b = a();\n",
    ]);
    expect(text).toBe('function a() { return 1; }\nexport {};\n\nconst b = a();\n');
  });
});

describe('a column of texts', () => {
  test('keeps what comes again once, in the order of the words', () => {
    expect(textColumn('t', ['b', 'a', 'b', 'b'])).toEqual({
      title: 't',
      kind: 'text',
      words: ['a', 'b'],
      values: [1, 0, 1, 1],
    });
  });

  test('comes with its order where all differ', () => {
    const { values, ranks } = textColumn('t', ['v10', 'v9', 'v1']);
    expect(values).toEqual(['v10', 'v9', 'v1']);
    expect(ranks).toEqual([2, 1, 0]);
  });
});

describe('shares', () => {
  test.each([
    [10, 3],
    [2, 5],
    [0, 4],
    [2 ** 50 + 1, 7],
  ])('of %i among %i add up', (whole, count) => {
    const parts = Array.from({ length: count }, (_, at) => partOf(whole, count, at));
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(whole);
    expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
  });

  test('go to namespaces of a depth, and shorter names are their own', () => {
    const { names, of } = makeOwners(['a', 'a/b', 'a/c/d', 'e/f/g'], 1);
    expect(names).toEqual(['a', 'a/', 'e/']);
    expect([...of]).toEqual([0, 1, 1, 2]);
  });
});
