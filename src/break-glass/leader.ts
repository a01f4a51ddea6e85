/** Finds the process that leads a rollout of this scope in its ledger, and ends it on this host. Must end only that process. */
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Claimed, end, lookFor, type ProcessIdentity, type Seen, thisProcess } from '../base/changes/process-identity.ts';
import type { Fs } from '../base/durable/fs.ts';
import { READ_ONLY, readAll, withFile } from '../base/durable/open-file.ts';
import { mayBeShared } from '../base/durable/state-dir.ts';
import { shape, text, whole } from '../base/shape.ts';

/** `left`: it may still be there and could not be ended from here. */
export type Leader =
  | { readonly kind: 'none' }
  | { readonly kind: 'gone'; readonly process: ProcessIdentity }
  | { readonly kind: 'ended'; readonly process: ProcessIdentity }
  | { readonly kind: 'left'; readonly process: ProcessIdentity | null; readonly why: string };

const HEAD_BYTES = 64 * 1024;

const TAIL_BYTES = 1024 * 1024;

const processReader = shape(
  { host: text(256), boot: text(64), pid: whole(1, 2 ** 31), started: text(32) },
  { pidNamespace: text(64), uid: whole(-1, 2 ** 32) },
);

/** Ends the leader that the ledger next to `pointerDir` names, if that is certainly a kvdeploy of whoever wrote the claim. Never throws. */
export async function endLeader(pointerDir: string, fs: Fs, machine: Machine): Promise<Leader> {
  let found: Claimed | undefined;
  try {
    found = claimed(join(dirname(pointerDir), 'ledger'), fs);
  } catch (error) {
    return { kind: 'left', process: null, why: `the ledger cannot be read (${(error as Error).message})` };
  }
  if (found === undefined) return { kind: 'none' };
  const { by } = found;
  const seen = machine.lookFor(found);
  if (seen.is === 'gone') return { kind: 'gone', process: by };
  if (seen.is === 'unsure') return { kind: 'left', process: by, why: seen.why };
  if (by.pid === machine.self().pid) return { kind: 'none' };
  const after = await machine.end(found);
  return after.is === 'gone' ? { kind: 'ended', process: by } : { kind: 'left', process: by, why: after.why };
}

/** The newest segment's claim, unless it was released. */
function claimed(ledger: string, fs: Fs): Claimed | undefined {
  if (!fs.existsSync(ledger)) return undefined;
  const numbers = fs.readdirSync(ledger).flatMap((name) => (/^\d{4,12}\.jsonl$/.test(name) ? [Number(name.slice(0, -6))] : []));
  if (numbers.length === 0) return undefined;
  const file = join(ledger, `${String(Math.max(...numbers)).padStart(4, '0')}.jsonl`);
  const { first, last, owner } = firstAndLastLine(file, fs);
  if (eventOf(last).type === 'released') return undefined;
  const { type, claim } = eventOf(first);
  if (type !== 'claimed') throw new Error(`${file} does not begin with a claim`);
  const by = processReader((claim as { by?: unknown } | undefined)?.by, 'claim.by');
  return { by, owner, shared: mayBeShared(ledger, fs) };
}

function eventOf(line: string): { type?: unknown; claim?: unknown } {
  return (JSON.parse(line) as { event?: { type?: unknown; claim?: unknown } }).event ?? {};
}

/** Complete lines only: text after the last newline was never accepted. */
function firstAndLastLine(file: string, fs: Fs): { first: string; last: string; owner: number } {
  return withFile(file, READ_ONLY, fs, (fd) => {
    const { size, uid } = fs.fstatSync(fd);
    const head = readAll(fd, Math.min(size, HEAD_BYTES), fs).toString('utf8');
    const start = Math.max(0, size - TAIL_BYTES);
    const tail = readAll(fd, size - start, fs, start).toString('utf8');
    const whole = tail.slice(0, tail.lastIndexOf('\n'));
    return { first: head.split('\n')[0] ?? '', last: whole.slice(whole.lastIndexOf('\n') + 1), owner: uid };
  });
}

/** The clock and the processes of this machine. Io has all of these functions too, so a simulator can replace both. */
export interface Machine {
  /** Wall clock, milliseconds since 1970. For records only. */
  now(): number;
  /** Monotonic milliseconds. For every duration and deadline. */
  monotonic(): number;
  sleep(ms: number): Promise<void>;
  self(): ProcessIdentity;
  /** Whether exactly the process of this claim is there. */
  lookFor(claimed: Claimed): Seen;
  /** Sends SIGKILL to exactly this process and waits until it is gone. */
  end(claimed: Claimed): Promise<Exclude<Seen, { is: 'running' }>>;
}

export const nodeMachine: Machine = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms) => wait(ms),
  self: thisProcess,
  lookFor,
  end,
};
