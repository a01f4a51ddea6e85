/** A file system that lies about some paths: through the same door that the code uses for files. */
import fs, { type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from '../../../src/base/durable/fs.ts';
import { MACHINE_FILE } from '../../../src/base/owners/machine-file.ts';

/** What stands at a path in place of what is really there. */
export interface Lie {
  readonly content?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
}

/** The real file system, but for these files and folders; the content lies in `folder`. */
export function lyingFs(folder: string, lies: Readonly<Record<string, Lie>>): Fs {
  const real = (path: string) => (lies[path]?.content === undefined ? path : join(folder, path.replaceAll('/', '_')));
  for (const [path, { content }] of Object.entries(lies)) if (content !== undefined) fs.writeFileSync(real(path), content);
  const isThere = (path: string) =>
    path in lies || Object.keys(lies).some((one) => dirname(one) === path || one.startsWith(`${path}/`));
  const opened = new Map<number, string>();
  const told = (path: string, stat: Stats | undefined): Stats | undefined => {
    if (stat === undefined) return undefined;
    const { uid = stat.uid, gid = stat.gid, mode } = lies[path] ?? {};
    const lie = { uid, gid, mode: mode === undefined ? stat.mode : (stat.mode & ~0o7777) | mode };
    return new Proxy(stat, {
      get: (one, name) => {
        if (name in lie) return Reflect.get(lie, name);
        const value: unknown = Reflect.get(one, name);
        return typeof value === 'function' ? value.bind(one) : value;
      },
    });
  };
  const placeOf = (path: string) =>
    lies[path]?.content !== undefined ? real(path) : isThere(path) && !fs.existsSync(path) ? folder : path;
  return {
    ...fs,
    realpathSync: Object.assign((path: string) => (isThere(path) ? path : fs.realpathSync(path)), {
      native: fs.realpathSync.native,
    }),
    lstatSync: ((path: string, options?: object) => told(path, fs.lstatSync(placeOf(path), options) as Stats)) as Fs['lstatSync'],
    statSync: ((path: string, options?: object) => told(path, fs.statSync(placeOf(path), options) as Stats)) as Fs['statSync'],
    openSync: (path: string, flags: number, mode?: number) => {
      const fd = fs.openSync(placeOf(String(path)), flags, mode);
      opened.set(fd, String(path));
      return fd;
    },
    fstatSync: ((fd: number) => told(opened.get(fd) ?? '', fs.fstatSync(fd))) as Fs['fstatSync'],
  } as unknown as Fs;
}

/** The real file system of a machine whose machine file says this. */
export function machineFs(folder: string, machine: object): Fs {
  const file = { content: JSON.stringify(machine), uid: 0, gid: 0, mode: 0o644 };
  return lyingFs(folder, { '/etc/kvdeploy': { uid: 0, gid: 0, mode: 0o755 }, [MACHINE_FILE]: file });
}
