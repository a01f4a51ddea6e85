/** What comparing gates can see before a rollout: metrics, slices, traffic of the build currently serving. Asks only. */
import {
  type ComparedGate,
  type Comparison,
  type Countable,
  comparisonOf,
  type EvidenceLimits,
  usualRates,
} from '../core/gates/comparison.ts';
import { gatePollOf } from '../core/gates/counting/blocks.ts';
import { type ArmCounters, type Counters, countersSince, counterTotals, NO_COUNTERS } from '../core/gates/counting/counters.ts';
import { boundsNote, boundsOf, withBuckets } from '../core/gates/counting/latency-blocks.ts';
import { BUCKET_PREFIX, boundOf, judgedBounds, type MetricCounters } from '../core/gates/counting/metric-counters.ts';
import type { Counted } from '../core/gates/evidence/e-process.ts';
import { WHOLE } from '../core/gates/gate-settings.ts';
import type { Traffic } from '../core/gates/verdict/forecast.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { shortGuid } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { openSource } from '../metrics/index.ts';
import type { Reading } from '../routers/router.ts';
import { countGate, countLatency } from './compare.ts';
import { uncountable } from './measure.ts';

/** One comparing gate before the first step. */
export interface SeenGate {
  readonly gate: string;
  /** Why it could not judge, or undefined. */
  readonly silent: string | undefined;
  readonly countable: Countable | undefined;
  /**
   * Looks again, once something new can be counted: the traffic of the build currently serving, or undefined where there was none, and what
   * the two looks together say of how it is counted. Takes as long as the source lags, and a second at least.
   */
  readonly traffic: () => Promise<{
    readonly now: Pick<Traffic, 'requestsPerSecond' | 'stableRate'> | undefined;
    readonly notes: readonly string[];
  }>;
}

export interface SeenComparison {
  readonly gates: readonly SeenGate[];
  /** Undefined without comparing gates, and where one of them is silent. */
  readonly comparison: Comparison | undefined;
}

type Builds = Pick<Plan, 'scope' | 'candidate' | 'stable'>;

/** Two looks so far apart, and as far as the source lags, show how much traffic there is. */
const APART_MS = 1000;

/** Asks every comparing gate about the build currently serving (`stable`; for an adoption the candidate). Never rejects. */
export async function lookAtComparison(
  compared: readonly ComparedGate[],
  limits: EvidenceLimits,
  builds: Builds,
  reading: Reading,
  again: () => Promise<Reading | null>,
  io: Io,
): Promise<SeenComparison> {
  if (compared.length === 0) return { gates: [], comparison: undefined };
  const gates = await Promise.all(compared.map((gate) => lookAtGate(gate, builds, reading, again, io)));
  const countable = new Map(
    gates.flatMap((gate) => (gate.countable === undefined ? [] : [[gate.gate, gate.countable] as const])),
  );
  const all = countable.size === compared.length;
  return { gates, comparison: all ? comparisonOf(compared, limits, countable) : undefined };
}

async function lookAtGate(
  gate: ComparedGate,
  builds: Builds,
  reading: Reading,
  again: () => Promise<Reading | null>,
  io: Io,
): Promise<SeenGate> {
  const serving = { ...builds, candidate: builds.stable ?? builds.candidate, stable: null };
  const asked = { name: gate.name, source: gate.source, settings: { ...gate.settings } };
  // Asked as the rollout will ask: about both builds at once, though only what serves now has counts to judge by.
  const [both, bothBuckets] = await Promise.all([
    countGate(asked, builds, reading, io),
    countLatency(asked, builds, reading, io),
  ]);
  const counts = ofServing(both, builds);
  const buckets = bothBuckets === undefined ? undefined : ofServing(bothBuckets, builds);
  const first = buckets === undefined ? counts : { ...counts, candidate: withBuckets(counts.candidate, buckets.candidate) };
  const { source, config } = openSource(asked);
  const silent =
    silence(counts.candidate) ??
    (buckets !== undefined && 'missing' in buckets.candidate ? `its latency query: ${buckets.candidate.missing}` : undefined) ??
    source.unproven?.(config, first.candidate);
  if (silent !== undefined) {
    const why = `Gate ${gate.name} has no data for ${shortGuid(serving.candidate.guid)}, the build currently serving: ${silent}.`;
    return { gate: gate.name, silent: why, countable: undefined, traffic: async () => ({ now: undefined, notes: [] }) };
  }
  const unseen = source.unaskable === undefined ? undefined : uncountable(both.candidate);
  if (unseen !== undefined) {
    const why = `Gate ${gate.name} could not judge ${shortGuid(builds.candidate.guid)}, the candidate: ${unseen}.`;
    return { gate: gate.name, silent: why, countable: undefined, traffic: async () => ({ now: undefined, notes: [] }) };
  }
  const metrics = worthJudging(source.metrics(config, first), first.candidate);
  const countable: Countable = {
    metrics: metrics.map(({ metric }) => metric),
    slices: requestsBySlice(first.candidate),
    members: membersIn(both.candidate),
    countsTraffic: source.countsTraffic(config) && (reading.sticky === undefined || gate.compare.traffic === true),
    countsProcesses: source.countsProcesses ?? false,
    seesCrashes: seesCrashes(first.candidate),
    usualRates: usualRates(countedOf(metrics, first.candidate)),
    unseen: source.unseen(config, { limited: false, seen: first.candidate }),
    notes: [
      ...(source.countsTraffic(config) ? notesOf(gate, reading) : []),
      ...(source.notes?.(config, first.candidate) ?? []),
      ...boundsNotes(bothBuckets, metrics),
    ],
    lagMs: source.lagMs(config),
  };
  const traffic = async () => {
    const beganMs = io.monotonic();
    await io.sleep(APART_MS + countable.lagMs);
    const second = await countGate(asked, serving, await again(), io);
    const begun = countersSince(NO_COUNTERS, counts, countable.lagMs);
    const delta = countersSince(begun.memory, second, countable.lagMs);
    const notes = countable.countsProcesses === true ? turnsNote(counts.candidate, second.candidate) : [];
    const block = gatePollOf(delta, metrics).blocks['errors']?.[WHOLE]?.candidate;
    if (block === undefined || block.requests === 0) return { now: undefined, notes };
    const seconds = (io.monotonic() - beganMs) / 1000;
    return { now: { requestsPerSecond: block.requests / seconds, stableRate: block.failures / block.requests }, notes };
  };
  return { gate: gate.name, silent: undefined, countable, traffic };
}

