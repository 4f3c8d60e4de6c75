import type { Books, Feature, Pushed } from './generate.ts';
import { MEDIA, digestPath } from './store.ts';
import type { Written } from './store.ts';

/** One function a feature; each writes its piece into a random repository and enters its fate into the books. */
type AddFeature = (books: Books, repository: string) => void;

/** An image that a signature or another referrer can be about. */
function pickSubject(books: Books): Pushed {
  return books.prng.pick(
    books.pushed.filter((pushed) => pushed.fate !== 'garbage' && pushed.written.edges.length > 0),
  );
}

function pushReferrer(books: Books, repository: string, subject: Written): Written {
  return books.builder.image(repository, {
    layers: [books.layer()],
    subject,
    artifactType: 'application/spdx+json',
  });
}

const addReferrers: AddFeature = (books, repository) => {
  const { written, fate } = pickSubject(books);
  // Anywhere: a live subject keeps its referrers in whatever repository they are; and a referrer of the referrer.
  const referrer = pushReferrer(books, repository, written);
  const second = pushReferrer(books, repository, referrer);
  books.record(repository, [referrer, second], fate);
  const absent = {
    digest: `sha256:${books.prng.hex(64)}`,
    size: 7,
    mediaType: MEDIA.ociManifest,
    edges: [],
  };
  books.record(repository, [pushReferrer(books, repository, absent)], 'untagged');
};

const addCosign: AddFeature = (books) => {
  const subject = pickSubject(books);
  const hex = subject.written.digest.slice('sha256:'.length);
  const kind = books.prng.pick(['sig', 'att', 'sbom']);
  // A second signature would overwrite the tag of the first, which is another story.
  if (books.builder.tags.has(`${subject.repository}:sha256-${hex}.${kind}`)) return;
  const signature = books.builder.image(subject.repository, {
    layers: [books.layer()],
    config: books.config(),
    mediaType: 'oci',
    tag: `sha256-${hex}.${kind}`,
  });
  books.record(subject.repository, [signature], subject.fate);
  const stray = books.builder.image(subject.repository, {
    layers: [books.layer()],
    mediaType: 'oci',
    tag: `sha256-${books.prng.hex(64)}.sig`,
  });
  // Its subject is found nowhere: reported, and dropped only when asked for.
  books.record(subject.repository, [stray], 'kept');
};

/** What a mirror has by its digest alone gets a tag that says so. */
const addOwnName: AddFeature = (books, repository) => {
  const image = books.image(repository);
  const suffix = books.prng.chance(0.3) ? '.sig' : '';
  books.builder.tag(repository, `${image.digest.replace(':', '-')}${suffix}`, image.digest);
  books.record(repository, [image], 'kept');
};

const addReferrersTag: AddFeature = (books) => {
  const subject = pickSubject(books);
  const { repository, written, fate } = subject;
  const tag = `sha256-${written.digest.slice('sha256:'.length)}`;
  if (books.builder.tags.has(`${repository}:${tag}`)) return;
  const referrers = [
    pushReferrer(books, repository, written),
    pushReferrer(books, repository, written),
  ];
  books.record(
    repository,
    [books.builder.index(repository, referrers, { tag }), ...referrers],
    fate,
  );
};

const addDeleted: AddFeature = (books, repository) => {
  const image = books.image(repository);
  books.builder.deleteRevision(repository, image.digest);
  books.record(repository, [image], 'garbage');
};

const addInterrupted: AddFeature = (books, repository) => {
  for (const young of [true, false]) {
    const digest = books.builder.blob(books.layer());
    books.builder.layerLink(repository, digest);
    if (!young) continue;
    books.young.push(books.builder.layerLinkPath(repository, digest));
    books.keptBlobs.add(digest);
  }
};

const addUploads: AddFeature = (books, repository) => {
  const { prng, now, builder } = books;
  const id = (): string => [8, 4, 4, 4, 12].map((length) => prng.hex(length)).join('-');
  const weekAndDay = new Date(now.getTime() - 8 * 86_400_000);
  builder.upload(repository, id(), { bytes: 100, startedAt: weekAndDay, hashstates: [0, 100] });
  const fresh = id();
  books.busy.add(repository);
  builder.upload(repository, fresh, { bytes: 50, startedAt: new Date(now.getTime() - 600_000) });
  for (const file of ['data', 'startedat'])
    books.young.push(`repositories/${repository}/_uploads/${fresh}/${file}`);
};

const addMounts: AddFeature = (books, repository) => {
  const { written } = pickSubject(books);
  // A foreign layer is not there to be mounted, and the children of an index are not layers.
  const layer = books.prng.pick(written.edges);
  const isLayer =
    books.builder.sizes.has(layer) &&
    !books.pushed.some((pushed) => pushed.written.digest === layer);
  if (isLayer) books.builder.layerLink(repository, layer);
};

