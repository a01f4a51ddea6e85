/** Admission: each check refuses on its own, with all the others turned off; and what would happen with none. */
import { describe, expect, it } from 'vitest';
import type { Code } from '../../../src/base/codes.ts';
import {
  ADOPTION_CHECKS,
  admit,
  CHECKS,
  headline,
  promotionChecks,
  ROLLBACK_CHECKS,
} from '../../../src/core/admission/admission.ts';
import { admittedBefore } from '../../../src/core/admission/admitted.ts';
import { type Check, type Facts, judged } from '../../../src/core/admission/facts.ts';
import { fold } from '../../../src/core/ledger/history.ts';
import { type Build, guidSchema } from '../../../src/core/manifest/manifest.ts';
import { promotionPlan } from '../../../src/core/rollout/make-plan.ts';
import { apply, next, start } from '../../../src/core/rollout/rollout.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { buildOf, CANDIDATE, guidOf, listedAs, PLANNING, SCOPE, SETTINGS, STABLE, STAGING } from '../manifest/builds.ts';
import { answerOf, FOREIGN, factsWith, historyWith, saying } from './facts.ts';

const names = (checks: readonly Check[]) => checks.map((check) => check.name);
const refusing = (facts: Facts, checks = CHECKS) => checks.filter((check) => judged(check, facts).refusal !== undefined);
const codeOf = (facts: Facts, checks = CHECKS) => admit(facts, checks).refusal?.code;

/** Facts in which CANDIDATE is changed like this, and listed so. */
function withCandidate(more: Partial<typeof CANDIDATE>): Facts {
  const own = [listedAs(STABLE), listedAs({ ...CANDIDATE, ...more })];
  return factsWith({ listed: own, atPlace: own });
}

const UNSEEN = { why: 'The manifest of acme/staging/kv-gateway is missing', fix: 'Put it back.', expected: true };

const bad = new Map([[CANDIDATE.guid, 'gate errors failed']]);

const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';

const saysCommit = (word: string | null, environment: string | null = 'production') =>
  saying({ guid: null, named: { is: 'commit', word }, environment, said: 'answered 200' });

/** CANDIDATE and STABLE say the commits of their rows, and their environment. */
function sayingCommit({ stable = 'abcdef1', identity, ...more }: Partial<Facts> & { stable?: string } = {}): Facts {
  const sourced = (build: Build, commit: string): Build => ({ ...build, source: { repository: 'r', commit } });
  const own = [listedAs(sourced(STABLE, stable)), listedAs(sourced(CANDIDATE, COMMIT))];
  return factsWith({
    listed: own,
    atPlace: own,
    identity: identity ?? { path: '/', header: 'x-git-sha', is: 'commit', environmentHeader: 'x-env' },
    candidateAnswers: saysCommit(COMMIT),
    knownGoodAnswers: saysCommit(stable),
    ...more,
  });
}

function sayingVersion(more: Facts['listed']): Facts {
  const says = (version: string) =>
    saying({ guid: null, named: { is: 'version', word: version }, environment: 'production', said: '' });
  return factsWith({
    listed: [listedAs(STABLE), listedAs(CANDIDATE), ...more],
    identity: { path: '/', header: 'x-version', is: 'version', environmentHeader: 'x-env' },
    candidateAnswers: says(CANDIDATE.version),
    knownGoodAnswers: says(STABLE.version),
  });
}

