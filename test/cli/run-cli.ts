/** Runs bin/kvdeploy.js as a user would: as its own process, in a pipe or on a pseudo-terminal, with a clean environment. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OutputLine, outputLineSchema } from '../../src/core/output.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const BIN = join(ROOT, 'bin/kvdeploy.js');

export interface CliOptions {
  readonly cwd?: string;
  /** Added to the clean environment; `undefined` leaves one out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Text for standard input; without it standard input is /dev/null. */
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Runs it as this user, in no group but its own number; needs root. */
  readonly uid?: number;
  /** Runs this program instead of kvdeploy: for tests of parts. */
  readonly program?: string;
  /** Words that start it: another user, another host name, another view of the machine. */
  readonly via?: readonly string[];
}

export interface CliAnswer {
  /** 128 + the signal's number when a signal ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout that are JSON objects, each checked against the schema of output lines; empty without `--json`. */
  readonly json: readonly OutputLine[];
}

export interface RunningCli {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when stdout or stderr matches; rejects with everything it said when it ended, or `timeoutMs` passed, first. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<void>;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<CliAnswer>;
}

/** Only what a program needs: no CI, no colour wishes, no kvdeploy settings, no extra certificates; HOME is a fresh folder. */
function cleanEnvironment(home: string, extra: CliOptions['env']): NodeJS.ProcessEnv {
  const base = { PATH: process.env['PATH'], HOME: home, LANG: 'C.UTF-8', TZ: 'UTC', TERM: 'xterm-256color' };
  return Object.fromEntries(Object.entries({ ...base, ...extra }).filter(([, value]) => value !== undefined));
}

function jsonLines(args: readonly string[], stdout: string): readonly OutputLine[] {
  if (!args.includes('--json')) return [];
  const lines = stdout.split('\n').filter((line) => line.startsWith('{"type":'));
  return lines.map((line) => outputLineSchema.parse(JSON.parse(line)));
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

function launch(command: string, argv: readonly string[], args: readonly string[], options: CliOptions): RunningCli {
  const home = mkdtempSync(join(tmpdir(), 'kvdeploy-home-'));
  const stdin = options.input === undefined ? 'ignore' : 'pipe';
  const spawned: SpawnOptions = {
    cwd: options.cwd ?? home,
    env: cleanEnvironment(home, options.env),
    stdio: [stdin, 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  };
  const child = spawn(command, [...argv], spawned);
  const said = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      for (const listener of [...listeners]) listener();
    });
  }
  if (options.input !== undefined) {
    child.stdin?.on('error', () => {});
    if (options.input !== KEYBOARD) child.stdin?.end(options.input);
  }
  const limit = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
  const ended = new Promise<CliAnswer>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      for (const listener of [...listeners]) listener();
      rmSync(home, { recursive: true, force: true });
      const exitCode = code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0);
      try {
        resolve({ exitCode, ...said, json: jsonLines(args, said.stdout) });
      } catch (error) {
        reject(error);
      }
    });
  });
  const waitFor = (pattern: RegExp, timeoutMs = 10_000) =>
    new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        listeners.delete(look);
        settle();
      };
      const fail = () => reject(new Error(`never said ${pattern}; stdout:\n${said.stdout}\nstderr:\n${said.stderr}`));
      const look = () => {
        if (pattern.test(said.stdout) || pattern.test(said.stderr)) end(resolve);
        else if (child.exitCode !== null || child.signalCode !== null) end(fail);
      };
      const timer = setTimeout(() => end(fail), timeoutMs);
      listeners.add(look);
      look();
    });
  return {
    process: child,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    waitFor,
    signal: (name) => void child.kill(name),
    ended,
  };
}

/** Marks a standard input that stays open, for `runInTerminal`. */
const KEYBOARD = '\u0000keyboard';

/** Starts it and leaves it running; await `ended`, and end it with `signal` where it does not end by itself. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const [command, ...argv] = [...(options.via ?? []), process.execPath, options.program ?? BIN, ...args];
  return launch(command ?? '', argv, args, options);
}

/** Runs it to its end, in pipes. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliAnswer> {
  return startCli(args, options).ended;
}

export interface TerminalOptions extends Omit<CliOptions, 'input'> {
  /** Each is typed once its question is on the screen, and `before` was called; `waitFor` looks at what came after the previous one. `\u0003` is Ctrl-C, `\r` Enter. */
  readonly keys?: readonly { readonly waitFor: RegExp; readonly type: string; readonly before?: () => void }[];
  readonly columns?: number;
}

export interface TerminalAnswer {
  readonly exitCode: number;
  /** Everything that reached the screen, stdout and stderr together, escape sequences included. */
  readonly screen: string;
}

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** Runs it to its end on a pseudo-terminal (util-linux `script`), typing `keys`. */
export async function runInTerminal(args: readonly string[], options: TerminalOptions = {}): Promise<TerminalAnswer> {
  const program = [process.execPath, options.program ?? BIN, ...args].map(quoted).join(' ');
  const shell = `stty cols ${options.columns ?? 100} rows 30; exec ${program}`;
  const running = launch('script', ['-qefc', shell, '/dev/null'], args, { ...options, input: KEYBOARD });
  let from = 0;
  for (const key of options.keys ?? []) {
    await waitForAfter(running, key.waitFor, from);
    from = running.stdout().length;
    key.before?.();
    running.process.stdin?.write(key.type);
  }
  const { exitCode, stdout } = await running.ended;
  return { exitCode, screen: stdout };
}

async function waitForAfter(running: RunningCli, pattern: RegExp, from: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!pattern.test(running.stdout().slice(from))) {
    if (Date.now() > deadline || running.process.exitCode !== null)
      throw new Error(`never showed ${pattern}:\n${running.stdout()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
