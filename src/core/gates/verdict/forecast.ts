/** What a comparing gate will catch, in one sentence for the plan: worked out with the evidence itself, at the traffic of now. No I/O. */
import { fractionText, longText, msText } from '../../text.ts';
import type { Comparison } from '../comparison.ts';
import { type GatePoll, pollEveryMs } from '../counting/blocks.ts';
import { SLOWER } from '../counting/metric-counters.ts';
import type { Block, Counted } from '../evidence/e-process.ts';
import { beginStep, type Evidence, feed, openEvidence } from '../evidence/evidence.ts';
import { requestsToRuleOut } from '../evidence/non-inferiority.ts';
import { type GateSettings, type JudgedMetric, membersBeside, WHOLE } from '../gate-settings.ts';

/** What is known of the service before the rollout. */
export interface Outlook {
  readonly comparison: Comparison;
  /** Undefined where no traffic was seen. */
  readonly traffic: Pick<Traffic, 'requestsPerSecond' | 'stableRate'> | undefined;
  /** The candidate's share at the first step, 0..1. */
  readonly share: number;
  readonly floorMs: number;
}

const RATES = [1, 0.2, 0.05, 0.01] as const;

/** One sentence per claim: what is found after how many bad requests, what a good build needs, and what the interval costs. */
export function forecast(gate: string, { comparison, traffic, share, floorMs }: Outlook): readonly string[] {
  const metric = comparison.settings.metrics.find((one) => one.gate === gate && one.metric === 'errors');
  if (metric === undefined) return [];
  if (traffic === undefined)
    return [`there was no traffic just now, so the time to a decision is unknown; if that is usual, use ${PROBES}`];
  const at = { requestsPerSecond: traffic.requestsPerSecond, share, stableRate: traffic.stableRate };
  const stream = { metric, weight: metric.weight };
  const found = RATES.map((rate) => ({ rate, found: detection(comparison.settings, stream, { traffic: at, rate, floorMs }) }));
  return [
    `at ${requestsText(at)} ${foundText(found)}`,
    harmBoundText(comparison, metric, at),
    ...memberText(comparison, metric, at, floorMs),
    ...lowTrafficText(comparison, metric, at),
    ...(metric.limit === null
      ? []
      : [
          `neither build may fail more than ${fractionText(metric.limit)}; the verdict is hold while the stable build fails more than half of that`,
        ]),
    ...besidesText(gate, comparison),
    floorText(at, floorMs, comparison),
  ];
}

/** What else it rolls back for; of the bounds of latency the first and the last. */
function besidesText(gate: string, { settings }: Comparison): string[] {
  const others = settings.metrics.filter((one) => one.gate === gate && one.metric !== 'errors').map(({ metric }) => metric);
  const slower = others.filter((metric) => metric.startsWith(SLOWER));
  const [first, last] = [slower.at(0), slower.at(-1)];
  const named = others.flatMap((metric) =>
    slower.includes(metric) ? (metric === first ? [bounds(metric, last)] : []) : [metric],
  );
  return named.length === 0 ? [] : [`it also rolls back for: ${named.join(', ')}`];
}

function bounds(first: string, last = first): string {
  return first === last ? first : `${first} to ${last.slice(SLOWER.length)}`;
}

function requestsText({ requestsPerSecond, share }: Traffic): string {
  return `${rounded(requestsPerSecond)} requests per second and a share of ${fractionText(share)}`;
}

function foundText(found: readonly { readonly rate: number; readonly found: Detection | undefined }[]): string {
  const caught = found.flatMap(({ rate, found: one }) =>
    one === undefined
      ? []
      : [`a failure rate of ${fractionText(rate)} is detected after ${one.badRequests} bad requests (${msText(one.afterMs)})`],
  );
  const missed = found.filter((one) => one.found === undefined).map(({ rate }) => fractionText(rate));
  if (caught.length === 0) return 'nothing is detected within an hour: there is too little traffic';
  return `${caught.join(', ')}${missed.length === 0 ? '' : `; ${missed.join(' and ')} is not detected within an hour`}`;
}