/** For each check the cases in which it, and it alone, refuses. */
const ALONE: readonly (readonly [check: string, code: Code, when: string, facts: Facts])[] = [
  [
    'the build is not stamped for another environment',
    'FOREIGN_BUILD',
    'the build is stamped for staging',
    withCandidate({ environment: 'staging' }),
  ],
  [
    'the manifest declares this scope',
    'WRONG_SCOPE',
    'the file at our place says staging',
    factsWith({ atPlace: [listedAs(CANDIDATE, STAGING)] }),
  ],
  [
    'the manifest declares this scope',
    'WRONG_SCOPE',
    'the file at our place says another tenant',
    factsWith({ atPlace: [listedAs(CANDIDATE, { ...SCOPE, tenant: 'umbrella' })] }),
  ],
  [
    'the build is listed here exactly once',
    'UNLISTED_BUILD',
    'it is listed twice',
    factsWith({ listed: [listedAs(STABLE), listedAs(CANDIDATE), listedAs(CANDIDATE)] }),
  ],
  ['the build is listed here exactly once', 'UNLISTED_BUILD', 'it is listed nowhere', factsWith({ listed: [], atPlace: [] })],
  [
    'no other scope has the build',
    'FOREIGN_BUILD',
    'staging lists it too',
    factsWith({ listed: [listedAs(CANDIDATE), listedAs(CANDIDATE, STAGING)] }),
  ],
  [
    'no other scope has the build',
    'FOREIGN_BUILD',
    'another service of the same environment lists it too',
    factsWith({ listed: [listedAs(CANDIDATE), listedAs(CANDIDATE, { ...SCOPE, service: 'kv-cache' })] }),
  ],
  [
    'no other scope has the build',
    'FOREIGN_BUILD',
    'the same service of another tenant lists it too',
    factsWith({ listed: [listedAs(CANDIDATE), listedAs(CANDIDATE, { ...SCOPE, tenant: 'umbrella' })] }),
  ],
  [
    'no other scope has the build',
    'FOREIGN_BUILD',
    "staging's ledger has it, though no manifest does",
    factsWith({ otherLedgers: [{ scope: STAGING, guids: new Set([CANDIDATE.guid]) }] }),
  ],
  [
    'every other scope was looked at',
    'SCOPE_UNSEEN',
    'the manifest of staging is missing and the environment is protected',
    factsWith({ unseen: [UNSEEN] }),
  ],
  [
    'the build is newer than every known-good build here',
    'OLD_SEQUENCE',
    'it is as old as what was known-good',
    withCandidate({ sequence: 1 }),
  ],
  ['the build is newer than every known-good build here', 'OLD_SEQUENCE', 'it is older', withCandidate({ sequence: 0 })],
  ['the target reports this environment', 'WRONG_TARGET', 'it says nothing', factsWith({ targetSays: [] })],
  ['the target reports this environment', 'WRONG_TARGET', 'it says staging', factsWith({ targetSays: ['staging'] })],
  ['the target reports this environment', 'WRONG_TARGET', 'it says both', factsWith({ targetSays: ['production', 'staging'] })],
  [
    'the target reports this environment',
    'WRONG_TARGET',
    'it says it in part',
    factsWith({ targetSays: ['production-eu', 'Production'] }),
  ],
  ['the build itself answers at its place', 'BUILD_GONE', 'there is no such place', factsWith({ candidateAnswers: [] })],
  [
    'the build itself answers at its place',
    'BUILD_GONE',
    'it does not answer',
    factsWith({ candidateAnswers: saying({ unreachable: 'connection refused' }) }),
  ],
  [
    'the build itself answers at its place',
    'BUILD_GONE',
    'what answers does not say who it is',
    factsWith({ candidateAnswers: saying({ guid: null, environment: 'production', said: 'nothing' }) }),
  ],
  [
    'the build itself answers at its place',
    'BUILD_GONE',
    'another build answers',
    factsWith({ candidateAnswers: saying(answerOf(FOREIGN)) }),
  ],
  [
    'the build itself answers at its place',
    'WRONG_SCOPE',
    'it says that it was made for staging',
    factsWith({ candidateAnswers: saying(answerOf(CANDIDATE, 'staging')) }),
  ],
  [
    'the build itself answers at its place',
    'BUILD_GONE',
    'it does not say its environment where the config says how',
    factsWith({ candidateAnswers: saying({ ...answerOf(CANDIDATE, null), unsaid: 'x-env' }) }),
  ],
  [
    'the build itself answers at its place',
    'BUILD_GONE',
    'another build answers at the second location',
    factsWith({ candidateAnswers: [...saying(answerOf(CANDIDATE)), ...saying(answerOf(FOREIGN))] }),
  ],
  [
    'the build itself answers at its place',
    'BUILD_GONE',
    'the second location does not answer',
    factsWith({ candidateAnswers: [...saying(answerOf(CANDIDATE)), ...saying({ unreachable: 'timeout' })] }),
  ],
  [
    'what the build says of itself names it alone',
    'IDENTITY_UNCLEAR',
    'builds say their commit, and the known-good build has the same',
    sayingCommit({ stable: COMMIT }),
  ],
  [
    'what the build says of itself names it alone',
    'IDENTITY_UNCLEAR',
    'builds say their version, and another row has the same',
    sayingVersion([listedAs(buildOf(3, 'other', { version: CANDIDATE.version }))]),
  ],
  [
    'every member says which environment it was made for',
    'ENVIRONMENT_UNPROVEN',
    'builds say their commit, and no one asks for the environment',
    sayingCommit({ identity: { path: '/', header: 'x-git-sha', is: 'commit' } }),
  ],
  ['the build is not marked bad', 'BAD_BUILD', 'its gate failed here', factsWith({ history: historyWith({ bad }) })],
  [
    'there is a known-good build',
    'NO_KNOWN_GOOD',
    'none was ever known-good',
    factsWith({ history: historyWith({ knownGood: [], highestSequence: null }) }),
  ],
  ['there is a known-good build', 'NO_STATE', 'there is no state at all, but something serves', factsWith({ history: fold([]) })],
  [
    'there is a known-good build',
    'NO_KNOWN_GOOD',
    'the known-good build is marked bad, so that rollback would refuse it',
    factsWith({ history: historyWith({ bad: new Map([[STABLE.guid, 'left by break-glass']]) }) }),
  ],
  [
    'the pointer on local disk verifies',
    'POINTER_DAMAGED',
    'it cannot be read',
    factsWith({ pointer: { knownGood: null, damaged: [{ file: '0001.json', why: 'its hash differs' }], ledgerCut: null } }),
  ],
  [
    'the pointer on local disk verifies',
    'POINTER_DAMAGED',
    'it is not there',
    factsWith({ pointer: { knownGood: null, damaged: [], ledgerCut: null } }),
  ],
  [
    'the pointer on local disk verifies',
    'POINTER_STALE',
    'it names another build',
    factsWith({ pointer: { knownGood: guidOf(9), damaged: [], ledgerCut: null } }),
  ],
  [
    'the pointer on local disk verifies',
    'LEDGER_CUT',
    'the pointer knows an entry that the ledger does not have',
    factsWith({ pointer: { knownGood: STABLE.guid, damaged: [], ledgerCut: 'generation 7 knows an entry that is gone' } }),
  ],
  [
    'the known-good build is still serving',
    'BUILD_GONE',
    'it does not answer',
    factsWith({ knownGoodAnswers: saying({ unreachable: 'timeout' }) }),
  ],
  ['the known-good build is still serving', 'BUILD_GONE', 'its place is gone', factsWith({ knownGoodAnswers: [] })],
  [
    'the known-good build is still serving',
    'BUILD_GONE',
    'another build is at its place',
    factsWith({ knownGoodAnswers: saying(answerOf(FOREIGN)) }),
  ],
  [
    'the known-good build is still serving',
    'BUILD_GONE',
    'the router calls it down',
    factsWith({ places: [{ place: 'blue', percent: 100, up: false }] }),
  ],
  ['the known-good build is still serving', 'UNEXPECTED_SPLIT', 'nothing serves', factsWith({ places: [] })],
  [
    'the known-good build is still serving',
    'UNEXPECTED_SPLIT',
    'something else serves a little',
    factsWith({
      places: [
        { place: 'blue', percent: 99.9, up: true },
        { place: 'old', percent: 0.1, up: true },
      ],
    }),
  ],
  [
    'the known-good build is still serving',
    'UNEXPECTED_SPLIT',
    'a share is no number',
    factsWith({
      places: [
        { place: 'blue', percent: 100, up: true },
        { place: 'old', percent: Number.NaN, up: true },
      ],
    }),
  ],
  [
    'the state directory is durable',
    'STATE_UNSAFE',
    'it is kept in memory',
    factsWith({ diskProblem: '/run is kept in memory' }),
  ],
  ['each build has its own place', 'SAME_PLACE', 'its ref is where the stable build runs', withCandidate({ ref: 'blue' })],
  [
    'every location of the router answers',
    'UNREACHABLE',
    'one of two does not',
    factsWith({ silentLocations: [{ why: 'HAProxy at /b.sock cannot be queried: refused', cure: 'Start it.' }] }),
  ],
  [
    'the router can be used as it is set up',
    'SPLIT_IMPOSSIBLE',
    'its socket has level operator',
    factsWith({ unusable: { why: '/a.sock has level operator', cure: 'Write `level admin`.' } }),
  ],
  [
    'the router can set every step',
    'SPLIT_IMPOSSIBLE',
    'a weight is too small',
    factsWith({ impossible: 'It cannot give 0.1 %' }),
  ],
  [
    'each place has enough members up',
    'TOO_FEW_UP',
    'two of three members are down',
    factsWith({ tooFewUp: 'green needs 2 members up at main for 50 %, and has 1 of 3' }),
  ],
  [
    'the rollback path fits into the pointer',
    'POINTER_TOO_LARGE',
    'the target has hundreds of members',
    factsWith({ unfit: 'the pointer would have more than 65536 bytes' }),
  ],
  [
    'a gate counts the requests of clients',
    'PROBES_ONLY',
    'every gate sends probes of its own',
    factsWith({ clients: { gates: [], isProtected: true, probesOnly: false } }),
  ],
  [
    'every gate has data for the build currently serving',
    'GATE_NOT_READY',
    'the query returns no series',
    factsWith({ silent: 'Gate errors has no data.' }),
  ],
  [
    'the listing contains only its own builds',
    'MANIFESTS_DISAGREE',
    'another row of it is listed twice',
    factsWith({ listing: { code: 'MANIFESTS_DISAGREE', message: 'The listing is refused whole.', hint: 'Keep one row.' } }),
  ],
];

