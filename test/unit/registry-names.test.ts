import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/fs/errors.ts';
import { parseConfig } from '../../src/registry/config.ts';
import {
  DIGEST_OF_NOTHING,
  PACKED,
  algorithmOf,
  digestOf,
  hexOf,
  packHex,
  packHexBytes,
  parseDigest,
  unpackDigest,
} from '../../src/registry/digest.ts';
import type { Digest } from '../../src/registry/digest.ts';
import {
  blobData,
  isTemporaryName,
  isUploadDirectory,
  isUploadFile,
  isUploadId,
  layerDirectory,
  revisionDirectory,
  tagCurrentDirectory,
  tagIndexDirectory,
  uploadDirectory,
} from '../../src/registry/layout.ts';
import { parseLink } from '../../src/registry/link.ts';
import { parseFallbackTag, parseRepositoryName, parseTag } from '../../src/registry/reference.ts';
import { digestOf as hashOf } from '../support/store.ts';

const HEX = 'abcdef0123456789'.repeat(4);
const SHA256 = `sha256:${HEX}` as Digest;

describe('digests', () => {
  it.each([
    [64, 'sha256'],
    [96, 'sha384'],
    [128, 'sha512'],
  ])('%i lower-case hex digits make a %s', (length, algorithm) => {
    const hex = HEX.repeat(2).slice(0, length);
    const digest = parseDigest(`${algorithm}:${hex}`) as Digest;
    expect([algorithmOf(digest), hexOf(digest)]).toEqual([algorithm, hex]);
    expect(digestOf(algorithm, hex)).toBe(digest);
    expect(parseDigest(`${algorithm}:${hex}0`)).toBeUndefined();
    expect(parseDigest(`${algorithm}:${hex.slice(1)}`)).toBeUndefined();
  });

  it.each([
    '',
    'sha256',
    'sha256:',
    `sha256${HEX}`,
    `SHA256:${HEX}`,
    `sha256:${HEX.toUpperCase()}`,
    `sha256:${HEX.slice(1)}g`,
    ` sha256:${HEX}`,
    `sha256:${HEX}\n`,
    `md5:${HEX.slice(32)}`,
    `sha256:sha256:${HEX.slice(7)}`,
    `__proto__:${HEX}`,
  ])('%j is none', (text) => {
    expect(parseDigest(text)).toBeUndefined();
  });

  it('the digest of nothing is that', () => {
    expect(DIGEST_OF_NOTHING).toBe(hashOf(''));
  });

  it('packs and unpacks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: PACKED, maxLength: PACKED }), (bytes) => {
        const digest = unpackDigest(bytes);
        const out = new Uint8Array(PACKED + 3);
        expect(packHex(digest, 7, out, 3)).toBe(true);
        expect([...out.subarray(3)]).toEqual([...bytes]);
        const again = new Uint8Array(PACKED);
        expect(packHexBytes(Buffer.from(digest), 7, again, 0)).toBe(true);
        expect([...again]).toEqual([...bytes]);
      }),
    );
  });

  it('takes no other character for a digit, wherever it stands', () => {
    const out = new Uint8Array(PACKED);
    fc.assert(
      fc.property(
        fc.nat(63),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        (at, c) => {
          const text = HEX.slice(0, at) + c + HEX.slice(at + c.length);
          const isHex = text.length === 64 && /^[0-9a-f]{64}$/.test(text);
          expect(packHex(text, 0, out, 0)).toBe(isHex);
        },
      ),
    );
    expect(packHex(HEX.slice(1), 0, out, 0)).toBe(false);
    expect(packHexBytes(Buffer.from(HEX.slice(1)), 0, out, 0)).toBe(false);
  });
});

describe('links', () => {
  const parse = (text: string): unknown => parseLink(Buffer.from(text, 'latin1'));

  it('hold exactly a digest', () => {
    expect(parse(SHA256)).toEqual({ state: 'good', digest: SHA256 });
    expect(parse('')).toEqual({ state: 'empty' });
  });

  it.each([`${SHA256}\n`, ` ${SHA256}`, `\t${SHA256}\r\n`])('%j is padded', (text) => {
    expect(parse(text)).toEqual({ state: 'padded', digest: SHA256 });
  });

  it.each(['x', SHA256.slice(0, -1), `${SHA256}${SHA256}`, '\0'.repeat(71), `\0${SHA256}`])(
    '%j is garbled',
    (text) => {
      expect(parse(text)).toEqual({ state: 'garbled' });
    },
  );
});

