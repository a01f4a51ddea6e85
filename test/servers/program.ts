/** Real server programs for tests: free ports, temp folders, start, wait until ready, end. Must leave no process and no file behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const PACKAGE_OF: Readonly<Record<string, string>> = {
  haproxy: 'haproxy',
  prometheus: 'prometheus',
};

/** A program that is running, with what it printed so far. */
export interface Program {
  readonly pid: number;
  /** Everything on standard output and error, for messages. */
  output(): string;
  exited(): boolean;
  /** Sends the signal; waits for the end unless it only stops or continues the process. */
  signal(name: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts one program; a missing one rejects naming the Debian package, because a test must never be skipped for it. */
export async function startProgram(name: string, args: readonly string[], cwd: string): Promise<Program> {
  const program = findProgram(name);
  if (program === undefined) {
    throw new Error(`${name} is not installed; these tests need the real server: apt-get install ${PACKAGE_OF[name] ?? name}`);
  }
  // Linux ends it together with this process, also when that is killed; elsewhere `exit` above has to do.
  const setpriv = findProgram('setpriv');
  const argv = setpriv === undefined ? [program, ...args] : [setpriv, '--pdeathsig', 'KILL', '--', program, ...args];
  const child = spawn(argv[0] ?? program, argv.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const keep = (data: Buffer) => {
    text = (text + data).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const gone = once(child, 'exit').catch(() => undefined);
  await once(child, 'spawn');
  running.add(child);
  void gone.then(() => running.delete(child));
  return {
    pid: child.pid ?? 0,
    output: () => text,
    exited: () => child.exitCode !== null || child.signalCode !== null,
    async signal(what) {
      child.kill(what);
      if (what === 'SIGTERM' || what === 'SIGKILL') await gone;
      // Its threads go on for a moment after the signal was sent.
      if (what === 'SIGSTOP') await until('it is stopped', () => (isStopped(child.pid ?? 0) ? true : undefined));
    },
  };
}

/** True when every thread of the process is stopped: proc(5), field 3 of each. */
export function isStopped(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  if (!existsSync(threads)) return true;
  const states = readdirSync(threads).map((thread) => readFileSync(`${threads}/${thread}/stat`, 'utf8').split(') ').at(-1)?.[0]);
  return states.every((state) => state === 'T');
}

/** Where `.ci/setup` installs what is in Python. */
export const PYTHON_BIN = fileURLToPath(new URL('../../.cache/aws/bin/', import.meta.url));

/** Servers stand in sbin, which is not in everybody's PATH. */
function findProgram(name: string): string | undefined {
  if (path.isAbsolute(name)) return existsSync(name) ? name : undefined;
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', PYTHON_BIN];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
}

/** A fresh folder for one server, and how to take it away. */
export function tempFolder(): { readonly folder: string; remove(): void } {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'kvd-')));
  return {
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A port that is free now, below the range that the system hands out by itself, so that a restart finds it free again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Asks every 20 ms until `probe` gives something else than undefined; rejects with `what` after the deadline. */
export async function until<T>(
  what: string | (() => string),
  probe: () => Promise<T | undefined> | T | undefined,
  deadlineMs = 5000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`gave up after ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`);
    await pause(20);
  }
}
