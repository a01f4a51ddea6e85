/**
 * The surge test: bets only when failures surge on either build, so calm costs it nothing. H0: a surge lands on the candidate with at most its
 * fair chance, whatever its size (a cluster is one event, and builds are alike per request); and on a healthy build it lasts s seconds longer
 * with a chance of at most e^(-s / delta), with delta from the longest surge of the stable build. Then each step has a mean of at most 1.
 * No I/O.
 */
import * as z from 'zod';
import { addBlocks, type Block, type Counted, fairChance, type Margin, NO_BLOCK } from './e-process.ts';
import { clustered, isRateKnown, type Usual, usualRate } from './usual.ts';

const time = z.number().nullable();

/** Polls with too many failures, with short gaps at most. */
const spellSchema = z.strictObject({
  fromMs: z.number(),
  toMs: z.number(),
  /** How much of that was surely bad. */
  badMs: z.number(),
  /** Whether it was bet on, and up to how many seconds of it. */
  landed: z.boolean(),
  paidS: z.number(),
});

type Spell = z.infer<typeof spellSchema>;

export const surgeSchema = z.strictObject({
  /** ln of each branch. */
  logs: z.array(z.number()),
  /** The polls of the last 15 s: when each ended, how long it was, and its four counts. */
  polls: z.array(z.array(z.number()).length(6)),
  candidate: spellSchema.nullable(),
  stable: spellSchema.nullable(),
  /** When the last surge of each build was bet on, and when the stable build last surged. */
  landedMs: time,
  lostMs: time,
  stableMs: time,
});

export type Surge = z.infer<typeof surgeSchema>;

/** What each branch bets on the landing and on each further second, and its part. */
const BRANCHES = [
  { landing: 0.9, lasting: 0.95, part: 0.6 },
  { landing: 0.9, lasting: 0, part: 0.3 },
  { landing: 0.4, lasting: 0, part: 0.1 },
] as const;

export function openSurge(): Surge {
  const logs = BRANCHES.map(() => 0);
  return { logs, polls: [], candidate: null, stable: null, landedMs: null, lostMs: null, stableMs: null };
}

/** ln of each branch with its part, for the sum. */
export function surgeLogs({ logs }: Surge): number[] {
  return BRANCHES.map(({ part }, index) => Math.log(part) + (logs[index] ?? 0));
}

/** Another split begins: what was counted under the old one says nothing of where a surge lands. */
export function surgeAtNextStep(surge: Surge): Surge {
  return { ...surge, polls: [] };
}

const WINDOW_MS = 15_000;

const GAP_MS = 3000;

/** Nearly all of a poll failed, so a surge filled it; otherwise it may have lasted for a small part of it. */
const FILLED = 0.9;

const PART_MS = 3000;

export interface SurgeTurn {
  readonly atMs: number;
  readonly elapsedMs: number;
  /** False while the stable build alone is watched. */
  readonly bets: boolean;
  readonly tolerated: Margin;
  /** As the stable build had shown it before this poll. */
  readonly usual: Usual;
}

export interface Surged {
  readonly surge: Surge;
  /** How long the surge of the stable build has lasted by now; null while it does not surge. */
  readonly stableMs: number | null;
}

export function feedSurge(surge: Surge, block: Block, turn: SurgeTurn): Surged {
  const { atMs, elapsedMs, tolerated, usual } = turn;
  const rate = usualRate(usual);
  const most = tolerated.times * rate + tolerated.plus;
  const { candidate: ours, stable: theirs } = block;
  const polls = [
    ...surge.polls.filter(([end = 0, lasted = 0]) => end - lasted >= atMs - WINDOW_MS),
    [atMs, elapsedMs, ours.requests, ours.failures, theirs.requests, theirs.failures],
  ];
  const isKnown = isRateKnown(usual);
  const surging = isKnown
    ? surgesIn(polls, { most, usually: tolerated.times * rate, variance: rate * clustered(usual) })
    : NO_SURGE;
  const expected = ours.requests * most;
  const isBad = isKnown && ours.failures >= expected + 2 * Math.sqrt(expected) + 0.5;
  const usually = theirs.requests * rate;
  const isStableBad = isKnown && theirs.failures >= usually + 3 * Math.sqrt(usually) + 1;
  const stable = spellAfter(surge.stable, isStableBad, theirs, turn);
  const next: Surge = {
    ...surge,
    polls,
    stable: surging.stable && stable !== null ? { ...stable, landed: true } : stable,
    stableMs: surging.stable ? lastSurgeMs(surge, stable, atMs) : surge.stableMs,
    candidate: turn.bets ? spellAfter(surge.candidate, isBad, ours, turn) : null,
  };
  const stableMs = stable !== null && (surging.stable || stable.landed) ? stable.badMs : surging.stable ? 0 : null;
  return { surge: turn.bets ? bet(surge, next, surging, turn) : next, stableMs };
}

