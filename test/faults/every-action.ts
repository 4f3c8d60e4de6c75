/** A store of some dozens of files whose plan has every kind of action. */
import nodeFs from 'node:fs';
import { isRoot } from '../support/packages.ts';
import { digestOf, setTimesBelow, StoreBuilder, type Written } from '../support/store.ts';

/** What makes all of it go. */
export const FLAGS = ['-m', '--allow', 'drop-dead-tags', '--registry-stopped', '--threads', '1'];

/** Every kind of action that a plan of `FLAGS` has on this store. */
export const KINDS =
  'upload temp tag revision tag-index blob layer-link empty-directory repository'.split(' ');

/** Long past every grace; a whole second, so that it can be put back to the nanosecond. */
export const AGE = new Date('2024-02-01T00:00:00Z');

export interface EveryAction {
  /** Kept, by `shop/web:1`. */
  readonly kept: Written;
  /** Untagged; its signature follows it. */
  readonly dropped: Written;
}

export function makeEveryAction(root: string): EveryAction {
  const store = new StoreBuilder(nodeFs, root);
  const layer = (name: string): Buffer => Buffer.from(`layer ${name} `.repeat(40));
  const web = 'shop/web';
  const dropped = store.image(web, { layers: [layer('old'), layer('base')], tag: '1' });
  // Tagged again: the older image stays in the history of the tag.
  const kept = store.image(web, { layers: [layer('base'), layer('new')], tag: '1' });
  const signature = `${dropped.digest.replace(':', '-')}.sig`;
  store.image(web, { layers: [layer('signature')], mediaType: 'oci', tag: signature });
  store.tag(web, 'dead', digestOf('a manifest that was lost'));
  const deleted = store.image(web, { layers: [layer('deleted')], config: Buffer.from('{"n":1}') });
  store.deleteRevision(web, deleted.digest);
  store.upload(web, '11111111-2222-4333-8444-555555555555', {
    bytes: 100,
    startedAt: new Date(AGE.getTime() - 86_400_000),
    hashstates: [0],
  });
  store.temp(`${store.blobPath(digestOf('half'))}.11111111-2222-4333-8444-555555555555.tmp`);
  store.mkdir(store.blobPath(digestOf('lost')).replace('/data', ''));
  store.layerLink('shop/dead', store.blob(layer('interrupted')));
  store.mkdir('repositories/old/namespace');
  // An upload goes on there, so an earlier layer of the same push stays, however old.
  const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
  const upload = '99999999-2222-4333-8444-555555555555';
  store.layerLink('shop/busy', store.blob(layer('pushed')));
  store.upload('shop/busy', upload, { bytes: 10, startedAt });
  const child = store.image('shop/multi', { layers: [layer('base')] });
  store.index('shop/multi', [child], { tag: '1' });
  if (isRoot()) giveAway(root);
  store.ageEverything(AGE);
  setTimesBelow(nodeFs, `${store.base}/repositories/shop/busy/_uploads/${upload}`, startedAt);
  return { kept, dropped };
}

/** What an outage may do to it: links that say nothing, data that is cut short, a mode that is odd. */
export function damageEveryAction(root: string): void {
  const store = new StoreBuilder(nodeFs, root);
  const read = (path: string): string => nodeFs.readFileSync(`${store.base}/${path}`, 'utf8');
  const spoil = (path: string, content: string): void => {
    nodeFs.writeFileSync(`${store.base}/${path}`, content);
    nodeFs.utimesSync(`${store.base}/${path}`, AGE, AGE);
  };
  const kept = read(`${store.tagPath('shop/web', '1')}/current/link`);
  const { config } = JSON.parse(read(store.blobPath(kept))) as { config: { digest: string } };
  spoil(`${store.tagPath('shop/multi', '1')}/current/link`, '');
  spoil(store.revisionPath('shop/web', kept), 'sha256:0123');
  spoil(store.layerLinkPath('shop/web', config.digest), 'x'.repeat(71));
  spoil(store.blobPath(digestOf(Buffer.from('layer interrupted '.repeat(40)))), 'layer inter');
  nodeFs.chmodSync(`${store.base}/${store.blobPath(kept)}`, 0o600);
}

/** Kinds of action that a plan that mends has on this store. */
export const MEND_KINDS = 'temp attributes link corrupt-blob tag empty-directory'.split(' ');

/** To a user who is not the one that sweeps: what is put back has to be theirs again. */
function giveAway(root: string): void {
  nodeFs.chownSync(root, OWNER, OWNER);
  nodeFs.chmodSync(root, 0o750);
  for (const path of nodeFs.readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    nodeFs.chownSync(`${root}/${path}`, OWNER, OWNER);
    nodeFs.chmodSync(`${root}/${path}`, path.endsWith('/link') ? 0o640 : 0o750);
  }
}

const OWNER = 1234;
