import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeName, escapeText, safeJson } from '../../src/report/escape.ts';

const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const anyText = fc.string({ unit: 'binary', maxLength: 40 });

describe('escapeText', () => {
  test.each([
    ['plain/name:1.0', 'plain/name:1.0'],
    ['\u001b[31mred', '\\u{1b}[31mred'],
    ['two\nlines\r', 'two\\u{a}lines\\u{d}'],
    ['\u202egnp', '\\u{202e}gnp'],
    ['c1\u009b', 'c1\\u{9b}'],
    ['\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['tag\u{e0041}', 'tag\\u{e0041}'],
    ['lone \ud800 surrogate', 'lone \\u{d800} surrogate'],
    ['no \ufffd UTF-8', 'no \\u{fffd} UTF-8'],
    ['é漢字 <b>', 'é漢字 <b>'],
  ])('%j', (text, escaped) => {
    expect(escapeText(text)).toBe(escaped);
  });

  test('leaves nothing that moves a cursor or turns a line round', () => {
    fc.assert(fc.property(anyText, (text) => !UNSAFE.test(escapeText(text))));
  });

  test('changes nothing that it has escaped', () => {
    fc.assert(fc.property(anyText, (text) => escapeText(escapeText(text)) === escapeText(text)));
  });
});

test('escapeName decodes the bytes of a name first', () => {
  expect(escapeName(Buffer.from('é漢字').toString('latin1'))).toBe('é漢字');
  expect(escapeName(Buffer.from('\u202e').toString('latin1'))).toBe('\\u{202e}');
  expect(escapeName('t\xff\xfe')).toBe('t\\u{fffd}\\u{fffd}');
});

describe('safeJson', () => {
  test('is JSON of the same value, and has nothing unsafe in it', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, anyText), (value) => {
        const text = safeJson(value);
        expect(text).not.toMatch(UNSAFE);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('keeps the line feeds of an indented document', () => {
    expect(safeJson({ a: '\u202e\n' }, 2)).toBe('{\n  "a": "\\u202e\\n"\n}');
    expect(safeJson('\u{e0041}')).toBe('"\\udb40\\udc41"');
  });
});
