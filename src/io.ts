/** The only access to the outside: clock, sleep, net, processes, files, random. All other code is given an Io, so tests can replace it. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { type Outside, permit } from './base/changes/change.ts';
import { nodeOutside } from './base/changes/outside.ts';
import { type Claimed, end, lookFor, type ProcessIdentity, type Seen, thisProcess } from './base/changes/process-identity.ts';
import {
  childEnvironment,
  endGroup,
  lateText,
  MAX_OUTPUT_BYTES,
  programOf,
  signalGroup,
  tooMuchText,
} from './base/changes/run-program.ts';

export type { Claimed, ProcessIdentity, Seen };

export interface Io extends Outside {
  /** Wall clock, milliseconds since 1970. For people and records only. */
  now(): number;
  /** Monotonic milliseconds. For every duration and deadline. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `act` every `ms` until the returned function is called; does not keep the process alive. */
  every(ms: number, act: () => void): () => void;
  /** 12 hex digits. */
  randomId(): string;
  env(name: string): string | undefined;
  self(): ProcessIdentity;
  /** Whether exactly the process of this claim is there. */
  lookFor(claimed: Claimed): Seen;
  /** Runs `argv` as `run` does and kills its whole group with SIGKILL after `ms`; true if it had ended before. Rejects if it cannot start. */
  runUntilKilled(argv: readonly string[], ms: number, input: string): Promise<boolean>;
  /** Sends SIGKILL to exactly this process and waits until it is gone. */
  end(claimed: Claimed): Promise<Exclude<Seen, { is: 'running' }>>;
}

/** The real outside. HTTP, sockets and secrets work exactly as in break-glass. */
export const nodeIo: Io = {
  ...nodeOutside,
  run,
  runUntilKilled,
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
  every: (ms, act) => {
    const timer = setInterval(act, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  randomId: () => randomBytes(6).toString('hex'),
  env: (name) => process.env[name],
  self: thisProcess,
  lookFor,
  end,
};

/**
 * Runs a program without a shell, with the same few environment variables as break-glass, in its own process group. After the
 * deadline the group gets SIGTERM, half a second later SIGKILL, and the pipes are closed. Rejects if the program cannot be
 * started, is killed, or prints more than 1 MiB.
 */
async function run(...[argv, timeoutMs, allowed, input]: Parameters<Outside['run']>): ReturnType<Outside['run']> {
  const { program, args } = programOf(argv);
  const { execa } = await import('execa');
  permit(allowed);
  const env = childEnvironment(process.env);
  const options = { env, extendEnv: false, reject: false, detached: true, maxBuffer: MAX_OUTPUT_BYTES } as const;
  const given = input === undefined ? { stdin: 'ignore' as const } : { input };
  const child = execa(program, args, { ...options, ...given, stripFinalNewline: false });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, timeoutMs);
  const { exitCode, stdout, stderr, isMaxBuffer, shortMessage } = await child.finally(() => clearTimeout(timer));
  if (late) throw new Error(lateText(program, timeoutMs));
  if (isMaxBuffer) {
    endGroup(child);
    throw new Error(tooMuchText(program));
  }
  if (exitCode === undefined) throw new Error(`${program} cannot be run or was killed: ${shortMessage ?? 'no reason given'}`);
  return { exitCode, stdout, stderr };
}

function runUntilKilled(argv: readonly string[], ms: number, input: string): Promise<boolean> {
  const { program, args } = programOf(argv);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      detached: true,
      env: childEnvironment(process.env),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.on('error', () => undefined).end(input);
    const timer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), ms);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${program} cannot be run: ${error.message}`));
    });
    child.on('close', (_exitCode, signal) => {
      clearTimeout(timer);
      resolve(signal !== 'SIGKILL');
    });
  });
}
