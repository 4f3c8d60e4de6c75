/** A small fuzzer: seeds from a corpus, mutations of bytes and of tokens, a clock, and one law. */
import type { Prng } from '../support/prng.ts';

export interface Target {
  readonly name: string;
  /** Inputs that are right, or wrong in one way: what mutations start from. */
  readonly corpus: readonly string[];
  /** Pieces of the grammar, put in anywhere. */
  readonly tokens: readonly string[];
  /** Throws where the law is broken: a crash, or a disagreement with a naive reading. */
  check(input: Buffer): void | Promise<void>;
}

export interface FuzzResult {
  readonly executions: number;
  /** The longest that one input took. */
  readonly slowestMs: number;
  readonly finding: Finding | undefined;
}

export interface Finding {
  readonly input: Buffer;
  readonly error: unknown;
}

/** No input of a few kilobytes may take longer: what does is as good as a hang. */
const PATIENCE_MS = 1_000;
const LONGEST = 16_384;

/** Feeds a target until the time is over or an input is found that breaks it. */
export async function fuzz(target: Target, prng: Prng, budgetMs: number): Promise<FuzzResult> {
  const corpus: Buffer[] = target.corpus.map((text) => Buffer.from(text));
  let executions = 0;
  let slowestMs = 0;
  for (const end = performance.now() + budgetMs; ; executions++) {
    const started = performance.now();
    if (started > end) return { executions, slowestMs, finding: undefined };
    const input =
      executions < corpus.length ? at(corpus, executions) : mutate(corpus, target, prng);
    try {
      const pending = target.check(input);
      if (pending !== undefined) await pending;
    } catch (error) {
      return { executions, slowestMs, finding: { input, error } };
    }
    const took = performance.now() - started;
    slowestMs = Math.max(slowestMs, took);
    if (took > PATIENCE_MS && slowAgain(await timeOf(target, input))) {
      return { executions, slowestMs, finding: { input, error: new Error(`took ${took} ms`) } };
    }
    // Longer and longer chains of mutations: what came out may be where the next one starts.
    if (prng.chance(0.02) && input.length < LONGEST) {
      corpus[target.corpus.length + prng.int(64)] = input;
    }
  }
}

/** Other processes take turns on this machine: only what is slow three times is slow. */
function slowAgain(times: readonly number[]): boolean {
  return times.every((time) => time > PATIENCE_MS);
}

async function timeOf(target: Target, input: Buffer): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < 2; n++) {
    const started = performance.now();
    await target.check(input);
    times.push(performance.now() - started);
  }
  return times;
}

function at(corpus: readonly Buffer[], index: number): Buffer {
  return corpus[index] ?? corpus[0] ?? Buffer.alloc(0);
}

function mutate(corpus: readonly Buffer[], { tokens }: Target, prng: Prng): Buffer {
  let bytes = at(corpus, prng.int(corpus.length));
  for (let n = 1 + prng.int(5); n > 0; n--) bytes = mutateOnce(bytes, corpus, tokens, prng);
  return bytes.subarray(0, LONGEST);
}

function mutateOnce(
  bytes: Buffer,
  corpus: readonly Buffer[],
  tokens: readonly string[],
  prng: Prng,
): Buffer {
  const from = prng.int(bytes.length + 1);
  const to = Math.min(bytes.length, from + prng.int(1 << prng.int(9)));
  const splice = (piece: Uint8Array, end = from): Buffer =>
    Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(end)]);
  switch (prng.int(8)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[prng.int(copy.length)] = prng.int(256);
      return copy;
    }
    case 1:
      return splice(Buffer.alloc(0), to);
    case 2:
      return splice(bytes.subarray(from, to));
    case 3:
      return splice(Buffer.from(prng.pick(tokens)), to);
    case 4:
      return splice(Buffer.from(prng.pick(tokens)));
    case 5: {
      const other = at(corpus, prng.int(corpus.length));
      return splice(other.subarray(prng.int(other.length + 1)), bytes.length);
    }
    case 6:
      return splice(Buffer.from(prng.pick(tokens).repeat(1 + prng.int(200))));
    default:
      return splice(prng.bytes(prng.int(8)));
  }
}
