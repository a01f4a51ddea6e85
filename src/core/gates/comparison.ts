/** Gates that compare candidate and stable, from what the config asks to what the evidence judges. Fixed before the first step. No I/O. */
import * as z from 'zod';
import { CRASH_LIMIT } from './counting/crashes.ts';
import { RESTARTS, SLOWER } from './counting/metric-counters.ts';
import type { Counted } from './evidence/e-process.ts';
import {
  type GateSettings,
  gateSettingsSchema,
  LATENCY_MARGIN,
  LATER,
  METRIC_DEFAULTS,
  OTHER,
  SETTINGS_DEFAULTS,
  TRAFFIC_DISPERSION,
  type UnweightedMetric,
  WHOLE,
  weighted,
} from './gate-settings.ts';

/** One comparing gate as the config asks for it. */
export interface ComparedGate {
  readonly name: string;
  readonly source: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly warmUpMs?: number | undefined;
  readonly compare: {
    readonly tolerate?: MarginAsked | undefined;
    readonly ruleOut?: MarginAsked | undefined;
    readonly limit?: number | undefined;
    readonly clusters?: number | undefined;
    /** False: how many requests the candidate gets says nothing about its health, as where clients stay with a build. */
    readonly traffic?: boolean | undefined;
  };
}

interface MarginAsked {
  readonly times?: number | undefined;
  readonly plus?: number | undefined;
}

/** What a service says of all of its comparing gates together. */
export type EvidenceLimits = Partial<
  Pick<GateSettings, 'alpha' | 'confidence' | 'dwellMs' | 'blockMs' | 'watchMs' | 'leastLogE' | 'unverifiedShare'>
>;

/** The comparing gates of a plan: what to ask, and what the answers are judged by. */
export const comparisonSchema = z.strictObject({
  gates: z.array(z.strictObject({ name: z.string(), source: z.string(), settings: z.record(z.string(), z.unknown()) })).min(1),
  settings: gateSettingsSchema,
});

export type Comparison = z.infer<typeof comparisonSchema>;

/** What a gate's source can tell apart, as its first answer about the stable build shows. */
export interface Countable {
  /** Metrics of failures, `errors` first; `401` and the like are judged by comparison, and by a limit only next to a stable build. */
  readonly metrics: readonly string[];
  /** Requests of the stable build by slice; empty where there are none. */
  readonly slices: Readonly<Record<string, number>>;
  /** The members of the candidate's place, in words, where it counts each by itself; absent where there is only one. */
  readonly members?: readonly string[];
  /** True where it counts the traffic itself, so that requests can be held against the split. */
  readonly countsTraffic: boolean;
  /** True where its targets are the build's own processes, so that their restarts are the build's. */
  readonly countsProcesses?: boolean;
  /** True where its targets watch the build's processes by health checks, and see them go down. */
  readonly seesCrashes?: boolean;
  /** By metric, the share of its requests that failed since its source began to count; none where those were too few to tell. */
  readonly usualRates?: Readonly<Record<string, number>>;
  /** What it does not see of how requests end, each as `kind` or `kind: why`: `latency`, `gRPC statuses`, `retries`, `slices`. */
  readonly unseen?: readonly string[];
  /** What `plan` says of how its counts come: clients that stay with a build, several processes behind one address. */
  readonly notes?: readonly string[];
  /** Milliseconds from a request to its count: scrape interval and more. */
  readonly lagMs: number;
}

/** More slices than this cannot be judged one by one; the rest is judged together. */
const SLICES_MAX = 1000;

/**
 * The comparison of a rollout, with weights fixed now. `countable` by gate name. Throws a plain error for a gate that was never asked:
 * the caller must refuse that before.
 */
export function comparisonOf(
  gates: readonly ComparedGate[],
  limits: EvidenceLimits,
  countable: ReadonlyMap<string, Countable>,
): Comparison {
  const ofTraffic = gates.find((gate) => countableOf(gate, countable).countsTraffic && gate.compare.traffic !== false);
  const metrics = gates.flatMap((gate) => metricsOf(gate, countableOf(gate, countable), gate === ofTraffic));
  const lagMs = Math.max(...gates.map((gate) => countableOf(gate, countable).lagMs));
  const blockMs = Math.max(limits.blockMs ?? SETTINGS_DEFAULTS.blockMs, lagMs);
  return {
    gates: gates.map(({ name, source, settings }) => ({ name, source, settings: { ...settings } })),
    settings: { ...SETTINGS_DEFAULTS, ...limits, lagMs, blockMs, metrics: weighted(metrics) },
  };
}

function countableOf({ name }: ComparedGate, countable: ReadonlyMap<string, Countable>): Countable {
  const found = countable.get(name);
  if (found === undefined) throw new Error(`gate ${name} was never asked`);
  return found;
}

function metricsOf(gate: ComparedGate, countable: Countable, isOfTraffic: boolean): UnweightedMetric[] {
  return [
    ...countable.metrics.map((metric): UnweightedMetric => failuresOf(gate, metric, countable)),
    ...(isOfTraffic ? [{ ...harmOnly(gate, 'traffic'), kind: 'traffic' as const, dispersion: TRAFFIC_DISPERSION }] : []),
    ...(countable.countsProcesses === true ? [harmOnly(gate, RESTARTS)] : []),
    ...(countable.seesCrashes === true
      ? [{ ...harmOnly(gate, RESTARTS), kind: 'crashes' as const, limit: CRASH_LIMIT, limitsAlone: true }]
      : []),
  ];
}

