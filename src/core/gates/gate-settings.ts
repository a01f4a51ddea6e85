/** What gates judge by: margins, probabilities, spans and fixed weights. It lives in the plan, so that nothing moves while a rollout runs. No I/O. */
import * as z from 'zod';
import type { Margin } from './evidence/e-process.ts';

const fraction = z.number().gt(0).lt(1);

const spanMs = z.number().min(0);

const marginSchema = z.strictObject({ times: z.number().min(1).max(1000), plus: z.number().min(0).max(1) });

/** The name of the slice that is all of the traffic, and of the one that takes every slice that was not known before the rollout. */
export const WHOLE = '';

export const OTHER = 'other';

/** The same where slices are members. */
export const LATER = 'members that came later';

/** One thing that a gate judges, for all of the traffic and for each slice. Weights are parts of the evidence of the whole rollout. */
export const judgedMetricSchema = z.strictObject({
  gate: z.string(),
  metric: z.string(),
  /**
   * `failures`: the rate of failures, against the stable build. `traffic`: the part of all requests, against the split. `crashes`: failures
   * are crashes and requests seconds, against the stable build, and against the limit as long as that one does not crash too.
   */
  kind: z.enum(['failures', 'traffic', 'crashes']),
  /** The candidate may fail `times` x stable + `plus` (a fraction of requests) before that is evidence. */
  tolerated: marginSchema,
  /** What must be ruled out before the next step; `plus` null means by the step's share. */
  harm: z.strictObject({ times: z.number().min(1).max(1000), plus: fraction.nullable() }),
  /** The failure rate that no build may exceed, with or without a stable build; null: judged by comparison only. */
  limit: fraction.nullable(),
  /** Whether the limit also holds where the candidate serves alone. */
  limitsAlone: z.boolean(),
  /** How many failures come together at least, for the non-inferiority bound; 1 is exact for independent requests. */
  dispersion: z.number().min(1).max(1000),
  /** Whether a step needs this metric's non-inferiority bound, and whether a stable build beyond half the limit holds the rollout. */
  certified: z.boolean(),
  holdsInIncident: z.boolean(),
  /** How often the stable build usually fails, as counted before the rollout; null where that is unknown. */
  usual: z.number().min(0).max(1).nullable().default(null),
  /** For so long after each raise only a build that fails nearly everything is evidence; 0 of plans before this was asked. */
  warmUpMs: spanMs.default(0),
  weight: z.number().gt(0).max(1),
  slices: z.array(z.strictObject({ name: z.string().min(1), weight: z.number().gt(0).max(1) })),
  /** The slices are the members of the candidate's place, each next to the whole stable build at its location. */
  byMember: z.literal(true).optional(),
});

export const gateSettingsSchema = z.strictObject({
  /** The chance, over the whole rollout, of calling a build bad that is within every margin. */
  alpha: fraction,
  /** How sure a non-inferiority bound is. */
  confidence: fraction,
  /** Least ln E that rolls back, where replays of healthy rollouts asked for more than ln 1/alpha; null otherwise. */
  leastLogE: z.number().nullable(),
  /** Only in plans of versions whose count test waited for such replays; it changes nothing any more. */
  calibrated: z.boolean().optional(),
  /** The least and the longest time at one step. */
  dwellMs: spanMs,
  maxDwellMs: spanMs,
  /** How old the newest counts may be: scrape interval and ingestion. */
  lagMs: spanMs,
  /** Failures that come together must fall into one block of the share process. */
  blockMs: z.number().gt(0),
  /** After the first block, the time over which the late half of the evidence begins. */
  horizonMs: z.number().gt(0),
  /** How long the stable build is counted before the candidate gets its first request; 0 of plans before this was asked. */
  watchMs: spanMs.default(0),
  /** How long the candidate alone, or everything, may go uncounted before the rollout rolls back. */
  missingMs: spanMs,
  blindMs: spanMs,
  /** The part of the traffic that may advance in slices too small for a non-inferiority bound. */
  unverifiedShare: z.number().min(0).max(1),
  metrics: z.array(judgedMetricSchema).min(1),
});

export type JudgedMetric = z.infer<typeof judgedMetricSchema>;

export type GateSettings = z.infer<typeof gateSettingsSchema>;

/** Defaults of one metric. The margins ask for 1.2 x + 0.05 points to be sure of harm, and rule out 2 x + a margin by step. */
export const METRIC_DEFAULTS = {
  kind: 'failures',
  tolerated: { times: 1.2, plus: 0.0005 },
  harm: { times: 2, plus: null },
  limit: 0.01,
  limitsAlone: true,
  dispersion: 4,
  certified: true,
  holdsInIncident: true,
  usual: null,
  warmUpMs: 0,
} as const satisfies Partial<JudgedMetric>;

const MINUTE_MS = 60_000;

/** Defaults of the rest. */
export const SETTINGS_DEFAULTS = {
  alpha: 0.01,
  confidence: 0.95,
  leastLogE: null,
  dwellMs: 3 * MINUTE_MS,
  maxDwellMs: 30 * MINUTE_MS,
  lagMs: 15_000,
  blockMs: 15_000,
  horizonMs: 60 * MINUTE_MS,
  watchMs: 1.5 * MINUTE_MS,
  missingMs: MINUTE_MS,
  blindMs: 2 * MINUTE_MS,
  unverifiedShare: 0.05,
} as const satisfies Omit<GateSettings, 'metrics'>;

