/** The output lines of one small rollout, for the tests of what people and machines see. */
import type { OutputLine } from '../../src/core/output.ts';

export const STABLE = '41d0a6c3-7425-40de-944b-e07fc1f90ae7';
export const CANDIDATE = '9f1c2b7e-7425-40de-944b-e07fc1f90ae7';
export const START_MS = Date.parse('2026-11-21T19:52:04Z');

const scope = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const at = (seconds: number) => new Date(START_MS + seconds * 1000).toISOString();

export const started: Extract<OutputLine, { type: 'started' }> = {
  type: 'started',
  rollout: 'r-7f3k',
  kind: 'promote',
  scope,
  actor: 'ana@example.com',
  candidate: { guid: CANDIDATE, version: '2026.11.21-3', ref: 'green', sequence: 41 },
  stable: { guid: STABLE, version: '2026.11.20-1', ref: 'blue', sequence: 40 },
  steps: [
    { percent: 5, bakeMs: 60_000 },
    { percent: 100, bakeMs: 600_000 },
  ],
  resumed: false,
};

type Phase = Extract<OutputLine, { type: 'phase' }>['phase'];

export function phase(name: Phase, step: number, seconds = 0, why = ''): OutputLine {
  return { type: 'phase', at: at(seconds), phase: name, step, steps: 2, percent: step === 1 ? 5 : 100, why };
}

export function traffic(candidatePercent: number, seconds = 0): OutputLine {
  const split = [
    { build: STABLE, place: 'blue', percent: 100 - candidatePercent },
    { build: CANDIDATE, place: 'green', percent: candidatePercent },
  ];
  return { type: 'traffic', at: at(seconds), traffic: { split, certainty: 'served' } };
}

export interface PollFacts {
  readonly seconds: number;
  readonly requests?: number;
  readonly errors?: number;
  readonly verdict?: 'pass' | 'fail' | 'hold';
  readonly waitingFor?: string;
}

export function poll({
  seconds,
  requests = 40,
  errors = 1,
  verdict = 'hold',
  waitingFor = '112 more requests or 41s',
}: PollFacts): OutputLine {
  const gate = { gate: 'errors', verdict, why: `${errors} of ${requests} failed, limit 2 %`, requests, errors };
  const bake = { bakeMs: 60_000, watchedMs: seconds * 1000 };
  return { type: 'poll', at: at(seconds), step: 1, steps: 2, percent: 5, ...bake, verdict, gates: [gate], waitingFor };
}

export function result(facts: Partial<Extract<OutputLine, { type: 'result' }>> = {}): Extract<OutputLine, { type: 'result' }> {
  return {
    type: 'result',
    command: 'promote',
    ok: true,
    code: null,
    exitCode: 0,
    message: 'promoted 9f1c2b7e to production',
    hint: null,
    scope,
    traffic: { split: [{ build: CANDIDATE, place: 'green', percent: 100 }], certainty: 'served' },
    places: [],
    next: ['kvdeploy rollback --env production'],
    ...facts,
  };
}
