/** One poll of the gates: blocks of counts, and for each build whether they are all that there was. What makes no sense is invalid, never zero. No I/O. */
import type { Block, Counted } from '../evidence/e-process.ts';
import { type GateSettings, type JudgedMetric, OTHER, WHOLE } from '../gate-settings.ts';

/**
 * How much one build's counts can be trusted. `reset`: counted, but what came before a restart is lost. `late`: nothing newer than what was
 * judged before. `absent`: by plan there is no stable build beside the candidate.
 */
export type ArmState =
  | { readonly state: 'counted' | 'absent' }
  | { readonly state: 'reset' | 'late' | 'missing' | 'invalid'; readonly why: string };

/** Counts by slice; WHOLE is all of the traffic and must be there. */
export type SliceBlocks = Readonly<Record<string, Block>>;

/** What one gate's source said at one poll. `blocks` by metric: since the last poll that this gate could use, not since the last one at all. */
export interface GatePoll {
  readonly candidate: ArmState;
  readonly stable: ArmState;
  readonly blocks: Readonly<Record<string, SliceBlocks>>;
}

/** `atMs`: up to when every gate's blocks count. A gate that is not there has said nothing, which is missing data. */
export interface Poll {
  readonly atMs: number;
  readonly gates: Readonly<Record<string, GatePoll>>;
}

/** A poll of one gate that could not be made, or must not be used. */
export function unusable(state: 'late' | 'missing' | 'invalid', why: string): GatePoll {
  return { candidate: { state, why }, stable: { state, why }, blocks: {} };
}

const has = (arm: ArmState) => arm.state === 'counted' || arm.state === 'reset';

/** The gate's poll, or an unusable one with the reason where counts are missing or make no sense. */
export function checkedGatePoll(settings: GateSettings, gate: string, poll: GatePoll | undefined, share: number): GatePoll {
  if (poll === undefined) return unusable('missing', 'its source returned nothing');
  if (poll.candidate.state === 'absent') return unusable('missing', 'its source did not poll the candidate');
  if (poll.stable.state === 'absent' && share < 1) return unusable('missing', 'its source did not poll the stable build');
  if (!has(poll.candidate) && !has(poll.stable)) return poll;
  for (const metric of settings.metrics) {
    if (metric.gate !== gate) continue;
    const fault = faultOf(poll, Object.hasOwn(poll.blocks, metric.metric) ? poll.blocks[metric.metric] : undefined);
    if (fault !== undefined) return unusable('invalid', `${metric.metric}: ${fault}`);
  }
  return poll;
}

function faultOf(poll: GatePoll, slices: SliceBlocks | undefined): string | undefined {
  const whole = slices?.[WHOLE];
  if (slices === undefined || whole === undefined) return 'its source did not count it';
  const names = Object.keys(slices);
  return (
    (has(poll.candidate) ? armFault('candidate', names, slices, whole) : undefined) ??
    (has(poll.stable) ? armFault('stable', names, slices, whole) : undefined)
  );
}

function armFault(arm: 'candidate' | 'stable', names: readonly string[], slices: SliceBlocks, whole: Block): string | undefined {
  const sum = { requests: 0, failures: 0 };
  for (const name of names) {
    const counted = (slices[name] ?? whole)[arm];
    const fault = countsFault(counted);
    if (fault !== undefined) return `${arm}${name === WHOLE ? '' : ` in ${name}`}: ${fault}`;
    if (name === WHOLE) continue;
    sum.requests += counted.requests;
    sum.failures += counted.failures;
  }
  const all = whole[arm];
  if (sum.requests <= all.requests && sum.failures <= all.failures) return undefined;
  const text = ({ requests, failures }: Counted) => `${failures} of ${requests}`;
  return `${arm}: its slices add up to ${text(sum)}, more than the total of ${text(all)}`;
}

/** What is wrong with counts, or undefined: whole numbers, none below 0, no more failures than requests. */
export function countsFault(counted: Counted): string | undefined {
  const { requests, failures } = counted;
  if (!Number.isSafeInteger(requests) || !Number.isSafeInteger(failures))
    return `${failures} of ${requests} are not valid counts`;
  if (requests < 0 || failures < 0) return `${failures} of ${requests} are negative`;
  if (failures > requests) return `${failures} failures but only ${requests} requests`;
  return undefined;
}

const NOTHING: Block = { candidate: { requests: 0, failures: 0 }, stable: { requests: 0, failures: 0 } };

/**
 * The metric's blocks in the order of its streams: the whole, then each slice. A slice that was not known before the rollout goes to `other`
 * where there is one, and otherwise counts in the whole alone.
 */
export function streamBlocks(metric: JudgedMetric, slices: SliceBlocks): Block[] {
  const late = lateSlices(metric, slices);
  const streams = metric.slices.map(({ name }) => {
    const block = (Object.hasOwn(slices, name) ? slices[name] : undefined) ?? NOTHING;
    return name === OTHER ? late.reduce(addBlocks, block) : block;
  });
  return [slices[WHOLE] ?? NOTHING, ...streams];
}

function lateSlices(metric: JudgedMetric, slices: SliceBlocks): Block[] {
  if (!metric.slices.some(({ name }) => name === OTHER)) return [];
  const known = new Set(metric.slices.map(({ name }) => name));
  const late = Object.entries(slices).filter(([name]) => name !== WHOLE && !known.has(name));
  return late.map(([, block]) => block);
}

function addBlocks(a: Block, b: Block): Block {
  const add = (one: Counted, other: Counted) => ({
    requests: one.requests + other.requests,
    failures: one.failures + other.failures,
  });
  return { candidate: add(a.candidate, b.candidate), stable: add(a.stable, b.stable) };
}

// When comparing gates look again: what a look costs is little, and what is not looked at goes on failing. No I/O, no clock.

const MINUTE_MS = 60_000;

/** After the first minute of a step. Four of these outlast a block of failures that come together. */
const LATER_MS = 5000;

/**
 * Milliseconds to the next poll: often while a step is young, since a poll's wait is what a plain fault costs; less often later. It depends on
 * the clock alone: each poll is a bet on the limit, and polls that were quicker while something fails would bet on one burst many times.
 * `floorMs` is the source's own interval: no poll sees more often than that, and share x requests per second x floor is the least that a
 * fault can cost.
 */
export function pollEveryMs(sinceStepMs: number, floorMs: number): number {
  return Math.max(floorMs, sinceStepMs < MINUTE_MS ? 1000 : LATER_MS);
}
