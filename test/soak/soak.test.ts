/** Half a minute of it in CI; longer by hand: `npm run soak -- --seconds 3600 --seed 7`. */
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeWithPackages } from '../support/packages.ts';
import { makeFolder } from '../support/sweep.ts';
import { soak } from './soak.ts';

const SECONDS = Number(process.env['REGSWEEP_SOAK_SECONDS'] ?? 15);
const SEED = Number(process.env['REGSWEEP_SOAK_SEED'] ?? Date.now() % 0x7fffffff);

describeWithPackages(['docker-registry'], 'soak', () => {
  test(
    `${SECONDS} s from seed ${SEED}`,
    async () => {
      const folder = makeFolder('soak');
      const onRound = SECONDS > 120 ? (text: string): void => console.log(text) : undefined;
      const options = { seed: SEED, seconds: SECONDS, folder };
      const result = await soak(onRound === undefined ? options : { ...options, onRound });
      const { differences, ...figures } = result;
      console.log(`seed ${SEED}: ${JSON.stringify(figures)}, differences ${differences.length}`);
      // With a difference the store stays, to be looked at.
      expect(differences, folder).toEqual([]);
      rmSync(folder, { recursive: true });
      expect(result.sweeps).toBeGreaterThan(0);
      expect(result.pulls).toBeGreaterThan(0);
    },
    SECONDS * 1000 + 300_000,
  );
});