/** The window of the last 15 s still holds the failures of a surge that is over. */
function lastSurgeMs({ stableMs }: Surge, spell: Spell | null, atMs: number): number {
  if (spell !== null) return spell.toMs;
  return stableMs !== null && isRecent(stableMs, atMs) ? stableMs : atMs;
}

const NO_SURGE = { candidate: false, stable: false, share: 1 };

/** Which of the builds surges: failures beyond what is tolerated, over the last polls, any number of them. */
function surgesIn(
  polls: readonly (readonly number[])[],
  { most, usually, variance }: Readonly<Record<'most' | 'usually' | 'variance', number>>,
) {
  let sum: Block = NO_BLOCK;
  const found = { ...NO_SURGE };
  for (const [, , requests = 0, failures = 0, stableRequests = 0, stableFailures = 0] of polls.toReversed()) {
    sum = addBlocks(sum, { candidate: { requests, failures }, stable: { requests: stableRequests, failures: stableFailures } });
    const all = sum.candidate.requests + sum.stable.requests;
    const least = 3 + 4 * Math.sqrt(variance * all);
    // So many that the stable build would surge twice as well if it shared them: what is little of the traffic may hide an incident.
    const told = least * Math.max(1, (2 * sum.candidate.requests) / sum.stable.requests);
    found.candidate ||= sum.candidate.failures - most * sum.candidate.requests >= told;
    found.stable ||= sum.stable.failures - usually * sum.stable.requests >= least;
    found.share = all === 0 ? 1 : sum.candidate.requests / all;
  }
  return found;
}

function spellAfter(spell: Spell | null, isBad: boolean, { requests, failures }: Counted, turn: SurgeTurn): Spell | null {
  const { atMs, elapsedMs } = turn;
  const gapMs = Math.max(GAP_MS, elapsedMs);
  if (!isBad) return spell === null || atMs - spell.toMs > gapMs ? null : spell;
  const isFilled = failures >= FILLED * requests;
  if (spell !== null && atMs - elapsedMs - spell.toMs <= gapMs)
    return { ...spell, toMs: atMs, badMs: spell.badMs + (isFilled ? elapsedMs : Math.min(elapsedMs, PART_MS)) };
  return { fromMs: atMs - elapsedMs, toMs: atMs, badMs: isFilled ? elapsedMs : 0, landed: false, paidS: 0 };
}

/** One surge is one event: each build's is bet on at most once in this time. */
const ONCE_MS = 15_000;

const isRecent = (when: number | null, atMs: number) => when !== null && atMs - when < ONCE_MS;

function bet(before: Surge, next: Surge, surging: ReturnType<typeof surgesIn>, turn: SurgeTurn): Surge {
  const { atMs, tolerated, usual } = turn;
  const logs = next.logs.slice();
  // By logarithms: over a long gap the factors themselves leave the range of numbers.
  const multiply = (by: (branch: (typeof BRANCHES)[number]) => number, times = 1) =>
    BRANCHES.forEach((branch, index) => {
      logs[index] = (logs[index] ?? 0) + times * Math.log(by(branch));
    });
  if (before.candidate?.landed === true && next.candidate?.fromMs !== before.candidate.fromMs)
    multiply(({ lasting }) => 1 - lasting);
  const isLost = next.stable?.landed === true && !isSame(before.stable, next.stable) && !isRecent(next.lostMs, atMs);
  if (isLost) multiply(({ landing }) => 1 - landing);
  const lostMs = isLost ? atMs : next.lostMs;
  // In an incident that both builds share, nothing is won.
  const isShared = isRecent(next.stableMs, atMs);
  let spell = next.candidate;
  let { landedMs } = next;
  if (spell !== null && !spell.landed) {
    const isBarred = isShared || isRecent(landedMs, atMs);
    // What of a spell passed before it could be bet on is no bet.
    if (isBarred) spell = { ...spell, paidS: spell.badMs / 1000 };
    else if (surging.candidate) {
      const fair = fairChance(surging.share, tolerated.times);
      multiply(({ landing }) => 1 - landing + landing / fair);
      spell = { ...spell, landed: true };
      landedMs = atMs;
    }
  }
  if (spell?.landed !== true) return { ...next, logs, lostMs, candidate: spell, landedMs };
  const seconds = Math.max(0, Math.floor(spell.badMs / 1000 - spell.paidS));
  const delta = Math.max(3, (0.75 * usual.longestMs) / 1000);
  if (seconds > 0 && !isShared) multiply(({ lasting }) => 1 - lasting + lasting * Math.exp(1 / delta), seconds);
  return { ...next, logs, lostMs, landedMs, candidate: { ...spell, paidS: spell.paidS + seconds } };
}

/** The same surge went on. */
function isSame(before: Spell | null, now: Spell): boolean {
  return before?.landed === true && before.fromMs === now.fromMs;
}
