import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PACKED, unpackDigest } from '../../src/registry/digest.ts';
import { EDGE, EdgeBuffer } from '../../src/registry/edges.ts';
import { scanManifest } from '../../src/registry/manifest.ts';
import { KIND } from '../../src/registry/media-type.ts';
import { MEDIA, digestOf } from '../support/store.ts';

interface Seen {
  readonly kind: number;
  readonly declared: boolean;
  readonly edges: ReadonlySet<string>;
  readonly subjects: ReadonlySet<string>;
  readonly flags: ReadonlyMap<string, number>;
  readonly sizes: ReadonlyMap<string, number>;
}

function scan(text: string | Uint8Array): Seen {
  const buffer = new EdgeBuffer();
  const { kind, declared } = scanManifest(Buffer.from(text), buffer);
  const edges = new Set<string>();
  const subjects = new Set<string>();
  const flags = new Map<string, number>();
  const sizes = new Map<string, number>();
  for (let i = 0; i < buffer.count; i++) {
    const digest = buffer.others.get(i) ?? unpackDigest(buffer.digests, i * PACKED);
    const flag = buffer.flags[i] as number;
    ((flag & EDGE.subject) === 0 ? edges : subjects).add(digest);
    flags.set(digest, flag);
    if ((flag & EDGE.sized) !== 0) sizes.set(digest, buffer.sizes[i] as number);
  }
  return { kind, declared, edges, subjects, flags, sizes };
}

const DIGESTS = ['a', 'b', 'c', 'd', 'e', 'f'].map((text) => digestOf(text));
const OTHER = digestOf('x', 'sha512');
const keys = fc.oneof(
  fc.constantFrom('digest', 'Digest', 'blobSum', 'BLOBSUM', 'subject', 'manifests', 'layers'),
  fc.constantFrom(
    'config',
    'urls',
    'size',
    'mediaType',
    'dige\u017ft',
    'annotations',
    '__proto__',
    '',
  ),
  fc.string(),
);
const documents = fc.letrec((tie) => ({
  scalar: fc.oneof(
    fc.constantFrom(...DIGESTS, OTHER),
    fc.constantFrom(MEDIA.ociManifest, MEDIA.ociLayer, MEDIA.foreignLayer),
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('scalar'),
    tie('object'),
    tie('array'),
  ),
  array: fc.array(tie('value'), { maxLength: 4 }),
  // Entries and not objects, so that equal keys come through.
  object: fc.array(fc.tuple(keys, tie('value')), { maxLength: 5 }).map((entries) => ({ entries })),
}));

interface Entries {
  readonly entries: readonly (readonly [string, unknown])[];
}

const isEntries = (value: unknown): value is Entries =>
  typeof value === 'object' && value !== null && 'entries' in value;

/** JSON by hand, with equal keys where there are any; `escape` spells strings with escapes. */
function write(value: unknown, space: string, escape: boolean): string {
  const text = (string: string): string => {
    if (!escape) return JSON.stringify(string);
    const codes = Array.from({ length: string.length }, (_, i) => string.charCodeAt(i));
    return `"${codes.map((code) => `\\u${code.toString(16).padStart(4, '0')}`).join('')}"`;
  };
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value))
    return `[${value.map((item) => write(item, space, escape)).join(`,${space}`)}]`;
  if (!isEntries(value)) return JSON.stringify(value);
  const members = value.entries.map(
    ([key, item]) => `${text(key)}${space}:${space}${write(item, space, escape)}`,
  );
  return `{${space}${members.join(`${space},${space}`)}${space}}`;
}

/** Every edge of a parsed document: what `JSON.parse` sees, walked. */
function edgesOf(value: unknown, top: boolean, into: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (top && key === 'subject' && typeof item === 'object') continue;
    const folded = key.replaceAll('\u017f', 's').toLowerCase();
    const isKey = !Array.isArray(value) && (folded === 'digest' || folded === 'blobsum');
    if (isKey && [...DIGESTS, OTHER].includes(item as string)) into.add(item as string);
    edgesOf(item, false, into);
  }
}

