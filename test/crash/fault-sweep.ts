/** The fault sweep: one call of a durable write fails or lies; no success may be said that is not there, no error swallowed. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Call, injected, type Ran, run, trace, type Where } from './strace.ts';
import { ackedIn, missing } from './writings.ts';

export const WRITES = ['pointer', 'ledger', 'hold', 'shift', 'place', 'record'] as const;
export type Write = (typeof WRITES)[number];

/** Which errors a call can have; a full disk, say, does not keep anybody from looking. */
const errorsOf = ({ name, text }: Call): readonly string[] => {
  if (name === 'openat' && !/O_CREAT|O_WRONLY|O_RDWR/.test(text)) return ['EIO', 'EMFILE', 'EACCES'];
  if (name === 'openat') return ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'EACCES'];
  if (['read', 'pread64', 'getdents64', 'close'].includes(name)) return ['EIO'];
  if (name === 'socket') return ['EMFILE'];
  if (name === 'connect') return ['EACCES'];
  if (name === 'kill') return ['EPERM'];
  if (['statx', 'newfstatat'].includes(name)) return ['EIO', 'EACCES'];
  return ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'];
};

export interface FaultPoint {
  readonly write: Write;
  readonly call: Call;
  readonly fault: string;
}

const whereIn = (root: string): Where => ({ cwd: root, env: { HOME: root } });

/** What can go wrong with this call: its errors, and for a write a count of bytes that were never written. */
export function faultsOf(call: Call): readonly string[] {
  const { name, text } = call;
  const count = Number(/ = (\d+)$/.exec(text)?.[1] ?? 0);
  const errors = errorsOf(call).map((code) => `error=${code}`);
  return name.includes('write') && count > 5 ? [...errors, 'retval=5', `retval=${count}`] : errors;
}

/** Every call of every write, on a disk where each was made once before, and every fault of it. */
export async function faultPoints(writer: string, writes: readonly Write[] = WRITES): Promise<readonly FaultPoint[]> {
  const points: FaultPoint[] = [];
  for (const write of writes) {
    const root = await freshRoot(writer, write);
    const { calls, ran } = await trace([process.execPath, writer, write, root], whereIn(root), root, 'all');
    if (ran.exitCode !== 0) throw new Error(`${write} fails without a fault: ${ran.stderr}`);
    points.push(...calls.flatMap((call) => faultsOf(call).map((fault) => ({ write, call, fault }))));
  }
  return points;
}

/** A disk on which the write was made once before; a hold is only ever made once. */
async function freshRoot(writer: string, write: Write): Promise<string> {
  const root = join(mkdtempSync(join(dirname(writer), 'root-')), 'disk');
  const prepared = join(dirname(writer), `prepared-${write}`);
  if (!existsSync(prepared)) {
    mkdirSync(prepared);
    const ran = write === 'hold' ? undefined : await run([process.execPath, writer, write, prepared], whereIn(prepared));
    if (ran !== undefined && ran.exitCode !== 0) throw new Error(`${write} fails: ${ran.stderr}`);
  }
  cpSync(prepared, root, { recursive: true });
  return root;
}

/** Returns what went wrong, or undefined. */
export async function tryFault(writer: string, point: FaultPoint): Promise<string | undefined> {
  const root = await freshRoot(writer, point.write);
  const argv = [process.execPath, writer, point.write, root];
  const ran = await injected(point.call, point.fault, argv, whereIn(root));
  const acked = ackedIn(ran.stdout);
  const faults = [...(await missing(acked, root)), ...soundOf(ran)];
  const next = await run(argv, whereIn(root));
  if (next.exitCode !== 0) faults.push(`the next writer fails: ${next.stderr}`);
  faults.push(
    ...(await missing(
      [...acked, ...ackedIn(next.stdout)].filter(([kind]) => kind !== 'shift'),
      root,
    )),
  );
  rmSync(join(root, '..'), { recursive: true });
  if (faults.length === 0) return undefined;
  return `${point.write}, ${point.fault} at ${point.call.text}: ${faults.join('; ')}\n${ran.stdout}${ran.stderr}`;
}

/** Either everything was acknowledged, or it is said what was not, and the exit code is not 0. */
function soundOf({ exitCode, stdout, stderr }: Ran): readonly string[] {
  if (exitCode === 0) return stdout.includes('acked') ? [] : ['exit 0, and nothing was acknowledged'];
  return stderr.trim().length > 5 ? [] : [`exit ${exitCode} without a word`];
}

/** Tries all points, `lanes` at a time; returns every fault. */
export async function sweep<P>(points: readonly P[], lanes: number, attempt: (point: P) => Promise<string | undefined>) {
  const left = [...points];
  const faults: string[] = [];
  const work = async () => {
    for (let point = left.shift(); point !== undefined; point = left.shift()) {
      const fault = await attempt(point);
      if (fault !== undefined) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  return faults;
}
