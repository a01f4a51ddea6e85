/** Builds, plans and ledger entries for tests of the core. No I/O. */
import type { Scope } from '../../../src/base/scope.ts';
import { admittedBefore } from '../../../src/core/admission/admitted.ts';
import type { Event } from '../../../src/core/ledger/events.ts';
import type { Entry } from '../../../src/core/ledger/ledger.ts';
import type { Build, ListedBuild } from '../../../src/core/manifest/manifest.ts';
import {
  adoptionPlan,
  type Planning,
  type PlanSettings,
  promotionPlan,
  rollbackPlan,
} from '../../../src/core/rollout/make-plan.ts';
import type { Plan } from '../../../src/core/rollout/plan.ts';
import { type Guid, parseGuid } from '../../../src/core/scope.ts';

export const SCOPE: Scope = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
export const STAGING: Scope = { ...SCOPE, environment: 'staging' };

/** A GUID that says its number: 00000007-…. */
export function guidOf(number: number): Guid {
  const guid = parseGuid(`${String(number).padStart(8, '0')}-7425-40de-944b-e07fc1f90ae7`);
  if (guid === undefined) throw new Error(`no GUID of ${number}`);
  return guid;
}

/** Build number `number`, with that sequence, at `ref`. */
export function buildOf(number: number, ref: string, more: Partial<Build> = {}): Build {
  return {
    guid: guidOf(number),
    version: `1.${number}`,
    digest: `sha256:${String(number).padStart(64, '0')}`,
    sequence: number,
    createdAt: '2026-11-21T09:12:00Z',
    ref,
    ...more,
  };
}

/** The build as the manifest of `scope` lists it. */
export function listedAs(build: Build, scope: Scope = SCOPE): ListedBuild {
  return { scope, build, file: `releases/${scope.environment}/${scope.service}.yaml`, line: 9, column: 11 };
}

export const STABLE = buildOf(1, 'blue');
export const CANDIDATE = buildOf(2, 'green');

export const SETTINGS: PlanSettings = {
  scope: SCOPE,
  router: { kind: 'local', file: 'routes.json' },
  identity: { path: '/identity', header: 'x-build' },
  steps: [
    { percent: 10, bakeMs: 60_000 },
    { percent: 100, bakeMs: 60_000 },
  ],
  gates: [{ name: 'errors', source: 'http-probe', max: 0.01, minRequests: 100, settings: {} }],
  pollMs: 1000,
  patienceMs: 100_000,
  copies: [],
};

export const PLANNING: Planning = { id: 'r-1', actor: 'alice', reason: null, sources: [], places: ['blue', 'green', 'old'] };

/** A promotion from STABLE to CANDIDATE over these percentages, each baking 60 s. */
export function promotion(percents: readonly number[], bakeMs = 60_000): Plan {
  const steps = percents.map((percent) => ({ percent, bakeMs }));
  return promotionPlan({ ...SETTINGS, steps }, PLANNING, admittedBefore(CANDIDATE), STABLE);
}

export function rollbackTo(to: Build, left: Build | null, planning: Partial<Planning> = {}): Plan {
  return rollbackPlan(SETTINGS, { ...PLANNING, ...planning }, admittedBefore(to), left);
}

export function adoption(serving: Build): Plan {
  return adoptionPlan(SETTINGS, PLANNING, admittedBefore(serving));
}

/** The events as a ledger has them, one every minute from 12:00. */
export function entriesOf(events: readonly Event[]): Entry[] {
  return events.map((event, index) => ({
    seq: index + 1,
    prev: '0'.repeat(64),
    at: minute(index),
    actor: 'alice',
    host: 'deploy-1',
    boot: 'boot',
    event,
  }));
}

/** RFC 3339 of so many minutes past 12:00. */
export function minute(minutes: number): string {
  return new Date(Date.UTC(2026, 0, 2, 12, minutes)).toISOString();
}
