import { digestOf } from './store.ts';

/** The oracle's reading of one manifest: its text, token by token, with nothing clever. */

export interface Content {
  /**
   * `damaged`: it is there, and its edges are unknown, or known in part only. `unreadable`: nobody
   * could look, so that it may be anything, and whole.
   */
  readonly state: 'missing' | 'damaged' | 'unreadable' | 'manifest';
  readonly edges: readonly Edge[];
  readonly subjects: readonly string[];
  readonly looksLikeManifest: boolean;
  /** An index by its media type or, without one, by its keys. */
  readonly isIndex: boolean;
}

export interface Edge {
  readonly digest: string;
  /** Its descriptor says that it is a manifest. */
  readonly manifest: boolean;
}

export const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;
const DIGESTS_WITHIN = /sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}/gi;
const KNOWN_TYPE =
  /^application\/vnd\.(?:docker\.distribution\.manifest\.(?:v1\+json|v1\+prettyjws|v2\+json|list\.v2\+json)|oci\.(?:image\.manifest|image\.index|artifact\.manifest)\.v1\+json|cncf\.oras\.artifact\.manifest\.v1\+json)$/;
/** Of a child; wider, for a manifest not followed is a loss, and a leaf followed is none. */
const CHILD_TYPE = /manifest|image\.index/i;
/** A manifest without a media type is of a known kind if it has one of these. */
const KNOWN_BY = ['FSLAYERS', 'MANIFESTS', 'LAYERS', 'CONFIG', 'BLOBS'];
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[^\s"]/g;
const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

interface Scan {
  /** Values of `digest` and `blobSum`, wherever they are but in the subject. */
  readonly edges: Edge[];
  readonly subjects: string[];
  /** Keys of the top level, in upper case. */
  readonly keys: Set<string>;
  /** Media types of the top level; more than one where the key is there twice. */
  readonly types: string[];
}

function unquote(token: string): string {
  return JSON.parse(token) as string;
}

/**
 * Reads edges from the text, token by token: both of two equal keys count, and case does not. Folding to upper case
 * also takes in what Go's encoding/json folds (fold.go): the long s and the Kelvin sign. Go takes `Subject` for a
 * subject, so its referrers are kept with it; but only the exact spelling is trusted not to be an edge.
 */
export function scanManifest(text: string): Scan {
  const scan: Scan = { edges: [], subjects: [], keys: new Set(), types: [] };
  const objects: { found: { digest: string; top: string }[]; manifest: boolean }[] = [];
  const tokens = text.match(TOKEN) ?? [];
  let top = '';
  let key = '';
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as string;
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    if (token === '{') objects.push({ found: [], manifest: false });
    if (token === '}') {
      const { found, manifest } = objects.pop() ?? { found: [], manifest: false };
      for (const { digest, top: under } of found) {
        if (under !== 'subject') scan.edges.push({ digest, manifest });
        if (under.toUpperCase() === 'SUBJECT' && depth === 1) scan.subjects.push(digest);
      }
    }
    if (!token.startsWith('"')) continue;
    const string = unquote(token);
    if (tokens[i + 1] === ':') {
      key = string.toUpperCase();
      if (depth === 1) top = string;
      if (depth === 1) scan.keys.add(key);
      continue;
    }
    const object = objects.at(-1);
    const digest = string.toLowerCase();
    if (key === 'MEDIATYPE' && depth === 1) scan.types.push(string);
    if (key === 'MEDIATYPE' && object && CHILD_TYPE.test(string)) object.manifest = true;
    if ((key === 'DIGEST' || key === 'BLOBSUM') && DIGEST.test(digest))
      object?.found.push({ digest, top });
  }
  return scan;
}

/** Every digest-shaped part of every string: for what is not understood. */
function digestsAnywhere(text: string): Edge[] {
  const strings = (text.match(TOKEN) ?? []).filter((token) => token.startsWith('"'));
  const plain = strings.map((token) =>
    token.replaceAll(/\\u00([0-7][0-9a-f])/gi, (_, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    ),
  );
  return (plain.join(' ').match(DIGESTS_WITHIN) ?? []).map((digest) => ({
    digest: digest.toLowerCase(),
    manifest: false,
  }));
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

export const MISSING: Content = {
  state: 'missing',
  edges: [],
  subjects: [],
  looksLikeManifest: false,
  isIndex: false,
};
export const DAMAGED: Content = { ...MISSING, state: 'damaged' };
export const UNREADABLE: Content = { ...MISSING, state: 'unreadable' };

const INDEX_TYPE = /\.image\.index\.|\.manifest\.list\./;

/** What a blob says as a manifest; `damaged` if its bytes are not those of the digest, or no JSON object. */
export function parseContent(digest: string, bytes: Buffer): Content {
  if (bytes.length > MAX_MANIFEST_BYTES || digestOf(bytes) !== digest) return DAMAGED;
  const text = bytes.toString('utf8');
  if (!isJsonObject(text)) return { ...DAMAGED, edges: digestsAnywhere(text) };
  const { edges, subjects, keys, types } = scanManifest(text);
  const typed = types.length > 0 && types.every((type) => KNOWN_TYPE.test(type));
  const known = typed || (types.length === 0 && KNOWN_BY.some((key) => keys.has(key)));
  return {
    state: 'manifest',
    edges: known ? edges : [...edges, ...digestsAnywhere(text)],
    subjects,
    looksLikeManifest: typed || keys.has('SCHEMAVERSION'),
    isIndex: types.length > 0 ? INDEX_TYPE.test(types.at(-1) ?? '') : keys.has('MANIFESTS'),
  };
}
