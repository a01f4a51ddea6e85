/** Files put on a simulated disk, and a disk that is watched. Must not know what a disk does with what it is given. */
import { constants } from 'node:fs';
import type { Fs } from '../../src/base/durable/fs.ts';
import { CALLS } from './memory-disk.ts';

/** Makes every missing folder of `path` and writes a file there; all of it lasts. */
export function putFile(disk: Fs, path: string, content: string): void {
  const flush = (dir: string) => {
    const fd = disk.openSync(dir, constants.O_RDONLY);
    disk.fsyncSync(fd);
    disk.closeSync(fd);
  };
  const names = path.split('/').slice(1, -1);
  const folder = names.reduce((above, name) => {
    const dir = `${above}/${name}`;
    if (!disk.existsSync(dir)) disk.mkdirSync(dir, { mode: 0o700 });
    flush(above);
    return dir;
  }, '');
  const fd = disk.openSync(path, constants.O_CREAT | constants.O_WRONLY, 0o600);
  disk.writeSync(fd, Buffer.from(content));
  disk.fsyncSync(fd);
  disk.closeSync(fd);
  flush(folder);
}

type Calls = Record<string, (...given: unknown[]) => unknown>;

/** What stands before and behind every call of a watched disk; what they throw the caller gets. */
export interface Watch {
  readonly before: (call: string, given: readonly unknown[]) => void;
  readonly after: (call: string) => void;
}

class Watched {
  readonly constants = constants;
  readonly disk: Calls;
  readonly watch: Watch;
  constructor(disk: Fs, watch: Watch) {
    this.disk = disk as unknown as Calls;
    this.watch = watch;
  }
}

for (const name of CALLS) {
  (Watched.prototype as unknown as Calls)[name] = function (this: Watched, ...given: unknown[]) {
    this.watch.before(name, given);
    const result = this.disk[name]?.(...given);
    this.watch.after(name);
    return result;
  };
}

/** The same disk, with `before` called ahead of every call and `after` behind it. `before` may shorten what is given. */
export function watched(disk: Fs, before: Watch['before'], after: Watch['after']): Fs {
  return new Watched(disk, { before, after }) as unknown as Fs;
}
