/** A program under strace: which of its calls change something outside, and the same run with one of them failing or deadly. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';

/** One call of the main thread that can change a file, a folder, a socket or another process. */
export interface Call {
  readonly name: string;
  /** Among all calls of this name, from 1: how strace counts. */
  readonly nth: number;
  /** The file that it is about, and which it is among the calls of this name that are about it. Null for sockets and processes. */
  readonly file: { readonly path: string; readonly nth: number } | null;
  /** What it says apart from numbers, and which it is among the calls that say the same: how another run knows it again. */
  readonly shape: { readonly text: string; readonly nth: number };
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
const LOOKING = ['read', 'pread64', 'getdents64', 'statx', 'newfstatat', 'close', 'socket', 'connect'];
const DEADLINE_MS = 60_000;
const STRACE = ['strace', '-qq', '-y', '-s', '32'];

/**
 * Runs it to its end and returns the calls that change something below `folder`, on a socket or in another process; `all` also those that look
 * below it, and those whose text matches `besides`.
 */
export async function trace(
  argv: readonly string[],
  where: Where,
  folder: string,
  which: 'changing' | 'all' = 'changing',
  besides?: RegExp,
): Promise<{ calls: Call[]; ran: Ran }> {
  const log = `${folder}.strace`;
  const names = which === 'all' ? [...CHANGING, ...LOOKING] : CHANGING;
  const ran = await run([...STRACE, '-o', log, '-e', `trace=${names.join(',')}`, ...argv], where);
  const calls = callsIn(readFileSync(log, 'utf8')).filter(
    ({ name, text }) =>
      (which === 'all' && (isOwn(text, folder) || besides?.test(text) === true)) || isOutside(name, text, folder),
  );
  rmSync(log);
  return { calls, ran };
}

function callsIn(log: string): Call[] {
  const counts = new Map<string, number>();
  return log.split('\n').flatMap((text) => {
    const name = /^(\w+)\(/.exec(text)?.[1];
    if (name === undefined) return [];
    const next = (what: string) => {
      const nth = (counts.get(what) ?? 0) + 1;
      counts.set(what, nth);
      return nth;
    };
    const path = /["<](\/[^">]*)/.exec(ownPart(text))?.[1];
    const file = path === undefined ? null : { path, nth: next(`${name} ${path}`) };
    const shape = text.replace(/\d+/g, '0');
    return [{ name, nth: next(name), file, shape: { text: shape, nth: next(shape) }, text }];
  });
}

/** It names a path below `folder`. */
export function isOwn(text: string, folder: string): boolean {
  return ownPart(text).includes(folder);
}

/** Without where the program was started, which strace adds to many calls. */
function ownPart(text: string): string {
  return text.replace(/AT_FDCWD<[^>]*>/g, '');
}

function isOutside(name: string, text: string, folder: string): boolean {
  if (name === 'openat') return isOwn(text, folder) && /O_CREAT|O_WRONLY|O_RDWR/.test(text);
  // What is said to people, and what is only asked of others, changes nothing.
  const isTalk = /^\w+\([12]</.test(text) || text.includes('"GET /');
  if (LOOKING.includes(name)) return false;
  return name === 'kill' || isOwn(text, folder) || (text.includes('<socket:') && !isTalk);
}

/** The same run, killed as it enters that call. */
export async function killedAt(call: Call, argv: readonly string[], where: Where): Promise<Ran> {
  return injected(call, 'signal=SIGKILL', argv, where);
}

/** The same run with `fault` at that call: `error=EIO`, or `retval=5` for a call that lies about what it did. */
export async function injected(call: Call, fault: string, argv: readonly string[], where: Where): Promise<Ran> {
  return underStrace(['-o', '/dev/null'], call.name, `${fault}:when=${call.nth}`, argv, where);
}

/**
 * As `injected`, at the same call about the same file of another site, however many others there are in that run; and the text of the call that
 * it met, which is empty where there was none.
 */
export async function injectedAlike(call: Call, fault: string, argv: readonly string[], where: Where, site: Alike) {
  const log = `${site.folder}.injected`;
  const { file } = call;
  const path = file?.path.replace(site.tracedIn, site.folder);
  const isSame = path?.startsWith(site.folder) === true && !TEMPORARY.test(path);
  const filter = isSame ? ['-P', path] : [];
  const nth = isSame ? file?.nth : call.nth;
  const ran = await underStrace(['-y', '-o', log, ...filter], call.name, `${fault}:when=${nth}`, argv, where);
  const lines = readFileSync(log, 'utf8').split('\n');
  rmSync(log);
  return { ran, met: lines.find((line) => line.includes('(INJECTED)')) ?? '' };
}

/** The same call of a run that was not tampered with, in which only the calls of its name were traced; undefined where it has none. */
export async function callAlike(call: Call, argv: readonly string[], where: Where, site: Alike): Promise<Call | undefined> {
  const log = `${site.folder}.alike`;
  const ran = await run([...STRACE, '-o', log, '-e', `trace=${call.name}`, ...argv], where);
  if (ran.exitCode !== 0) throw new Error(`${argv.join(' ')} fails without a fault: ${ran.stderr}`);
  const calls = callsIn(readFileSync(log, 'utf8'));
  rmSync(log);
  const text = call.shape.text.replaceAll(site.tracedIn.replace(/\d+/g, '0'), site.folder.replace(/\d+/g, '0'));
  return calls.find(({ shape }) => shape.text === text && shape.nth === call.shape.nth);
}

/** Where the calls were traced, and where the same ones are wanted. */
export interface Alike {
  readonly tracedIn: string;
  readonly folder: string;
}

/** Its name is another one in each run. */
const TEMPORARY = /\.tmp/;

function underStrace(options: readonly string[], name: string, tampering: string, argv: readonly string[], where: Where) {
  return run(['strace', '-qq', ...options, '-e', `trace=${name}`, '-e', `inject=${name}:${tampering}`, ...argv], where);
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
