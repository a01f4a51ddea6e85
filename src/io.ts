/** The only door to the outside: clock, sleep, net, processes, files, random. Everything above takes an Io, so tests can lie. */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { type Outside, permit } from './break-glass/changes.ts';
import { nodeOutside } from './break-glass/outside.ts';
import { childEnvironment } from './break-glass/program.ts';

/** Names one process for ever: the pid alone is reused, so the boot and the start time come with it. */
export interface ProcessIdentity {
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  /** Clock ticks since boot, from /proc/<pid>/stat; empty where the system does not say. */
  readonly started: string;
}

export interface Io extends Outside {
  /** Wall clock, milliseconds since 1970. For people and records only. */
  now(): number;
  /** Monotonic milliseconds. For every duration and deadline. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** 12 hex digits. */
  randomId(): string;
  env(name: string): string | undefined;
  self(): ProcessIdentity;
  /** True while exactly this process (not another one with its pid) exists on this host. */
  isRunning(process: ProcessIdentity): boolean;
  /** SIGKILLs exactly this process and waits until it is gone. False when it cannot be ended from here. */
  end(process: ProcessIdentity): Promise<boolean>;
}

const END_MS = 2_000;
const END_POLL_MS = 10;
const GRACE_MS = 500;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** The real outside. HTTP, sockets and secrets are those of break-glass, so that both paths speak alike. */
export const nodeIo: Io = {
  ...nodeOutside,
  run,
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
  randomId: () => randomBytes(6).toString('hex'),
  env: (name) => process.env[name],
  self,
  isRunning,
  end,
};

/**
 * Runs a program without a shell, with the few environment variables that break-glass passes on too, in a process group of its
 * own. Past its deadline the group gets SIGTERM, half a second later SIGKILL, and the pipes are let go. Rejects when it cannot
 * be started, is killed, or prints more than 1 MiB.
 */
async function run(...[argv, timeoutMs, allowed]: Parameters<Outside['run']>): ReturnType<Outside['run']> {
  const [program, ...rest] = argv;
  if (program === undefined || program === '') throw new Error('a program to run has no name');
  if (program.includes('/') && !program.startsWith('/')) throw new Error(`${program} is neither absolute nor a name on PATH`);
  const { execa } = await import('execa');
  permit(allowed);
  const env = childEnvironment(process.env);
  const options = { env, extendEnv: false, stdin: 'ignore', reject: false, detached: true, maxBuffer: MAX_OUTPUT_BYTES } as const;
  const child = execa(program, rest, { ...options, stripFinalNewline: false });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void endGroup(child);
  }, timeoutMs);
  const result = await child.finally(() => clearTimeout(timer));
  if (late) throw new Error(`${program} did not end within ${timeoutMs} ms and was killed`);
  if (result.isMaxBuffer) {
    signalGroup(child.pid, 'SIGKILL');
    throw new Error(`${program} printed more than ${MAX_OUTPUT_BYTES} bytes and was killed`);
  }
  if (result.exitCode === undefined)
    throw new Error(`${program} cannot be run or was killed: ${result.shortMessage ?? 'no reason given'}`);
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

async function endGroup(child: Pick<ChildProcess, 'pid' | 'stdout' | 'stderr'>): Promise<void> {
  signalGroup(child.pid, 'SIGTERM');
  await wait(GRACE_MS);
  signalGroup(child.pid, 'SIGKILL');
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

function self(): ProcessIdentity {
  return { host: hostName(), boot: bootId(), pid: process.pid, started: statOf(process.pid)?.started ?? '' };
}

/** Containers may share a host's name but not its process numbers, so a pid namespace of its own counts as another host. */
function hostName(): string {
  const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';
  try {
    const namespace = readlinkSync('/proc/self/ns/pid');
    return namespace === INITIAL_PID_NAMESPACE ? hostname() : `${hostname()}/${namespace}`;
  } catch {
    return hostname();
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** proc(5): field 3 is the state, field 22 the start time; the name before them may hold spaces and brackets. */
function statOf(pid: number): { state: string; started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function isRunning(one: ProcessIdentity): boolean {
  const here = self();
  if (one.host !== here.host || one.boot !== here.boot) return false;
  // Without /proc nobody can tell a process from a later one with its number: then a number in use counts as running.
  if (here.started === '' || one.started === '') return answersSignal(one.pid);
  const stat = statOf(one.pid);
  return stat !== undefined && stat.started === one.started && stat.state !== 'Z' && stat.state !== 'X';
}

function answersSignal(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function end(one: ProcessIdentity): Promise<boolean> {
  if (one.host !== hostName()) return false;
  if (!isRunning(one)) return true;
  // A number below 2 would be this group, everybody, or init; without a start time it could be an innocent process.
  if (!Number.isSafeInteger(one.pid) || one.pid < 2 || one.pid === process.pid || one.started === '') return false;
  try {
    process.kill(one.pid, 'SIGKILL');
  } catch {
    return !isRunning(one);
  }
  const deadline = performance.now() + END_MS;
  while (isRunning(one) && performance.now() < deadline) await wait(END_POLL_MS);
  return !isRunning(one);
}
