/** Runs workloads under judges and sums up what came of it. Must treat every judge alike: the same workload, the same chance, the same counting. */
import type { Judge, NewJudge, Setting } from './judge.ts';
import { Random, seedOf } from './random.ts';
import type { Draw, Sample, Workload } from './workloads.ts';

/** One run under one judge. */
export interface Outcome {
  /** When it rolled back; null if it never did. */
  readonly rolledBackS: number | null;
  /** When it first said to go on. */
  readonly firstAdvanceS: number | null;
  /** When the candidate had all the traffic. */
  readonly wholeS: number | null;
  /** Failures of the candidate, and its requests, until it was rolled back or the run was over. */
  readonly bad: number;
  readonly requests: number;
  readonly blamedSlices: readonly string[];
}

/** What is counted of a run. */
export interface Counting {
  /** Which failures count as bad; all of the candidate's unless said otherwise. */
  readonly badOf?: (sample: Sample, tS: number) => number;
  /** The slice that a rollback should name. */
  readonly badSlice?: string;
  /** Runs that were ended by then are left out. */
  readonly fromS?: number;
}

const allOf = (sample: Sample) => sample.bad ?? sample.candidate.failures;

/** Requests of the candidate in the interval that ends at `tS`: whole ones, so that sums over a run are exact. */
function requestsIn(workload: Workload, tS: number, percent: number): { readonly candidate: number; readonly stable: number } {
  const { rps, fullSeconds = (s: number) => s } = workload;
  const upTo = (share: number, s: number) => Math.round((rps * share * fullSeconds(s)) / 100 + 1e-9);
  const of = (share: number) => upTo(share, tS) - upTo(share, tS - workload.pollS);
  return { candidate: of(percent), stable: of(100 - percent) };
}

function settingOf(workload: Workload, seed: number): Setting {
  const { rps, pollS, percents, p0, p1, slices } = workload;
  return { rps, pollS, percents, p0, p1, slices, seed };
}

/** How long the stable build is watched alone, by whoever does so: kvdeploy's default. */
export const WATCH_S = 90;

/** With chance of its own, so that what comes after the start is the same for everybody; counters that are read go on, so there all are watched. */
function watchStable(workload: Workload, judges: readonly Judge[], seed: number, after: Draw): void {
  const goesOn = workload.hasCounters === true;
  if (!goesOn && judges.every(({ watch }) => watch === undefined)) return;
  const draw = goesOn ? after : workload.begin(new Random(seedOf('watch', seed)));
  for (let tS = workload.pollS - WATCH_S; tS <= 0; tS += workload.pollS) {
    const { stable, parts } = draw(tS, 0, requestsIn(workload, tS, 0).stable);
    for (const judge of judges) judge.watch?.(tS, stable, parts);
  }
}

interface Watched {
  readonly judge: Judge;
  rolledBackS: number | null;
  firstAdvanceS: number | null;
  bad: number;
  requests: number;
}

/** All judges beside each other in one run that stays at the first share, whatever they say but *roll back*. */
export function hold(
  workload: Workload,
  judges: readonly NewJudge[],
  seed: number,
  { badOf = allOf }: Counting = {},
): readonly Outcome[] {
  const draw = workload.begin(new Random(seed));
  const watched: Watched[] = judges.map((make) => ({
    judge: make(),
    rolledBackS: null,
    firstAdvanceS: null,
    bad: 0,
    requests: 0,
  }));
  for (const { judge } of watched) judge.start(settingOf(workload, seed));
  watchStable(
    workload,
    watched.map(({ judge }) => judge),
    seed,
    draw,
  );
  const percent = workload.percents[0] ?? 0;
  for (let tS = workload.pollS; tS <= workload.untilS; tS += workload.pollS) {
    const { candidate, stable } = requestsIn(workload, tS, percent);
    const sample = draw(tS, candidate, stable);
    const bad = badOf(sample, tS);
    for (const each of watched) if (each.rolledBackS === null) see(each, tS, sample, bad);
    if (watched.every(({ rolledBackS }) => rolledBackS !== null)) break;
  }
  return watched.map(({ judge, ...rest }) => ({ ...rest, wholeS: null, blamedSlices: blamed(judge, rest.rolledBackS) }));
}

function see(each: Watched, tS: number, sample: Sample, bad: number): void {
  each.bad += bad;
  each.requests += sample.candidate.requests;
  const verdict = each.judge.poll(tS, sample.candidate, sample.stable, sample.parts);
  if (verdict === 'rollback') each.rolledBackS = tS;
  if (verdict === 'advance') each.firstAdvanceS ??= tS;
}

function blamed(judge: Judge, rolledBackS: number | null): readonly string[] {
  return rolledBackS === null ? [] : (judge.blamedSlices?.() ?? []);
}

