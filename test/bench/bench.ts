import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeLooks } from './contestants.ts';
import type { Place } from './contestants.ts';
import { layOutGrowth, measureGrowth } from './growth.ts';
import { measureCold, measureHot, measurePhases, measureStarts } from './sections.ts';
import { cacheFolder, storeOf } from './stores.ts';
import { describeMachine, describeStore, layOut } from './table.ts';
import { compileTools } from './tools.ts';

const USAGE = `usage: npm run bench -- [options]
  --scale N     size of the store; 1 (the default) is 1,000 repositories and 626,000 files
  --store DIR   where it is, or is to be made (default: kept in ${cacheFolder()})
  --runs N      of which the best counts (default: 5 hot, 1 cold; find, du and the reference: 1)
  --quick       without find, du and the reference, which take minutes
  --cold        cold too: as root, with the page cache emptied before each run
  --growth      only how time and memory grow from a quarter to twice the store
  --json FILE   writes all that was measured`;

const HOT_RUNS = 5;
const COLD_RUNS = 1;
/** A start takes so little that more runs are cheap. */
const STARTS_A_RUN = 8;

interface Options {
  readonly scale: number;
  readonly store: string | undefined;
  readonly runs: number | undefined;
  readonly quick: boolean;
  readonly cold: boolean;
  readonly growth: boolean;
  readonly json: string | undefined;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      scale: { type: 'string', default: '1' },
      store: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      cold: { type: 'boolean', default: false },
      growth: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 16)) throw new TypeError(`--scale ${values.scale}: no size`);
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && !(Number.isInteger(runs) && runs > 0)) {
    throw new TypeError(`--runs ${String(values.runs)}: no count`);
  }
  if (values.growth && values.store !== undefined) {
    throw new TypeError('--growth has stores of its own');
  }
  if (values.cold && process.getuid?.() !== 0) {
    throw new TypeError('--cold: only root may empty the page cache');
  }
  const { store, quick, cold, growth, json } = values;
  return { scale, store, runs, quick, cold, growth, json };
}

/** Runs the benchmark of the project at `root`, compiled at `out`; returns the exit code. */
export async function main(root: string, out: string, args: string[]): Promise<number> {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
  const temporary = mkdtempSync(join(tmpdir(), 'regsweep-bench-'));
  try {
    const tools = compileTools(join(root, 'test/bench'), out);
    const place = { root, out, temporary, tools };
    const { text, data } = options.growth
      ? benchGrowth(place, options)
      : await bench(place, options);
    console.log(text);
    const { json } = options;
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(data, undefined, 2)}\n`);
    return 0;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

interface Outcome {
  readonly text: string;
  readonly data: object;
}

async function bench(place: Place, options: Options): Promise<Outcome> {
  const { quick, runs = HOT_RUNS } = options;
  const store = storeOf(options.scale, options.store);
  const looks = writeLooks(place, store);
  const sections = [
    measureHot(place, store, { runs, quick, looks }),
    measurePhases(place, store, runs),
    await measureStarts(place, STARTS_A_RUN * runs),
    ...(options.cold
      ? [measureCold(place, store, { runs: options.runs ?? COLD_RUNS, quick, looks })]
      : []),
  ];
  const machine = describeMachine();
  const head = `${machine}\n${describeStore(store.truth)}\nEach the best of its runs by the clock.\n`;
  return { text: `${head}\n${layOut(sections)}`, data: { machine, store, sections } };
}

function benchGrowth(place: Place, { runs = HOT_RUNS }: Options): Outcome {
  const machine = describeMachine();
  const sizes = measureGrowth(place, runs);
  const head = `${machine}\nplan -m, hot, each the best of ${runs} runs.\n`;
  return { text: `${head}\n${layOutGrowth(sizes)}`, data: { machine, sizes } };
}
