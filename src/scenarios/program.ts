/** Runs the real program as a user would: its own process, its own state, nothing of the surroundings. Must leave none running. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/** What of the environment the program gets; proxies, credentials and CI flags stay outside. */
const PASSED_ON = ['PATH', 'TERM', 'COLORTERM', 'COLUMNS', 'LANG', 'LC_ALL', 'NO_COLOR', 'TMPDIR', 'USER', 'LOGNAME'];

/** No command of a scenario takes half of this. */
const COMMAND_MS = 45_000;

/** How the program is started: where, and with which home and state. */
export interface ProgramPlace {
  /** bin/kvdeploy.js. */
  readonly program: string;
  readonly cwd: string;
  readonly home: string;
  readonly stateDir: string;
  /** The uid that it runs as, in a group of the same number; undefined: as this process. */
  readonly user?: number | undefined;
}

/**
 * Where its output goes. `shown`: where ours goes, so a live view at a terminal and lines in a pipe. A function hears each line, and nothing of the
 * program is bound to the terminal, so it may be frozen and killed.
 */
export type Output = 'shown' | 'hidden' | ((line: string) => void);

export interface Running {
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  isRunning(): boolean;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL 3 s later; resolves when it is gone. */
  stop(): Promise<void>;
}

/** kvdeploy itself. */
export function startProgram(args: readonly string[], place: ProgramPlace, output: Output): Running {
  return startProcess([process.execPath, place.program, ...args], place, output, false);
}

/** `inGroup`: it gets signals with all of its children, and only from here, not from the terminal. */
export function startProcess(
  argv: readonly string[],
  { cwd, home, stateDir, user }: Omit<ProgramPlace, 'program'>,
  output: Output,
  inGroup: boolean,
): Running {
  const passed = PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  const env = { ...Object.fromEntries(passed), HOME: home, KVDEPLOY_STATE_DIR: stateDir };
  const out = output === 'shown' ? 'inherit' : output === 'hidden' ? 'ignore' : 'pipe';
  const [file = '', ...words] = argv;
  const who = user === undefined ? {} : { uid: user, gid: user };
  const child = spawn(file, words, { cwd, env, stdio: ['ignore', out, out], detached: inGroup, ...who });
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null && typeof output === 'function') createInterface({ input: stream }).on('line', output);
  let running = true;
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  }).finally(() => {
    running = false;
  });
  const signal = (name: NodeJS.Signals): void => {
    if (inGroup) signalGroup(child.pid, name);
    else if (running) child.kill(name);
  };
  return {
    ended,
    isRunning: () => running,
    signal,
    stop: async () => {
      signal('SIGTERM');
      signal('SIGCONT');
      await within(3000, ended, undefined);
      signal('SIGKILL');
      await ended;
    },
  };
}

/** Also what the first of the group left running. */
function signalGroup(first: number | undefined, name: NodeJS.Signals): void {
  if (first === undefined) return;
  try {
    process.kill(-first, name);
  } catch {
    // The whole group is gone.
  }
}

/** Its exit code, or the name of the signal that ended it. After 45 s it is stopped. */
export async function endOf(running: Running): Promise<number | string> {
  const late = `no end within ${COMMAND_MS / 1000} s`;
  const end = await within(COMMAND_MS, running.ended, late);
  if (end === late) await running.stop();
  return end;
}

/** What `ended` resolves with, or `late` after so long. */
export async function within<T, L>(ms: number, ended: Promise<T>, late: L): Promise<T | L> {
  const timer = new AbortController();
  const first = await Promise.race([ended, pause(ms, late, { signal: timer.signal }).catch(() => late)]);
  timer.abort();
  return first;
}

/** What a finished command said with --json. */
export interface Said {
  /** Of its result line; undefined when there was none. */
  readonly code: string | null | undefined;
  readonly message: string;
  /** The data of its documents, by name. */
  readonly documents: ReadonlyMap<string, unknown>;
}

/** Reads the lines as data. Must take nothing for said that the result line does not say. */
export function saidIn(lines: readonly string[]): Said {
  const objects = lines.flatMap(objectOf);
  const result = objects.findLast((object) => object['type'] === 'result');
  const code = result?.['code'];
  const documents = objects.filter((object) => object['type'] === 'document');
  return {
    code: code === null || typeof code === 'string' ? code : undefined,
    message: String(result?.['message'] ?? ''),
    documents: new Map(documents.map((document) => [String(document['name']), document['data']])),
  };
}

function objectOf(line: string): readonly Record<string, unknown>[] {
  if (!line.startsWith('{')) return [];
  try {
    return [JSON.parse(line) as Record<string, unknown>];
  } catch {
    return [];
  }
}
