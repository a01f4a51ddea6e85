/**
 * The random id of a scope's state, in the folder above its pointer, so that it outlives the pointer: the same in a state that was moved or
 * mounted elsewhere, and in the copies of the pointer.
 */
import { dirname, join } from 'node:path';
import { createWhole, type Modes } from '../durable/durable-file.ts';
import type { Fs } from '../durable/fs.ts';
import { look } from '../durable/open-file.ts';
import { openStateDir, readRegular, whyOf } from '../durable/state-dir.ts';
import type { Scope } from '../scope.ts';

const FILE = 'state-id';

const STATE_ID = /^[0-9a-f]{24,64}$/;

/** The id of the state with this pointer folder; null where it has none. Never throws: `why` says what keeps it from being read. */
export function readStateId(pointerDir: string, fs: Fs): { readonly id: string | null } | { readonly why: string } {
  const dir = dirname(pointerDir);
  const file = join(dir, FILE);
  try {
    if (look(file, fs) === undefined) return { id: null };
    const id = readRegular(dir, FILE, 100, fs).trim();
    return STATE_ID.test(id) ? { id } : { why: `${file} has no state id` };
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
    return gone ? { id: null } : { why: `${file}: ${whyOf(error)}` };
  }
}

/** Gives the scope's folder in `root` the id `wanted`, durably, unless it has one. Returns the one that counts. */
export function placeStateId(root: string, scope: Scope, wanted: string, modes: Modes, fs: Fs): string {
  const dir = openStateDir(root, [scope.tenant, scope.environment, scope.service], fs, modes);
  const before = readStateId(join(dir, 'pointer'), fs);
  if ('why' in before) throw new Error(before.why);
  if (before.id !== null) return before.id;
  createWhole(join(dir, FILE), Buffer.from(`${wanted}\n`), modes, fs);
  const now = readStateId(join(dir, 'pointer'), fs);
  if ('why' in now || now.id === null) throw new Error(`${join(dir, FILE)} was written, but cannot be read back`);
  return now.id;
}

/** What a record can call the state of this pointer folder: its id, and the folder that it lies in. Never throws; never empty. */
export function namesOfState(pointerDir: string, fs: Fs): readonly [string, ...string[]] {
  const read = readStateId(pointerDir, fs);
  const folder = realOf(pointerDir, fs);
  return 'id' in read && read.id !== null ? [read.id, folder] : [folder];
}

function realOf(pointerDir: string, fs: Fs): string {
  try {
    return fs.realpathSync(pointerDir);
  } catch {
    return pointerDir;
  }
}