function harmBoundText({ settings }: Comparison, metric: JudgedMetric, traffic: Traffic): string {
  const needed = requestsToRuleOut(settings, metric, traffic.share, traffic.stableRate);
  const perSecond = traffic.requestsPerSecond * traffic.share;
  if (!Number.isFinite(needed))
    return 'a good build cannot be shown to be no worse: the stable build fails too often for this limit';
  const tookMs = Math.max(settings.dwellMs, (needed / perSecond) * 1000);
  return `a good build needs about ${needed} requests of its own to advance (${longText(tookMs)})`;
}

/** What one bad member of several costs: each has its part of the candidate's requests, and of the evidence. */
function memberText({ settings }: Comparison, metric: JudgedMetric, at: Traffic, floorMs: number): string[] {
  const [first] = metric.slices;
  if (metric.byMember !== true || first === undefined) return [];
  const members = membersBeside(metric, 1);
  const part = at.share / members;
  const stable = at.requestsPerSecond * (1 - at.share);
  const requestsPerSecond = stable + at.requestsPerSecond * part;
  const own = { ...at, requestsPerSecond, share: (at.requestsPerSecond * part) / requestsPerSecond };
  const found = MEMBER_RATES.map((rate) => ({
    rate,
    found: detection(settings, { metric, weight: first.weight, member: first.name }, { traffic: own, rate, floorMs }),
  }));
  const needed = requestsToRuleOut(settings, metric, at.share, at.stableRate, members);
  const tookMs = Math.max(settings.dwellMs, (needed / (at.requestsPerSecond * part)) * 1000);
  const rule = Number.isFinite(needed) ? `; a good one needs about ${needed} requests of its own (${longText(tookMs)})` : '';
  return [`each of ${members} members is judged by itself; of one with an equal part of the requests ${foundText(found)}${rule}`];
}

const MEMBER_RATES = [1, 0.2] as const;

/** A step that takes longer is worth another setting. */
const LONG_MS = 3_600_000;

const SHARES = [0.05, 0.1, 0.25, 0.5] as const;

/** What decides without waiting for clients: probes of both builds, and a limit that few requests can keep. */
const PROBES =
  'a fixed limit with few requests and probes of both builds: [{ name: errors, max: 5%, minRequests: 20 }, { name: probes, source: http-probe }]';

/** The margin that a step of 1 % has anyway. */
const WIDE = 0.01;

/** Where the first step takes hours at this traffic: what would be quicker. */
function lowTrafficText({ settings }: Comparison, metric: JudgedMetric, at: Traffic): string[] {
  const tookMs = (share: number, judged = metric) =>
    (requestsToRuleOut(settings, judged, share, at.stableRate) / (at.requestsPerSecond * share)) * 1000;
  const nowMs = tookMs(at.share);
  if (!Number.isFinite(nowMs) || nowMs < LONG_MS) return [];
  const wide = { ...metric, harm: { ...metric.harm, plus: Math.max(WIDE, metric.harm.plus ?? 0) } };
  const others = SHARES.filter((share) => share > at.share).flatMap((share) => [
    { what: `a first step of ${fractionText(share)}`, ms: tookMs(share) },
    { what: `a first step of ${fractionText(share)} with compare: { ruleOut: { plus: 1% } }`, ms: tookMs(share, wide) },
  ]);
  const enough = others.find(({ ms }) => ms <= LONG_MS) ?? others.toSorted((one, other) => one.ms - other.ms)[0];
  const step = enough === undefined || enough.ms > nowMs / 2 ? [] : [`${enough.what} (about ${longText(enough.ms)})`];
  const decides = `at ${rounded(at.requestsPerSecond)} requests per second this gate decides in about ${longText(nowMs)}`;
  return [`${decides}; use ${[...step, PROBES].join(', or ')}`];
}

/** No test can undo what is served between two looks. */
function floorText({ requestsPerSecond, share }: Traffic, floorMs: number, { settings }: Comparison): string {
  const everyMs = pollEveryMs(floorMs);
  const bad = Math.ceil((requestsPerSecond * share * everyMs) / 1000);
  return `it polls every ${msText(everyMs)}, which alone costs up to ${bad} bad requests; at most ${fractionText(settings.alpha)} of good rollouts are falsely rolled back`;
}

function rounded(value: number): string {
  if (value >= 10) return String(Math.round(value));
  return value >= 1 ? value.toFixed(1) : String(Number(value.toPrecision(2)));
}