describe('names', () => {
  it.each(['a', 'a/b', 'library/nginx', 'a.b_c__d-e--f/0', 'a'.repeat(255)])(
    '%j is a repository',
    (name) => {
      expect(parseRepositoryName(name)).toBe(name);
    },
  );

  it.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'a..b',
    'a___b',
    '.a',
    'a.',
    '_a',
    'a/_b',
    '-a',
    'a-',
    'a/../b',
    '..',
    'a b',
    'a\n',
    'caf\u00e9',
    'a\0',
    'a'.repeat(256),
  ])('%j is none', (name) => {
    expect(parseRepositoryName(name)).toBeUndefined();
  });

  it.each(['latest', 'A', '_', '1.2.3', 'a-b_c.d', `a${'.'.repeat(127)}`])('%j is a tag', (tag) => {
    expect(parseTag(tag)).toBe(tag);
  });

  it.each(['', '.', '..', '-a', '.a', 'a/b', 'a b', 'a\n', 'a:b', '\u00e9', 'a'.repeat(129)])(
    '%j is none',
    (tag) => {
      expect(parseTag(tag)).toBeUndefined();
    },
  );

  it('a path made of valid names never leaves its directory', () => {
    const pieces = fc.array(fc.constantFrom('a', '.', '/', '_', '-', '..', 'B', '\n', '\0'), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(pieces, (parts) => {
        const name = parseRepositoryName(parts.join(''));
        if (name !== undefined) expect(`/${name}/`).not.toMatch(/\/\.{0,2}\//);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['', '.sig', '.att', '.sbom'])('sha256-<hex>%s is a fallback tag', (form) => {
    const rest = { hex: HEX, isList: form === '' };
    expect(parseFallbackTag(`sha256-${HEX}${form}`)).toEqual({ algorithm: 'sha256', ...rest });
    expect(parseFallbackTag(`sha512-${HEX}${form}`)).toEqual({ algorithm: 'sha512', ...rest });
  });

  it.each([
    `sha256-${HEX}.tar`,
    `sha256-${HEX}0`,
    `sha256-${HEX.slice(1)}`,
    `sha256:${HEX}`,
    `x-${HEX}`,
    `sha256-${HEX.toUpperCase()}`,
  ])('%j is none', (tag) => {
    expect(parseFallbackTag(tag)).toBeUndefined();
  });
});

describe('the layout', () => {
  it('is that of distribution registry/storage/paths.go', () => {
    expect(blobData(SHA256)).toBe(`blobs/sha256/ab/${HEX}/data`);
    expect(revisionDirectory('a/b', SHA256)).toBe(
      `repositories/a/b/_manifests/revisions/sha256/${HEX}`,
    );
    expect(layerDirectory('a', SHA256)).toBe(`repositories/a/_layers/sha256/${HEX}`);
    expect(tagCurrentDirectory('a', 't')).toBe('repositories/a/_manifests/tags/t/current');
    expect(tagIndexDirectory('a', 't', SHA256)).toBe(
      `repositories/a/_manifests/tags/t/index/sha256/${HEX}`,
    );
    expect(uploadDirectory('a', 'id')).toBe('repositories/a/_uploads/id');
  });

  const ID = '01234567-89ab-cdef-0123-456789ABCDEF';

  it('knows what may be in an upload, and what a driver leaves', () => {
    expect(isUploadId(ID)).toBe(true);
    expect([`${ID}0`, '..', '', ID.replaceAll('-', '')].some(isUploadId)).toBe(false);
    expect(
      ['data', 'startedat', 'hashstates/sha256/0', 'hashstates/sha512/123'].every(isUploadFile),
    ).toBe(true);
    expect(
      ['data2', 'hashstates/sha256/../data', 'hashstates/sha256/-1', 'x/data', ''].some(
        isUploadFile,
      ),
    ).toBe(false);
    expect(['hashstates', 'hashstates/sha256'].every(isUploadDirectory)).toBe(true);
    expect(['hashstates/', 'hashstates/md5', 'data'].some(isUploadDirectory)).toBe(false);
    expect([`link.${ID}.tmp`, `data.${ID}.tmp`, `startedat.${ID}.tmp`].every(isTemporaryName)).toBe(
      true,
    );
    expect(
      ['link', 'link.tmp', 'other.1.tmp', 'link./.tmp', 'link.1.tmp.x', 'link..tmp'].some(
        isTemporaryName,
      ),
    ).toBe(false);
  });
});

describe("the registry's configuration", () => {
  const parse = (
    text: string,
    env: Readonly<Record<string, string>> = {},
  ): ReturnType<typeof parseConfig> => parseConfig(text, 'config.yml', env);
  const failure = (text: string): AppError => {
    try {
      parse(text);
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    throw new Error('was accepted');
  };

  it('says where the store is, and whose', () => {
    const text =
      'storage:\n  filesystem:\n    rootdirectory: /srv\nproxy:\n  remoteurl: https://x\nauth:\n  token:\n    realm: r\n';
    expect(parse(text)).toEqual({ rootDirectory: '/srv', remoteUrl: 'https://x', realms: ['r'] });
  });

  it('has a default, in either form', () => {
    for (const text of [
      'storage: filesystem\n',
      'storage:\n  filesystem:\n',
      'storage:\n  filesystem: {}\n',
    ]) {
      expect(parse(text).rootDirectory).toBe('/var/lib/registry');
    }
  });

  it('the environment wins, even over another storage', () => {
    const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/env' };
    expect(parse('storage:\n  filesystem:\n    rootdirectory: /srv\n', env).rootDirectory).toBe(
      '/env',
    );
    expect(parse('storage:\n  s3: {}\n', env).rootDirectory).toBe('/env');
  });

  it('an error has its line and column', () => {
    expect(failure('version: 0.1\nstorage:\n  filesystem: [\n').message).toMatch(
      /^config\.yml:\d+:\d+: /,
    );
    expect(failure('a: 1\na: 2\n').message).toMatch(/^config\.yml:2:1: /);
    expect(failure('a: 1\n b: 2\n').message).toMatch(/^config\.yml:2:\d+: |^config\.yml:1:\d+: /);
  });

  it.each([
    '',
    '[]',
    'text',
    '1',
    'storage:\n  s3: {}\n',
    'version: 0.1\n',
    'storage:\n  inmemory:\n',
  ])('%j is refused', (text) => {
    expect(failure(text).code).toBe('usage');
  });

  it('aliases do not explode', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}]`);
    expect(failure(`${lines.join('\n')}\nstorage: filesystem\n`).code).toBe('usage');
  });
});