/** Where the candidate has buckets already, whether they can be compared. */
function boundsNotes(buckets: Counters | undefined, metrics: readonly MetricCounters[]): string[] {
  const slower = metrics.filter(({ counts }) => counts === 'slower');
  const note = buckets === undefined || slower.length === 0 ? undefined : boundsNote(boundsOf(buckets), slower);
  return note === undefined ? [] : [note];
}

/** Whoever asks for the traffic share in so many words gets it: its evidence alone marks no build bad. */
function notesOf({ compare }: ComparedGate, { sticky }: Reading): string[] {
  if (sticky === undefined) return [];
  const judged = compare.traffic === true ? 'judged, as compare: { traffic: true } says' : 'not judged';
  return [
    `the traffic share is ${judged}: clients are bound to a server (${sticky}), so a good build too gets another part of the requests than planned, and a step can take longer`,
  ];
}

/** Totals that are lower at the second look: of a restart just then, or of another process that answered. */
function turnsNote(first: ArmCounters, second: ArmCounters): string[] {
  const totals = totalsOf(first);
  const lower = [...totalsOf(second)].find(([key, { value }]) => value < (totals.get(key)?.value ?? value));
  if (lower === undefined) return [];
  return [
    `a total of ${lower[1].target} is lower at the second look: it restarted just then, or several processes answer behind one scrape address in turn; give each of them a target of its own`,
  ];
}

function totalsOf(arm: ArmCounters): ReadonlyMap<string, { readonly target: string; readonly value: number }> {
  const targets = 'targets' in arm ? Object.entries(arm.targets) : [];
  return new Map(
    targets.flatMap(([target, { counters }]) =>
      (counters ?? []).map(({ counter, slice, value }) => [`${target} ${counter} ${slice}`, { target, value }] as const),
    ),
  );
}

/** The reading of the build that serves now, as if it were the only one. */
function ofServing(both: Counters, { stable }: Builds): Counters {
  return stable === null ? both : { candidate: both.stable, stable: { absent: true } };
}

function silence(arm: ArmCounters): string | undefined {
  if ('missing' in arm) return arm.missing;
  if ('absent' in arm) return 'it was not polled';
  const dumb = Object.entries(arm.targets).find(([, target]) => target.counters === null);
  if (dumb !== undefined) return `${dumb[0]} does not answer`;
  return Object.keys(arm.targets).length === 0 ? 'no target counts it' : undefined;
}

function seesCrashes(arm: ArmCounters): boolean {
  return 'targets' in arm && Object.values(arm.targets).some(({ downs }) => typeof downs === 'number');
}

/** Bounds of latency that most requests exceed anyway say little; the rest of the metrics stays. */
function worthJudging(metrics: readonly MetricCounters[], arm: ArmCounters): readonly MetricCounters[] {
  const buckets = [...counterTotals(arm)].filter(([name]) => name.startsWith(BUCKET_PREFIX));
  const judged = judgedBounds(buckets.map(([name, count]) => ({ le: boundOf(name), count })));
  return metrics.filter(({ counts, failures }) => counts !== 'slower' || judged.includes(boundOf(failures)));
}

function countedOf(metrics: readonly MetricCounters[], arm: ArmCounters): (readonly [string, Counted])[] {
  const sums = counterTotals(arm);
  const failing = metrics.filter(({ counts }) => counts === 'failures');
  return failing.map(({ metric, requests, failures }) => {
    return [metric, { requests: sums.get(requests) ?? 0, failures: sums.get(failures) ?? 0 }] as const;
  });
}

/** The members of the candidate's place: they are there before they get anything. */
function membersIn(arm: ArmCounters): string[] {
  return 'targets' in arm ? Object.values(arm.targets).flatMap(({ member }) => member?.name ?? []) : [];
}

function requestsBySlice(arm: ArmCounters): Record<string, number> {
  // A slice may be called as anything is, such as `constructor`.
  const requests = new Map<string, number>();
  if (!('targets' in arm)) return {};
  for (const { counters } of Object.values(arm.targets))
    for (const { counter, slice, value } of counters ?? [])
      if (counter === 'requests' && slice !== WHOLE) requests.set(slice, (requests.get(slice) ?? 0) + value);
  return Object.fromEntries(requests);
}