describe('everything in order', () => {
  it('a build with everything in order goes through, and only as the build of this scope', () => {
    const { checked, build } = admit(factsWith());
    expect(checked.filter((check) => check.refusal !== undefined)).toEqual([]);
    expect(build).toEqual(CANDIDATE);
  });
});

describe('each check alone', () => {
  it.each(ALONE)('the check "%s" refuses with %s when %s', (name, code, _when, facts) => {
    expect(names(refusing(facts))).toEqual([name]);
    const only = CHECKS.filter((check) => check.name === name);
    const { checked, build } = admit(facts, only);
    expect(build).toBeNull();
    const refusal = headline(checked);
    expect(refusal?.code).toBe(code);
    expect(refusal?.message).toMatch(/^[A-Z].*\.$/);
    expect(refusal?.hint).not.toBe('');
  });

  it.each(ALONE.filter(([, , , facts]) => facts.listed.length > 0))(
    'only the check "%s" (%s) keeps the build out when %s',
    (name, _c, _w, facts) => {
      expect(
        admit(
          facts,
          CHECKS.filter((check) => check.name !== name),
        ).build,
      ).not.toBeNull();
    },
  );

  it('every check has a case of its own in the table', () => {
    expect([...new Set(ALONE.map(([name]) => name))].sort()).toEqual(names(CHECKS).toSorted());
  });
});

