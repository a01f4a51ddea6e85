/** What /proc says of processes, and whether it can be believed: it must be procfs, and that of our own pid namespace. Reads only. */
import nodeFs, { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { codeOf, READ_ONLY, readAll, withFile } from '../durable/open-file.ts';

const MAX_PROC_BYTES = 64 * 1024;

/** Magic number of procfs, statfs(2). */
const PROCFS = 0x9fa0;

/** What this process is, as far as the kernel tells. */
export interface Kernel {
  /** Of this boot; empty where it cannot be read. */
  readonly boot: string;
  /** `pid:[4026531836]`; empty where it cannot be read. */
  readonly pidNamespace: string;
  /** Its pids are the pids that signals from here go to: in a container that sees the host's /proc they are not. */
  readonly pidsAreOurs: boolean;
}

const NOTHING: Kernel = { boot: '', pidNamespace: '', pidsAreOurs: false };

export function kernel(): Kernel {
  try {
    // Anything can lie in a folder that is called /proc.
    if (Number(nodeFs.statfsSync('/proc').type) >>> 0 !== PROCFS) return NOTHING;
    const boot = textOf('/proc/sys/kernel/random/boot_id').trim();
    const pidNamespace = readlinkSync('/proc/self/ns/pid');
    // proc(5): our pid in the namespace of this procfs first, then in each one below it, down to our own.
    const pids = fieldOf(textOf('/proc/self/status'), 'NSpid');
    return { boot, pidNamespace, pidsAreOurs: pids.length === 1 && pids[0] === String(process.pid) };
  } catch {
    return NOTHING;
  }
}

/** Not node's readFileSync, which aborts the whole process if a close fails (seen on Node 20.20). */
function textOf(path: string): string {
  return withFile(path, READ_ONLY, nodeFs, (fd) => readAll(fd, MAX_PROC_BYTES, nodeFs).toString('utf8'));
}

function fieldOf(status: string, name: string): string[] {
  const line = status.split('\n').find((text) => text.startsWith(`${name}:`)) ?? '';
  return line.split(/\s+/).slice(1).filter(Boolean);
}

export interface Stat {
  readonly state: string;
  readonly started: string;
}

/** proc(5): field 3 is the state, field 22 the start time; the name before them may contain spaces and brackets. */
export function statOf(pid: number): Stat | 'none' | 'unreadable' {
  try {
    const stat = textOf(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch (error) {
    return ['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '') ? 'none' : 'unreadable';
  }
}

/** Why the process is not one of kvdeploy that `owner` runs, or undefined. What cannot be seen speaks against it. */
export function strangerProblem(pid: number, owner: number | null): string | undefined {
  try {
    const uids = fieldOf(textOf(`/proc/${pid}/status`), 'Uid');
    if (owner === null || uids.length !== 4 || uids.some((uid) => uid !== String(owner)))
      return `it runs as user ${uids[0] ?? 'unknown'}, and the claim was written by user ${owner ?? 'unknown'}`;
    const program = basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '');
    const argv = textOf(`/proc/${pid}/cmdline`).split('\0');
    return runsNode(program) && isKvdeploy(argv) ? undefined : `it is not kvdeploy, but ${program || 'unknown'}`;
  } catch (error) {
    return `what it runs cannot be seen (${(error as Error).message})`;
  }
}

function runsNode(program: string): boolean {
  return /^node(js)?[\d.-]*$/.test(program) || program === basename(process.execPath);
}

/** Options of node that have their value in the next word. */
const WITH_VALUE = new Set([
  '-r',
  '--require',
  '--import',
  '--loader',
  '--experimental-loader',
  '-C',
  '--conditions',
  '--env-file',
]);

/** True where the script that node runs is kvdeploy's: a word somewhere else proves nothing. */
function isKvdeploy(argv: readonly string[]): boolean {
  let at = 1;
  while (argv[at]?.startsWith('-') === true) at += WITH_VALUE.has(argv[at] ?? '') ? 2 : 1;
  return /^kvdeploy(\.[cm]?js)?$/.test(basename(argv[at] ?? ''));
}
