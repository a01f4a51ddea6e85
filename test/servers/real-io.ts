/** The real outside for tests of routers and metric sources: sockets, HTTP and files as in production, and the real clock. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { nodeOutside } from '../../src/base/changes/outside.ts';
import type { Io } from '../../src/io.ts';

export const realIo: Io = {
  ...nodeOutside,
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
  every: (ms, act) => {
    const timer = setInterval(act, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  randomId: () => randomBytes(6).toString('hex'),
  env: (name) => process.env[name],
  self: () => ({ host: hostname(), boot: '', pid: process.pid, started: '' }),
  lookFor: () => ({ is: 'unsure', why: 'nothing was looked at' }),
  runUntilKilled: async () => true,
  end: async () => ({ is: 'unsure', why: 'nothing was looked at' }),
};
