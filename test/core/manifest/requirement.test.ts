/** What one environment may ask of another: a soak of the same source, and the own build of it. */

import { describe, expect, it } from 'vitest';
import { admittedBefore } from '../../../src/core/admission/admitted.ts';
import { fold, type History, type KnownGood } from '../../../src/core/ledger/history.ts';
import type { Build } from '../../../src/core/manifest/manifest.ts';
import { buildOfSameSource, requirementRefusal, sameSource, soundKnownGood } from '../../../src/core/manifest/requirement.ts';
import { buildOf, guidOf, listedAs, SCOPE, STAGING } from './builds.ts';

const SOURCE = { repository: 'https://example.com/acme/gateway', commit: '3f2a9c1d' };
const OTHER = { ...SOURCE, commit: 'ffffffff' };
const HOUR = 3_600_000;
const NOW = Date.parse('2026-01-02T12:00:00Z');
const CANDIDATE = buildOf(2, 'green', { source: SOURCE });
const THERE = buildOf(7, 'one', { source: SOURCE });

const hoursAgo = (hours: number) => new Date(NOW - hours * HOUR).toISOString();
const known = (build: Build, since: number, until?: number): KnownGood => ({
  build: admittedBefore(build),
  since: hoursAgo(since),
  rollout: 'r-1',
  ...(until === undefined ? {} : { until: hoursAgo(until) }),
});
const there = (knownGood: readonly KnownGood[], bad: History['bad'] = new Map()) => ({
  scope: STAGING,
  history: { ...fold([]), knownGood, bad },
});
const refusalOf = (...[knownGood, bad]: Parameters<typeof there>) =>
  requirementRefusal(CANDIDATE, { environment: 'staging', soakMs: 24 * HOUR, there: there(knownGood, bad), nowMs: NOW });

describe('a soak of 24 h in staging', () => {
  it.each([
    ['a day', [known(THERE, 24)]],
    [
      'a week, although another build of the source came an hour ago',
      [known({ ...THERE, guid: guidOf(8) }, 1), known(THERE, 168, 1)],
    ],
    ['a day, and was replaced since', [known(buildOf(9, 'two', { source: OTHER }), 5), known(THERE, 29, 5)]],
  ])('a soak of 24 h in staging is met by %s', (_what, knownGood) => {
    expect(refusalOf(knownGood)).toBeUndefined();
  });

  it.each([
    ['nothing', [], 'was never known-good in staging', 'kvdeploy builds --env staging'],
    ['another commit', [known({ ...THERE, source: OTHER }, 48)], 'was never known-good', 'Promote it there first'],
    [
      'another repository',
      [known({ ...THERE, source: { ...SOURCE, repository: 'x' } }, 48)],
      'was never known-good',
      'Promote it',
    ],
    ['a build that says no source', [known(buildOf(7, 'one'), 48)], 'was never known-good', 'Promote it'],
    ['an hour less', [known(THERE, 23)], 'has been known-good in staging for 23h; 24h are required', 'Wait 1h.'],
    ['a soak that begins in the future', [known(THERE, -5)], 'for 0s; 24h are required', 'Wait 24h.'],
    [
      'five minutes of it, long ago: time after it was replaced is no soak',
      [known(buildOf(9, 'two', { source: OTHER }), 47), known(THERE, 48, 47)],
      'was known-good in staging for 1h; 24h are required',
      'Another build replaced it there',
    ],
  ])('a soak of 24 h in staging is not met by %s', (_what, knownGood, message, hint) => {
    const refusal = refusalOf(knownGood);
    expect(refusal).toMatchObject({ code: 'REQUIREMENT_UNMET', message: expect.stringContaining(message) });
    expect(refusal?.hint).toContain(hint);
  });

  it('a soak is not met by a time that cannot be read', () => {
    const refusal = refusalOf([{ ...known(THERE, 48), since: 'yesterday' }]);
    expect(refusal?.message).toContain('for 0s');
  });

  it('a soak is not met by a source of which any build is bad there, however long it soaked', () => {
    const bad = new Map([[THERE.guid, 'rolled back from']]);
    expect(refusalOf([known(THERE, 48)], bad)?.message).toContain('is marked bad in staging: rolled back from');
    expect(refusalOf([known({ ...THERE, guid: guidOf(8) }, 30), known(THERE, 78, 30)], bad)).toMatchObject({
      code: 'REQUIREMENT_UNMET',
    });
  });

  it('a soak is not met by a candidate that does not state its source', () => {
    const { source: _, ...silent } = CANDIDATE;
    const refusal = requirementRefusal(silent, {
      environment: 'staging',
      soakMs: 0,
      there: there([known(THERE, 48)]),
      nowMs: NOW,
    });
    expect(refusal?.message).toContain('does not state its source');
  });

  it('a soak of no time asks only that the source was known-good', () => {
    const requires = { environment: 'staging', soakMs: 0 };
    expect(requirementRefusal(CANDIDATE, { ...requires, there: there([known(THERE, 0)]), nowMs: NOW })).toBeUndefined();
    expect(requirementRefusal(CANDIDATE, { ...requires, there: there([]), nowMs: NOW })).toMatchObject({
      code: 'REQUIREMENT_UNMET',
    });
  });
});

