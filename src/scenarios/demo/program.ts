/** Runs the real program as a user would: its own process, its own state, nothing of the surroundings. Must leave none running. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/** What of the environment the program gets; proxies, credentials and CI flags stay outside. */
const PASSED_ON = ['PATH', 'TERM', 'COLORTERM', 'COLUMNS', 'LANG', 'LC_ALL', 'NO_COLOR', 'TMPDIR', 'USER', 'LOGNAME'];

/** How the program is started: where, and with which home and state. */
export interface Place {
  /** bin/kvdeploy.js. */
  readonly program: string;
  readonly cwd: string;
  readonly home: string;
  readonly stateDir: string;
  /** False: its output is thrown away. */
  readonly show: boolean;
}

/** A program in the background. */
export interface Running {
  readonly pid: number;
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  isRunning(): boolean;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL 3 s later; resolves when it is gone. */
  stop(): Promise<void>;
}

/** Starts the program with its output where the demo's own goes: a live view at a terminal, lines in a pipe. */
export function startProgram(args: readonly string[], place: Place): Running {
  const out = place.show ? 'inherit' : 'ignore';
  return watch(spawnIt(args, place, ['ignore', out, out]));
}

/** The same, each line handed to `tell`: nothing of it is bound to the terminal, so it may be frozen and killed. */
export function startQuietly(args: readonly string[], place: Place, tell: (line: string) => void): Running {
  const child = spawnIt(args, place, ['ignore', 'pipe', 'pipe']);
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) createInterface({ input: stream }).on('line', tell);
  return watch(child);
}

function spawnIt(
  args: readonly string[],
  { program, cwd, home, stateDir }: Place,
  stdio: ('ignore' | 'inherit' | 'pipe')[],
): ChildProcess {
  const passed = PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  const env = { ...Object.fromEntries(passed), HOME: home, KVDEPLOY_STATE_DIR: stateDir };
  return spawn(process.execPath, [program, ...args], { cwd, env, stdio });
}

function watch(child: ChildProcess): Running {
  let running = true;
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  }).finally(() => {
    running = false;
  });
  const signal = (name: NodeJS.Signals): void => {
    if (running) child.kill(name);
  };
  return {
    pid: child.pid ?? 0,
    ended,
    isRunning: () => running,
    signal,
    stop: async () => {
      signal('SIGTERM');
      signal('SIGCONT');
      const late = new AbortController();
      await Promise.race([ended, pause(3000, undefined, { signal: late.signal }).catch(() => undefined)]);
      late.abort();
      signal('SIGKILL');
      await ended;
    },
  };
}