describe('what was not seen', () => {
  const others = ['no other scope has the build', 'every other scope was looked at'];
  const doubtful = (facts: Facts) => admit(facts).checked.filter(({ notVerified }) => notVerified !== undefined);

  it.each([
    ['a protected environment where no one expects to see it', true, false],
    ['an environment that is not protected', false, true],
  ])('a scope that was not seen is never a pass, and does not refuse in %s', (_where, isProtected, expected) => {
    const facts = factsWith({ protected: isProtected, unseen: [{ ...UNSEEN, expected }] });
    expect(admit(facts).build).not.toBeNull();
    expect(doubtful(facts).map(({ name }) => name)).toEqual(others);
    for (const { notVerified } of doubtful(facts)) expect(notVerified).toBe(UNSEEN.why);
  });

  it('a scope that was not seen takes the pass from the check that no other scope has the build, and no refusal', () => {
    expect(doubtful(factsWith({ unseen: [UNSEEN] })).map(({ name }) => name)).toEqual(['no other scope has the build']);
    const foreign = factsWith({ unseen: [UNSEEN], listed: [listedAs(CANDIDATE), listedAs(CANDIDATE, STAGING)] });
    expect(codeOf(foreign)).toBe('FOREIGN_BUILD');
  });

  it('a rollback is not refused for a scope that cannot be seen', () => {
    const back = factsWith({ guid: STABLE.guid, candidateAnswers: saying(answerOf(STABLE)), unseen: [UNSEEN] });
    expect(codeOf(back, ROLLBACK_CHECKS)).toBeUndefined();
  });
});