/** Latency: a bound judges requests slower than it. */
export const LATENCY_MARGIN = { times: 1.1, plus: 0.002 } as const;

/** Requests of one client come together, so a share of traffic is surer of itself than it should be. */
export const TRAFFIC_DISPERSION = 20;

/** How the evidence is shared out between families of metrics, in parts; those that are not judged leave theirs to the rest. */
export const FAMILY_PARTS = { errors: 0.5, status: 0.15, latency: 0.2, traffic: 0.05, restarts: 0.1 } as const;

export type Family = keyof typeof FAMILY_PARTS;

/** A metric before its weights are known. `slices` with their parts of the metric's second half: equal, or the root of their traffic. */
export interface UnweightedMetric extends Omit<JudgedMetric, 'weight' | 'slices'> {
  readonly family: Family;
  readonly slices: readonly { readonly name: string; readonly part: number }[];
}

/** Gives every stream its weight: families by their parts, metrics of one family alike, half for the whole and half for the slices. */
export function weighted(metrics: readonly UnweightedMetric[]): JudgedMetric[] {
  const families = new Set(metrics.map(({ family }) => family));
  const parts = [...families].reduce((sum, family) => sum + FAMILY_PARTS[family], 0);
  return metrics.map(({ family, slices, ...metric }) => {
    const weight = FAMILY_PARTS[family] / parts / metrics.filter((other) => other.family === family).length;
    const all = slices.reduce((sum, { part }) => sum + part, 0);
    if (all === 0) return { ...metric, weight, slices: [] };
    return {
      ...metric,
      weight: weight / 2,
      slices: slices.map(({ name, part }) => ({ name, weight: (weight / 2) * (part / all) })),
    };
  });
}

/** The limit of a candidate that serves alone, as its bound rules it out for one of so many members; null if it is unknown. */
export function limitAlone({ limit, limitsAlone }: JudgedMetric, members = 1): number | null {
  return limitsAlone && limit !== null ? partly(limit, members) : null;
}

/** So much one member of many may hide at most. */
const PARTLY_MOST = 0.5;

/** What harms the whole by `plus`, where all of it is at one of so many members. */
function partly(plus: number, members: number): number {
  return members === 1 ? plus : Math.max(plus, Math.min(PARTLY_MOST, plus * members));
}

/** How many members share the traffic that a stream is judged among: 1 but for the stream of a member. `index` 0 is the whole. */
export function membersBeside({ byMember, slices }: JudgedMetric, index: number): number {
  return byMember === true && index > 0 ? Math.max(1, slices.filter(({ name }) => name !== LATER).length) : 1;
}

/** Fractions of requests by the candidate's share: the more traffic, the less harm may stay hidden. Between them a straight line of logs. */
const HARM_PLUS: readonly (readonly [share: number, plus: number])[] = [
  [0.01, 0.01],
  [0.05, 0.005],
  [0.25, 0.002],
  [0.5, 0.001],
];

/**
 * The harm that must be ruled out at a step which gives the candidate `share` (0..1) of the traffic: of the whole, or of one of so many members.
 * One member fails its own requests alone, so it takes that much more to harm the whole as much, and about as long to rule out.
 */
export function harmAt(harm: JudgedMetric['harm'], share: number, members = 1): Margin {
  return { times: harm.times, plus: partly(harm.plus ?? harmPlus(share), members) };
}

function harmPlus(share: number): number {
  const above = HARM_PLUS.findIndex(([at]) => share <= at);
  const upper = HARM_PLUS[above === -1 ? HARM_PLUS.length - 1 : above];
  const lower = HARM_PLUS[above - 1];
  if (upper === undefined) throw new Error('the harm by share has no rows');
  if (lower === undefined || share >= upper[0]) return upper[1];
  const part = Math.log(share / lower[0]) / Math.log(upper[0] / lower[0]);
  return Math.exp(Math.log(lower[1]) + part * Math.log(upper[1] / lower[1]));
}

/** ln E at which the verdict is fail. `lost` is how often the evidence was lost: the k-th new beginning may spend alpha / 2^k. */
export function rollbackLogE(settings: GateSettings, lost: number): number {
  return Math.max(settings.leastLogE ?? 0, -Math.log(settings.alpha)) + lost * Math.LN2;
}

/** ln C that a non-inferiority bound needs: ln of 1 / (1 - confidence). */
export function harmBoundLogC(settings: GateSettings): number {
  return -Math.log(1 - settings.confidence);
}

/**
 * ln E that replays of healthy rollouts ask for: the ceil((1 - alpha)(R + 1))-th smallest of their R greatest ln E, free of any
 * distribution where rollouts are exchangeable. Undefined where R is too small to say so (99 for alpha = 1 %).
 */
export function calibratedLogE(greatest: readonly number[], alpha: number): number | undefined {
  // Rounded, since (1 - 0.01) * 100 is a little more than 99.
  const rank = Math.ceil(Number(((1 - alpha) * (greatest.length + 1)).toFixed(9)));
  const sorted = greatest.toSorted((a, b) => a - b);
  const found = sorted[rank - 1];
  return found === undefined ? undefined : Math.max(-Math.log(alpha), found);
}
