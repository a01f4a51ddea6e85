/** Identifies one process by host, boot, pid and start time, and ends it. Must never end any other process. */
import nodeFs, { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { codeOf, READ_ONLY, readAll, withFile } from '../durable/open-file.ts';

/** Identifies one process permanently: pids are reused, so it includes the boot and the start time. */
export interface ProcessIdentity {
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  /** Clock ticks since boot, from /proc/<pid>/stat; empty if the system does not report it. */
  readonly started: string;
}

const GONE_WITHIN_MS = 2_000;

const POLL_MS = 10;

const MAX_PROC_BYTES = 8192;

const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

export function thisProcess(): ProcessIdentity {
  const stat = statOf(process.pid);
  return { host: hostName(), boot: bootId(), pid: process.pid, started: typeof stat === 'string' ? '' : stat.started };
}

/** Containers may share the host's name but not its pids, so a separate pid namespace counts as another host. */
function hostName(): string {
  try {
    const namespace = readlinkSync('/proc/self/ns/pid');
    return namespace === INITIAL_PID_NAMESPACE ? hostname() : `${hostname()}/${namespace}`;
  } catch {
    return hostname();
  }
}

function bootId(): string {
  try {
    return textOf('/proc/sys/kernel/random/boot_id').trim();
  } catch {
    return '';
  }
}

/** Not node's readFileSync, which aborts the whole process if a close fails (seen on Node 20.20). */
function textOf(path: string): string {
  return withFile(path, READ_ONLY, nodeFs, (fd) => readAll(fd, MAX_PROC_BYTES, nodeFs).toString('utf8'));
}

interface Stat {
  readonly state: string;
  readonly started: string;
}

/** proc(5): field 3 is the state, field 22 the start time; the name before them may contain spaces and brackets. */
function statOf(pid: number): Stat | 'none' | 'unreadable' {
  try {
    const stat = textOf(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch (error) {
    return ['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '') ? 'none' : 'unreadable';
  }
}

/** True if exactly this process (not another one with its pid) exists on this host, or may exist. A zombie does not count. */
export function isRunning(one: ProcessIdentity): boolean {
  return lookFor(one) !== 'gone';
}

function lookFor(one: ProcessIdentity): 'running' | 'gone' | 'unsure' {
  const here = thisProcess();
  const rebooted = one.boot !== here.boot && one.boot !== '' && here.boot !== '';
  if (one.host !== here.host || rebooted) return 'gone';
  const stat = statOf(one.pid);
  // Without /proc a process cannot be told from a later one with the same pid: then a pid in use may be the one.
  if (here.started === '' || one.started === '' || stat === 'unreadable') return answersSignal(one.pid) ? 'unsure' : 'gone';
  return stat !== 'none' && stat.started === one.started && stat.state !== 'Z' && stat.state !== 'X' ? 'running' : 'gone';
}

function answersSignal(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Sends SIGKILL to exactly this process and waits until it is gone. False if it cannot be ended from here. */
export async function end(one: ProcessIdentity): Promise<boolean> {
  if (one.host !== hostName()) return false;
  const seen = lookFor(one);
  if (seen === 'gone') return true;
  // A pid below 2 would mean this group, every process, or init; an unsure one could be an unrelated process.
  if (seen === 'unsure' || !Number.isSafeInteger(one.pid) || one.pid < 2 || one.pid === process.pid) return false;
  try {
    process.kill(one.pid, 'SIGKILL');
  } catch {
    return !isRunning(one);
  }
  const deadline = performance.now() + GONE_WITHIN_MS;
  while (isRunning(one) && performance.now() < deadline) await wait(POLL_MS);
  return !isRunning(one);
}
