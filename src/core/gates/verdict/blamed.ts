/** Where the evidence points: every stream's standing, the slices that are to blame and those under suspicion. Must acquit no build. No I/O. */
import { apartTexts, fractionText, versusText } from '../../text.ts';
import { crashesText } from '../counting/crashes.ts';
import { type Block, type Counted, logSumExp } from '../evidence/e-process.ts';
import { type Evidence, logEOf, streamsOf, streamWeight } from '../evidence/evidence.ts';
import { blockOf, type Stream } from '../evidence/evidence-stream.ts';
import { type GateSettings, type JudgedMetric, rollbackLogE } from '../gate-settings.ts';

/** How one metric in one slice stands. `slice` null is all of the traffic. */
export interface Standing {
  readonly gate: string;
  readonly metric: string;
  readonly slice: string | null;
  readonly weight: number;
  readonly logE: number;
  /** The candidate's share of this step by plan, 0..1, where it is the traffic that is judged; null for failures. */
  readonly planned: number | null;
  /** Counts are crashes in seconds. */
  readonly crashes: boolean;
  /** Counts of this step, and of the whole rollout. */
  readonly step: Block;
  readonly all: Block;
}

/** Every stream, in the order of the settings. */
export function standings(settings: GateSettings, evidence: Evidence): Standing[] {
  return settings.metrics.flatMap((metric) =>
    streamsOf(evidence, metric).map((stream, index) => standing(metric, stream, index, evidence)),
  );
}

function standing(metric: JudgedMetric, stream: Stream, index: number, evidence: Evidence): Standing {
  const slice = index === 0 ? undefined : metric.slices[index - 1];
  return {
    gate: metric.gate,
    metric: metric.metric,
    slice: slice?.name ?? null,
    weight: streamWeight(metric, index),
    logE: logEOf(evidence, metric, stream, index),
    planned: metric.kind === 'traffic' ? evidence.share : null,
    crashes: metric.kind === 'crashes',
    step: blockOf(stream.step),
    all: blockOf(stream.all),
  };
}

/** Of the suspects, at most this part is wrongly suspected on average. */
const FALSE_DISCOVERIES = 0.1;

export interface Blame {
  /** Weighted Bonferroni: the chance that any of them is within its margins is at most alpha. */
  readonly confirmed: readonly Standing[];
  /** e-BH (Wang and Ramdas, JRSS B 2022): expected part of false ones at most 10 %, at the present moment. */
  readonly suspects: readonly Standing[];
  /** What weighs most in the evidence; never empty-handed. */
  readonly heaviest: Standing;
  /** Where the first of these is all of the traffic: the one slice in which nearly all of it failed. Whoever hears of all looks in the wrong place. */
  readonly nearlyAllIn: Standing | null;
  /** Who got how many requests is what decided, and nothing that the build did: its own failures alone would not have been enough. */
  readonly byTrafficAlone: boolean;
}

/** Who is to blame, most evidence first. A slice that is not named is not thereby healthy. */
export function blameOf(settings: GateSettings, evidence: Evidence): Blame {
  const all = standings(settings, evidence);
  const sorted = all.toSorted((a, b) => b.logE - a.logE);
  const needed = rollbackLogE(settings, evidence.lost);
  const heaviest = heaviestOf(all);
  if (heaviest === undefined) throw new Error('there is no evidence without a stream');
  const confirmed = sorted.filter((one) => weighed(one) >= needed);
  const first = confirmed[0] ?? heaviest;
  let suspected = 0;
  for (const [index, { logE }] of sorted.entries())
    if (logE >= Math.log(all.length / ((index + 1) * FALSE_DISCOVERIES))) suspected = index + 1;
  const suspects = sorted.slice(0, suspected).filter((one) => !confirmed.includes(one));
  return {
    confirmed,
    suspects,
    heaviest,
    nearlyAllIn: sorted.find((one) => explains(one, first)) ?? null,
    byTrafficAlone: byTrafficAlone(all, needed),
  };
}

/** In doubt it is the build: where failures, slow answers and crashes are most of the evidence, or enough without the traffic. */
function byTrafficAlone(all: readonly Standing[], needed: number): boolean {
  const evidenceOf = (some: readonly Standing[]) => logSumExp(some.map(weighed));
  const other = evidenceOf(all.filter(({ planned }) => planned === null));
  return other < needed && other < evidenceOf(all.filter(({ planned }) => planned !== null));
}

/** This part of the failures is nearly all of them. */
const NEARLY_ALL = 0.8;

/** A slice that has nearly all of the failures of `whole`, while the rest of the traffic fails less than half as often. */
function explains(slice: Standing, whole: Standing): boolean {
  const isSlice = slice.slice !== null && whole.slice === null && slice.gate === whole.gate && slice.metric === whole.metric;
  if (!isSlice || whole.planned !== null || whole.crashes) return false;
  const [own, all] = [slice.all.candidate.failures, whole.all.candidate.failures];
  return all > 0 && own >= NEARLY_ALL * all && isAlone(slice, whole);
}

/** The rest of the candidate's traffic fails less than half as often. */
export function isAlone(slice: Standing, whole: Standing): boolean {
  const [own, all] = [slice.all.candidate, whole.all.candidate];
  const rest = rateOf({ requests: all.requests - own.requests, failures: all.failures - own.failures });
  return rest < rateOf(own) / 2;
}

function rateOf({ requests, failures }: Counted): number {
  return requests <= 0 ? 0 : failures / requests;
}

/** What weighs most in the evidence, of many alike the first; undefined of nothing. */
export function heaviestOf(standings: readonly Standing[]): Standing | undefined {
  let heaviest: Standing | undefined;
  for (const one of standings) if (heaviest === undefined || weighed(one) > weighed(heaviest)) heaviest = one;
  return heaviest;
}

function weighed({ weight, logE }: Standing): number {
  return Math.log(weight) + logE;
}

/** `errors in eu-west: 7 of 40 (17.5 %) against 3 of 9900 (0.03 %)`; of traffic, what the candidate had and should have had of it; of crashes, how many. */
export function standingText({ metric, slice, all, step, planned, crashes }: Standing): string {
  const where = slice === null ? metric : `${metric} in ${slice}`;
  if (planned !== null) return `${where}: the candidate had ${partText(step, planned)}`;
  if (crashes) return `${where}: ${crashesText(all.candidate, all.stable)}`;
  const { candidate, stable } = all;
  return `${where}: ${versusText([candidate.failures, candidate.requests], [stable.failures, stable.requests])}`;
}

function partText({ candidate, stable }: Block, planned: number): string {
  const requests = candidate.requests + stable.requests;
  if (requests === 0) return `none of 0 requests at this step; the plan was ${fractionText(planned)}`;
  const [part, plan] = apartTexts(candidate.requests / requests, planned);
  return `${candidate.requests} of ${requests} requests (${part}); the plan was ${plan}`;
}

/** The chance of such evidence against a build within its margins, in words. */
export function oddsText(falseAlarm: number): string {
  return `by chance in at most 1 of ${Math.round(1 / falseAlarm)} rollouts`;
}
