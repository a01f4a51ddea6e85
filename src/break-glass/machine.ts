/** The clock, the waiting and the processes of this machine, as a rescue needs them. Must not reach files or the network. */
import { setTimeout as wait } from 'node:timers/promises';
import { end, isRunning, type ProcessIdentity, thisProcess } from './process-identity.ts';

/** The everyday Io has all of this too, so that a simulator can stand in for both. */
export interface Machine {
  /** Wall clock, milliseconds since 1970. For records only. */
  now(): number;
  /** Monotonic milliseconds. For every duration and deadline. */
  monotonic(): number;
  sleep(ms: number): Promise<void>;
  self(): ProcessIdentity;
  /** True while exactly this process exists on this host, or may exist. */
  isRunning(process: ProcessIdentity): boolean;
  /** SIGKILLs exactly this process and waits until it is gone. False when it cannot be ended from here. */
  end(process: ProcessIdentity): Promise<boolean>;
}

export const nodeMachine: Machine = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms) => wait(ms),
  self: thisProcess,
  isRunning,
  end,
};
