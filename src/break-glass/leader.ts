/** The process that leads a rollout of this scope, found in its ledger and ended on this host. Must end exactly that one. */
import { constants } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Fs } from './changes.ts';
import { shape, text, whole } from './shape.ts';

/** The part of a claim that names its process for ever: a pid alone is reused. */
export interface LeaderProcess {
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  readonly started: string;
}

/** `left`: it may still be there and could not be ended from here. */
export type Leader =
  | { readonly kind: 'none' }
  | { readonly kind: 'gone'; readonly process: LeaderProcess }
  | { readonly kind: 'ended'; readonly process: LeaderProcess }
  | { readonly kind: 'left'; readonly process: LeaderProcess | null; readonly why: string };

const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 1024 * 1024;
const GONE_WITHIN_MS = 2000;

const processReader = shape({ host: text(256), boot: text(64), pid: whole(2, 2 ** 31), started: text(32) }, {});

/** Ends the leader that the ledger beside `pointerDir` names, where it runs on this host and boot. Never throws. */
export async function endLeader(pointerDir: string, fs: Fs): Promise<Leader> {
  let found: LeaderProcess | undefined;
  try {
    found = claimed(join(dirname(pointerDir), 'ledger'), fs);
  } catch (error) {
    return { kind: 'left', process: null, why: `the ledger cannot be read (${(error as Error).message})` };
  }
  if (found === undefined || found.pid === process.pid) return { kind: 'none' };
  if (found.host !== hostname()) return { kind: 'left', process: found, why: `it runs on ${found.host}, not on this host` };
  if (found.started === '')
    return { kind: 'left', process: found, why: 'its claim does not say when it started, so its pid may be reused' };
  if (found.boot !== bootId(fs) || !isRunning(found, fs)) return { kind: 'gone', process: found };
  return end(found, fs);
}

/** The process of the newest segment's claim, unless the segment says that it was released. */
function claimed(ledger: string, fs: Fs): LeaderProcess | undefined {
  if (!fs.existsSync(ledger)) return undefined;
  const numbers = fs.readdirSync(ledger).flatMap((name) => (/^\d{4,12}\.jsonl$/.test(name) ? [Number(name.slice(0, -6))] : []));
  if (numbers.length === 0) return undefined;
  const file = join(ledger, `${String(Math.max(...numbers)).padStart(4, '0')}.jsonl`);
  const { first, last } = firstAndLastLine(file, fs);
  if (eventOf(last).type === 'released') return undefined;
  const { type, claim } = eventOf(first);
  if (type !== 'claimed') throw new Error(`${file} does not begin with a claim`);
  return processReader((claim as { by?: unknown } | undefined)?.by, 'claim.by');
}

function eventOf(line: string): { type?: unknown; claim?: unknown } {
  return (JSON.parse(line) as { event?: { type?: unknown; claim?: unknown } }).event ?? {};
}

/** Whole lines only: what follows the last newline was never accepted. */
function firstAndLastLine(file: string, fs: Fs): { first: string; last: string } {
  const fd = fs.openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fs.fstatSync(fd);
    const head = readAt(fd, 0, Math.min(size, HEAD_BYTES), fs);
    const start = Math.max(0, size - TAIL_BYTES);
    const tail = readAt(fd, start, size - start, fs);
    const whole = tail.slice(0, tail.lastIndexOf('\n'));
    return { first: head.split('\n')[0] ?? '', last: whole.slice(whole.lastIndexOf('\n') + 1) };
  } finally {
    fs.closeSync(fd);
  }
}

function readAt(fd: number, position: number, length: number, fs: Fs): string {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, fs.readSync(fd, buffer, 0, length, position)).toString('utf8');
}

function bootId(fs: Fs): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** True while exactly this process runs: field 22 of proc_pid_stat(5) is its start; a zombie runs no more. */
function isRunning(leader: LeaderProcess, fs: Fs): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${leader.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[19] === leader.started && fields[0] !== 'Z' && fields[0] !== 'X';
  } catch {
    return false;
  }
}

async function end(leader: LeaderProcess, fs: Fs): Promise<Leader> {
  try {
    process.kill(leader.pid, 'SIGKILL');
  } catch (error) {
    if (!isRunning(leader, fs)) return { kind: 'gone', process: leader };
    return { kind: 'left', process: leader, why: `it cannot be ended from here (${(error as NodeJS.ErrnoException).code})` };
  }
  const until = performance.now() + GONE_WITHIN_MS;
  while (performance.now() < until) {
    if (!isRunning(leader, fs)) return { kind: 'ended', process: leader };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { kind: 'left', process: leader, why: `it did not end within ${GONE_WITHIN_MS} ms of SIGKILL` };
}
