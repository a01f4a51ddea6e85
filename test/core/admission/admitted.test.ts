import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AdmittedBuild } from '../../../src/core/admission/admitted.ts';
import type { KnownGood } from '../../../src/core/ledger/history.ts';
import { adoptionPlan, promotionPlan, rollbackPlan } from '../../../src/core/rollout/make-plan.ts';
import { start, toBePointed } from '../../../src/core/rollout/rollout.ts';
import { CANDIDATE, PLANNING, promotion, SETTINGS, STABLE } from '../manifest/builds.ts';

const SRC = join(import.meta.dirname, '../../../src');

function filesWith(text: string): string[] {
  const files = readdirSync(SRC, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'));
  return files.filter((name) => readFileSync(join(SRC, name), 'utf8').includes(text)).sort();
}

describe('an admitted build', () => {
  it('no plan and no known-good build is made of a build that was not admitted: it does not compile', () => {
    // @ts-expect-error a listed build is not an admitted one
    promotionPlan(SETTINGS, PLANNING, CANDIDATE, STABLE);
    // @ts-expect-error nor is one that serves
    adoptionPlan(SETTINGS, PLANNING, CANDIDATE);
    // @ts-expect-error nor is one that someone names
    rollbackPlan(SETTINGS, PLANNING, CANDIDATE, null);
    // @ts-expect-error nor is one that a file names
    const known: KnownGood = { build: CANDIDATE, since: '', rollout: 'imported' };
    expect(known.build).toBe(CANDIDATE);
  });

  it('only the checks make an admitted build, and only the ledger remembers one', () => {
    expect(filesWith('as AdmittedBuild')).toEqual(['core/admission/admitted.ts']);
    expect(filesWith('admittedNow(')).toEqual(['core/admission/admission.ts', 'core/admission/admitted.ts']);
  });

  it('a rollout has a build to name known-good only once every step is behind it', () => {
    const state = start(promotion([100]));
    expect(toBePointed(state)).toBeNull();
    const pointed: AdmittedBuild | null = toBePointed({ ...state, phase: 'pointing' });
    expect(pointed).toEqual(CANDIDATE);
  });
});
