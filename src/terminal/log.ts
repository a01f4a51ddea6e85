/** The log that people read in a pipe, or above the live view. Must not say the same again and again, nor fall silent for long. */
import type { OutputLine } from '../core/output.ts';
import type { Io } from '../io.ts';
import { columnsOf, hang } from './layout.ts';
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

/** Of what a terminal has no room for on the first line. */
const INDENT = 2;

export function createLog(stream: NodeJS.WritableStream, clock: Clock, dim: (text: string) => string): Log {
  const heartbeat = createHeartbeat();
  let said = '';
  let stop: (() => void) | undefined;
  const say = (text: string) => {
    stream.write(`${hang('', text, columnsOf(stream), INDENT)}\n`);
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

type Poll = Extract<OutputLine, { type: 'poll' }>;

/** Thins the polls of a bake for logs. Must never hide that a verdict changed. */
export interface Heartbeat {
  /** True when this poll should be printed. */
  due(poll: Poll, nowMs: number): boolean;
  /** Something else was printed, which is a sign of life too. */
  spoke(nowMs: number): void;
  /** True when a poll should have been printed by now, but none came: asked about every second. */
  missed(nowMs: number): boolean;
}

const EARLY_MS = 10_000;

const EARLY_UNTIL_MS = 60_000;

const LATE_MS = 30_000;

/** A heartbeat a little early is better than one a whole poll late. */
const EARLIER_MS = 500;

/** No later than so much after its time, where polls come often enough. */
const LATEST_MS = 2000;

/** Every 10 s in the first minute, then every 30 s; and whenever the step or the verdict is another one than before. */
export function createHeartbeat(): Heartbeat {
  let startedMs: number | undefined;
  let spokenMs = Number.NEGATIVE_INFINITY;
  let polledMs: number | undefined;
  let last = '';
  const everyMs = (nowMs: number) => (nowMs - (startedMs ?? nowMs) < EARLY_UNTIL_MS ? EARLY_MS : LATE_MS);
  return {
    due(poll, nowMs) {
      startedMs ??= nowMs;
      const every = everyMs(nowMs);
      const state = `${poll.step} ${poll.verdict} ${poll.gates.map((gate) => gate.verdict).join(' ')}`;
      const changed = state !== last;
      last = state;
      const silentMs = nowMs - spokenMs;
      // As long as it took to this poll, it will take to the next.
      const nextMs = silentMs + (polledMs === undefined ? 0 : nowMs - polledMs);
      polledMs = nowMs;
      return changed || silentMs >= every - EARLIER_MS || nextMs >= every + LATEST_MS;
    },
    spoke(nowMs) {
      spokenMs = nowMs;
    },
    missed(nowMs) {
      return nowMs - spokenMs >= everyMs(nowMs) + LATEST_MS - TICK_MS;
    },
  };
}
