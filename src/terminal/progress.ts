/** What is known of a rollout so far: a fold over the output lines. Pure; must hold nothing that the lines did not say. */
import type { OutputLine } from '../core/output.ts';

type Line<Type extends OutputLine['type']> = Extract<OutputLine, { type: Type }>;

/** How one step of the plan is going. */
export interface StepProgress {
  readonly percent: number;
  readonly bakeMs: number;
  readonly state: 'ahead' | 'now' | 'passed' | 'failed';
  /** Of the last poll. */
  readonly poll: Line<'poll'> | undefined;
  /** Failed share of each of the last polls, 0 to 1. */
  readonly rates: readonly number[];
}

export interface Progress {
  readonly started: Line<'started'>;
  readonly phase: Line<'phase'> | undefined;
  readonly traffic: Line<'traffic'>['traffic'] | undefined;
  readonly steps: readonly StepProgress[];
  /** The last poll of the stable build before the first step; undefined once that has begun. */
  readonly watch: Line<'poll'> | undefined;
  /** Wall-clock milliseconds of the first and the last line that said a time. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
}

const RATES_KEPT = 8;

function begin(started: Line<'started'>): Progress {
  const steps = started.steps.map((step) => ({ ...step, state: 'ahead' as const, poll: undefined, rates: [] }));
  return { started, phase: undefined, traffic: undefined, steps, watch: undefined, firstMs: undefined, lastMs: undefined };
}

function seen(progress: Progress, at: string): Progress {
  const atMs = Date.parse(at);
  return { ...progress, firstMs: progress.firstMs ?? atMs, lastMs: atMs };
}

const FAILING = new Set(['reverting', 'reverted', 'stuck', 'rescued']);

function stepState(step: StepProgress, index: number, phase: Line<'phase'>): StepProgress['state'] {
  if (phase.phase === 'done' || phase.phase === 'pointing') return 'passed';
  if (FAILING.has(phase.phase)) return step.state === 'now' ? 'failed' : step.state;
  if (index === phase.step - 1) return 'now';
  return index < phase.step - 1 ? 'passed' : 'ahead';
}

function withPhase(progress: Progress, phase: Line<'phase'>): Progress {
  const steps = progress.steps.map((step, index) => ({ ...step, state: stepState(step, index, phase) }));
  return seen({ ...progress, phase, steps, watch: undefined }, phase.at);
}

/** The gate that decides: one that fails, else one that gives up or holds, else the one with the most requests. */
export function decidingGate(poll: Line<'poll'>): Line<'poll'>['gates'][number] | undefined {
  const order = { fail: 0, 'give-up': 1, hold: 2, pass: 3 };
  return poll.gates.toSorted((a, b) => order[a.verdict] - order[b.verdict] || b.requests - a.requests)[0];
}

function withPoll(progress: Progress, poll: Line<'poll'>): Progress {
  if (poll.step === 0) return seen({ ...progress, watch: poll }, poll.at);
  const gate = decidingGate(poll);
  const rate = gate === undefined || gate.requests === 0 ? 0 : gate.errors / gate.requests;
  const steps = progress.steps.map((step, index) =>
    index === poll.step - 1 ? { ...step, poll, rates: [...step.rates, rate].slice(-RATES_KEPT) } : step,
  );
  return seen({ ...progress, steps }, poll.at);
}

/** The next state after one line; undefined until a rollout has started. */
export function fold(progress: Progress | undefined, line: OutputLine): Progress | undefined {
  if (line.type === 'started') return begin(line);
  if (progress === undefined) return undefined;
  if (line.type === 'phase') return withPhase(progress, line);
  if (line.type === 'poll') return withPoll(progress, line);
  return line.type === 'traffic' ? seen({ ...progress, traffic: line.traffic }, line.at) : progress;
}
