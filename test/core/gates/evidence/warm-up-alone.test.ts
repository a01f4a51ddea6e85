/** The warm-up of a build that serves alone ends, as it does next to a stable build. */
import { describe, expect, it } from 'vitest';
import { feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { blockOf, settingsOf } from '../verdict/judged.ts';

describe('a build that serves alone', () => {
  it('a build that serves alone is judged once its warm-up is over', () => {
    const settings = settingsOf({ dwellMs: 0, lagMs: 0 }, { warmUpMs: 60_000 });
    let evidence = openEvidence(settings, { atMs: 0, share: 1 });
    const poll = {
      candidate: { state: 'counted' },
      stable: { state: 'absent' },
      blocks: { errors: { [WHOLE]: blockOf([0, 1000, 0, 0]) } },
    } as const;
    for (let atMs = 15_000; atMs <= 300_000; atMs += 15_000)
      evidence = feed(settings, evidence, { atMs, gates: { errors: poll } });
    expect(evidence.streams['errors/errors']?.[0]?.step[0]).toBe(16_000);
    expect(judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: null })).toMatchObject({ verdict: 'pass' });
  });
});
