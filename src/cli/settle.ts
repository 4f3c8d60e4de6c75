import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Lets the process end. On Node 20 and 22 an optimizing compiler thread that runs out of heap
 * waits for the main thread to collect garbage, while the main thread, at its end, waits for
 * the compiler: for ever (nodejs/node#54918; seen in one run of some hundred under load). After
 * a collection there is room, and code that is not compiled yet stays so.
 */
export function settleHeap(): void {
  setFlagsFromString('--no-opt');
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') Reflect.apply(collect, undefined, []);
}
