/** The table of controls, without traffic: each check of admission refuses the incident on its own, and nothing does with all of them off. */
import { describe, expect, it } from 'vitest';
import { CHECKS, ROLLBACK_CHECKS } from '../../src/core/admission/admission.ts';
import { checksAlone } from '../../src/scenarios/checks-alone.ts';
import type { PlayedRow } from '../../src/scenarios/player.ts';
import { incident } from '../../src/scenarios/replay.ts';
import { controlLines, controlsOf } from '../../src/scenarios/replay-text.ts';

const alone = checksAlone(incident('2023-10-30'));

describe('each check of admission on its own', () => {
  it.each(alone.map((check) => [check.control, check.approach, check] as const))(
    '%s stops the staging build when %s',
    (control, _approach, check) => {
      expect([...CHECKS, ...ROLLBACK_CHECKS].map(({ name }) => name)).toContain(control);
      expect(check.code).not.toBeNull();
      expect(check.message).toMatch(/\.$/);
    },
  );

  it.each(alone.map((check) => [check.control, check.approach, check] as const))(
    'the staging build gets production traffic without %s and every other check, when %s',
    (_control, _approach, { offPercent }) => {
      expect([5, 100]).toContain(offPercent);
    },
  );

  it('the checks shown cover listing, scope, other scopes, target, presence and identity, and rollback', () => {
    expect(new Set(alone.map(({ code }) => code))).toEqual(
      new Set(['WRONG_SCOPE', 'UNLISTED_BUILD', 'FOREIGN_BUILD', 'WRONG_TARGET', 'BUILD_GONE', 'NOT_KNOWN_GOOD']),
    );
  });
});

describe('the table of controls', () => {
  const row = { time: 'control', control: 'the gate', approach: 'it answers 401', happened: '', must: '', notBuilt: [] };
  const act = { happened: null, command: 'kvdeploy promote', message: '', seconds: 1, seen: [], differences: [] };
  const reverted: PlayedRow = { ...row, ended: 'as it must', acts: [{ ...act, exit: 4, code: 'REVERTED' }] };

  it('the table says what stopped the build, and counts a row that differs as not stopped', () => {
    expect(controlsOf([], [reverted])).toMatchObject([{ control: 'the gate', stoppedBy: 'exit 4 REVERTED' }]);
    expect(controlsOf([], [{ ...reverted, ended: 'differs' }])).toMatchObject([{ stoppedBy: null }]);
    expect(controlLines(controlsOf([], [{ ...reverted, ended: 'differs' }]), 120).join('\n')).toContain('NOT STOPPED');
  });

  it('the table counts a check as not stopping the build if something else still refused without it', () => {
    const [check] = alone;
    expect(controlsOf(check === undefined ? [] : [{ ...check, offPercent: null }], [])).toMatchObject([{ stoppedBy: null }]);
  });

  it.each([60, 100, 130])('the table fits into %d columns', (width) => {
    const lines = controlLines(controlsOf(alone, [reverted]), width);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(Math.max(width, 84));
  });
});
