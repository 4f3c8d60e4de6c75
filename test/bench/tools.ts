import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What one run of a command cost. */
export interface Usage {
  /** Seconds. */
  readonly wall: number;
  readonly user: number;
  readonly system: number;
  /** The most memory that was resident at once. */
  readonly peakBytes: number;
}

/** The benchmark's programs in C, compiled. */
export interface Tools {
  readonly measure: string;
  readonly floor: string;
}

const MOST_OUTPUT = 64 * 1024 * 1024;

/** Compiles `measure.c` and `floor.c`; without a compiler there is no benchmark. */
export function compileTools(sources: string, into: string): Tools {
  mkdirSync(into, { recursive: true });
  const compile = (name: string): string => {
    const program = join(into, name);
    const source = join(sources, `${name}.c`);
    const args = ['-O2', '-Wall', '-pthread', '-o', program, source];
    const { status, error } = spawnSync('cc', args, { stdio: ['ignore', 2, 2] });
    if (error !== undefined) throw new Error('the benchmark needs cc', { cause: error });
    if (status !== 0) throw new Error(`cc failed on ${source}`);
    return program;
  };
  return { measure: compile('measure'), floor: compile('floor') };
}

/** Runs a command and measures it. Its standard output comes back only where that is asked. */
export function runMeasured(
  { measure }: Tools,
  command: readonly string[],
  wantsOutput: boolean,
): { readonly usage: Usage; readonly output: string } {
  const result = spawnSync(measure, command, {
    stdio: ['ignore', wantsOutput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    maxBuffer: MOST_OUTPUT,
    encoding: 'utf8',
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    const told = result.stderr.slice(-1000);
    throw new Error(
      `${command.join(' ')}: ended with ${result.signal ?? String(result.status)}\n${told}`,
    );
  }
  const usage = JSON.parse(result.output[3] ?? '') as Usage;
  return { usage, output: wantsOutput ? result.stdout : '' };
}

/** Whether a program is on the PATH. */
export function isInstalled(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some(
    (folder) => statSync(join(folder, program), { throwIfNoEntry: false })?.isFile() === true,
  );
}
