/** Watching: the stable build is counted before the candidate gets its first request, and nothing is bet meanwhile. */
import { describe, expect, it } from 'vitest';
import type { GatePoll } from '../../../../src/core/gates/counting/blocks.ts';
import { beginStep, evidenceSchema, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { gateSettingsSchema } from '../../../../src/core/gates/gate-settings.ts';
import { type Counts, settingsOf, whole } from '../verdict/judged.ts';

const settings = settingsOf();
const ofStable = (counts: Counts): GatePoll => ({ ...whole(counts), candidate: { state: 'absent' } });

describe('evidence at a share of 0', () => {
  it('evidence at a share of 0 bets on nothing, whatever either build shows', () => {
    let evidence = openEvidence(settings, { atMs: 0, share: 0 });
    for (let second = 1; second <= 90; second += 1) {
      const poll = second % 2 === 0 ? ofStable([0, 0, 3, 990]) : whole([10, 10, 400, 990]);
      evidence = feed(settings, evidence, { atMs: second * 1000, gates: { errors: poll } });
    }
    expect(evidence.logE).toBe(0);
    expect(evidence.waiting).toEqual({ poll: 1, block: 1 });
    expect(evidence.streams).toEqual(openEvidence(settings, { atMs: 0, share: 0 }).streams);
    expect(evidenceSchema.parse(JSON.parse(JSON.stringify(evidence)))).toEqual(evidence);
  });

  it('evidence at a share of 0 misses a stable build that is not counted, and no candidate', () => {
    const opened = openEvidence(settings, { atMs: 0, share: 0 });
    const fine = feed(settings, opened, { atMs: 1000, gates: { errors: ofStable([0, 0, 3, 990]) } });
    expect(fine.gates['errors']).toMatchObject({ candidate: { polls: 0 }, stable: { state: 'counted' } });
    const down = feed(settings, fine, { atMs: 2000, gates: {} });
    expect(down.gates['errors']?.stable).toMatchObject({ state: 'missing', polls: 1 });
  });

  it('evidence begins to bet with the first step', () => {
    const watched = feed(settings, openEvidence(settings, { atMs: 0, share: 0 }), {
      atMs: 15_000,
      gates: { errors: ofStable([0, 0, 15, 14_850]) },
    });
    const begun = beginStep(settings, watched, { atMs: 15_000, share: 0.01 });
    const after = feed(settings, begun, { atMs: 30_000, gates: { errors: whole([150, 150, 15, 14_850]) } });
    expect(after.logE).toBeGreaterThan(1);
  });
});

it('a plan without watch and warm-up has neither: nothing was asked of it', () => {
  const { watchMs: _watch, ...old } = settings;
  const metrics = old.metrics.map(({ warmUpMs: _warmUp, ...metric }) => metric);
  const read = gateSettingsSchema.parse(JSON.parse(JSON.stringify({ ...old, metrics })));
  expect(read).toMatchObject({ watchMs: 0, metrics: [{ warmUpMs: 0 }] });
});
