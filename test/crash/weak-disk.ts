/**
 * A disk that keeps as little as POSIX lets it (after ALICE, OSDI 2014): a file's unsynced bytes may be lost, torn or zeros, a
 * folder's unsynced names may be there or not in any subset, and nothing orders one file against another. It records what a run
 * does and lists every state that a crash at any moment may leave. Must never list a state that a flush rules out.
 */
import type { Fs } from '../../src/base/durable/fs.ts';
import { memoryDisk } from '../simulator/memory-disk.ts';

type Step =
  | { readonly do: 'data'; readonly ino: number; readonly before: Buffer; readonly after: Buffer }
  | { readonly do: 'flush'; readonly ino: number }
  | { readonly do: 'names'; readonly dir: string; readonly names: readonly Naming[] }
  | { readonly do: 'ack'; readonly words: readonly string[] };

/** A name that now means this file or folder, or nothing. */
interface Naming {
  readonly path: string;
  readonly ino: number | undefined;
}

export interface Recording {
  readonly fs: Fs;
  /** What a crash from here on must not lose. */
  acknowledge(...words: readonly (string | number)[]): void;
  /** Every state that a crash may leave, each once, with what was acknowledged by then. */
  crashes(): Generator<Crash>;
}

export interface Crash {
  readonly fs: Fs;
  readonly acked: readonly (readonly string[])[];
  /** After how many steps. */
  readonly at: number;
}

/** The same disk as an object whose calls can be replaced one by one. */
function plain(disk: Fs): Fs {
  const names = [...Object.keys(disk), ...Object.getOwnPropertyNames(Object.getPrototypeOf(disk))] as (keyof Fs)[];
  const calls = names.map((name) => [
    name,
    typeof disk[name] === 'function' ? (disk[name] as () => unknown).bind(disk) : disk[name],
  ]);
  return Object.fromEntries(calls) as Fs;
}

const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/'));

/** A disk on which `prepare` was done and is safe; everything after it is recorded. */
export function recordingDisk(prepare: (fs: Fs) => void): Recording {
  let clock = 1;
  const disk = plain(
    memoryDisk(() => {
      clock += 1;
      return clock;
    }),
  );
  prepare(disk);
  const start = imageOf(disk);
  const steps: Step[] = [];
  const opened = new Map<number, string>();
  const folders = new Map<number, string>([...start.names].flatMap(([path, ino]) => (start.data.has(ino) ? [] : [[ino, path]])));
  const inodeAt = (path: string) => disk.statSync(path).ino;
  const bytesAt = (fd: number) => {
    const { size } = disk.fstatSync(fd);
    const bytes = Buffer.alloc(size);
    disk.readSync(fd, bytes, 0, size, 0);
    return bytes;
  };
  const named = (dir: string, ...names: Naming[]) => steps.push({ do: 'names', dir, names });
  const withData = <T>(fd: number, change: () => T): T => {
    const [ino, before] = [disk.fstatSync(fd).ino, bytesAt(fd)];
    const result = change();
    steps.push({ do: 'data', ino, before, after: bytesAt(fd) });
    return result;
  };
  const fs = {
    ...disk,
    openSync: (path: string, flags: number, mode?: number) => {
      const isNew = !disk.existsSync(path);
      const fd = disk.openSync(path, flags, mode);
      opened.set(fd, path);
      if (isNew) named(folderOf(path), { path, ino: disk.fstatSync(fd).ino });
      return fd;
    },
    writeSync: (fd: number, bytes: Buffer, from: number, length: number) =>
      withData(fd, () => disk.writeSync(fd, bytes, from, length)),
    ftruncateSync: (fd: number, length: number) => withData(fd, () => disk.ftruncateSync(fd, length)),
    fsyncSync: (fd: number) => {
      disk.fsyncSync(fd);
      steps.push({ do: 'flush', ino: disk.fstatSync(fd).ino });
    },
    linkSync: (from: string, to: string) => {
      disk.linkSync(from, to);
      named(folderOf(to), { path: to, ino: inodeAt(to) });
    },
    renameSync: (from: string, to: string) => {
      disk.renameSync(from, to);
      named(folderOf(to), { path: to, ino: inodeAt(to) }, { path: from, ino: undefined });
    },
    unlinkSync: (path: string) => {
      disk.unlinkSync(path);
      named(folderOf(path), { path, ino: undefined });
    },
    mkdirSync: (path: string, options?: { mode?: number }) => {
      disk.mkdirSync(path, options);
      folders.set(inodeAt(path), path);
      named(folderOf(path), { path, ino: inodeAt(path) });
    },
  } as unknown as Fs;
  return {
    fs,
    acknowledge: (...words) => void steps.push({ do: 'ack', words: words.map(String) }),
    crashes: () => crashesOf(start, steps, folders),
  };
}

interface Image {
  readonly names: ReadonlyMap<string, number>;
  readonly data: ReadonlyMap<number, Buffer>;
}

