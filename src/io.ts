/** The only door to the outside: clock, sleep, net, processes, files, random. Everything above takes an Io, so tests can lie. */
import type { Outside } from './break-glass/changes.ts';

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
