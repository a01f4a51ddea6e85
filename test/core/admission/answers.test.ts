/** What running builds say of themselves, and what all members of a place together prove. */
import { describe, expect, it } from 'vitest';
import { answersText, heard, type MemberAnswer, whichBuild } from '../../../src/core/admission/answers.ts';
import type { Answer } from '../../../src/core/admission/named.ts';
import type { Is } from '../../../src/core/identity.ts';
import type { Build } from '../../../src/core/manifest/manifest.ts';
import { buildOf, CANDIDATE, listedAs, SCOPE, STABLE, STAGING } from '../manifest/builds.ts';
import { answerOf } from './facts.ts';

const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const BUILT: Build = { ...CANDIDATE, source: { repository: 'r', commit: COMMIT }, labels: { release: '2026-11' } };
const SILENT: Answer = { unreachable: 'timeout' };
const DOWN: Answer = { down: 'the router reports it down, so it was not asked' };
const UNASKED: Answer = { unasked: 'the config says identity: none' };

const says = (is: Exclude<Is, 'guid'>, word: string | null, environment: string | null = 'production'): Answer => ({
  guid: null,
  named: { is, word },
  environment,
  said: 'answered 200',
});

const members = (...answers: Answer[]): MemberAnswer[] =>
  answers.map((answer, index) => ({ at: `http://10.0.0.${index + 1}`, answer }));
const wanted = (isProtected: boolean, more: object = {}) => ({
  build: BUILT,
  scope: SCOPE,
  where: 'at green',
  isProtected,
  ...more,
});
const RIGHT = answerOf(CANDIDATE);

describe('all members of a place', () => {
  it.each([true, false])(
    'three members that say the build are right, and a fourth of another build is wrong (protected: %s)',
    (isProtected) => {
      expect(heard(members(RIGHT, RIGHT, RIGHT), wanted(isProtected))).toEqual({ is: 'right' });
      const rows = [listedAs(STABLE, STAGING)];
      expect(heard(members(RIGHT, RIGHT, RIGHT, answerOf(STABLE)), wanted(isProtected, { rows }))).toEqual({
        is: 'wrong',
        code: 'BUILD_GONE',
        why: `another build answers at green (http://10.0.0.4): ${STABLE.guid}, which is 00000001 (1.1) of acme/staging/kv-gateway`,
      });
    },
  );

  it('a member that says nothing refuses in a protected environment, and is named in another', () => {
    expect(heard(members(RIGHT, SILENT), wanted(true))).toMatchObject({ is: 'silent', why: expect.stringContaining('10.0.0.2') });
    expect(heard(members(RIGHT, SILENT), wanted(false))).toMatchObject({
      is: 'right',
      notVerified: expect.stringContaining('10.0.0.2'),
    });
  });

  it.each([true, false])('silence alone is never right (protected: %s)', (isProtected) => {
    expect(heard(members(SILENT, SILENT), wanted(isProtected)).is).toBe('silent');
    expect(heard(members(DOWN, DOWN), wanted(isProtected)).is).toBe('silent');
    expect(heard(members(DOWN, SILENT), wanted(isProtected)).is).toBe('silent');
    expect(heard([], wanted(isProtected)).is).toBe('silent');
  });

  it.each([true, false])('a member that is down is named, and is no answer (protected: %s)', (isProtected) => {
    const found = heard(members(RIGHT, DOWN), wanted(isProtected));
    expect(found).toMatchObject({ is: 'right', notVerified: expect.stringMatching(/10\.0\.0\.2.*down/) });
  });

  it('a build that no one asks proves nothing: it is silent in a protected environment, and named in another', () => {
    expect(heard(members(UNASKED), wanted(true)).is).toBe('silent');
    expect(heard(members(UNASKED), wanted(false))).toMatchObject({
      is: 'right',
      notVerified: expect.stringContaining('identity: none'),
    });
  });
});

describe('what a build says in place of its GUID', () => {
  it.each([
    ['commit', COMMIT],
    ['digest', CANDIDATE.digest],
    ['version', CANDIDATE.version],
    ['label.release', '2026-11'],
  ] as const)('its %s is right to the letter, and any other one is another build', (is, word) => {
    expect(heard(members(says(is, word)), wanted(true))).toEqual({ is: 'right' });
    expect(heard(members(says(is, `${word}0`.replace(/^./, 'z'))), wanted(true))).toMatchObject({
      is: 'wrong',
      code: 'BUILD_GONE',
    });
    expect(heard(members(says(is, null)), wanted(true)).is).toBe('silent');
  });

  it('an abbreviated commit is neither this build nor another one, and the reason says that it must be whole', () => {
    const found = heard(members(says('commit', COMMIT.slice(0, 10))), wanted(true));
    expect(found).toMatchObject({ is: 'silent', why: expect.stringContaining('must be the whole commit') });
  });

  it('a row without what builds say proves nothing', () => {
    expect(heard(members(says('label.other', 'x')), wanted(true)).is).toBe('silent');
  });

  it('a member that does not say its environment proves nothing in a protected one, whatever it is asked for', () => {
    const unsaid = { ...says('commit', COMMIT, null), unsaid: 'x-environment' };
    for (const silent of [says('commit', COMMIT, null), unsaid])
      expect(heard(members(says('commit', COMMIT), silent), wanted(true))).toMatchObject({
        is: 'silent',
        code: 'ENVIRONMENT_UNPROVEN',
        why: expect.stringContaining('10.0.0.2'),
      });
  });

  it('a header with two commits in it is another build, and not an abbreviated one', () => {
    expect(heard(members(says('commit', `${COMMIT}, other`)), wanted(true))).toMatchObject({ is: 'wrong', code: 'BUILD_GONE' });
  });

  it('its environment is judged as ever, and named as not verified where no one asks for it', () => {
    expect(heard(members(says('commit', COMMIT, 'staging')), wanted(true))).toMatchObject({ is: 'wrong', code: 'WRONG_SCOPE' });
    expect(heard(members(says('commit', COMMIT, null)), wanted(false))).toMatchObject({
      is: 'right',
      notVerified: expect.stringContaining('a commit does not say it'),
    });
  });
});

