/**
 * Identifies one process by boot, pid namespace, pid and start time, says whether it is there, and ends it. Must never end any other
 * process, and must never call one gone that may still be there.
 */
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { kernel, statOf, strangerProblem } from './proc.ts';

/** Identifies one process permanently: pids are reused, so it includes the boot and the start time. */
export interface ProcessIdentity {
  /** For people. A host can be renamed, and two can have one name, so it decides nothing. */
  readonly host: string;
  /** Empty, like the next ones, if the system does not report it. */
  readonly boot: string;
  /** Absent in claims of earlier versions. */
  readonly pidNamespace?: string | undefined;
  readonly uid?: number | undefined;
  readonly pid: number;
  /** Clock ticks since boot, from /proc/<pid>/stat. */
  readonly started: string;
}

/** What a claim says of its process, and what the file of the claim proves. */
export interface Claimed {
  readonly by: ProcessIdentity;
  /** The user that the file belongs to; null if unknown. */
  readonly owner: number | null;
  /** The file is where other machines may write too, so another boot may be another machine that is still up. */
  readonly shared: boolean;
}

/** `unsure`: it may be there, and can neither be seen nor ended from here. */
export type Seen = { readonly is: 'running' } | { readonly is: 'gone' } | { readonly is: 'unsure'; readonly why: string };

const RUNNING: Seen = { is: 'running' };

const GONE: Seen = { is: 'gone' };

const GONE_WITHIN_MS = 2_000;

const POLL_MS = 10;

const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

export function thisProcess(): ProcessIdentity {
  const { boot, pidNamespace, pidsAreOurs } = kernel();
  const stat = pidsAreOurs ? statOf(process.pid) : 'none';
  const started = typeof stat === 'string' ? '' : stat.started;
  return { host: hostname(), boot, pidNamespace, uid: process.geteuid?.() ?? -1, pid: process.pid, started };
}

/** Earlier versions wrote the namespace behind the host's name, unless it was the first one of the machine. */
function namespaceOf({ host, boot, started, pidNamespace }: ProcessIdentity): string {
  if (pidNamespace !== undefined) return pidNamespace;
  const named = /\/(pid:\[\d+\])$/.exec(host)?.[1];
  return named ?? (boot === '' || started === '' ? '' : INITIAL_PID_NAMESPACE);
}

/** True if both name the same process. */
export function sameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.boot === b.boot && namespaceOf(a) === namespaceOf(b) && a.pid === b.pid && a.started === b.started;
}

/**
 * Whether exactly this process is there: `running` only if everything about it was seen and fits, `gone` only if that is certain.
 * A zombie is gone.
 */
export function lookFor({ by, owner, shared }: Claimed): Seen {
  const here = kernel();
  const unsure = (why: string): Seen => ({ is: 'unsure', why });
  if (by.boot !== '' && here.boot !== '' && by.boot !== here.boot)
    return shared ? unsure('it runs since another boot, or on another machine that shares this file system') : GONE;
  if (!Number.isSafeInteger(by.pid) || by.pid < 1) return unsure(`${by.pid} is not the pid of one process`);
  // Without /proc, and so without pid namespaces, a pid that is free is at least not that process.
  if (process.platform !== 'linux' && by.boot === '') return signalled(by.pid) ? unsure('there is no /proc here') : GONE;
  if (by.boot === '' || here.boot === '') return unsure('there was no /proc to identify it, or there is none here');
  if (namespaceOf(by) !== here.pidNamespace) return unsure('it runs in another pid namespace (container)');
  if (!signalled(by.pid)) return GONE;
  if (!here.pidsAreOurs) return unsure('/proc is not the one of this pid namespace');
  const stat = statOf(by.pid);
  // hidepid shows other users' processes to no one: what cannot be seen is not gone.
  if (stat === 'none') return signalled(by.pid) ? unsure('its pid is in use, but hidden in /proc') : GONE;
  if (stat === 'unreadable' || by.started === '') return unsure('its start time is not known, so the pid may have been reused');
  if (stat.started !== by.started || stat.state === 'Z' || stat.state === 'X') return GONE;
  const problem = strangerProblem(by.pid, owner);
  return problem === undefined ? RUNNING : unsure(problem);
}

/** True if some process has this pid, in the pid namespace of this one. */
function signalled(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Sends SIGKILL to exactly this process and waits until it is gone. Says what is true of it then. */
export async function end(claimed: Claimed): Promise<Exclude<Seen, { is: 'running' }>> {
  const { pid } = claimed.by;
  const left = (why: string) => ({ is: 'unsure', why }) as const;
  const seen = lookFor(claimed);
  if (seen.is !== 'running') return seen;
  if (pid < 2 || pid === process.pid) return left(`pid ${pid} is never ended from here`);
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    return lookFor(claimed).is === 'gone' ? { is: 'gone' } : left(`it cannot be ended from here (${(error as Error).message})`);
  }
  const deadline = performance.now() + GONE_WITHIN_MS;
  for (;;) {
    if (lookFor(claimed).is === 'gone') return { is: 'gone' };
    if (performance.now() > deadline) return left('it is still there after SIGKILL');
    await wait(POLL_MS);
  }
}
