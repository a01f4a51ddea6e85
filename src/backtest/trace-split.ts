/** Deals the stable build's requests to two builds that are one: a candidate with nothing wrong. The same seed deals alike. No I/O. */
import type { TraceRow } from './trace.ts';
import type { StatusNames } from './trace-counts.ts';
import type { Interval } from './trace-intervals.ts';

export interface Deal {
  /** The candidate's part of the requests, step by step, each for as many intervals; 0..1. */
  readonly shares: readonly number[];
  /** When the made-up rollout begins, in seconds of the recorded one. */
  readonly startS: number;
  /** So many failures fall to one build together. */
  readonly cluster: number;
  readonly random: () => number;
}

/** Numbers between 0 and 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The rows of both builds. Requests are dealt by the share, what is left of one interval going to the next; failures by chance, in clusters;
 * requests in a latency bucket by chance, one by one.
 */
export function dealt(intervals: readonly Interval[], deal: Deal, names: StatusNames): TraceRow[] {
  const dealer = new Dealer(deal, names);
  return intervals.flatMap(({ tS, rows }, index) => {
    const share = deal.shares[Math.floor((index * deal.shares.length) / intervals.length)] ?? 0.5;
    const parts = withSlices(dealer.interval(withSlices(rows, -1), share), 1);
    return parts.map((row) => ({ ...row, tS: tS - deal.startS }));
  });
}

/** Takes the slices out of the line of the whole service (-1), or puts them back (1), so that the whole is dealt as they are. */
function withSlices(rows: readonly TraceRow[], sign: 1 | -1): TraceRow[] {
  const key = ({ arm, status, le }: TraceRow) => `${arm} ${status} ${le}`;
  const sums = new Map<string, { requests: number; errors: number }>();
  for (const row of rows) {
    if (row.slice === null) continue;
    const sum = sums.get(key(row)) ?? { requests: 0, errors: 0 };
    sums.set(key(row), { requests: sum.requests + row.requests, errors: sum.errors + row.errors });
  }
  return rows.map((row) => {
    const sum = row.slice === null ? sums.get(key(row)) : undefined;
    if (sum === undefined) return row;
    return { ...row, requests: row.requests + sign * sum.requests, errors: row.errors + sign * sum.errors };
  });
}

class Dealer {
  readonly #deal: Deal;
  readonly #names: StatusNames;
  /** Parts of requests that are due to the candidate, by slice and status. */
  readonly #due = new Map<string, number>();

  constructor(deal: Deal, names: StatusNames) {
    this.#deal = deal;
    this.#names = names;
  }

  interval(rows: readonly TraceRow[], share: number): TraceRow[] {
    const counted = rows.filter(({ le }) => le === null).flatMap((row) => this.#row(row, share));
    return [
      ...counted,
      ...this.#buckets(
        rows.filter(({ le }) => le !== null),
        share,
      ),
    ];
  }

  #row(row: TraceRow, share: number): TraceRow[] {
    const failed = row.status !== null && this.#names.metricOf(row.status) !== undefined;
    const requests = failed ? this.#clusters(row.requests, share) : this.#requests(row, share);
    const errors = failed ? Math.min(row.errors, requests) : this.#clusters(row.errors, share);
    // Of what fell to one build no more can have failed than there was.
    const least = Math.max(0, row.errors - (row.requests - requests));
    return bothBuilds(row, requests, Math.min(requests, Math.max(least, errors)));
  }

  #requests({ slice, status, requests }: TraceRow, share: number): number {
    const key = JSON.stringify([slice, status]);
    const due = (this.#due.get(key) ?? 0) + requests * share;
    const now = Math.min(requests, Math.floor(due));
    this.#due.set(key, due - now);
    return now;
  }

  #clusters(count: number, share: number): number {
    const { cluster, random } = this.#deal;
    const whole = Math.floor(count / cluster);
    const rest = count - whole * cluster;
    return cluster * chosen(random, whole, share) + (random() < share ? rest : 0);
  }

  /** Each request falls into one bucket, and is dealt there. */
  #buckets(rows: readonly TraceRow[], share: number): TraceRow[] {
    const slices = new Map<string | null, TraceRow[]>();
    for (const row of rows) slices.set(row.slice, [...(slices.get(row.slice) ?? []), row]);
    return [...slices.values()].flatMap((some) => {
      let [below, ours] = [0, 0];
      return some
        .toSorted((a, b) => (a.le ?? 0) - (b.le ?? 0))
        .flatMap((row) => {
          ours += chosen(this.#deal.random, row.requests - below, share);
          below = row.requests;
          return bothBuilds(row, ours, 0);
        });
    });
  }
}

function bothBuilds(row: TraceRow, requests: number, errors: number): TraceRow[] {
  const rest = { requests: row.requests - requests, errors: Math.max(0, row.errors - errors) };
  return [
    { ...row, arm: 'candidate', requests, errors },
    { ...row, ...rest, errors: Math.min(rest.errors, rest.requests) },
  ];
}

/** More than so many are drawn from the normal distribution, which is no longer told apart. */
const MANY = 10_000;

/** How many of `count` are chosen, each with this chance. */
function chosen(random: () => number, count: number, chance: number): number {
  if (count > MANY) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.min(count, Math.max(0, Math.round(count * chance + normal * Math.sqrt(count * chance * (1 - chance)))));
  }
  let found = 0;
  for (let index = 0; index < count; index += 1) if (random() < chance) found += 1;
  return found;
}