describe('what was gathered', () => {
  const foreign = { code: 'FOREIGN_BUILD', message: 'Another row is foreign.', hint: 'Remove it.' } as const;

  it.each(['files', 'target', 'plan', 'write'] as const)(
    'admission of %s alone judges no check of anything else, and admits nothing but at the target',
    (needs) => {
      const { checked, refusal, build } = admit(factsWith({ gathered: [needs] }));
      expect(checked.map(({ name }) => name)).toEqual(names(CHECKS.filter((check) => check.needs === needs)));
      expect(refusal).toBeUndefined();
      expect(build === null).toBe(needs !== 'target');
    },
  );

  it('a plan is judged by what another environment has run, where one is required', () => {
    const there = { scope: STAGING, history: fold([]) };
    const required = { environment: 'staging', soakMs: 0, there, nowMs: 0 };
    expect(codeOf(factsWith({ required }), promotionChecks('staging'))).toBe('REQUIREMENT_UNMET');
    expect(names(promotionChecks('staging')).filter((name) => !names(CHECKS).includes(name))).toEqual([
      'staging has soaked this source',
    ]);
    expect(() => admit(factsWith(), promotionChecks('staging'))).toThrow('staging');
  });

  it('admission of files alone asks no check of the target, not even one that would refuse', () => {
    expect(codeOf(factsWith({ gathered: ['files'], targetSays: ['staging'] }))).toBeUndefined();
    expect(codeOf(factsWith({ gathered: ['files', 'target'], targetSays: ['staging'] }))).toBe('WRONG_TARGET');
  });

  it('the error is headed by a fault of the build before one of another row of the listing', () => {
    expect(codeOf(factsWith({ listing: foreign, listed: [listedAs(STABLE)] }))).toBe('UNLISTED_BUILD');
    expect(codeOf(factsWith({ listing: foreign }))).toBe('FOREIGN_BUILD');
  });
});

/** 2023-10-30, 19:29: the list of production builds also returns a staging GUID; production has no such build. */
const incident = (stamped: boolean): Facts => {
  const { environment: _, ...unstamped } = FOREIGN;
  const row = listedAs(stamped ? FOREIGN : unstamped);
  const own = [listedAs(STABLE), row];
  return factsWith({
    guid: FOREIGN.guid,
    listed: [...own, listedAs(FOREIGN, STAGING)],
    atPlace: own,
    candidateAnswers: saying({ unreachable: 'the target has no such build' }),
  });
};

describe('the incident: a staging build listed among production builds', () => {
  it('a staging build listed in production is caught by three checks, each on its own: stamp, scope, target', () => {
    expect(names(refusing(incident(true)))).toEqual([
      'no other scope has the build',
      'the build is not stamped for another environment',
      'the build itself answers at its place',
    ]);
    for (const check of refusing(incident(true))) expect(admit(incident(true), [check]).build).toBeNull();
    expect(codeOf(incident(true))).toBe('FOREIGN_BUILD');
  });

  it('a staging build that CI did not stamp is caught by two, and by one where staging never heard of it', () => {
    expect(names(refusing(incident(false)))).toEqual(['no other scope has the build', 'the build itself answers at its place']);
    const alone = { ...incident(false), listed: [listedAs(STABLE), listedAs(FOREIGN)], otherLedgers: [] };
    expect(names(refusing({ ...alone, listed: alone.atPlace }))).toEqual(['the build itself answers at its place']);
  });

  it('a staging binary behind a production server is caught by what the build says of itself', () => {
    const runs = {
      ...incident(false),
      listed: incident(false).atPlace,
      otherLedgers: [],
      candidateAnswers: saying(answerOf(FOREIGN, 'staging')),
    };
    expect(codeOf(runs)).toBe('WRONG_SCOPE');
    expect(names(refusing(runs))).toEqual(['the build itself answers at its place']);
  });

  it('a staging build would get production traffic with every check off: that is the harm', () => {
    const { build } = admit(incident(true), []);
    expect(build?.guid).toBe(FOREIGN.guid);
    if (build === null) throw new Error('no check, yet refused');
    const plan = promotionPlan(SETTINGS, PLANNING, build, STABLE);
    const shifting = apply(start(plan), { type: 'prepared', atMs: 1, generation: 1 });
    const effect = next(shifting);
    expect('split' in effect && effect.split.find((share) => share.build === FOREIGN.guid)?.percent).toBe(10);
  });

  it.each(['77'.padStart(8, '0'), 'upper', 'braces', 'urn', 'URN'])('a staging GUID is caught in every spelling: %s', (kind) => {
    const plain = FOREIGN.guid;
    const spelled =
      { upper: plain.toUpperCase(), braces: `{${plain}}`, urn: `urn:uuid:${plain}`, URN: `URN:UUID:${plain.toUpperCase()}` }[
        kind
      ] ?? plain;
    const guid: Guid = guidSchema.parse(spelled);
    const row = listedAs({ ...CANDIDATE, guid });
    const facts = factsWith({ guid, listed: [row, listedAs(FOREIGN, STAGING)], atPlace: [row] });
    expect(codeOf(facts)).toBe('FOREIGN_BUILD');
  });

  it('a staging build whose GUID is typed is refused by its scope, its listing and its owner', () => {
    const typed = factsWith({ guid: FOREIGN.guid, candidateAnswers: saying(answerOf(FOREIGN, null)) });
    expect(names(refusing(typed))).toEqual([
      'the manifest declares this scope',
      'the build is listed here exactly once',
      'no other scope has the build',
    ]);
  });

  it('the refusal of a staging build names both places, with file and line', () => {
    const refusal = headline(admit(incident(true)).checked);
    expect(refusal?.places).toEqual([
      { file: 'releases/production/kv-gateway.yaml', line: 9, column: 11 },
      { file: 'releases/staging/kv-gateway.yaml', line: 9, column: 11, note: 'listed for acme/staging/kv-gateway' },
    ]);
    expect(refusal?.message).toBe('Build 00000077 belongs to staging, so it cannot enter production.');
    expect(refusal?.hint).toContain('kvdeploy builds --env production');
  });
});

