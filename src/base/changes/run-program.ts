/** Runs a program for a change. Must never start a shell, pass on this process's environment, or leave the program running. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type Allowed, permit, type RunAnswer } from './change.ts';

export const MAX_OUTPUT_BYTES = 1024 * 1024;

const GRACE_MS = 500;

const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ'];

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The complete environment of a child: an allow-list. */
export function childEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = PASSED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { PATH: DEFAULT_PATH, ...Object.fromEntries(kept) };
}

/** The program and its arguments. Throws if there is none, or if the working directory would decide which one it is. */
export function programOf(argv: readonly string[]): { readonly program: string; readonly args: readonly string[] } {
  const [program, ...args] = argv;
  if (program === undefined || program === '') throw new Error('the name of a program is empty');
  if (program.includes('/') && !program.startsWith('/'))
    throw new Error(`${program} is neither an absolute path nor a name on PATH`);
  return { program, args };
}

export const lateText = (program: string, timeoutMs: number) => `${program} did not end within ${timeoutMs} ms and was killed`;

export const tooMuchText = (program: string) => `${program} printed more than ${MAX_OUTPUT_BYTES} bytes and was killed`;

/**
 * Runs `argv` in its own process group; calls `allowed` immediately before. After `timeoutMs` the group gets SIGTERM, half a
 * second later SIGKILL. Rejects if the program cannot start, is killed, or prints more than 1 MiB.
 */
export async function runProgram(
  argv: readonly string[],
  timeoutMs: number,
  allowed: Allowed,
  stdin?: string,
): Promise<RunAnswer> {
  const { program, args } = programOf(argv);
  permit(allowed);
  return new Promise((resolve, reject) => {
    const env = childEnvironment(process.env);
    const child = spawn(program, args, {
      shell: false,
      detached: true,
      env,
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    // A program that does not read to its end is judged by its exit code.
    child.stdin?.on('error', () => undefined).end(stdin);
    let trouble: string | undefined;
    const stop = (why: string) => {
      if (trouble !== undefined) return;
      trouble = why;
      endGroup(child);
    };
    const timer = setTimeout(() => stop(lateText(program, timeoutMs)), timeoutMs);
    const output = collect(child, () => stop(tooMuchText(program)));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${program} cannot be run: ${error.message}`));
    });
    child.on('close', (exitCode, signal) => {
      clearTimeout(timer);
      if (trouble !== undefined) reject(new Error(trouble));
      else if (exitCode === null) reject(new Error(`${program} was killed by ${signal ?? 'a signal'}`));
      else resolve({ exitCode, stdout: output.text(0), stderr: output.text(1) });
    });
  });
}

/** Sends SIGTERM, then SIGKILL to the whole group, then closes the pipes: a child that left the group may still hold them. */
export function endGroup(child: Pick<ChildProcess, 'pid' | 'stdout' | 'stderr'>): void {
  signalGroup(child.pid, 'SIGTERM');
  setTimeout(() => {
    signalGroup(child.pid, 'SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, GRACE_MS);
}

/** Does nothing where the group is gone. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is already gone.
  }
}

function collect(child: ChildProcess, tooMuch: () => void): { text(stream: 0 | 1): string } {
  const chunks: [Buffer[], Buffer[]] = [[], []];
  let size = 0;
  const take = (stream: 0 | 1) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) tooMuch();
    else chunks[stream].push(chunk);
  };
  child.stdout?.on('data', take(0));
  child.stderr?.on('data', take(1));
  return { text: (stream) => Buffer.concat(chunks[stream]).toString('utf8') };
}
