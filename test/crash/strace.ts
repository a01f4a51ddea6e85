/** A program under strace: which of its calls change something outside, and the same run with one of them failing or deadly. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';

/** One call of the main thread that can change a file, a folder, a socket or another process. */
export interface Call {
  readonly name: string;
  /** Among all calls of this name, from 1: how strace counts. */
  readonly nth: number;
  /** As strace prints it. */
  readonly text: string;
}

export interface Ran {
  /** 128 + the number of the signal that ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Where {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Between two of these calls nothing outside changes, and what was said before the first was also said before the second; so
 * whoever dies at each of them, and once at the end, has died everywhere.
 */
const CHANGING = [
  ...['openat', 'write', 'writev', 'pwrite64', 'fsync', 'fdatasync', 'ftruncate', 'link', 'rename', 'unlink', 'mkdir'],
  ...['fchmod', 'fchown', 'utimensat', 'sendto', 'sendmsg', 'kill'],
];
/** A fault may also meet whoever only looks: "cannot look" must not count as "absent". */
const LOOKING = ['read', 'pread64', 'getdents64', 'statx', 'newfstatat', 'close'];
const DEADLINE_MS = 60_000;

/** Runs it to its end and returns the calls that change something below `folder`, on a socket or in another process; `all` also those that look below it. */
export async function trace(
  argv: readonly string[],
  where: Where,
  folder: string,
  which: 'changing' | 'all' = 'changing',
): Promise<{ calls: Call[]; ran: Ran }> {
  const log = `${folder}.strace`;
  const names = which === 'all' ? [...CHANGING, ...LOOKING] : CHANGING;
  const ran = await run(['strace', '-qq', '-y', '-s', '32', '-o', log, '-e', `trace=${names.join(',')}`, ...argv], where);
  const calls = callsIn(readFileSync(log, 'utf8')).filter(
    ({ name, text }) => (which === 'all' && text.includes(folder)) || isOutside(name, text, folder),
  );
  rmSync(log);
  return { calls, ran };
}

function callsIn(log: string): Call[] {
  const counts = new Map<string, number>();
  return log.split('\n').flatMap((text) => {
    const name = /^(\w+)\(/.exec(text)?.[1];
    if (name === undefined) return [];
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    return [{ name, nth, text }];
  });
}

function isOutside(name: string, text: string, folder: string): boolean {
  if (name === 'openat') return text.includes(folder) && /O_CREAT|O_WRONLY|O_RDWR/.test(text);
  // What is said to people, and what is only asked of others, changes nothing.
  const isTalk = /^\w+\([12]</.test(text) || text.includes('"GET /');
  if (LOOKING.includes(name)) return false;
  return name === 'kill' || text.includes(folder) || (text.includes('<socket:') && !isTalk);
}

/** The same run, killed as it enters that call. */
export async function killedAt(call: Call, argv: readonly string[], where: Where): Promise<Ran> {
  return injected(call, 'signal=SIGKILL', argv, where);
}

/** The same run with `fault` at that call: `error=EIO`, or `retval=5` for a call that lies about what it did. */
export async function injected(call: Call, fault: string, argv: readonly string[], where: Where): Promise<Ran> {
  const { name, nth } = call;
  return run(
    ['strace', '-qq', '-o', '/dev/null', '-e', `trace=${name}`, '-e', `inject=${name}:${fault}:when=${nth}`, ...argv],
    where,
  );
}

/** Runs any program to its end, in pipes, with these environment variables alone. */
export function run([program = '', ...args]: readonly string[], { cwd, env }: Where): Promise<Ran> {
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', TZ: 'UTC', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const limit = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      resolve({ exitCode: code ?? (signal === 'SIGKILL' ? 137 : 128), ...said });
    });
  });
}