function imageOf(disk: Fs): Image {
  const names = new Map<string, number>();
  const data = new Map<number, Buffer>();
  const walk = (dir: string) => {
    for (const name of disk.readdirSync(dir)) {
      const path = `${dir}/${name}`;
      const stat = disk.statSync(path);
      names.set(path, stat.ino);
      if (stat.isDirectory()) walk(path);
      else data.set(stat.ino, disk.readFileSync(path) as Buffer);
    }
  };
  names.set('', disk.statSync('').ino);
  walk('');
  return { names, data };
}

function* crashesOf(start: Image, steps: readonly Step[], folders: ReadonlyMap<number, string>): Generator<Crash> {
  const seen = new Set<string>();
  for (let at = 0; at <= steps.length; at += 1) {
    const done = steps.slice(0, at);
    const acked = done.flatMap((step) => (step.do === 'ack' ? [step.words] : []));
    for (const names of namesAfter(start, done, folders)) {
      for (const data of dataAfter(start, done, new Set(names.values()))) {
        const key = `${acked.length} ${[...names]
          .map(([path, ino]) => `${path} ${data.get(ino)?.toString('base64') ?? '/'}`)
          .sort()
          .join('\n')}`;
        if (seen.has(key)) continue;
        seen.add(key);
        yield { fs: diskOf(names, data, folders), acked, at };
      }
    }
  }
}

/** Each subset of the changes that their folder did not flush yet, on top of those that it did. */
function* namesAfter(start: Image, done: readonly Step[], folders: ReadonlyMap<number, string>): Generator<Map<string, number>> {
  const flushedAt = new Map<string, number>();
  for (const [at, step] of done.entries()) {
    const dir = step.do === 'flush' ? folders.get(step.ino) : undefined;
    if (dir !== undefined) flushedAt.set(dir, at);
  }
  const namings = done.flatMap((step, at) =>
    step.do === 'names' ? [{ ...step, sure: at < (flushedAt.get(step.dir) ?? -1) }] : [],
  );
  const open = namings.filter(({ sure }) => !sure);
  for (let subset = 0; subset < 2 ** open.length; subset += 1) {
    const names = new Map(start.names);
    for (const naming of namings) {
      if (!naming.sure && (subset & (1 << open.indexOf(naming))) === 0) continue;
      for (const { path, ino } of naming.names) ino === undefined ? names.delete(path) : names.set(path, ino);
    }
    yield names;
  }
}

/** Each way in which the unflushed bytes of each of these files may have reached the disk. */
function* dataAfter(start: Image, done: readonly Step[], wanted: ReadonlySet<number>): Generator<Map<number, Buffer>> {
  const choices = new Map<number, Buffer[]>([...start.data].map(([ino, bytes]) => [ino, [bytes]]));
  for (const step of done) {
    if (step.do === 'data') {
      const before = choices.get(step.ino) ?? [Buffer.alloc(0)];
      choices.set(step.ino, [...before, ...partsOf(step.before, step.after)]);
    }
    // What a flush finds is the last one: that is what was written.
    if (step.do === 'flush') choices.set(step.ino, (choices.get(step.ino) ?? [Buffer.alloc(0)]).slice(-1));
  }
  const files = [...choices].filter(([ino]) => wanted.has(ino));
  const total = files.reduce((product, [, ways]) => product * ways.length, 1);
  for (let number = 0; number < total; number += 1) {
    let rest = number;
    yield new Map(
      files.map(([ino, ways]) => {
        const way = ways[rest % ways.length] as Buffer;
        rest = Math.floor(rest / ways.length);
        return [ino, way] as const;
      }),
    );
  }
}

/** Zeros in its place, its first half, its first half lost, all but its last byte, all of it. */
function partsOf(before: Buffer, after: Buffer): Buffer[] {
  const from = before.length < after.length && after.subarray(0, before.length).equals(before) ? before.length : 0;
  const half = from + Math.floor((after.length - from) / 2);
  const zeros = Buffer.concat([after.subarray(0, from), Buffer.alloc(after.length - from)]);
  const holed = Buffer.concat([after.subarray(0, from), Buffer.alloc(half - from), after.subarray(half)]);
  return [zeros, after.subarray(0, half), holed, after.subarray(0, Math.max(from, after.length - 1)), after];
}

/** A fresh disk that holds exactly this. A name whose folder is not there is not there either. */
function diskOf(names: ReadonlyMap<string, number>, data: ReadonlyMap<number, Buffer>, folders: ReadonlyMap<number, string>): Fs {
  let clock = 1;
  const disk = memoryDisk(() => {
    clock += 1;
    return clock;
  });
  const first = new Map<number, string>();
  for (const [path, ino] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (path === '' || !disk.existsSync(folderOf(path))) continue;
    if (folders.has(ino)) disk.mkdirSync(path, { mode: 0o700 });
    else if (first.has(ino)) disk.linkSync(first.get(ino) as string, path);
    else {
      const fd = disk.openSync(path, disk.constants.O_CREAT | disk.constants.O_WRONLY, 0o600);
      disk.writeSync(fd, data.get(ino) ?? Buffer.alloc(0));
      disk.closeSync(fd);
      first.set(ino, path);
    }
  }
  return disk;
}
