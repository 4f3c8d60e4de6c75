import { memfs } from 'memfs';
import { expect, it } from 'vitest';
import { makeReadFs } from '../../src/fs/node-fs.ts';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { mountsBelow, readMounts } from '../../src/scan/mounts.ts';
import type { FsLike } from '../support/store.ts';
import { asNodeFs } from '../support/survey.ts';

/** What a read of a file below /proc gives at most. */
const PAGE = 4096;

function inPages(fs: ReadFs): ReadFs {
  return {
    ...fs,
    read: (path, buffer) => fs.read(path, buffer.subarray(0, PAGE)),
    readParts: (path, buffer, each) => fs.readParts(path, buffer.subarray(0, PAGE), each),
  };
}

it('mounts are read to the last, however many pages they fill', () => {
  const fs = memfs().fs as unknown as FsLike;
  const lines = Array.from(
    { length: 500 },
    (_, n) => `${n} 1 0:${n} / /mnt/${n} rw - tmpfs none rw`,
  );
  lines.push('500 1 8:1 /x /srv/v2/repositories/the\\040team rw shared:1 - ext4 /dev/sda1 rw');
  fs.mkdirSync('/proc/self', { recursive: true });
  fs.writeFileSync('/proc/self/mountinfo', `${lines.join('\n')}\n`);
  const mounts = readMounts(inPages(makeReadFs(asNodeFs(fs))));
  expect(mounts).toHaveLength(501);
  expect(mountsBelow(mounts, '/srv/v2').map(({ point }) => point)).toEqual([
    '/srv/v2/repositories/the team',
  ]);
});

it('where /proc does not tell, there are none', () => {
  const fs = memfs().fs as unknown as FsLike;
  expect(readMounts(makeReadFs(asNodeFs(fs)))).toEqual([]);
});
