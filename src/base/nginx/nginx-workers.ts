/** The processes of nginx on this host, by /proc: the master, and workers that still serve under an earlier split. Must change nothing. */
import type { Fs } from '../durable/fs.ts';
import type { Unusable } from '../unusable.ts';

export interface Workers {
  /** Why a reload would reach no one. */
  readonly unusable?: Unusable;
  /** What could not be seen, and so may be otherwise. */
  readonly doubt?: string;
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
  const stranger = answered.find((pid) => !titleOf(pid, fs).startsWith('nginx: worker'));
  if (answered.length === 0) return unseen('the probe does not say which process answers (pid)');
  if (stranger !== undefined)
    return unseen(
      `process ${stranger}, which answers the probe, is no worker that can be seen here (a container, or a cache before it?)`,
    );
  const orphans = answered.filter((pid) => !isMaster(parentOf(pid, fs), fs));
  const all = processes(fs);
  if (orphans.length > 0) return { ...UNSEEN, unusable: orphaned([...orphans, ...siblingsOf(orphans, all, fs)]) };
  const masters = [...new Set(answered.map((pid) => parentOf(pid, fs) ?? 0))].sort((a, b) => a - b);
  const [master = 0] = masters;
  const children = all.filter((pid) => parentOf(pid, fs) === master);
  const related = [parentOf(master, fs) ?? 0, ...masters, ...children];
  const rivals = [...new Set(related.filter((pid) => isMaster(pid, fs)))];
  if (rivals.length > 1) return { ...UNSEEN, unusable: twoMasters(rivals) };
  const told = Number(textOf(pidFile, fs)?.trim() ?? 0);
  if (Number.isSafeInteger(told) && told > 0 && told !== master)
    return { ...UNSEEN, unusable: otherMaster(pidFile, told, master) };
  const leaving = children.filter((pid) => titleOf(pid, fs).includes('shutting down'));
  const uptimeMs = 1000 * Number(textOf('/proc/uptime', fs)?.split(' ')[0] ?? Number.NaN);
  const ages = children.map((pid) => uptimeMs - TICK_MS * Number(fieldOf(pid, STARTED, fs))).filter(Number.isFinite);
  return {
    leaving: leaving.length,
    youngestMs: ages.length === 0 ? null : Math.max(0, Math.min(...ages)),
    ...(told === master
      ? {}
      : { doubt: `${pidFile} names no process, so that it is not known whether a reload reaches this nginx` }),
  };
}

function unseen(why: string): Workers {
  return { ...UNSEEN, doubt: `whether old workers of nginx still serve cannot be seen: ${why}` };
}

const isMaster = (pid: number | null, fs: Fs) => pid !== null && titleOf(pid, fs).startsWith('nginx: master');

function orphaned(pids: readonly number[]): Unusable {
  const all = [...new Set(pids)].join(' ');
  return {
    why: `the master process of nginx is gone, and its workers (${all}) go on with the split that they have: a reload reaches no one`,
    cure: `End the workers, then start nginx again; until then the port is taken: kill -QUIT ${all}`,
  };
}

/** What to do where `nginx -s reload` said that its master is gone; empty if it said another thing. For whoever has nothing but that answer. */
export function withoutMaster(stderr: string, fs: Fs): string {
  if (!/kill\(\d+, 1\) failed \(3: No such process\)|invalid PID number/.test(stderr)) return '';
  const all = processes(fs);
  const orphans = all.filter((pid) => titleOf(pid, fs).startsWith('nginx: worker') && !isMaster(parentOf(pid, fs), fs));
  if (orphans.length === 0) return '; nginx does not run: start it';
  return `; the master process of nginx is gone, and workers go on with the split that they have: end them, then start nginx: kill -QUIT ${orphans.join(' ')}`;
}

/** Workers of the same dead master that did not happen to answer: a process group is kept when the parent dies. */
function siblingsOf(orphans: readonly number[], all: readonly number[], fs: Fs): readonly number[] {
  const groups = new Set(orphans.map((pid) => fieldOf(pid, GROUP, fs)));
  const isOne = (pid: number) => groups.has(fieldOf(pid, GROUP, fs)) && !isMaster(parentOf(pid, fs), fs);
  return all.filter((pid) => isOne(pid) && titleOf(pid, fs).startsWith('nginx: worker'));
}

function twoMasters(pids: readonly number[]): Unusable {
  return {
    why: `nginx has several master processes (${pids.join(' ')}), as in an upgrade of its binary that was not finished: a reload reaches one of them`,
    cure: `Finish the upgrade, by ending the old one, or else the new one: kill -QUIT ${pids.join(' or ')}`,
  };
}

function otherMaster(pidFile: string, told: number, master: number): Unusable {
  return {
    why: `${pidFile} names ${told}, but the workers that answer belong to ${master}: a reload would reach another nginx`,
    cure: 'Give `pid` and `probe` of the same nginx in the config.',
  };
}

/** Fields of /proc/PID/stat after the name, by proc(5): 4, 5 and 22 of all. */
const [PARENT, GROUP, STARTED] = [1, 2, 19];

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

function processes(fs: Fs): readonly number[] {
  try {
    return fs
      .readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