describe('which build answers', () => {
  const rows = [listedAs(STABLE), listedAs(BUILT)];
  const known = (more: object = {}) => ({ rows, scope: SCOPE, isProtected: true, ...more });

  it('a commit names the one row that has it', () => {
    expect(whichBuild(members(says('commit', COMMIT), says('commit', COMMIT)), known())).toEqual({
      is: 'one',
      guid: CANDIDATE.guid,
    });
  });

  it('a commit of two rows names both and is neither', () => {
    const twice = known({ rows: [...rows, listedAs({ ...buildOf(3, 'old'), source: { repository: 'r', commit: COMMIT } })] });
    const found = whichBuild(members(says('commit', COMMIT)), twice);
    expect(found).toMatchObject({ is: 'none', code: 'IDENTITY_UNCLEAR', why: expect.stringMatching(/00000002.*00000003/) });
  });

  it('a commit that only another scope has is a foreign build, named', () => {
    const found = whichBuild(members(says('commit', COMMIT)), known({ rows: [listedAs(STABLE), listedAs(BUILT, STAGING)] }));
    expect(found).toMatchObject({ is: 'none', code: 'FOREIGN_BUILD', why: expect.stringContaining('acme/staging/kv-gateway') });
  });

  it('the same commit in another scope too leaves this scope’s own row', () => {
    const both = known({ rows: [listedAs({ ...BUILT, guid: buildOf(9, 'x').guid }, STAGING), listedAs(BUILT)] });
    expect(whichBuild(members(says('commit', COMMIT)), both)).toEqual({ is: 'one', guid: CANDIDATE.guid });
  });

  it('two members of one build and one of another are no build, nor with one that is silent in a protected environment', () => {
    expect(whichBuild(members(RIGHT, RIGHT, answerOf(STABLE)), known()).is).toBe('none');
    expect(whichBuild(members(RIGHT, SILENT), known()).is).toBe('none');
    expect(whichBuild(members(RIGHT, SILENT), known({ isProtected: false }))).toEqual({ is: 'one', guid: CANDIDATE.guid });
    expect(whichBuild(members(RIGHT, says('commit', 'abcdef1')), known({ isProtected: false })).is).toBe('none');
    expect(whichBuild(members(RIGHT, DOWN), known())).toEqual({ is: 'one', guid: CANDIDATE.guid });
    expect(whichBuild(members(DOWN, SILENT, UNASKED), known({ isProtected: false })).is).toBe('none');
  });

  it('people read what each member said, where it was asked', () => {
    expect(answersText(members(RIGHT, says('commit', COMMIT), DOWN))).toBe(
      `http://10.0.0.1: ${CANDIDATE.guid}; http://10.0.0.2: commit ${COMMIT}; http://10.0.0.3: the router reports it down, so it was not asked`,
    );
    expect(answersText([])).toBe('the target has no such place');
  });

  it('members that say the same are named together, and dozens take up one line', () => {
    const named = (answer: Answer, index: number): MemberAnswer => ({
      at: `g${index}, http://10.0.0.${index}`,
      name: `g${index}`,
      answer,
    });
    const sixty = Array.from({ length: 60 }, (_, index) => named(RIGHT, index));
    expect(answersText(sixty)).toBe(`all 60 members: ${CANDIDATE.guid}`);
    expect(answersText(sixty.with(7, named(answerOf(STABLE), 7)))).toBe(
      `g0, g1, g2, g3, g4 and 54 more: ${CANDIDATE.guid}; g7: ${STABLE.guid}`,
    );
    const dead = Array.from({ length: 60 }, (_, index) => named({ unreachable: `http://10.0.0.${index} is silent` }, index));
    expect(answersText(dead)).toMatch(/^g0: http.* is silent; .*; and the same of 56 more$/);
    const unsaid = sixty.map((one) => ({ ...one, answer: says('commit', COMMIT, null) }));
    const right = heard(unsaid, wanted(false));
    expect(right).toMatchObject({ is: 'right', notVerified: expect.stringMatching(/; and the same of 56 more$/) });
  });

  it('members that all say a commit of no row are told so', () => {
    const why = `no row of acme/production/kv-gateway has the commit ${'0'.repeat(40)}`;
    expect(whichBuild(members(says('commit', '0'.repeat(40)), says('commit', '0'.repeat(40))), known())).toEqual({
      is: 'none',
      why,
    });
  });
});