describe('the manifest scanner and JSON.parse', () => {
  it('every digest under its key that JSON.parse sees is an edge', () => {
    fc.assert(
      fc.property(
        documents.object as fc.Arbitrary<Entries>,
        fc.constantFrom('', ' ', '\n\t'),
        fc.boolean(),
        (document, space, escape) => {
          const text = write(document, space, escape);
          const expected = new Set<string>();
          edgesOf(JSON.parse(text), true, expected);
          const { kind, edges } = scan(text);
          expect(kind).not.toBe(KIND.malformed);
          expect([...expected].filter((digest) => !edges.has(digest))).toEqual([]);
        },
      ),
      { numRuns: 4000 },
    );
  });

  it('strings mean the same spelt plainly and in escapes', () => {
    fc.assert(
      fc.property(
        documents.object as fc.Arbitrary<Entries>,
        fc.constantFrom('', ' ', '\n\t'),
        (document, space) => {
          expect(scan(write(document, space, true))).toEqual(scan(write(document, space, false)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a digit short', (digest: string) => digest.slice(0, -1)],
    ['a digit more', (digest: string) => `${digest}0`],
    ['with no digit', (digest: string) => `${digest.slice(0, -1)}g`],
    ['a quote short', (digest: string) => `${digest.slice(0, -1)}\\"`],
  ])('what is %s is no digest', (_, spoil) => {
    const [good, bad] = DIGESTS as [string, string];
    const text = `{"config":{"digest":"${spoil(bad)}"},"layers":[{"digest":"${good}"}]}`;
    expect(scan(text)).toMatchObject({ kind: KIND.image, edges: new Set([good]) });
  });

  it('of two equal keys both count, whichever JSON.parse drops', () => {
    const [a, b] = DIGESTS as [string, string];
    const { edges } = scan(`{"config":{"digest":"${a}","digest":"${b}"},"layers":[]}`);
    expect([...edges].sort()).toEqual([a, b].sort());
  });

  // Apart from what is inside strings (control characters, bad escapes), which hides no edge.
  it('what JSON.parse takes for an object is not malformed, what it refuses is', () => {
    const base = JSON.stringify({
      schemaVersion: 2,
      config: { digest: DIGESTS[0], size: 1.5e3 },
      layers: [true, null],
    });
    fc.assert(
      fc.property(
        fc.nat(base.length - 1),
        fc.constantFrom(...Array.from('{}[]",:x0- ')),
        fc.boolean(),
        (at, c, insert) => {
          const text = base.slice(0, at) + c + base.slice(insert ? at : at + 1);
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          expect(scan(text).kind === KIND.malformed).toBe(!valid);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('malformed documents never throw, cut anywhere or of any bytes', () => {
    const text = JSON.stringify({
      schemaVersion: 2,
      layers: [{ digest: DIGESTS[0], 'k\u00e9y': 'v\\"' }],
    });
    for (let i = 0; i < text.length; i++) expect(scan(text.slice(0, i)).kind).toBe(KIND.malformed);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        scan(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  it('malformed, every digest-shaped part is an edge, and none a subject', () => {
    const [a, b] = DIGESTS as [string, string];
    const { kind, edges, subjects } = scan(`{"subject":{"digest":"${a}"},"x":"${b}"`);
    expect(kind).toBe(KIND.malformed);
    expect([...edges].sort()).toEqual([a, b].sort());
    expect(subjects.size).toBe(0);
  });

  it('goes down ten thousand levels as the registry does, and no further', () => {
    const [a, b] = DIGESTS as [string, string];
    const nest = (levels: number): string =>
      `{"x":${'['.repeat(levels - 2)}{"digest":"${a}"}${']'.repeat(levels - 2)},"config":{}}`;
    expect(scan(nest(10_000))).toMatchObject({ kind: KIND.image, edges: new Set([a]) });
    const deeper = nest(10_001).replace('"config"', `"subject":{"digest":"${b}"},"config"`);
    expect(scan(deeper)).toMatchObject({
      kind: KIND.malformed,
      declared: false,
      edges: new Set([a, b]),
      subjects: new Set(),
    });
  });

  it('is not stopped by a million levels', () => {
    const deep = 1_000_000;
    const [a] = DIGESTS as [string];
    const text = `{"x":${'['.repeat(deep)}{"digest":"${a}"}${']'.repeat(deep)},"config":{}}`;
    expect(scan(text)).toMatchObject({ kind: KIND.malformed, edges: new Set([a]) });
    expect(scan('{"a":'.repeat(deep)).kind).toBe(KIND.malformed);
    expect(scan('['.repeat(deep)).kind).toBe(KIND.malformed);
  });

  it('four megabytes of brackets take no memory to speak of', () => {
    const text = Buffer.from(`{"a":${'['.repeat(4 << 20)}`);
    const buffer = new EdgeBuffer();
    const before = process.memoryUsage().heapUsed;
    expect(scanManifest(text, buffer).kind).toBe(KIND.malformed);
    // A frame for each level would be some 300 MB; the text as a string is 4 MB, some times over.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 << 20);
  });
});

describe('what a manifest is', () => {
  it.each([
    ['{"schemaVersion":2,"config":{}}', KIND.image, true],
    ['{"layers":[]}', KIND.image, false],
    ['{"manifests":[]}', KIND.index, false],
    ['{"fsLayers":[]}', KIND.schema1, false],
    ['{"blobs":[]}', KIND.artifact, false],
    ['{}', KIND.unknown, false],
    [`{"mediaType":"${MEDIA.ociIndex}"}`, KIND.index, true],
    ['{"mediaType":"application/x","layers":[]}', KIND.unknown, false],
    [`{"mediaType":"${MEDIA.ociIndex}","mediaType":"x"}`, KIND.unknown, true],
    ['[]', KIND.malformed, false],
    ['', KIND.malformed, false],
    ['{} {}', KIND.malformed, false],
    ['\ufeff{}', KIND.malformed, false],
  ])('%s', (text, kind, declared) => {
    const seen = scan(text);
    expect(seen.kind).toBe(kind);
    if (kind !== KIND.malformed) expect(seen.declared).toBe(declared);
  });

  it('descriptors say size, place and type, in any order of their keys', () => {
    const [a, b, c] = DIGESTS as [string, string, string];
    const { flags, sizes } = scan(
      JSON.stringify({
        config: { size: 7, digest: a },
        layers: [
          { digest: b, urls: ['https://x'], size: 9 },
          { digest: c, mediaType: MEDIA.ociManifest },
        ],
      }),
    );
    expect(flags.get(a)).toBe(EDGE.config | EDGE.sized);
    expect(flags.get(b)).toBe(EDGE.foreign | EDGE.sized);
    expect(flags.get(c)).toBe(EDGE.manifest);
    expect(Object.fromEntries(sizes)).toEqual({ [a]: 7, [b]: 9 });
  });

  it('more edges than the first buffer holds', () => {
    const many = Array.from({ length: 5000 }, (_, i) => digestOf(String(i)));
    const { edges } = scan(JSON.stringify({ layers: many.map((digest) => ({ digest })) }));
    expect(edges.size).toBe(5000);
  });

  it('the same text scanned after others gives the same', () => {
    const text = `{"config":{"digest":"${DIGESTS[0]}"}}`;
    const first = scan(text);
    scan('{"a":{"b":{"digest":"');
    scan(`{"urls":["x"],"subject":{"digest":"${DIGESTS[1]}"}}`);
    expect(scan(text)).toEqual(first);
  });
});
