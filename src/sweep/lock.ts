import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { AppError, errnoOf } from '../fs/errors.js';
import type { StateFs } from '../fs/state-fs.js';
import type { StoreRoot } from '../scan/root.js';

export interface Lock {
  release(): void;
}

/**
 * Holds off a second run on the same store: an abstract socket named after the root's device
 * and inode, which needs no disk and goes with the process, and where there is room a file
 * that says who holds it. Two network namespaces do not see each other's sockets, nor two
 * hosts each other's files.
 *
 * @throws AppError `running` when another run holds it.
 */
export async function takeLock(root: StoreRoot, state: StateFs | undefined): Promise<Lock> {
  const name = `regsweep-${root.dev}-${root.ino}`;
  const server = await listen(`\0${name}`);
  const file = `${name}.lock`;
  try {
    const holder = state?.lock(file);
    if (holder !== undefined) {
      throw new AppError(
        'running',
        `another run holds the lock: pid ${holder.pid}, since ${holder.since}`,
        [`wait for it, or, if it is on another host that is gone, remove ${holder.path}`],
      );
    }
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    release() {
      state?.unlock(file);
      server.close();
    },
  };
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => {
      if (errnoOf(error) !== 'EADDRINUSE') {
        reject(error);
        return;
      }
      reject(
        new AppError('running', 'another run of regsweep works on this store', [
          'wait for it to end',
        ]),
      );
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}
