import { afterEach, describe, expect, it, vi } from 'vitest';
import { Depth, inDepth } from '../../src/scan/depth.ts';

afterEach(() => vi.restoreAllMocks());

/** Tasks that end when they are told to, and how many of them were at work at once. */
function tasks(): {
  start: (item: number) => Promise<number>;
  end: () => void;
  most: () => number;
} {
  const open: (() => void)[] = [];
  let most = 0;
  return {
    start: async (item) => {
      await new Promise<void>((resolve) => {
        open.push(resolve);
        most = Math.max(most, open.length);
      });
      return item * 10;
    },
    end: () => open.shift()?.(),
    most: () => most,
  };
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

describe('reading in depth', () => {
  it('runs no more at once than the depth, and answers in order', async () => {
    const { start, end, most } = tasks();
    const results = inDepth([1, 2, 3, 4, 5], new Depth(2, 2), start);
    for (let i = 0; i < 5; i++) {
      await turn();
      end();
    }
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50]);
    expect(most()).toBe(2);
  });

  it('goes on after a task that fails', async () => {
    const results = inDepth([1, 2, 3], new Depth(1, 1), async (item) => {
      await turn();
      if (item === 2) throw new Error('no 2');
      return item;
    });
    expect((await Promise.allSettled(results)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  it.each([
    ['wait', 0, 6],
    ['are at work', 1, 2],
  ])('reads deeper while the processors %s', async (_, busy, deepest) => {
    let elapsed = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => elapsed);
    vi.spyOn(process, 'cpuUsage').mockImplementation(() => ({
      user: 2 * 2000 * 1000 * busy,
      system: 0,
    }));
    const depth = new Depth(2, 6);
    const results = inDepth([1, 2, 3, 4, 5], depth, async (item) => {
      await turn();
      elapsed += 2000;
      return item;
    });
    await Promise.all(results);
    expect(depth.now).toBe(deepest);
  });
});
