/** Example traces in fixtures/traces: recorded rollouts of a made-up service, the same from the same seed. `node test/bench/traces.mjs` writes them. */
import { fileURLToPath } from 'node:url';
import { seeded } from '../src/backtest/calibration.ts';
import { binomial } from './core/gates/verdict/judged.ts';

export const SEED = 20261122;
export const TRACES = fileURLToPath(new URL('../fixtures/traces', import.meta.url));
export const HEADER = 't_s,slice,build,requests,errors';

export interface Traffic {
  readonly seed?: number;
  /** Requests of both builds in one interval. */
  readonly requests?: number;
  /** The candidate's share of them, 0..1. */
  readonly share?: number;
  readonly intervals?: number;
  readonly everyS?: number;
  /** The fraction that fails. */
  readonly stable?: number;
  readonly candidate?: number;
  /** Of the candidate, in one slice. */
  readonly bad?: { readonly slice: string; readonly rate: number };
  /** Slices with their part of the traffic. */
  readonly slices?: Readonly<Record<string, number>>;
}

const DEFAULTS = {
  seed: SEED,
  requests: 15_000,
  share: 0.05,
  intervals: 40,
  everyS: 15,
  stable: 0.001,
  candidate: 0.001,
} as const;

/** Lines of a trace without its header; every request fails or not on its own. */
export function linesOf(traffic: Traffic): string[] {
  const { seed, requests, share, intervals, everyS, stable, candidate, bad, slices } = {
    bad: undefined,
    slices: { '': 1 },
    ...DEFAULTS,
    ...traffic,
  };
  const random = seeded(seed);
  const lines: string[] = [];
  for (let index = 1; index <= intervals; index += 1)
    for (const [slice, part] of Object.entries(slices)) {
      const all = Math.round(requests * part);
      const ours = slice === '' ? Math.round(all * share) : binomial(random, all, share);
      const rate = bad?.slice === slice ? bad.rate : candidate;
      lines.push(`${index * everyS},${slice},candidate,${ours},${binomial(random, ours, rate)}`);
      lines.push(`${index * everyS},${slice},stable,${all - ours},${binomial(random, all - ours, stable)}`);
    }
  return lines;
}

export function traceOf(traffic: Traffic): string {
  return `${[HEADER, ...linesOf(traffic)].join('\n')}\n`;
}

/** So many tenants, the k-th with a part that falls as 1/k. */
export function tenants(count: number): Record<string, number> {
  const parts = Array.from({ length: count }, (_, index) => 1 / (index + 1));
  const all = parts.reduce((sum, part) => sum + part, 0);
  return Object.fromEntries(parts.map((part, index) => [`tenant-${String(index + 1).padStart(3, '0')}`, part / all]));
}

/** Every status on a line of its own: `401` is what the candidate answers from the fifth interval on. */
export function statusTrace(): string {
  const random = seeded(SEED);
  const usual = { '404': 0.01, '503': 0.001 };
  const lines: string[] = [];
  for (let index = 1; index <= 20; index += 1)
    for (const [build, requests] of [
      ['candidate', 750],
      ['stable', 14_250],
    ] as const) {
      const refused = build === 'candidate' && index > 4 ? requests : binomial(random, requests, 0.002);
      const failed = Object.entries(usual).map(([status, rate]) => [status, binomial(random, requests - refused, rate)] as const);
      const good = requests - refused - failed.reduce((sum, [, count]) => sum + count, 0);
      for (const [status, count] of [['200', good], ['401', refused], ...failed] as const)
        lines.push(`${index * 15},,${build},${count},${status === '503' ? count : 0},${status}`);
    }
  return `${[`${HEADER},status`, ...lines].join('\n')}\n`;
}

/** The candidate alone is not recorded for two minutes. */
export function gapTrace(): string {
  const isLost = (line: string) =>
    line.includes(',candidate,') && Number(line.split(',')[0]) > 60 && Number(line.split(',')[0]) <= 180;
  return `${[HEADER, ...linesOf({}).filter((line) => !isLost(line))].join('\n')}\n`;
}

export const EXAMPLES: Readonly<Record<string, () => string>> = {
  healthy: () => traceOf({}),
  'five-percent': () => traceOf({ candidate: 0.05 }),
  'one-tenant': () => traceOf({ slices: tenants(20), intervals: 20, bad: { slice: 'tenant-007', rate: 0.2 } }),
  'outage-of-401': statusTrace,
  'scrape-gap': gapTrace,
};
