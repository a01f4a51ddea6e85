/** Plans: what they keep, so that a rollout needs nothing else to go on or back. */
import { describe, expect, it } from 'vitest';
import { admittedBefore } from '../../../src/core/admission/admitted.ts';
import { adoptionPlan, promotionPlan, rollbackPlan } from '../../../src/core/rollout/make-plan.ts';
import { planSchema } from '../../../src/core/rollout/plan.ts';
import { CANDIDATE, PLANNING, SETTINGS, STABLE } from '../manifest/builds.ts';

const promotion = promotionPlan(SETTINGS, PLANNING, admittedBefore(CANDIDATE), STABLE);

describe('a plan', () => {
  it.each([
    ['promotion', promotion],
    ['rollback', rollbackPlan(SETTINGS, PLANNING, admittedBefore(STABLE), CANDIDATE)],
    ['rollback from an unknown build', rollbackPlan(SETTINGS, PLANNING, admittedBefore(STABLE), null)],
    ['adoption', adoptionPlan(SETTINGS, PLANNING, admittedBefore(STABLE))],
  ])('the plan of a %s is read from the ledger as it was written', (_kind, plan) => {
    expect(planSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  it('a plan keeps who, why, which router and which files, as they were', () => {
    const sources = [{ file: 'kvdeploy.config.yaml', sha256: 'ab' }];
    const plan = promotionPlan(SETTINGS, { ...PLANNING, reason: 'release', sources }, admittedBefore(CANDIDATE), STABLE);
    const { scope, router, identity, pollMs, patienceMs, copies } = SETTINGS;
    expect(plan).toMatchObject({
      id: 'r-1',
      actor: 'alice',
      reason: 'release',
      sources,
      scope,
      router,
      identity,
      pollMs,
      patienceMs,
      copies,
    });
  });

  it('a plan names every place of the target, with the builds that are known there', () => {
    expect(promotion.members).toEqual([
      { place: 'blue', build: STABLE.guid },
      { place: 'green', build: CANDIDATE.guid },
      { place: 'old', build: null },
    ]);
  });

  it('a plan names the places of its own builds, though the target did not list them', () => {
    const plan = promotionPlan(SETTINGS, { ...PLANNING, places: ['old'] }, admittedBefore(CANDIDATE), STABLE);
    expect(plan.members.map((member) => member.place).toSorted()).toEqual(['blue', 'green', 'old']);
  });

  it('a plan is not changed by later changes to the settings that it was made from', () => {
    const settings = structuredClone(SETTINGS) as { -readonly [K in keyof typeof SETTINGS]: (typeof SETTINGS)[K] };
    const plan = promotionPlan(settings, PLANNING, admittedBefore(CANDIDATE), STABLE);
    const before = structuredClone(plan);
    Object.assign(settings.router, { file: 'elsewhere.json' });
    Object.assign(settings.steps[0] ?? {}, { percent: 99 });
    Object.assign(settings.gates, { length: 0 });
    expect(plan).toEqual(before);
  });

  it('the plan of a rollback has one step, no bake and no gate: a sick service could answer none', () => {
    expect(rollbackPlan(SETTINGS, PLANNING, admittedBefore(STABLE), CANDIDATE)).toMatchObject({
      kind: 'rollback',
      candidate: STABLE,
      stable: CANDIDATE,
      steps: [{ percent: 100, bakeMs: 0 }],
      gates: [],
    });
  });

  it('the plan of an adoption bakes once, as long as the last step does, with every gate', () => {
    const steps = [
      { percent: 10, bakeMs: 1000 },
      { percent: 100, bakeMs: 5000 },
    ];
    expect(adoptionPlan({ ...SETTINGS, steps }, PLANNING, admittedBefore(STABLE))).toMatchObject({
      kind: 'adopt',
      candidate: STABLE,
      stable: null,
      steps: [{ percent: 100, bakeMs: 5000 }],
      gates: SETTINGS.gates,
    });
  });
});
