import { afterEach, describe, expect, it, vi } from 'vitest';
import { Depth } from '../../src/scan/depth.ts';

afterEach(() => vi.restoreAllMocks());

describe('reading in depth', () => {
  it.each([
    ['wait', 0, [2, 4, 6, 6]],
    ['are at work', 1, [2, 2, 2, 2]],
  ])('reads deeper while the processors %s', (_, busy, depths) => {
    let elapsed = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => elapsed);
    vi.spyOn(process, 'cpuUsage').mockImplementation(() => ({
      user: 2 * 600 * 1000 * busy,
      system: 0,
    }));
    const depth = new Depth(2, 6);
    const seen = [];
    for (let i = 0; i < 4; i++) {
      seen.push(depth.now);
      elapsed += 600;
      depth.adapt();
    }
    expect(seen).toEqual(depths);
  });

  it('does not look at what was before the reading', () => {
    let elapsed = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => elapsed);
    vi.spyOn(process, 'cpuUsage').mockImplementation(() => ({ user: 0, system: 0 }));
    const depth = new Depth(2, 6);
    elapsed += 600;
    depth.restart();
    depth.adapt();
    expect(depth.now).toBe(2);
  });
});