/** One judge that leads the rollout through its steps. The last one ends by its word, or, at 100 %, when it has been watched. */
export function walk(workload: Workload, make: NewJudge, seed: number): Outcome {
  const draw = workload.begin(new Random(seed));
  const watched: Watched = { judge: make(), rolledBackS: null, firstAdvanceS: null, bad: 0, requests: 0 };
  watched.judge.start(settingOf(workload, seed));
  watchStable(workload, [watched.judge], seed, draw);
  let [step, wholeS] = [0, null as number | null];
  for (let tS = workload.pollS; tS <= workload.untilS; tS += workload.pollS) {
    const { candidate, stable } = requestsIn(workload, tS, workload.percents[step] ?? 100);
    const sample = draw(tS, candidate, stable);
    watched.bad += allOf(sample);
    watched.requests += sample.candidate.requests;
    const verdict = watched.judge.poll(tS, sample.candidate, sample.stable, sample.parts);
    if (verdict === 'rollback') watched.rolledBackS = tS;
    if (verdict === 'rollback' || (wholeS !== null && tS - wholeS >= workload.bakeS)) break;
    if (verdict !== 'advance' || wholeS !== null) continue;
    watched.firstAdvanceS ??= tS;
    step += 1;
    if ((workload.percents[step] ?? 100) === 100) wholeS = tS;
    // Without a step of 100 % the rollout hands over here, and nobody watches any longer.
    if (step >= workload.percents.length) break;
  }
  const { judge, ...rest } = watched;
  return { ...rest, wholeS, blamedSlices: blamed(judge, rest.rolledBackS) };
}

/** What many runs came to. */
export interface Summary {
  readonly runs: number;
  readonly rolledBack: number;
  readonly meanBad: number;
  readonly errorOfMeanBad: number;
  readonly meanRequests: number;
  readonly medianRollbackS: number | null;
  /** Of the runs that got there. */
  readonly medianWholeS: number | null;
  readonly advanced: number;
  readonly medianAdvanceS: number | null;
  /** Rollbacks that named exactly the slice that was bad. */
  readonly namedRight: number;
}

export function summaryOf(outcomes: readonly Outcome[], badSlice = ''): Summary {
  const runs = outcomes.length;
  const mean = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0) / runs;
  const meanBad = mean(({ bad }) => bad);
  const variance = mean(({ bad }) => (bad - meanBad) ** 2);
  const rolledBack = outcomes.filter(({ rolledBackS }) => rolledBackS !== null);
  return {
    runs,
    rolledBack: rolledBack.length,
    meanBad,
    errorOfMeanBad: Math.sqrt(variance / runs),
    meanRequests: mean(({ requests }) => requests),
    medianRollbackS: median(outcomes.map(({ rolledBackS }) => rolledBackS)),
    medianWholeS: median(outcomes.map(({ wholeS }) => wholeS)),
    advanced: outcomes.filter(({ firstAdvanceS }) => firstAdvanceS !== null).length,
    medianAdvanceS: median(outcomes.map(({ firstAdvanceS }) => firstAdvanceS)),
    namedRight: rolledBack.filter(({ blamedSlices }) => blamedSlices.length === 1 && blamedSlices[0] === badSlice).length,
  };
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

/** Runs the judges in one workload so often; `name` makes the seed of the cell. */
export function holdOften(
  name: string,
  workload: Workload,
  judges: readonly NewJudge[],
  runs: number,
  seed: number,
  counting: Counting = {},
): readonly Summary[] {
  const { fromS = 0, badSlice } = counting;
  const all = Array.from({ length: runs }, (_, run) => hold(workload, judges, seedOf(`${name} ${run}`, seed), counting));
  const isKept = ({ rolledBackS }: Outcome) => rolledBackS === null || rolledBackS > fromS;
  return judges.map((_, index) => {
    const outcomes = all.flatMap((each) => each[index] ?? []);
    return summaryOf(outcomes.filter(isKept), badSlice);
  });
}

export function walkOften(name: string, workload: Workload, judge: NewJudge, runs: number, seed: number): Summary {
  return summaryOf(Array.from({ length: runs }, (_, run) => walk(workload, judge, seedOf(`${name} ${run}`, seed))));
}

/** The upper end of the one-sided 95 % interval of Clopper and Pearson for `found` of `runs`. */
export function upperBound(found: number, runs: number): number {
  if (found >= runs) return 1;
  let [low, high] = [found / runs, 1];
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (atMost(found, runs, middle) > 0.05) low = middle;
    else high = middle;
  }
  return high;
}

function atMost(found: number, runs: number, chance: number): number {
  let log = runs * Math.log1p(-chance);
  let sum = Math.exp(log);
  for (let k = 1; k <= found; k += 1) {
    log += Math.log(((runs - k + 1) / k) * (chance / (1 - chance)));
    sum += Math.exp(log);
  }
  return sum;
}
