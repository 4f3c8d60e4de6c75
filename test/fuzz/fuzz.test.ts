/** Some seconds of each target, from a seed that is printed; longer by REGSWEEP_FUZZ_SECONDS. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createPrng } from '../support/prng.ts';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

const SECONDS = Number(process.env['REGSWEEP_FUZZ_SECONDS'] ?? 3);
const SEED = Number(process.env['REGSWEEP_FUZZ_SEED'] ?? Date.now() % 0x7fffffff);

test.each(TARGETS.map((target) => [target.name, target] as const))(
  '%s',
  async (name, target) => {
    const result = await fuzz(target, createPrng(SEED), SECONDS * 1000);
    const { executions, slowestMs, finding } = result;
    console.log(
      `${name}: ${executions} executions, slowest ${slowestMs.toFixed(0)} ms, seed ${SEED}`,
    );
    if (finding !== undefined) {
      const file = join(tmpdir(), `regsweep-fuzz-${name.replaceAll(' ', '-')}-${SEED}`);
      writeFileSync(file, finding.input);
      throw new Error(`seed ${SEED}, input in ${file}: ${finding.input.toString('latin1')}`, {
        cause: finding.error,
      });
    }
    expect(executions).toBeGreaterThan(target.corpus.length);
  },
  SECONDS * 1000 + 60_000,
);

test('the fuzzer finds what is broken', async () => {
  const corpus = ['abc'];
  const check = (input: Buffer): void => {
    if (input.includes('}{')) throw new Error('found');
  };
  const broken = { name: 'broken', corpus, tokens: ['{', '}'], check };
  const { finding } = await fuzz(broken, createPrng(SEED), 20_000);
  expect(String(finding?.error)).toContain('found');
});
