import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DigestTable } from '../../src/graph/digest-table.ts';
import { Bits, F64List, U32List, U8List, rowsByKey } from '../../src/graph/lists.ts';
import { NO_DIGEST } from '../../src/graph/store-index.ts';
import { packHex } from '../../src/registry/digest.ts';
import type { Digest } from '../../src/registry/digest.ts';
import { digestOf } from '../support/store.ts';

const many = Array.from({ length: 20_000 }, (_, i) => digestOf(`digest ${i}`) as Digest);
const others = Array.from({ length: 50 }, (_, i) => digestOf(`other ${i}`, 'sha512') as Digest);

function pack(digests: readonly string[], offset = 0): Uint8Array {
  const packed = new Uint8Array(offset + digests.length * 32);
  digests.forEach((digest, i) => packHex(digest, 7, packed, offset + i * 32));
  return packed.subarray(offset);
}

describe('the table of digests', () => {
  it.each([0, 1, 0x7fffffff])('gives integers in the order of arrival, with seed %i', (seed) => {
    const table = new DigestTable(seed);
    expect([...table.idsOf(pack(many))]).toEqual(many.map((_, i) => i));
    expect([...table.idsOf(pack(many))]).toEqual(many.map((_, i) => i));
    expect(table.size).toBe(many.length);
    for (const i of [0, 1, 2047, 2048, 4095, 19_999]) {
      expect(table.text(i)).toBe(many[i]);
      expect(table.find(many[i] as Digest)).toBe(i);
    }
    expect(table.find(digestOf('never seen') as Digest)).toBeUndefined();
  });

  it('gives one integer to a digest that comes again at once', () => {
    const table = new DigestTable(5);
    const digests = many.slice(0, 400).flatMap((digest, i) => [digest, many[i >> 1] as string]);
    const ids = [...table.idsOf(pack(digests))];
    expect(ids).toEqual(digests.map((digest) => table.find(digest as Digest)));
    expect(table.size).toBe(400);
  });

  it('keeps other algorithms apart, through every growth', () => {
    const table = new DigestTable(7);
    const ids = new Map<Digest, number>();
    many.slice(0, 9000).forEach((digest, i) => {
      ids.set(digest, table.internText(digest));
      const other = others[i % 180 === 0 ? i / 180 : -1];
      if (other !== undefined) ids.set(other, table.internText(other));
    });
    expect(table.size).toBe(ids.size);
    for (const [digest, id] of ids) {
      expect(table.find(digest)).toBe(id);
      expect(table.text(id)).toBe(digest);
      expect(table.isOther(id)).toBe(digest.startsWith('sha512:'));
    }
    expect(new Set(table.others().keys())).toEqual(new Set(others));
    // A place that another algorithm took is no zero digest.
    expect(table.find(`sha256:${'0'.repeat(64)}` as Digest)).toBeUndefined();
    expect(table.internText(`sha256:${'0'.repeat(64)}` as Digest)).toBe(ids.size);
  });

  it('takes bytes that are not aligned', () => {
    const table = new DigestTable(1);
    expect([...table.idsOf(pack(many.slice(0, 5), 3))]).toEqual([0, 1, 2, 3, 4]);
    expect(table.text(4)).toBe(many[4]);
  });

  it('finds what it has of many, and takes none of the others in', () => {
    const table = new DigestTable(11);
    table.idsOf(pack(many.slice(0, 3000)));
    const asked = [...many.slice(2990, 3010), many[0] as string, many[0] as string];
    const found = asked.map((digest) => table.find(digest as Digest) ?? NO_DIGEST);
    expect([...table.findAll(pack(asked, 1))]).toEqual(found);
    expect(found.slice(9, 11)).toEqual([2999, NO_DIGEST]);
    expect(table.size).toBe(3000);
  });

  it('packs what it was given', () => {
    const table = new DigestTable(1);
    table.idsOf(pack(many.slice(0, 3000)));
    expect([...table.pack(Uint32Array.of(2999, 0))]).toEqual([
      ...pack([many[2999] as string, many[0] as string]),
    ]);
  });

  it('orders as the texts are ordered', () => {
    const table = new DigestTable(3);
    const all = [...many.slice(0, 200), ...others];
    for (const digest of all) table.internText(digest);
    const byId = all.map((_, id) => id).sort((a, b) => table.compare(a, b));
    expect(byId.map((id) => table.text(id))).toEqual([...all].sort());
    expect(table.compare(3, 3)).toBe(0);
  });
});

describe('lists', () => {
  it('grow and keep their order', () => {
    const [u32, f64, u8] = [new U32List(1), new F64List(), new U8List()];
    for (let i = 0; i < 5000; i++) {
      u32.push(i);
      f64.push(i / 2);
      u8.push(i & 0xff);
    }
    expect([u32.length, f64.length, u8.length]).toEqual([5000, 5000, 5000]);
    expect([u32.at(4999), f64.view()[4999], u8.view()[4999]]).toEqual([4999, 2499.5, 4999 & 0xff]);
    expect([...u32.view()]).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });
});

describe('bits', () => {
  it('are a set of small integers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(100_000)),
        fc.integer({ min: 0, max: 70_000 }),
        (items, capacity) => {
          const bits = new Bits(capacity);
          const set = new Set<number>();
          for (const item of items) {
            expect(bits.add(item)).toBe(!set.has(item));
            set.add(item);
          }
          expect(bits.count()).toBe(set.size);
          for (const item of [0, 31, 32, 99_999, ...items, ...items.map((i) => i + 1)]) {
            expect(bits.has(item)).toBe(set.has(item));
          }
        },
      ),
    );
  });

  it('has and adds the highest bit of a word', () => {
    const bits = new Bits(1);
    expect([bits.add(31), bits.add(31), bits.has(31), bits.count()]).toEqual([
      true,
      false,
      true,
      1,
    ]);
  });

  it('does not have what is far beyond it', () => {
    expect(new Bits(8).has(4_000_000_000)).toBe(false);
  });
});

describe('rows by key', () => {
  it('are the pairs, in their order', () => {
    const pairs = fc.array(fc.tuple(fc.nat(9), fc.nat(1000)));
    fc.assert(
      fc.property(pairs, fc.boolean(), (given, withValues) => {
        const keys = Uint32Array.from(given, ([key]) => key);
        const values = Uint32Array.from(given, ([, value]) => value);
        const rows = withValues ? rowsByKey(keys, 10, values) : rowsByKey(keys, 10);
        for (let key = 0; key < 10; key++) {
          const row = [...rows.items.subarray(rows.offsets[key], rows.offsets[key + 1])];
          const expected = given.flatMap(([k, value], i) =>
            k === key ? [withValues ? value : i] : [],
          );
          expect(row).toEqual(expected);
        }
        expect(rows.offsets[10]).toBe(given.length);
      }),
    );
  });
});
