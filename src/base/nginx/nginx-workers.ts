/** The processes of nginx on this host, by /proc: the master, and workers that still serve under an earlier split. Must change nothing. */
import type { Fs } from '../durable/fs.ts';
import type { Unusable } from '../unusable.ts';

export interface Workers {
  /** Why a reload would reach no one. */
  readonly unusable?: Unusable;
  /** Workers that were told to end, and still have clients; null where it cannot be seen. */
  readonly leaving: number | null;
  /** How long ago the newest worker started, milliseconds: after a reload, old ones still accept connections for a moment. Null where it cannot be seen. */
  readonly youngestMs: number | null;
}

const UNSEEN: Workers = { leaving: null, youngestMs: null };

/** Of a clock tick in /proc/PID/stat, on every Linux that Node runs on. */
const TICK_MS = 10;

/** `answered`: the pids of the workers that answered; in another pid namespace they are no one here, and nothing is known. */
export function workersOf(pidFile: string, answered: readonly number[], fs: Fs): Workers {
  // In another pid namespace the same number is another process, or no one.
  if (!answered.every((pid) => titleOf(pid, fs).startsWith('nginx: worker'))) return UNSEEN;
  const masters = new Set(answered.map((pid) => parentOf(pid, fs)));
  const [master, ...more] = masters;
  if (master === undefined || master === null || more.length > 0) return UNSEEN;
  const told = Number(textOf(pidFile, fs)?.trim());
  if (!titleOf(master, fs).startsWith('nginx: master')) return { ...UNSEEN, unusable: orphaned(answered) };
  if (Number.isSafeInteger(told) && told > 0 && told !== master)
    return { ...UNSEEN, unusable: otherMaster(pidFile, told, master) };
  const children = listOf('/proc', fs).filter((name) => /^\d+$/.test(name) && parentOf(Number(name), fs) === master);
  const leaving = children.filter((name) => titleOf(Number(name), fs).includes('shutting down'));
  const uptimeMs = 1000 * Number(textOf('/proc/uptime', fs)?.split(' ')[0] ?? Number.NaN);
  const ages = children.map((name) => uptimeMs - TICK_MS * Number(fieldOf(Number(name), STARTED, fs))).filter(Number.isFinite);
  return { leaving: leaving.length, youngestMs: ages.length === 0 ? null : Math.max(0, Math.min(...ages)) };
}

function orphaned(pids: readonly number[]): Unusable {
  const all = [...new Set(pids)].join(' ');
  return {
    why: `the master process of nginx is gone, and its workers (${all}) go on with the split that they have: a reload reaches no one`,
    cure: `End the workers and start nginx again; until then the port is taken: kill -QUIT ${all}`,
  };
}

function otherMaster(pidFile: string, told: number, master: number): Unusable {
  return {
    why: `${pidFile} names ${told}, but the workers that answer belong to ${master}: a reload would reach another nginx`,
    cure: 'Give `pid` and `probe` of the same nginx in the config.',
  };
}

/** Fields of /proc/PID/stat after the name, by proc(5): 4 and 22 of all. */
const [PARENT, STARTED] = [1, 19];

/** One field; the name before them may contain anything in parentheses. Undefined if there is no such process. */
function fieldOf(pid: number, field: number, fs: Fs): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`, fs);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[field];
}

function parentOf(pid: number, fs: Fs): number | null {
  const parent = fieldOf(pid, PARENT, fs);
  return parent === undefined ? null : Number(parent);
}

function titleOf(pid: number, fs: Fs): string {
  return (textOf(`/proc/${pid}/cmdline`, fs) ?? '').replaceAll('\0', ' ').trim();
}

function textOf(path: string, fs: Fs): string | undefined {
  try {
    return String(fs.readFileSync(path, 'utf8'));
  } catch {
    // It ended, or may not be looked at: unseen.
    return undefined;
  }
}

function listOf(path: string, fs: Fs): readonly string[] {
  try {
    return fs.readdirSync(path);
  } catch {
    return [];
  }
}