describe('the same source', () => {
  it('two builds have the same source only if both say it', () => {
    expect(sameSource(CANDIDATE, THERE)).toBe(true);
    expect(sameSource(CANDIDATE, buildOf(7, 'one'))).toBe(false);
    expect(sameSource(buildOf(6, 'one'), buildOf(7, 'one'))).toBe(false);
  });
});

describe('--from staging', () => {
  const from = { environment: 'staging', knownGood: THERE };

  it("the build for --from staging is this scope's own build of the source, and never staging's", () => {
    const found = buildOfSameSource(from, SCOPE, [
      listedAs(THERE, STAGING),
      listedAs(CANDIDATE),
      listedAs(buildOf(3, 'red', { source: OTHER })),
    ]);
    expect(found).toEqual(CANDIDATE);
  });

  it.each([
    [
      'nothing is known-good there',
      { ...from, knownGood: null },
      [listedAs(CANDIDATE)],
      'NO_SUCH_SOURCE',
      'Nothing is known-good in staging',
    ],
    [
      'that build says no source',
      { ...from, knownGood: buildOf(7, 'one') },
      [listedAs(CANDIDATE)],
      'NO_SUCH_SOURCE',
      'does not state its source',
    ],
    ['no build of the source is listed', from, [], 'NO_SUCH_SOURCE', 'lists no build of commit 3f2a9c1d'],
    ['only staging lists one', from, [listedAs(THERE, STAGING)], 'NO_SUCH_SOURCE', 'acme/production/kv-gateway lists no build'],
    [
      'only another tenant lists one',
      from,
      [listedAs(CANDIDATE, { ...SCOPE, tenant: 'umbrella' })],
      'NO_SUCH_SOURCE',
      'lists no build',
    ],
    [
      'only another service lists one',
      from,
      [listedAs(CANDIDATE, { ...SCOPE, service: 'kv-cache' })],
      'NO_SUCH_SOURCE',
      'lists no build',
    ],
    [
      'several builds of it are listed',
      from,
      [listedAs(CANDIDATE), listedAs({ ...CANDIDATE, guid: guidOf(8) })],
      'SOURCE_UNCLEAR',
      `lists 2 builds of commit 3f2a9c1d: ${guidOf(2)}, ${guidOf(8)}`,
    ],
  ] as const)('a promotion with --from staging is refused when %s', (_what, source, listed, code, message) => {
    expect(buildOfSameSource(source, SCOPE, listed)).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('a promotion with --from staging takes no known-good build that is marked bad', () => {
    expect(soundKnownGood(there([known(THERE, 1)]).history)).toEqual(THERE);
    expect(soundKnownGood(there([known(THERE, 1)], new Map([[THERE.guid, 'bad']])).history)).toBeNull();
    expect(soundKnownGood(there([]).history)).toBeNull();
  });
});