const addAttestations: AddFeature = (books, repository) => {
  const image = books.image(repository);
  const attestation = books.builder.image(repository, {
    layers: [
      Buffer.from(
        JSON.stringify({ _type: 'https://in-toto.io/Statement/v0.1', n: books.prng.hex(16) }),
      ),
    ],
    config: books.config('unknown'),
    mediaType: 'oci',
  });
  const platforms = ['linux/amd64', 'unknown/unknown'];
  const index = books.builder.index(repository, [image, attestation], {
    platforms,
    tag: `attested-${books.prng.hex(6)}`,
  });
  books.record(repository, [index, image, attestation], 'kept');
};

const addSchema1: AddFeature = (books, repository) => {
  const tag = `v1-${books.prng.hex(6)}`;
  books.record(
    repository,
    [books.builder.schema1(repository, { layers: [books.layer(), books.layer()], tag })],
    'kept',
  );
};

const addSha512: AddFeature = (books, repository) => {
  const { builder, prng } = books;
  const bytes = books.layer();
  const target = builder.blob(bytes);
  const alias = builder.sha512Layer(repository, bytes);
  const tag = prng.chance(0.5) ? { tag: `sha512-${prng.hex(6)}` } : {};
  const image = builder.image(repository, {
    layers: [alias],
    config: books.config(),
    mediaType: 'oci',
    ...tag,
  });
  // The manifest names the sha512; the blob that this keeps is known by its sha256.
  const edges = image.edges.map((digest) => (digest === alias ? target : digest));
  books.record(repository, [{ ...image, edges }], 'tag' in tag ? 'kept' : 'untagged');
};

const addArtifacts: AddFeature = (books, repository) => {
  const tag = `artifact-${books.prng.hex(6)}`;
  books.record(
    repository,
    [books.builder.artifact(repository, { blobs: [books.layer()], tag })],
    'kept',
  );
};

const addRelinkable: AddFeature = (books, repository) => {
  const tag = `relink-${books.prng.hex(6)}`;
  const options = { layers: [books.layer()], config: books.config(), tag, revision: false };
  books.record(repository, [books.builder.image(repository, options)], 'kept');
};

const addYoungUntagged: AddFeature = (books, repository) => {
  const image = books.image(repository);
  books.young.push(books.builder.revisionPath(repository, image.digest));
  books.record(repository, [image], 'kept');
};

const addBuildCache: AddFeature = (books, repository) => {
  const { builder } = books;
  const entries = [books.layer(), books.layer()].map((bytes) => {
    const digest = builder.blob(bytes);
    builder.layerLink(repository, digest);
    return { digest, size: bytes.length, mediaType: MEDIA.ociLayer, edges: [] };
  });
  const index = builder.index(repository, entries, { tag: `cache-${books.prng.hex(6)}` });
  books.record(repository, [index], 'kept');
};

const addForeign: AddFeature = (books, repository) => {
  const foreign = [`sha256:${books.prng.hex(64)}`];
  const tag = `windows-${books.prng.hex(6)}`;
  const image = books.builder.image(repository, {
    layers: [books.layer()],
    config: books.config(),
    foreign,
    tag,
  });
  books.record(repository, [image], 'kept');
};

/** One image in two repositories, untagged in the first: its blobs stay, and no referrer may take it for dropped. */
const addPromoted: AddFeature = (books, repository) => {
  const { builder, prng } = books;
  const other = prng.pick(books.repositories);
  const content = { layers: [books.layer()], config: books.config() };
  const image = builder.image(other, content);
  builder.image(repository, { ...content, tag: `promoted-${prng.hex(6)}` });
  books.record(other, [image], 'untagged', false);
  books.record(repository, [image], 'kept', false);
};

const addTemp: AddFeature = (books, repository) => {
  const { builder, prng } = books;
  const uuid = `${prng.hex(8)}-0000-4000-8000-${prng.hex(12)}`;
  const digest = `sha256:${prng.hex(64)}`;
  builder.temp(`repositories/${repository}/_layers/${digestPath(digest)}/link.${uuid}.tmp`);
  builder.temp(`${builder.blobPath(digest)}.${uuid}.tmp`);
};

const ADD: Readonly<Record<Feature, AddFeature>> = {
  referrers: addReferrers,
  cosign: addCosign,
  'own-name': addOwnName,
  'referrers-tag': addReferrersTag,
  deleted: addDeleted,
  interrupted: addInterrupted,
  uploads: addUploads,
  mounts: addMounts,
  attestations: addAttestations,
  schema1: addSchema1,
  sha512: addSha512,
  artifacts: addArtifacts,
  relinkable: addRelinkable,
  'young-untagged': addYoungUntagged,
  'build-cache': addBuildCache,
  foreign: addForeign,
  promoted: addPromoted,
  temp: addTemp,
  // These two are about which repositories there are, and are seen to where those are named.
  tagless: () => undefined,
  nested: () => undefined,
};

export function addFeature(books: Books, feature: Feature): void {
  ADD[feature](books, books.prng.pick(books.tagged()));
}
