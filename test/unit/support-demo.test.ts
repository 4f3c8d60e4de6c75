import fs from 'node:fs';
import os from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDemoStore } from '../../fixtures/demo/make.js';
import { liveBlobs } from '../support/oracle.ts';
import type { OracleResult } from '../support/oracle.ts';

describe('the demo store', () => {
  const root = fs.mkdtempSync(
    `${fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir()}/regsweep-demo-`,
  );
  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
  const ask = (untagged: boolean): OracleResult =>
    liveBlobs(fs, root, { untagged, graceMs: 3_600_000, now: Date.now() });
  const garbage = ({ present, live }: OracleResult): string[] =>
    [...present].filter((digest) => !live.has(digest));

  it('has one damaged repository, and garbage of every sort', () => {
    makeDemoStore(root);
    const plain = ask(false);
    expect([...plain.tainted]).toEqual(['team/legacy']);
    expect(plain.droppedRevisions.size).toBe(0);
    // Three orphans, and the deleted image: its manifest, its config, two layers. Not the push that goes on.
    expect(garbage(plain)).toHaveLength(7);
    const untagged = ask(true);
    // Two of shop/web's edge, one each of shop/api 1.10.0 and staging, one of team/dashboard.
    expect(untagged.droppedRevisions.size).toBe(5);
    // Each with its manifest, its config and its own layers; nine of those.
    expect(garbage(untagged)).toHaveLength(7 + 5 * 2 + 9);
  });
});
