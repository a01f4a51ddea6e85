/** The program under trial, run as the `command` router runs it. Must name no target but the one that it was made for. */
import type { Io } from '../../../io.ts';
import {
  askedText,
  identifySchema,
  parsePrinted,
  type ReadAnswer,
  readSchema,
  setText,
} from '../../../routers/command/command-protocol.ts';

/** How one run ended; a program that was late or could not run has `exitCode: null` and says why in `stderr`. */
export interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export type Percents = Readonly<Record<string, number>>;

/** Whoever tries the program was told to stop: nothing more is run. */
export class Stopped extends Error {}

/** One target of one program. Nothing here throws but for answers that are not an answer, and Stopped. */
export interface Subject {
  /** Runs a verb with exactly this input. */
  run(verb: 'read' | 'set' | 'identify', input: string): Promise<Ran>;
  /** Runs `set` and kills its whole group with SIGKILL after `ms`; true if it had ended before. */
  setKilled(percents: Percents, ms: number): Promise<boolean>;
  set(percents: Percents): Promise<Ran>;
  /** What `read` says. Throws an Error with the reason where it is no split. */
  read(): Promise<ReadAnswer>;
  environment(): Promise<string>;
}

/** How each run is made. `timeoutMs` is for one; `stopped` says that no further one may begin. */
export interface Terms {
  readonly timeoutMs: number;
  readonly io: Pick<Io, 'run' | 'runUntilKilled' | 'monotonic'>;
  readonly stopped?: () => boolean;
}

/** `argv` with the verb as its last argument. */
export function subjectOf(argv: readonly string[], target: string, { timeoutMs, io, stopped }: Terms): Subject {
  const goOn = () => {
    if (stopped?.() === true) throw new Stopped('stopped');
  };
  const run: Subject['run'] = async (verb, input) => {
    goOn();
    const startedMs = io.monotonic();
    const ms = () => io.monotonic() - startedMs;
    try {
      return { ...(await io.run([...argv, verb], timeoutMs, () => undefined, input)), ms: ms() };
    } catch (error) {
      return { exitCode: null, stdout: '', stderr: error instanceof Error ? error.message : String(error), ms: ms() };
    }
  };
  const said = async <T>(verb: 'read' | 'identify', schema: Parameters<typeof parsePrinted<T>>[0]): Promise<T> => {
    const ran = await run(verb, askedText(target));
    if (ran.exitCode !== 0) throw new Error(`${verb} ${endText(ran)}`);
    const printed = parsePrinted(schema, ran.stdout);
    if ('problem' in printed) throw new Error(`${verb}: ${printed.problem}`);
    return printed.answer;
  };
  return {
    run,
    set: (percents) => run('set', setText(target, percents, 'at-once')),
    setKilled: async (percents, ms) => {
      goOn();
      return io.runUntilKilled([...argv, 'set'], ms, setText(target, percents, 'at-once'));
    },
    read: () => said('read', readSchema),
    environment: async () => (await said('identify', identifySchema)).environment,
  };
}

/** `exited 3: no such target`. */
export function endText({ exitCode, stderr }: Ran): string {
  const said = stderr.trim().slice(0, 200);
  return exitCode === null ? said : `exited ${exitCode}${said === '' ? '' : `: ${said}`}`;
}
