/** What every command is given and what it returns. A command says everything through `line`, `print` and `write`. */
import type { Code } from '../base/codes.ts';
import type { Scope } from '../base/scope.ts';
import { safeLine } from '../base/text.ts';
import type { Place } from '../core/errors.ts';
import type { OutputLine, TraceDecisionLine, Traffic } from '../core/output.ts';
import type { Io } from '../io.ts';

/** The flags that every command has, as typed. */
export interface Globals {
  readonly config?: string;
  readonly tenant?: string;
  readonly env?: string;
  readonly service?: string;
  readonly stateDir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly runPrograms?: boolean;
  readonly yes?: boolean;
  readonly input?: boolean;
  readonly color?: boolean;
}

/** What a command knows by the time that it fails, so that the last line of a failure can say where traffic is. */
export interface Situation {
  scope: Scope | null;
  /** Asks where traffic is now; null while the command has not found its target. */
  traffic: (() => Promise<Traffic>) | null;
}

export interface Deps {
  readonly io: Io;
  readonly globals: Globals;
  readonly cwd: string;
  readonly situation: Situation;
  /** A line for machines, told to people in words. */
  readonly line: (line: OutputLine) => void;
  /** A command's own text result on stdout; nothing with --json. */
  readonly print: (text: string) => void;
  /** As `print`, but as it is: text that is painted already, and safe in its parts. */
  readonly write: (text: string, to: 'stdout' | 'stderr') => void;
  /** How wide stdout is where it is a terminal. */
  readonly columns?: number | undefined;
  /** All of standard input, or a little more than `most` bytes of it; 1 MiB where nothing is said. */
  readonly stdin: (most?: number) => Promise<Uint8Array>;
  /** True when stdout shows colour. */
  readonly colour: boolean;
  /** True when a person can be asked at this terminal. */
  readonly canAsk: boolean;
  readonly askName: (question: string, expected: string) => Promise<boolean>;
  readonly askYes: (question: string) => Promise<boolean>;
  /** What a person typed; null for nothing. */
  readonly askText: (question: string) => Promise<string | null>;
  /** Calls back on the first and on each further signal; returns how to stop listening. */
  readonly onSignal: (heard: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', times: number) => void) => () => void;
  /** True when SIGINT comes from a person at a terminal. */
  readonly atTerminal: boolean;
}

/** How a command ended. */
export interface Outcome {
  readonly code: Code | null;
  /** Left out: the code's own exit code, 0 without a code. */
  readonly exitCode?: number;
  readonly message: string;
  readonly hint?: string;
  readonly places?: readonly Place[];
  /** Commands to paste next. */
  readonly next?: readonly string[];
  /** What a backtest found, for the result line. */
  readonly decision?: TraceDecisionLine;
  /** The command has said everything itself: no result is printed. */
  readonly silent?: boolean;
}

/** Nothing went wrong. */
export function done(message: string, next: readonly string[] = []): Outcome {
  return { code: null, message, next };
}

const REASON_CHARS_MAX = 500;

/** The reason as it is recorded: one line, whatever was pasted. Null where none was given, or only spaces. */
export function reasonOf({ reason }: { readonly reason?: string }): string | null {
  // The dots of a printed command that was pasted as it is are no reason.
  if (reason === '…') return null;
  const line = safeLine((reason ?? '').replace(/\s+/gu, ' ').trim()).slice(0, REASON_CHARS_MAX);
  return line === '' ? null : line;
}