describe('the headline', () => {
  const refusal = (code: Code) => ({ name: code, hazard: 'bad-again' as const, refusal: { code, message: code, hint: code } });
  it.each([
    [['UNLISTED_BUILD', 'WRONG_SCOPE', 'FOREIGN_BUILD'], 'FOREIGN_BUILD'],
    [['BAD_BUILD', 'WRONG_SCOPE'], 'WRONG_SCOPE'],
    [['OLD_SEQUENCE', 'BAD_BUILD'], 'BAD_BUILD'],
    [['BUILD_GONE', 'NO_KNOWN_GOOD'], 'BUILD_GONE'],
    [[], undefined],
  ] as const)('the headline of %j is %s', (codes, heads) => {
    expect(headline([{ name: 'passed', hazard: 'bad-again', refusal: undefined }, ...codes.map(refusal)])?.code).toBe(heads);
  });
});

describe('unknown is never yes', () => {
  const nothing: Facts = {
    ...factsWith(),
    listed: [],
    atPlace: [],
    otherLedgers: [],
    history: fold([]),
    environments: [],
    targetSays: [],
    places: [],
    candidateAnswers: [],
    knownGoodAnswers: [],
    pointer: { knownGood: null, damaged: [], ledgerCut: null },
  };

  it.each(['listed', 'history', 'targetSays', 'places', 'candidateAnswers', 'knownGoodAnswers', 'pointer'] as const)(
    'a build is refused where nothing is known of %s',
    (fact) => {
      expect(admit({ ...factsWith(), [fact]: nothing[fact] }).build).toBeNull();
    },
  );

  it('a build is refused where nothing is known at all, for a promotion, a rollback and an adoption', () => {
    for (const checks of [CHECKS, ROLLBACK_CHECKS, ADOPTION_CHECKS]) expect(refusing(nothing, checks).length).toBeGreaterThan(1);
    expect(codeOf(nothing)).toBe('UNLISTED_BUILD');
  });

  it('a build that does not say its environment is not refused where the config does not ask for it', () => {
    expect(admit(factsWith({ candidateAnswers: saying(answerOf(CANDIDATE, null)) })).build).not.toBeNull();
  });
});

describe('the first promotion', () => {
  it('the first promotion says adopt when nothing was known-good, and where to look when something serves', () => {
    const refused = (facts: Facts) =>
      headline(
        admit(
          facts,
          CHECKS.filter((check) => check.name === 'there is a known-good build'),
        ).checked,
      );
    const serves = refused(factsWith({ history: fold([]) }));
    expect(serves).toMatchObject({ code: 'NO_STATE', message: expect.stringContaining('blue 100 %') });
    expect(serves?.hint).toContain('kvdeploy pointer import');
    const idle = refused(factsWith({ history: fold([]), places: [] }));
    expect(idle).toMatchObject({ code: 'NO_KNOWN_GOOD', hint: expect.stringContaining('kvdeploy adopt --env production') });
  });
});

