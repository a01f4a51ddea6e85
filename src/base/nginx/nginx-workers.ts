/** The processes of nginx on this host, by /proc: the master, and workers that still serve under an earlier split. Must change nothing. */
import type { Fs } from '../durable/fs.ts';
import type { Unusable } from '../unusable.ts';

export interface Workers {
  /** Why a reload would reach no one. */
  readonly unusable?: Unusable;
  /** Workers that were told to end, and still have clients; null where it cannot be seen. */
  readonly leaving: number | null;
}

const UNSEEN: Workers = { leaving: null };

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
  return { leaving: leaving.length };
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

/** The parent in /proc/PID/stat, whose second field may contain anything in parentheses; null if there is no such process. */
function parentOf(pid: number, fs: Fs): number | null {
  const stat = textOf(`/proc/${pid}/stat`, fs);
  const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
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
