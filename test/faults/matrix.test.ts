/**
 * A sweep is cut off before and after each of its system calls that change something, and given EIO at each. Right
 * after it nothing may lead nowhere, nothing that was to stay may have changed; and the same sweep, run again, has to
 * end where one without a fault ends. That it ends there proves little: the mutants below end there too.
 *
 * The order is drawn by a seed. A slow machine does not get through all of it in the time that CI gives each plan; all
 * of it whatever it takes: `REGSWEEP_MATRIX_SECONDS=3600 npm test -- test/faults/matrix.test.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import * as cli from '../support/cli.ts';
import { captureTree } from '../support/consistency.ts';
import { describeWithPackages } from '../support/packages.ts';
import { createPrng } from '../support/prng.ts';
import { buildShim, FAULTS, SHIM_PACKAGES } from '../support/shim.ts';
import type { Fault, Shim } from '../support/shim.ts';
import { damageEveryAction, KINDS, makeEveryAction, MEND_KINDS } from './every-action.ts';
import { makeMutant } from './mutant.ts';
import type { Edit } from './mutant.ts';
import {
  cliOf,
  closeSlot,
  everyCall,
  openSlot,
  planAll,
  tableOf,
  tryAll,
  tryFault,
} from './slot.ts';
import type { Cli, Place, Slot, SlotOptions, Verdict } from './slot.ts';

const SECONDS = Number(process.env['REGSWEEP_MATRIX_SECONDS'] ?? 10);
const SEED = Number(process.env['REGSWEEP_MATRIX_SEED'] ?? Date.now() % 0x7fffffff);

const TITLE = `a sweep with a fault at each system call (seed ${SEED})`;

vi.setConfig({ testTimeout: SECONDS * 1000 + 210_000, hookTimeout: 60_000 });

/** As many at a time as the smallest machine has cores. */
const SLOTS = 2;

describeWithPackages(SHIM_PACKAGES, TITLE, () => {
  let shim: Shim;

  beforeAll(() => {
    shim = buildShim();
  });
  afterAll(() => shim.remove());

  /** Tries faults until it is enough, prints the table, and returns what came out. */
  async function run(
    title: string,
    program: Cli,
    prepare: SlotOptions['prepare'],
    faults: readonly Fault[],
    isEnough: (verdicts: readonly Verdict[]) => boolean,
  ): Promise<{ slot: Slot; verdicts: Verdict[] }> {
    const options = {
      cli: program,
      shim,
      make: (root: string) => void makeEveryAction(root),
      prepare,
    };
    const slots = await Promise.all(Array.from({ length: SLOTS }, () => openSlot(options)));
    const slot = slots[0] as Slot;
    try {
      const trials = createPrng(SEED).shuffle(everyCall(slot, faults));
      const verdicts = await tryAll(slots, trials, isEnough);
      console.log(tableOf(title, slot, verdicts));
      return { slot, verdicts };
    } finally {
      slots.forEach(closeSlot);
    }
  }

  test('of every kind of action but putting back', async () => {
    const { slot, verdicts } = await run('sweep', cli, planAll, FAULTS, whenOver());
    expect(new Set(slot.lines.map(({ kind }) => kind))).toEqual(
      new Set(['header', ...KINDS, 'trailer']),
    );
    expectSound(slot, verdicts);
  });

  test('of an undo, which puts links back', async () => {
    const { slot, verdicts } = await run('undo', cli, planUndo, FAULTS, whenOver());
    expect(new Set(slot.lines.map(({ kind }) => kind))).toEqual(
      new Set(['header', 'link', 'trailer']),
    );
    expectSound(slot, verdicts);
  });

  test('of a mend, which puts right and takes damaged data away', async () => {
    const { slot, verdicts } = await run('mend', cli, planMend, FAULTS, whenOver());
    expect(new Set(slot.lines.map(({ kind }) => kind))).toEqual(
      new Set(['header', ...MEND_KINDS, 'trailer']),
    );
    expectSound(slot, verdicts);
  });

  test('a killed undo leaves a temporary file, and its rerun replaces it', async () => {
    const make = (root: string): void => void makeEveryAction(root);
    const slot = await openSlot({ cli, shim, make, prepare: planUndo });
    try {
      const at = slot.calls.findIndex((call) => call.startsWith('rename')) + 1;
      const left: string[] = [];
      const look = (): void => {
        const isTemporary = (path: string): boolean => /\/link\.[^/]+\.tmp$/.test(path);
        left.push(...[...captureTree(slot.base).keys()].filter(isTemporary));
      };
      const verdict = await tryFault(slot, { fault: 'kill-before', at, after: look });
      expect(left).toHaveLength(1);
      look();
      expect(left).toHaveLength(1);
      expect(verdict).toMatchObject({ violations: [], again: 'exit 0', unlike: [] });
    } finally {
      closeSlot(slot);
    }
  });

  describe('the same test catches', () => {
    let folder = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'regsweep-mutant-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    test.each(MUTANTS)('$title', async ({ title, edits, faults }) => {
      const program = await cliOf(
        await makeMutant(join(folder, title.replaceAll(' ', '-')), edits),
      );
      const { verdicts } = await run(`mutant: ${title}`, program, planAll, faults, isCaught);
      expect(isCaught(verdicts)).toBe(true);
    });
  });
});

