import { memfs } from 'memfs';
import { it } from 'vitest';
import { FEATURES, generateStore } from '/work/main/test/support/generate.ts';
import { liveBlobs } from '/work/main/test/support/oracle.ts';
import { damageStore, DAMAGE_KINDS } from '/work/main/test/support/damage.ts';
import { createPrng } from '/work/main/test/support/prng.ts';
import { planStore } from '/work/main/test/support/survey.ts';
const NOW = new Date('2026-01-15T12:00:00Z');
const FROM = Number(process.env.FROM ?? 1), TO = Number(process.env.TO ?? 60);
const DAMAGE = process.env.DAMAGE ?? '';
const minus = (a: any, b: any) => [...a].filter((x: any) => !b.has(x));
it('fuzz', async () => {
  const tally: Record<string, any> = {};
  for (const kind of DAMAGE === 'all' ? DAMAGE_KINDS : DAMAGE === '' ? [''] : DAMAGE.split(',')) {
    const t = tally[kind || 'healthy'] = { n: 0, lessB: 0, moreB: 0, lessR: 0, moreR: 0, ex: '' as string };
    for (let seed = FROM; seed <= TO; seed++) for (const untagged of [false, true]) {
      const fs = memfs().fs as any;
      const prng = createPrng(seed);
      generateStore(fs, '/r', { seed, repositories: 1 + prng.int(4), tagsPerRepository: 1 + prng.int(3), overwritten: prng.next()*.6, multiArch: prng.next()*.5, orphans: prng.next()*.2, features: FEATURES.filter(() => prng.chance(0.5)), now: NOW });
      let inj: any = [];
      if (kind) inj = damageStore(fs, '/r', prng, kind === 'mix' ? {} : { kinds: [kind], count: 1 });
      const o = liveBlobs(fs, '/r', { untagged, graceMs: 3600000, now: NOW.getTime() });
      let p; try { p = await planStore(fs, '/r', { untagged, now: NOW.getTime() }); } catch (e) { t.ex += `seed ${seed} THROWN ${(e as Error).stack}\n`; continue; }
      const g = new Set(minus(o.present, o.live));
      const moreB = minus(p.planned, g), lessB = minus(g, p.planned);
      const moreR = minus(p.dropped, o.droppedRevisions), lessR = p.blind.length ? [] : minus(o.droppedRevisions, p.dropped);
      t.n++; t.moreB += +!!moreB.length; t.lessB += +!!lessB.length; t.moreR += +!!moreR.length; t.lessR += +!!lessR.length;
      if (moreB.length+lessB.length+moreR.length+lessR.length && t.ex.length < 1500) t.ex += `seed ${seed} -m ${untagged} inj ${JSON.stringify(inj)} blobs +${moreB.map(x=>x.slice(7,15))} -${lessB.map(x=>x.slice(7,15))} revs +${moreR.map(x=>x.replace(/(sha256:.{8}).*/,'$1'))} -${lessR.map(x=>x.replace(/(sha256:.{8}).*/,'$1'))} blind ${p.blind} tainted src [${[...p.tainted]}] oracle [${[...o.tainted]}] all ${o.everythingLive}\n`;
    }
    if (t.lessB+t.moreB+t.lessR+t.moreR || t.ex) console.log(kind, JSON.stringify({...t, ex: undefined}), '\n' + t.ex);
  }
  console.log('done', Object.keys(tally).length);
}, 600000);