describe('an older build', () => {
  it('an older build is not promoted; one that was known-good is offered as a rollback, by its whole command', () => {
    const known = { build: admittedBefore(buildOf(0, 'old')), since: '2026-01-01T00:00:00Z', rollout: 'r-0' };
    const history = historyWith();
    const facts = factsWith({
      guid: known.build.guid,
      listed: [listedAs(known.build)],
      history: { ...history, knownGood: [...history.knownGood, known] },
    });
    const refusal = headline(
      admit(
        facts,
        CHECKS.filter((check) => check.name === 'the build is newer than every known-good build here'),
      ).checked,
    );
    expect(refusal).toMatchObject({ code: 'OLD_SEQUENCE' });
    expect(refusal?.hint).toContain('kvdeploy rollback --env production');
    expect(refusal?.hint).toContain(`--to ${known.build.guid}`);
  });

  it('an older build is said to be known-good already where it is', () => {
    const facts = factsWith({ guid: STABLE.guid });
    expect(
      headline(
        admit(
          facts,
          CHECKS.filter((check) => check.name === 'the build is newer than every known-good build here'),
        ).checked,
      )?.message,
    ).toContain('already');
  });
});

describe('a rollback', () => {
  /** STABLE is to be gone back to, where everything that only a healthy service has is gone. */
  const sick = (more: Partial<Facts> = {}): Facts =>
    factsWith({
      guid: STABLE.guid,
      listed: [],
      atPlace: [],
      otherLedgers: [],
      places: [{ place: 'green', percent: 100, up: false }],
      candidateAnswers: saying(answerOf(STABLE)),
      knownGoodAnswers: [],
      pointer: { knownGood: null, damaged: [{ file: '0001.json', why: 'torn' }], ledgerCut: null },
      diskProblem: 'no space left on device',
      ...more,
    });

  it('a rollback needs no manifest, no pointer, no disk and nothing that serves', () => {
    expect(names(refusing(sick(), ROLLBACK_CHECKS))).toEqual([]);
  });

  it('a rollback is not blocked by its own manifest that lists the build twice', () => {
    const row = listedAs(STABLE);
    expect(names(refusing(sick({ listed: [row, row], atPlace: [row] }), ROLLBACK_CHECKS))).toEqual([]);
  });

  it.each([
    ['another scope lists it', 'FOREIGN_BUILD', sick({ listed: [listedAs(STABLE, STAGING)] })],
    [
      'another scope has it in its ledger',
      'FOREIGN_BUILD',
      sick({ otherLedgers: [{ scope: STAGING, guids: new Set([STABLE.guid]) }] }),
    ],
    ['CI stamped it for staging', 'FOREIGN_BUILD', sick({ listed: [listedAs({ ...STABLE, environment: 'staging' })] })],
    [
      'it was never known-good here',
      'NOT_KNOWN_GOOD',
      sick({ guid: CANDIDATE.guid, candidateAnswers: saying(answerOf(CANDIDATE)) }),
    ],
    ['it is marked bad', 'BAD_BUILD', sick({ history: historyWith({ bad: new Map([[STABLE.guid, 'rolled back from']]) }) })],
    ['the target says another environment', 'WRONG_TARGET', sick({ targetSays: ['staging'] })],
    ['the target says nothing', 'WRONG_TARGET', sick({ targetSays: [] })],
    ['another build has taken its place', 'BUILD_GONE', sick({ candidateAnswers: saying(answerOf(CANDIDATE)) })],
    ['its place answers for staging', 'WRONG_SCOPE', sick({ candidateAnswers: saying(answerOf(STABLE, 'staging')) })],
    ['its place does not answer', 'BUILD_GONE', sick({ candidateAnswers: saying({ unreachable: 'timeout' }) })],
  ] as const)('a rollback is refused, by one check alone, when %s', (_what, code, facts) => {
    expect(refusing(facts, ROLLBACK_CHECKS)).toHaveLength(1);
    expect(codeOf(facts, ROLLBACK_CHECKS)).toBe(code);
  });

  it('a rollback never goes to a staging build that was listed among ours: the second half of the incident', () => {
    const facts = { ...incident(true), candidateAnswers: saying(answerOf(FOREIGN, null)) };
    expect(codeOf(facts, ROLLBACK_CHECKS)).toBe('FOREIGN_BUILD');
    for (const name of ['no other scope has the build', 'the build was known-good here']) {
      expect(
        refusing(
          facts,
          ROLLBACK_CHECKS.filter((check) => check.name === name),
        ),
      ).toHaveLength(1);
    }
  });
});

