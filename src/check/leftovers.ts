import type { Action, AttributesAction, Ownership } from '../plan/action.js';
import { isRemovableDirectory, isStorePath, isTemporaryPath } from '../plan/validate.js';
import {
  blobDirectory,
  BLOBS,
  REPOSITORIES,
  repositoryDirectory,
  uploadDirectory,
} from '../registry/layout.js';
import { NO_DATA } from '../scan/data-shard.js';
import type { FoundFile } from '../scan/facts.js';
import type { MadeKind, OwnershipCount } from '../scan/ownership.js';
import type { ReadFs } from '../fs/read-fs.js';
import type { StoreRoot } from '../scan/root.js';
import { isSafe, usualOf } from './facts.js';
import type { CheckFacts } from './facts.js';
import { mended, unmended } from './finding.js';
import type { CheckFinding } from './finding.js';

/** What crashes, copies and older registries leave behind. */
export function leftoverFindings(facts: CheckFacts, blobs: Uint32Array): CheckFinding[] {
  return [
    ...temporaryFindings(facts),
    ...emptyBlobFindings(facts, blobs),
    ...uploadFindings(facts),
    ...ownershipFindings(facts),
    ...taglessFindings(facts),
  ];
}

function temporaryFindings({ index, links, data }: CheckFacts): CheckFinding[] {
  const found = new Map<string, FoundFile>();
  for (const file of [...index.temporaries, ...links.temporaries, ...data.temporaries]) {
    found.set(file.path, file);
  }
  return [...found.values()].map(({ path, bytes }) => {
    const draft = {
      code: 'temporary-file',
      severity: 'notice',
      path,
      detail: `${bytes} bytes of a write that never ended`,
    } as const;
    if (!isTemporaryPath(path)) return unmended({ ...draft, mend: 'look at it by hand' });
    return mended(draft, [{ kind: 'temp', path, bytes }]);
  });
}

function emptyBlobFindings({ index, data, sizes }: CheckFacts, blobs: Uint32Array): CheckFinding[] {
  const found: CheckFinding[] = [];
  blobs.forEach((digest, i) => {
    if (sizes[digest] !== NO_DATA || data.empty[i] === 0) return;
    const text = index.digests.text(digest);
    const path = blobDirectory(text);
    const draft = {
      code: 'empty-directory',
      severity: 'notice',
      path,
      detail: 'a blob without its data',
      digest: text,
    } as const;
    if (isRemovableDirectory(path)) found.push(mended(draft, [{ kind: 'empty-directory', path }]));
  });
  return found;
}

/** An upload that the registry can neither go on with nor purge: its data is of no use to anybody. */
function uploadFindings(facts: CheckFacts): CheckFinding[] {
  const { index, links } = facts;
  const known = new Map(
    index.uploads.map((upload) => [
      uploadDirectory(index.repositories[upload.repository] as string, upload.id),
      upload,
    ]),
  );
  return links.uploads.map(({ repository, id, path, why }) => {
    const upload = known.get(path);
    const draft = {
      code: 'broken-upload',
      severity: 'notice',
      path,
      detail: `the registry cannot go on with it: ${why}`,
      repository,
      mend: '--allow drop-broken-uploads',
    } as const;
    if (upload?.files === undefined || !isSafe(facts, repository)) return unmended(draft);
    const { bytes, files } = upload;
    const action: Action = { kind: 'upload', repository, id, bytes, files };
    return { ...unmended(draft), allow: 'drop-broken-uploads', actions: [action] };
  });
}

/** Of so many files nearly all have to be alike before one of them is odd. */
const ALIKE = 0.9;

function ownershipFindings({ links, data }: CheckFacts): CheckFinding[] {
  const counts = [...links.ownership, ...data.ownership];
  return (['link', 'data', 'directory'] as const).flatMap((kind) => {
    const ofKind = counts.filter((count) => count.kind === kind);
    const total = ofKind.reduce((sum, { count }) => sum + count, 0);
    const usual = usualOf(ofKind, kind);
    if (usual === undefined || usual.count < ALIKE * total) return [];
    return ofKind
      .filter((count) => count !== usual)
      .flatMap((odd) => oddFindings(kind, odd, usual));
  });
}

function oddFindings(kind: MadeKind, odd: OwnershipCount, usual: OwnershipCount): CheckFinding[] {
  const hinders = isHindered(kind, odd, usual);
  return odd.paths.map((path) => {
    const draft = {
      code: 'odd-attributes',
      severity: hinders ? 'damage' : 'notice',
      path,
      detail: `${ownerText(odd)}, and its neighbours are ${ownerText(usual)}`,
    } as const;
    if (!isStorePath(path)) return unmended({ ...draft, mend: 'look at it by hand' });
    return mended(draft, [attributesAction(path, odd, usual)]);
  });
}

function attributesAction(path: string, odd: Ownership, usual: Ownership): AttributesAction {
  const { mode, uid, gid } = usual;
  return {
    kind: 'attributes',
    path,
    mode,
    uid,
    gid,
    was: { mode: odd.mode, uid: odd.uid, gid: odd.gid },
  };
}

function ownerText({ mode, uid, gid }: Ownership): string {
  return `${uid}:${gid} ${mode.toString(8).padStart(4, '0')}`;
}

/** Whether the owner of the others, as which the registry runs, cannot use it: links are rewritten, too. */
function isHindered(kind: MadeKind, odd: Ownership, { uid, gid }: Ownership): boolean {
  if (uid === 0) return false;
  const shift = odd.uid === uid ? 6 : odd.gid === gid ? 3 : 0;
  const wanted = kind === 'data' ? 4 : kind === 'link' ? 6 : 7;
  return ((odd.mode >>> shift) & wanted) !== wanted;
}

function taglessFindings({ index }: CheckFacts): CheckFinding[] {
  return index.repositories.flatMap((repository, number) => {
    const { revisions, tags } = index;
    const hasTags = tags.start[number] !== tags.start[number + 1];
    if (hasTags || revisions.start[number] === revisions.start[number + 1]) return [];
    return [
      unmended({
        code: 'no-tags',
        severity: 'notice',
        path: repositoryDirectory(repository),
        detail: 'manifests and no tag: used by digest alone, or its tags were lost',
        repository,
        mend: 'tag again, if they were lost',
      }),
    ];
  });
}

/** What stands above and beside the store that no registry of this kind writes. */
export function foreignFindings(fs: ReadFs, { root, base }: StoreRoot): CheckFinding[] {
  const found: CheckFinding[] = [];
  const note = (code: 'v1-leftover' | 'foreign-leftover', path: string, detail: string): void => {
    found.push(unmended({ code, severity: 'notice', path, detail, mend: 'left alone' }));
  };
  for (const name of namesIn(fs, base)) {
    if (name === BLOBS || name === REPOSITORIES) continue;
    note('foreign-leftover', name, 'not of the registry');
  }
  if (root === base) return found;
  for (const name of namesIn(fs, root)) {
    const path = `../../../${name}`;
    if (name === 'images' || name === 'repositories') {
      note('v1-leftover', path, 'of registry v1 (2013-2015), which this one does not read');
    } else if (!OWN.has(name)) note('foreign-leftover', path, 'not of the registry');
  }
  return found;
}

/** What a registry and a file system keep in the rootdirectory. */
const OWN = new Set(['docker', 'scheduler-state.json', 'lost+found']);

function namesIn(fs: ReadFs, path: string): string[] {
  try {
    return fs.names(path).sort();
  } catch {
    // The scan has read what matters; what is beside it may be anybody's.
    return [];
  }
}