// What a gate will catch, and how many bad requests that takes at this traffic: forecasts for the plan. Must not judge a rollout. No I/O.

/** The traffic of a service, or of a slice of it. `stableRate`: the fraction of its requests that fail today. */
export interface Traffic {
  readonly requestsPerSecond: number;
  /** The candidate's share, 0..1. */
  readonly share: number;
  readonly stableRate: number;
}

export interface Detection {
  /** Candidate requests, failures among them, and time, until the gate fails. */
  readonly requests: number;
  readonly badRequests: number;
  readonly afterMs: number;
  readonly polls: number;
}

const HOUR_MS = 3_600_000;

/** So little that what the whole says of one member decides nothing. */
const NO_WEIGHT = 1e-12;

/**
 * How the gate meets a candidate that fails at `rate`, with requests and failures evenly spaced: the real evidence is fed until it is enough.
 * `floorMs`: the source's own interval, which no test can undo. `member`: it is one of several, and `traffic` its own next to the stable
 * build's. Undefined when an hour is not enough.
 */
export function detection(
  settings: GateSettings,
  { metric, weight, member }: { readonly metric: JudgedMetric; readonly weight: number; readonly member?: string },
  fault: { readonly traffic: Traffic; readonly rate: number; readonly floorMs: number },
): Detection | undefined {
  const { traffic, rate, floorMs } = fault;
  // The other streams are counted as nothing: they may have lost what they began with.
  const slices = member === undefined ? [] : [{ name: member, weight }];
  const alone = { ...settings, metrics: [{ ...metric, weight: member === undefined ? weight : NO_WEIGHT, slices }] };
  const everyMs = pollEveryMs(floorMs);
  let evidence = watched(alone, traffic, everyMs);
  let before = countsAt(traffic, rate, 0);
  for (let polls = 1, atMs = 0; atMs < HOUR_MS; polls += 1) {
    atMs += everyMs;
    const now = countsAt(traffic, rate, atMs);
    const poll = pollBetween(metric, before, now, member);
    evidence = feed(alone, evidence, { atMs, gates: { [metric.gate]: poll } });
    before = now;
    if (evidence.crossed !== null) {
      const { requests, failures } = now.candidate;
      return { requests, badRequests: failures, afterMs: atMs, polls };
    }
  }
  return undefined;
}

/** The evidence at the first shift, when the stable build alone was watched for as long as the settings say; that ends at 0. */
function watched(settings: GateSettings, { share, ...traffic }: Traffic, everyMs: number): Evidence {
  const [metric] = settings.metrics;
  const polls = Math.floor(settings.watchMs / everyMs);
  if (polls === 0 || metric === undefined) return openEvidence(settings, { atMs: 0, share });
  const nothing = { ...traffic, share: 0 };
  let evidence = openEvidence(settings, { atMs: -polls * everyMs, share: 0 });
  for (let poll = 1; poll <= polls; poll += 1) {
    const block = pollBetween(metric, countsAt(nothing, 0, (poll - 1) * everyMs), countsAt(nothing, 0, poll * everyMs));
    evidence = feed(settings, evidence, { atMs: (poll - polls) * everyMs, gates: { [metric.gate]: block } });
  }
  return beginStep(settings, evidence, { atMs: 0, share });
}

/** The k-th failure of each build comes half-way through its k-th span. */
function countsAt({ requestsPerSecond, share, stableRate }: Traffic, rate: number, atMs: number): Block {
  const arm = (part: number, failing: number): Counted => {
    const requests = Math.floor((requestsPerSecond * atMs * part) / 1000);
    return { requests, failures: Math.min(requests, Math.floor(requests * failing + 0.5)) };
  };
  return { candidate: arm(share, rate), stable: arm(1 - share, stableRate) };
}

function pollBetween({ metric }: JudgedMetric, before: Block, now: Block, member?: string): GatePoll {
  const since = (arm: 'candidate' | 'stable'): Counted => ({
    requests: now[arm].requests - before[arm].requests,
    failures: now[arm].failures - before[arm].failures,
  });
  const block: Block = { candidate: since('candidate'), stable: since('stable') };
  const members = member === undefined ? {} : { members: { [metric]: { [member]: block } } };
  return { candidate: { state: 'counted' }, stable: { state: 'counted' }, blocks: { [metric]: { [WHOLE]: block } }, ...members };
}