const MUTANTS: { title: string; faults: readonly Fault[]; edits: readonly Edit[] }[] = [
  {
    title: 'blobs before links',
    faults: ['kill-after'],
    edits: [
      ['sweep/phases.js', /return \[(?=\s*\{\s*name: 'uploads')/, 'return blobsFirst(['],
      ['sweep/phases.js', /\];\s*\}\s*(?=\/\/# |$)/, ']);\n}\n'],
      [
        'sweep/phases.js',
        'export function phasesOf',
        `function blobsFirst(phases) {
          const isBlobs = ({ name }) => name === 'blobs';
          return [...phases.filter(isBlobs), ...phases.filter((phase) => !isBlobs(phase))];
        }
        export function phasesOf`,
      ],
      // The look before the blobs would refuse: they are in use then.
      ['sweep/sweep.js', /await checkBlobs\(/, 'void (() => {})('],
    ],
  },
  {
    title: 'an error that does not stop it',
    faults: ['fail'],
    edits: [
      [
        'sweep/hand.js',
        /if \(error instanceof AppError\)\s*throw error;/,
        "if (String(error.code) === 'EIO') return undefined;",
      ],
    ],
  },
];

/** Removes links alone, and returns the plan that puts them back. */
async function planUndo(place: Place): Promise<string> {
  const plan = await planAll(place);
  const undo = join(place.folder, 'undo');
  const flags = ['--yes', '--registry-stopped', '--links-only', '--undo', undo];
  place.cli.mustSucceed(await place.cli.regsweep(['sweep', plan, ...flags]));
  return undo;
}

/** Damages the store, and returns the plan that mends it. */
async function planMend({ cli: program, root, folder }: Place): Promise<string> {
  damageEveryAction(root);
  const file = join(folder, 'mend');
  const allow = ['--allow', 'drop-dead-tags', '--allow', 'drop-broken-uploads'];
  const run = await program.regsweep(['check', root, '--hash', ...allow, '-o', file]);
  // Damage was found, as it should be.
  expect(run.code, run.stderr).toBe(3);
  return file;
}

/** Says that it is enough when the time is over. */
function whenOver(): () => boolean {
  const end = performance.now() + SECONDS * 1000;
  return () => performance.now() >= end;
}

function isCaught(verdicts: readonly Verdict[]): boolean {
  return verdicts.some(({ violations }) => violations.length > 0);
}

function expectSound(slot: Slot, verdicts: readonly Verdict[]): void {
  const all = slot.calls.length * FAULTS.length;
  console.log(`${verdicts.length} of ${all} tried`);
  expect(verdicts.length).toBeGreaterThan(0);
  const where = ({ fault, at, call }: Verdict): string => `${fault} ${at}: ${call}`;
  const wrong = (pick: (verdict: Verdict) => readonly string[]): string[] =>
    verdicts.flatMap((verdict) => pick(verdict).map((what) => `${where(verdict)}: ${what}`));
  expect(wrong(({ violations }) => violations)).toEqual([]);
  expect(wrong(({ again }) => (again === 'exit 0' ? [] : [again]))).toEqual([]);
  expect(wrong((verdict) => verdict.unlike)).toEqual([]);
  // A fault is reached each time, and told: EIO is exit 1, and a kill is a kill.
  expect(
    wrong(({ fault, ended }) =>
      ended === (fault === 'fail' ? 'exit 1' : 'SIGKILL') ? [] : [ended],
    ),
  ).toEqual([]);
}
