import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { runMeasured } from './tools.ts';
import type { Tools, Usage } from './tools.ts';

/** A command that is measured beside others. */
export interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  readonly runs: number;
  /** Is given the standard output of every run; throws when it is not what it should be. */
  readonly check?: (output: string) => void;
}

export interface Measured {
  readonly name: string;
  readonly runs: readonly Usage[];
  /** The run that took least by the clock. */
  readonly best: Usage;
  /** What the best run printed, where the contestant has a check. */
  readonly output: string;
}

/**
 * Runs the contestants in turn, so that what else the machine does hits all of them alike.
 * `before` is called before each run.
 */
export function race(
  tools: Tools,
  contestants: readonly Contestant[],
  before: () => void = () => undefined,
): Measured[] {
  const found = contestants.map(() => ({ runs: [] as Usage[], output: '' }));
  const rounds = Math.max(0, ...contestants.map(({ runs }) => runs));
  for (let round = 0; round < rounds; round++) {
    contestants.forEach(({ name, command, runs, check }, i) => {
      const into = found[i];
      if (into === undefined || round >= runs) return;
      tell(`${name} (${round + 1}/${runs})`);
      before();
      const { usage, output } = runMeasured(tools, command, check !== undefined);
      check?.(output);
      into.runs.push(usage);
      if (bestOf(into.runs) === usage) into.output = output;
    });
  }
  tell('');
  return contestants.map(({ name }, i) => {
    const { runs = [], output = '' } = found[i] ?? {};
    return { name, runs, best: bestOf(runs), output };
  });
}

function bestOf(runs: readonly Usage[]): Usage {
  return runs.reduce((best, usage) => (usage.wall < best.wall ? usage : best));
}

/** Says what runs now: on a terminal in one line, elsewhere a line each. */
export function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}

/** Empties the page cache and the caches of inodes and names; only root may. */
export function dropCaches(): void {
  spawnSync('sync');
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}
