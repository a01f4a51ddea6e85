/**
 * A coarse look at how long a router waits for answers, where it knows only an average of the last ones. A rule of thumb without a bound: fit
 * to hold, never to call a build bad. No I/O, no clock.
 */
import { msText } from '../../text.ts';

/** What one location of the router measured of one member: its answers so far, and a moving average in milliseconds. */
export interface Average {
  readonly answers: number;
  readonly averageMs: number;
  /** Where its clients are; members are compared with the stable build there. */
  readonly location?: string;
}

/** By member and location, in words. */
export type Averages = Readonly<Record<string, Average>>;

export interface SlowWatch {
  /** Where the newest answers begin. */
  readonly since: Averages;
  /** How slow the newest answers were, if they were; undefined where they were not, or too few to tell. */
  readonly slow: string | undefined;
  /** The same of each member of several. */
  readonly members?: Readonly<Record<string, SlowWatch>>;
}

/** With fewer answers, one that took long would decide. */
const ENOUGH = 100;

/** So much slower is no matter of taste: three times the stable build's average and 100 ms. */
const TIMES = 3;

const PLUS_MS = 100;

/** HAProxy averages over so many answers, each new one with the same weight (TIME_STATS_SAMPLES in its include/haproxy/defaults.h). */
const WINDOW = 512;

/**
 * The watch after one more reading. Each hundred answers or more of the candidate are judged by themselves, since the average still has those
 * of the build that stood at its place before. Averages in whole milliseconds are off by up to 6 ms then. A slow member of several is one of
 * its own, next to the stable build at its location: the others would hide it.
 */
export function slowAnswers(before: SlowWatch | undefined, candidate: Averages, stable: Averages): SlowWatch {
  const whole = slowTogether(before, candidate, stable);
  const names = Object.keys(candidate);
  if (names.length < 2) return whole;
  const members = names.map((name) => {
    const own = Object.entries(candidate).filter(([one]) => one === name);
    const location = candidate[name]?.location;
    const beside = Object.entries(stable).filter(([, one]) => one.location === location);
    const was = Object.hasOwn(before?.members ?? {}, name) ? before?.members?.[name] : undefined;
    return [name, slowTogether(was, Object.fromEntries(own), Object.fromEntries(beside))] as const;
  });
  const [slow] = members.flatMap(([name, one]) => (one.slow === undefined ? [] : [`${name}: ${one.slow}`]));
  return { ...whole, slow: slow ?? whole.slow, members: Object.fromEntries(members) };
}

function slowTogether(before: SlowWatch | undefined, candidate: Averages, stable: Averages): SlowWatch {
  if (before === undefined) return { since: candidate, slow: undefined };
  const newest = Object.entries(candidate).map(([member, now]) => newestOf(before.since[member], now));
  const ours = meanOf(newest);
  if (ours.answers < ENOUGH) return before;
  const theirs = meanOf(Object.values(stable));
  const isSlow = theirs.answers >= ENOUGH && ours.averageMs > TIMES * theirs.averageMs + PLUS_MS;
  if (!isSlow) return { since: candidate, slow: undefined };
  const [own, usual] = [ours, theirs].map(({ averageMs }) => msText(Math.max(1, Math.round(averageMs))));
  return { since: candidate, slow: `its newest ${ours.answers} answers took ${own} on average, the stable build's ${usual}` };
}

/** The answers since then, without what the average had from before. Less than then: the router began anew. */
function newestOf(since: Average | undefined, now: Average): Average {
  const then = since === undefined || now.answers < since.answers ? { answers: 0, averageMs: 0 } : since;
  const kept = keptAfter(then.answers, now.answers);
  const averageMs = kept >= 1 ? 0 : Math.max(0, (now.averageMs - then.averageMs * kept) / (1 - kept));
  return { answers: now.answers - then.answers, averageMs };
}

/** What is left of an average over `from` answers once there are `to`: the plain average of all until the window is full. */
function keptAfter(from: number, to: number): number {
  const full = Math.max(from, Math.min(to, WINDOW));
  return (full === 0 ? 1 : from / full) * (1 - 1 / WINDOW) ** (to - full);
}

function meanOf(averages: readonly Average[]): Average {
  const answers = averages.reduce((sum, one) => sum + one.answers, 0);
  const total = averages.reduce((sum, one) => sum + one.answers * one.averageMs, 0);
  return { answers, averageMs: answers === 0 ? 0 : total / answers };
}