describe('a build that says its commit, on the rollback path', () => {
  const SHA = 'f'.repeat(40);
  const promoting = (more: Partial<Facts> = {}) => sayingCommit({ stable: SHA, ...more });
  const back = (more: Partial<Facts> = {}) => promoting({ guid: STABLE.guid, candidateAnswers: saysCommit(SHA), ...more });

  it('rollback and promotion go on where every member says its commit and its environment', () => {
    expect(names(refusing(back(), ROLLBACK_CHECKS))).toEqual([]);
    expect(names(refusing(promoting()))).toEqual([]);
  });

  it('a rollback in a protected environment is refused where no member says which environment it was made for', () => {
    const unsaid = {
      identity: { path: '/', header: 'x-git-sha', is: 'commit' },
      candidateAnswers: saysCommit(SHA, null),
    };
    expect(codeOf(back(unsaid), ROLLBACK_CHECKS)).toBe('ENVIRONMENT_UNPROVEN');
    expect(codeOf(back({ ...unsaid, protected: false }), ROLLBACK_CHECKS)).toBeUndefined();
  });

  it('a promotion is refused where the known-good build is asked for no environment at its own place', () => {
    expect(codeOf(promoting({ knownGoodAnswers: saysCommit(SHA, null) }))).toBe('ENVIRONMENT_UNPROVEN');
  });

  it.each([
    ['the same commit', SHA],
    ['an abbreviated commit that may be the same', SHA.slice(0, 8)],
  ])('rollback and promotion are refused where a third build has %s as the known-good one', (_what, commit) => {
    const third = buildOf(3, 'other', { source: { repository: 'r', commit } });
    const listed = [...promoting().listed, listedAs(third)];
    expect(codeOf(back({ listed }), ROLLBACK_CHECKS)).toBe('IDENTITY_UNCLEAR');
    expect(names(refusing(promoting({ listed })))).toEqual(['the known-good build is still serving']);
  });
});

describe('adopting', () => {
  const first = (more: Partial<Facts> = {}): Facts =>
    factsWith({
      guid: STABLE.guid,
      history: fold([]),
      pointer: { knownGood: null, damaged: [], ledgerCut: null },
      candidateAnswers: saying(answerOf(STABLE)),
      knownGoodAnswers: [],
      ...more,
    });

  it('an adoption judges the build and the target, and asks for a disk that keeps its word', () => {
    expect(names(ADOPTION_CHECKS)).toEqual([
      'the manifest declares this scope',
      'the build is listed here exactly once',
      'no other scope has the build',
      'the build is not stamped for another environment',
      'every other scope was looked at',
      'what the build says of itself names it alone',
      'the target reports this environment',
      'every location of the router answers',
      'the router can be used as it is set up',
      'every member says which environment it was made for',
      'the build itself answers at its place',
      'the build is not marked bad',
      'the state directory is durable',
      'the listing contains only its own builds',
    ]);
    expect(names(refusing(first(), ADOPTION_CHECKS))).toEqual([]);
  });

  it.each([
    ['the build is stamped for staging', 'FOREIGN_BUILD', first({ listed: [listedAs({ ...STABLE, environment: 'staging' })] })],
    ['the build is not listed', 'UNLISTED_BUILD', first({ listed: [] })],
    ['staging lists it too', 'FOREIGN_BUILD', first({ listed: [listedAs(STABLE), listedAs(STABLE, STAGING)] })],
    ['the target says staging', 'WRONG_TARGET', first({ targetSays: ['staging'] })],
    ['another build answers', 'BUILD_GONE', first({ candidateAnswers: saying(answerOf(CANDIDATE)) })],
    ['it is marked bad', 'BAD_BUILD', first({ history: historyWith({ bad: new Map([[STABLE.guid, 'rolled back from']]) }) })],
    ['the disk forgets', 'STATE_UNSAFE', first({ diskProblem: 'kept in memory' })],
  ] as const)('an adoption is refused, by one check alone, when %s', (_what, code, facts) => {
    expect(refusing(facts, ADOPTION_CHECKS)).toHaveLength(1);
    expect(codeOf(facts, ADOPTION_CHECKS)).toBe(code);
  });
});