/** Evidence of harm, and no proof of health: what neither builds fail nor requests end in. */
function harmOnly(gate: ComparedGate, metric: 'traffic' | typeof RESTARTS): UnweightedMetric {
  return {
    ...METRIC_DEFAULTS,
    warmUpMs: gate.warmUpMs ?? METRIC_DEFAULTS.warmUpMs,
    gate: gate.name,
    metric,
    family: metric,
    limit: null,
    limitsAlone: false,
    certified: false,
    holdsInIncident: false,
    slices: [],
  };
}

function failuresOf(gate: ComparedGate, metric: string, countable: Countable): UnweightedMetric {
  const { usualRates = {} } = countable;
  const { tolerate, ruleOut, limit, clusters } = gate.compare;
  const isErrors = metric === 'errors';
  const isLatency = metric.startsWith(SLOWER);
  const tolerated = isLatency ? LATENCY_MARGIN : METRIC_DEFAULTS.tolerated;
  return {
    ...METRIC_DEFAULTS,
    warmUpMs: gate.warmUpMs ?? METRIC_DEFAULTS.warmUpMs,
    gate: gate.name,
    metric,
    family: isErrors ? 'errors' : isLatency ? 'latency' : 'status',
    tolerated: { times: tolerate?.times ?? tolerated.times, plus: tolerate?.plus ?? tolerated.plus },
    harm: { times: ruleOut?.times ?? METRIC_DEFAULTS.harm.times, plus: ruleOut?.plus ?? METRIC_DEFAULTS.harm.plus },
    limit: isErrors ? (limit ?? usualLimit(usualRates[metric])) : isLatency ? null : statusLimit(usualRates[metric]),
    // How often a status is right depends on the clients: without another build to compare with, it is unknown.
    limitsAlone: isErrors,
    dispersion: clusters ?? METRIC_DEFAULTS.dispersion,
    holdsInIncident: isErrors,
    usual: usualRates[metric] ?? null,
    // A metric that only the comparison judges must be certified as well: an outage can be made of 401 alone.
    certified: !isLatency,
    ...(WHOLE_ONLY.includes(metric) ? { slices: [] } : partsOf(countable)),
  };
}

/** Not judged by slice: what they are rarely an outage of would cost as much in every slice as errors do. */
const WHOLE_ONLY = ['304', 'other 2xx', '1xx'];

/** Beyond half of the limit the stable build itself counts as failing: a service that often fails needs a higher one to ever move. */
const USUAL_TIMES = 4;

const LIMIT_MAX = 0.5;

/** The limit where the config says none: 1 %, or four times what is usual, in whole tenths of a percent. */
export function usualLimit(usualRate: number | undefined): number {
  const wanted = Math.ceil(USUAL_TIMES * (usualRate ?? 0) * 1000) / 1000;
  return Math.min(LIMIT_MAX, Math.max(METRIC_DEFAULTS.limit, wanted));
}

/** With fewer requests it is unknown what is usual. */
const ENOUGH_REQUESTS = 1000;

/** How often each metric usually fails, of what was counted of it; those of too few requests are left out. */
export function usualRates(counted: Iterable<readonly [metric: string, counts: Counted]>): Record<string, number> {
  const enough = [...counted].filter(([, { requests }]) => requests >= ENOUGH_REQUESTS);
  return Object.fromEntries(enough.map(([metric, { requests, failures }]) => [metric, failures / requests]));
}

const STATUS_LIMIT = 0.1;

/**
 * How often one status may be answered next to a stable build: 10 %, or four times what is usual. Null, and judged by comparison only, where
 * it is unknown what is usual or how much is too much.
 */
function statusLimit(usualRate: number | undefined): number | null {
  if (usualRate === undefined || USUAL_TIMES * usualRate > LIMIT_MAX) return null;
  return Math.max(STATUS_LIMIT, usualLimit(usualRate));
}

function partsOf({ slices, members = [] }: Countable): Pick<UnweightedMetric, 'slices' | 'byMember'> {
  const bySlice = slicesOf(slices);
  if (bySlice.length > 0 || members.length < 2) return { slices: bySlice };
  // What each will get is unknown before it gets anything.
  const named = members.slice(0, SLICES_MAX - 1).map((name) => ({ name, part: 1 }));
  return { slices: [...named, { name: LATER, part: 1 }], byMember: true };
}

/** By the root of their traffic: a large slice shows more, a small one must still be seen. Late comers get the part of an average one. */
function slicesOf(requests: Readonly<Record<string, number>>): UnweightedMetric['slices'] {
  const named = Object.entries(requests)
    .filter(([name]) => name !== WHOLE && name !== OTHER)
    .toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
    .slice(0, SLICES_MAX - 1)
    .map(([name, count]) => ({ name, part: Math.sqrt(Math.max(1, count)) }));
  if (named.length === 0) return [];
  const average = named.reduce((sum, { part }) => sum + part, 0) / named.length;
  return [...named, { name: OTHER, part: average }];
}
