/** The log that people read in a pipe, or above the live view. Must not say the same again and again, nor fall silent for long. */
import type { OutputLine } from '../core/output.ts';
import type { Io } from '../io.ts';
import { createHeartbeat } from './heartbeat.ts';
import { clockText } from './words.ts';

/** Wall-clock milliseconds, and a timer that keeps no process alive. */
export type Clock = Pick<Io, 'now' | 'every'>;

export interface Log {
  say(text: string): void;
  /** Says what is tried three times a second when it begins, and then no more often than a sign of life. */
  sayOnce(text: string): void;
  /** Says it with the time of day. */
  stamped(text: string): void;
  /** True when this poll should be told. */
  isDue(poll: Extract<OutputLine, { type: 'poll' }>): boolean;
  /** From now on says `still()` whenever nothing else was said for long: polls may be minutes apart. */
  keepAlive(still: (nowMs: number) => string): void;
  /** Ends the signs of life. */
  stop(): void;
}

const TICK_MS = 1000;

export function createLog(stream: NodeJS.WritableStream, clock: Clock, dim: (text: string) => string): Log {
  const heartbeat = createHeartbeat();
  let said = '';
  let stop: (() => void) | undefined;
  const say = (text: string) => {
    stream.write(`${text}\n`);
    heartbeat.spoke(clock.now());
    said = text;
  };
  const stamped = (text: string) => say(`${dim(clockText(clock.now()))} ${text}`);
  return {
    say,
    stamped,
    sayOnce: (text) => {
      if (text !== said || heartbeat.missed(clock.now())) say(text);
    },
    isDue: (poll) => heartbeat.due(poll, clock.now()),
    keepAlive: (still) => {
      stop ??= clock.every(TICK_MS, () => {
        if (heartbeat.missed(clock.now())) stamped(still(clock.now()));
      });
    },
    stop: () => stop?.(),
  };
}
