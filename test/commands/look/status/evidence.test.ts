/** What `status` says of the comparing gates, out of the ledger alone. */
import { describe, expect, it } from 'vitest';
import { evidenceLines, evidenceOf } from '../../../../src/commands/look/status/evidence.ts';
import { comparing } from '../../../engine/comparing.ts';
import { begins, scene, when } from '../../../engine/scene.ts';
import { historyIn } from '../../../simulator/rollouts.ts';

async function stateAfter(ms: number, failing = 0) {
  const here = scene();
  when(here, begins('baking'), () => {
    Object.assign(here.sim.builds.get('green') ?? {}, { failing });
    here.sim.after(ms, () => here.runner.kill());
  });
  await here.go(comparing());
  const { rollout } = await historyIn(here.sim);
  if (rollout === null) throw new Error('no rollout');
  return rollout;
}

describe('the evidence in the status', () => {
  it('the evidence in the status is a bar to each verdict, and what a step waits for, once for all statuses', async () => {
    const found = evidenceOf(await stateAfter(65_000));
    expect(found).toMatchObject({
      fail: 0,
      slice: null,
      most: expect.stringMatching(/^errors: 0 of \d+ \(0 %\) vs 0 of \d+/),
    });
    expect(found?.waitsFor).toEqual([
      expect.stringMatching(/^gate errors: \d+ of about \d+ requests needed to rule out harm; errors: 0 of \d+ \(0 %\) failed$/),
    ]);
    const lines = evidenceLines(found);
    expect(lines[0]).toMatch(/^ {2}evidence {4}fail \.{20} 0 % {2}pass #+\.+ \d+(\.\d+)? % {2}at 20/);
    expect(lines.at(-1)).toMatch(/^ {2}waits for {3}gate errors: /);
  });

  it('the evidence in the status waits for nothing any more once the rollout has been rolled back', async () => {
    const state = await stateAfter(600_000, 1);
    expect(state.phase).toBe('reverted');
    expect(evidenceOf(state)).toMatchObject({ fail: 1, waitsFor: [] });
  });

  it('the evidence in the status shows no line that the name of a slice made up', () => {
    const found = { at: '2026-11-22T10:00:00Z', fail: 0, pass: 0, slice: null, most: 'errors in eu\n  hold        none: 0 of 0' };
    const lines = evidenceLines({ ...found, waitsFor: ['errors in eu\n  leader      nobody: 0 of 0 failed'] });
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain('\n');
  });

  it('the evidence in the status is nothing where nothing is compared', () => {
    expect(evidenceLines(null)).toEqual([]);
  });
});
