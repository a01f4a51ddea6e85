/** Recorded intervals as the polls of a live rollout. Counts are spread evenly over their interval: no one recorded them finer. No I/O. */
import type { GatePoll, Poll, SliceBlocks } from '../core/gates/counting/blocks.ts';
import { addBlocks, addCounts, type Block, type Counted, NO_BLOCK } from '../core/gates/evidence/e-process.ts';
import { WHOLE } from '../core/gates/gate-settings.ts';

type Polls = ReadonlyMap<string, GatePoll>;

/** An interval that ends so near to a poll, in parts of the shorter of the two, ends with it: clocks tremble. */
const NEAR = 0.25;

/** Polls at even times, whatever the length of the intervals: several in one, or one after several. */
export class LivePolls {
  readonly #everyMs: number;
  #lastMs: number | null = null;
  /** What was counted since the last poll, in intervals that ended before the next. */
  #pending: Polls | null = null;

  /** `everyMs`: between two polls of the live gates. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** The polls that come due in the interval, in order of time. */
  *in(polls: Polls, fromMs: number, toMs: number): Generator<Poll> {
    if (this.#lastMs === null || this.#lastMs + this.#everyMs < fromMs) [this.#lastMs, this.#pending] = [fromMs, null];
    const nearMs = NEAR * Math.min(this.#everyMs, toMs - fromMs);
    // No one knows for how much of the interval something was not counted: that is one poll, and no silence of many.
    const whole = [...polls.values()].some((poll) => !isCounted(poll));
    let cursorMs = fromMs;
    const until = (atMs: number) => {
      const [from, to] = [cursorMs, atMs].map((ms) => (ms - fromMs) / (toMs - fromMs));
      const now = mapped(polls, (poll) => partOf(poll, from ?? 0, to ?? 1));
      const before = this.#pending;
      return before === null ? now : mapped(now, (poll, gate) => merged(before.get(gate), poll));
    };
    for (;;) {
      const dueMs: number = (this.#lastMs ?? fromMs) + this.#everyMs;
      const atMs: number = (whole && dueMs <= toMs) || Math.abs(dueMs - toMs) <= nearMs ? toMs : dueMs;
      if (atMs > toMs) break;
      yield { atMs, gates: Object.fromEntries(until(atMs)) };
      [this.#lastMs, this.#pending, cursorMs] = [atMs, null, atMs];
    }
    if (cursorMs < toMs) this.#pending = until(toMs);
  }
}

const isCounted = ({ candidate, stable }: GatePoll) =>
  [candidate, stable].every(({ state }) => state === 'counted' || state === 'absent');

function mapped(polls: Polls, change: (poll: GatePoll, gate: string) => GatePoll): Polls {
  return new Map([...polls].map(([gate, poll]) => [gate, change(poll, gate)]));
}

/** What is missing of a part is missing of the whole. */
function merged(before: GatePoll | undefined, poll: GatePoll): GatePoll {
  if (before === undefined) return poll;
  const arm = (name: 'candidate' | 'stable') => (before[name].state === 'counted' ? poll[name] : before[name]);
  const metrics = Object.entries(poll.blocks).map(([metric, slices]) => {
    const earlier = before.blocks[metric] ?? {};
    const names = new Set([...Object.keys(earlier), ...Object.keys(slices)]);
    const sums = [...names].map((name) => [name, addBlocks(ownOf(earlier, name), ownOf(slices, name))] as const);
    return [metric, Object.fromEntries(sums)] as const;
  });
  return { candidate: arm('candidate'), stable: arm('stable'), blocks: Object.fromEntries(metrics) };
}

/** A slice may be called as anything is, such as `constructor`. */
function ownOf(slices: SliceBlocks, name: string): Block {
  return (Object.hasOwn(slices, name) ? slices[name] : undefined) ?? NO_BLOCK;
}

/** What was counted between two points of the interval, each a part of it, 0..1. The parts of an interval add up to it exactly. */
function partOf(poll: GatePoll, from: number, to: number): GatePoll {
  if (from <= 0 && to >= 1) return poll;
  const blocks = Object.entries(poll.blocks).map(([metric, slices]) => [metric, slicesPart(slices, from, to)] as const);
  return { ...poll, blocks: Object.fromEntries(blocks) };
}

/** The whole is split as its slices are, or rounding would let them add up to more. */
function slicesPart(slices: SliceBlocks, from: number, to: number): SliceBlocks {
  const named = Object.entries(slices).filter(([name]) => name !== WHOLE);
  const rest = named.reduce((left, [, block]) => withoutBlock(left, block), slices[WHOLE] ?? NO_BLOCK);
  const parts = named.map(([name, block]) => [name, blockPart(block, from, to)] as const);
  const whole = parts.reduce((sum, [, block]) => addBlocks(sum, block), blockPart(rest, from, to));
  return { ...Object.fromEntries(parts), [WHOLE]: whole };
}

function withoutBlock(whole: Block, { candidate, stable }: Block): Block {
  const minus = ({ requests, failures }: Counted): Counted => ({ requests: -requests, failures: -failures });
  return { candidate: addCounts(whole.candidate, minus(candidate)), stable: addCounts(whole.stable, minus(stable)) };
}

function blockPart({ candidate, stable }: Block, from: number, to: number): Block {
  return { candidate: countedPart(candidate, from, to), stable: countedPart(stable, from, to) };
}

/** Every so-many-th request fails, so that no part has more failures than requests. */
function countedPart({ requests, failures }: Counted, from: number, to: number): Counted {
  const requestsBy = (part: number) => Math.floor(requests * part + 0.5);
  const failuresBy = (part: number) => (requests === 0 ? 0 : Math.floor((requestsBy(part) * failures) / requests + 0.5));
  return { requests: requestsBy(to) - requestsBy(from), failures: failuresBy(to) - failuresBy(from) };
}
