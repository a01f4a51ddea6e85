/** What a run says at its end. */
import { expect, it } from 'vitest';
import { outcomeOf } from '../../src/lead/outcome.ts';

function refusedWith(code: string): string {
  const state = { phase: 'refused', code, why: 'the first step did not begin', plan: {} };
  const end = { how: 'over', state } as unknown as Parameters<typeof outcomeOf>[0];
  const opened = { flags: '--env production' } as unknown as Parameters<typeof outcomeOf>[1];
  return outcomeOf(end, opened, { io: {} } as unknown as Parameters<typeof outcomeOf>[2]).hint ?? '';
}

it('a rollout that ends for want of data before its first step names the command that shows what the gates have', () => {
  expect(refusedWith('GATE_NOT_READY')).toMatch(/try again\. .*kvdeploy doctor --env production$/);
  expect(refusedWith('UNEXPECTED_SPLIT')).toMatch(/kvdeploy status --env production$/);
});
