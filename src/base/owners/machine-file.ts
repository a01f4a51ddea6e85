/**
 * Reads the machine file: root's, and for other users their own as well. It says what no repository and no state may say of
 * itself: whose state is believed, and what a change may touch. Must never write one, or believe one that others can write.
 */
import { constants, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from '../durable/fs.ts';
import { codeOf, readAll, withFile } from '../durable/open-file.ts';
import { type Env, homeFolder } from './home.ts';
import { type Allowance, type Machine, parseMachine } from './machine-format.ts';
import { judgePath } from './path-owners.ts';

export const MACHINE_FILE = '/etc/kvdeploy/machine.json';

const OWN_FILE = '.config/kvdeploy/machine.json';

const MAX_BYTES = 1024 * 1024;

/** A machine file that is there and does not count. */
export interface BrokenMachine {
  readonly file: string;
  readonly why: string;
  /** What to do about it. */
  readonly fix: string;
}

export interface MachineRead {
  /** What the files say together; without a broken one. */
  readonly machine: Machine;
  /** The files that count. */
  readonly files: readonly string[];
  readonly broken: readonly BrokenMachine[];
}

/** Where this user's own machine file is; undefined for root, who has only /etc, and without a home folder. */
export function ownMachineFile(env: Env, fs: Fs, user = process.geteuid?.() ?? 0): string | undefined {
  const home = user === 0 ? undefined : homeFolder(env, fs, user);
  return home === undefined ? undefined : join(home, OWN_FILE);
}

/** Reads the machine files that count for `user`. Never throws. */
export function readMachine(env: Env, fs: Fs, user = process.geteuid?.() ?? 0): MachineRead {
  const own = ownMachineFile(env, fs, user);
  const tries = [readOne(MACHINE_FILE, 0, fs), own === undefined ? undefined : readOne(own, user, fs)];
  const there = tries.filter((one) => one !== undefined);
  const read = there.filter((one) => 'machine' in one);
  const [one, other] = read.map(({ machine }) => machine);
  return {
    machine: other === undefined ? (one ?? {}) : together(one ?? {}, other),
    files: read.map(({ file }) => file),
    broken: there.filter((one) => 'why' in one),
  };
}

type One = { readonly file: string; readonly machine: Machine } | BrokenMachine;

/** `owner`: 0 for the file of the machine; else the user whose own file it is. */
function readOne(file: string, owner: number, fs: Fs): One | undefined {
  const broken = (why: string, fix: string): One => ({ file, why, fix });
  try {
    const real = fs.realpathSync(file);
    const { stranger } = judgePath(real, { user: owner, owners: [], group: undefined }, fs);
    if (stranger !== undefined) return broken(`${stranger.at}: ${stranger.why}`, ownFix(file, owner));
    // Not O_NOFOLLOW: the path without links was judged.
    const content = withFile(real, constants.O_RDONLY | constants.O_NONBLOCK, fs, (fd) => {
      const stat = fs.fstatSync(fd);
      const problem = fileProblem(stat, owner);
      if (problem !== undefined) throw new Error(problem);
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readAll(fd, stat.size, fs));
    });
    return { file, machine: parseMachine(content) };
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    const isText = code === '';
    return broken((error as Error).message, isText ? textFix(file, owner, error as Error) : ownFix(file, owner));
  }
}

function fileProblem(stat: Stats, owner: number): string | undefined {
  if (!stat.isFile()) return 'it is not a regular file';
  if (stat.size > MAX_BYTES) return `it has more than ${MAX_BYTES} bytes`;
  if (owner !== 0 && (stat.mode & 0o077) !== 0) return 'others can read or write it';
  return undefined;
}

function ownFix(file: string, owner: number): string {
  return owner === 0 ? `As root: chown root: ${file} && chmod 0644 ${file} && chmod 0755 ${dirname(file)}` : `chmod 0600 ${file}`;
}

function textFix(file: string, owner: number, { message }: Error): string {
  return message.startsWith('others can') || message.startsWith('it is not a regular')
    ? ownFix(file, owner)
    : `Correct it: the file is strict JSON, and every key must be known (docs/machine-file.md).`;
}

/** Both files count: what either allows is allowed. Where only one can decide, the file of the machine does. */
function together(one: Machine, other: Machine): Machine {
  return {
    ...other,
    ...one,
    stateOwners: [...(one.stateOwners ?? []), ...(other.stateOwners ?? [])],
    configOwners: [...(one.configOwners ?? []), ...(other.configOwners ?? [])],
    programs: [...(one.programs ?? []), ...(other.programs ?? [])],
    targets: targetsOf(one.targets ?? {}, other.targets ?? {}),
  };
}

type Targets = NonNullable<Machine['targets']>;

function targetsOf(one: Targets, other: Targets): Targets {
  const both = (name: string) => allowed(one[name] ?? {}, other[name] ?? {});
  return Object.fromEntries([...new Set([...Object.keys(one), ...Object.keys(other)])].map((name) => [name, both(name)]));
}

function allowed(one: Allowance, other: Allowance): Allowance {
  return {
    files: [...(one.files ?? []), ...(other.files ?? [])],
    sockets: [...(one.sockets ?? []), ...(other.sockets ?? [])],
    programs: [...(one.programs ?? []), ...(other.programs ?? [])],
    checks: [...(one.checks ?? []), ...(other.checks ?? [])],
    requests: [...(one.requests ?? []), ...(other.requests ?? [])],
  };
}
