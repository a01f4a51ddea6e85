/** Hazards: with good facts each is controlled; in a case of its own each refuses; and a doubt is only a warning where a mechanism stands. */
import { describe, expect, it } from 'vitest';
import { admit } from '../../../src/core/admission/admission.ts';
import type { Facts, HazardId } from '../../../src/core/admission/facts.ts';
import { type Control, hazardRefusal, isControlled, type Looked, unverified } from '../../../src/core/admission/hazard.ts';
import { hazardsOf } from '../../../src/core/admission/hazard-list.ts';
import type { Plan } from '../../../src/core/rollout/plan.ts';
import { CANDIDATE, guidOf, listedAs, promotion, SCOPE, STABLE, STAGING } from '../manifest/builds.ts';
import { factsWith, historyWith, saying } from './facts.ts';

const UNSEEN = { why: 'the ledger of acme/qa/kv-gateway cannot be read', fix: 'Let this user read it.', expected: false };

const PLAN: Plan = { ...promotion([10, 100]), pollMs: 1000, patienceMs: 100_000 };

/** Verdicts as a release has them: of the real checks over these facts, and of a requirement, which passed. */
function checkedIn(facts: Facts): Looked['checked'] {
  return [...admit(facts).checked, { name: 'staging has soaked this source', hazard: 'untried-source', refusal: undefined }];
}

/** Facts that verify every control. */
function lookedWith(more: Partial<Looked> = {}, facts: Partial<Facts> = {}): Looked {
  return {
    scope: SCOPE,
    checked: checkedIn(factsWith(facts)),
    plan: PLAN,
    otherScopes: 1,
    filesRead: 3,
    entries: 7,
    leaderSince: null,
    markDoubt: null,
    pointerGeneration: 4,
    members: [
      { place: 'blue', address: 'http://127.0.0.1:9001' },
      { place: 'green', address: 'http://127.0.0.1:9002/' },
    ],
    forgetful: undefined,
    routerDoubts: [],
    clients: factsWith(facts).clients,
    unseen: [{ gate: 'errors', unseen: [] }],
    measured: [{ gate: 'errors', measurement: { requests: 10, errors: 0, counting: 'sample' } }],
    wayBack: [{ kind: 'write-file', path: '/var/lib/edge/routes.json', content: '{}' }],
    wayBackHosts: [],
    disk: { kind: 'durable', name: 'ext4' },
    copies: [{ dir: '/mnt/other-disk/kvdeploy', elsewhere: true }],
    confirmation: { wants: '--confirm production', given: 'flag' },
    ...more,
  };
}

const hazard = (looked: Looked, id: HazardId) => {
  const found = hazardsOf(looked).find((each) => each.id === id);
  if (found === undefined) throw new Error(`no hazard ${id}`);
  return found;
};
const open = (looked: Looked) => hazardsOf(looked).flatMap(({ id, controlled }) => (controlled ? [] : [id]));
const doubtful = (looked: Looked) => hazardsOf(looked).flatMap((each) => (unverified(each).length > 0 ? [each.id] : []));
const refusing = (id: HazardId): Looked['checked'] =>
  checkedIn(factsWith()).map((check) =>
    check.hazard === id ? { ...check, refusal: { code: 'GATE_NOT_READY', message: 'It is not so.', hint: 'Fix it.' } } : check,
  );
const toAddress = (address: string): Looked['wayBack'] => [
  { kind: 'socket', address, commands: ['set server'], timeoutMs: 2000 },
];
const toUrl = (url: string): Looked['wayBack'] => [{ kind: 'request', method: 'PUT', url, expect: [200], timeoutMs: 2000 }];

it('every hazard is controlled with good facts, and every control was verified', () => {
  const hazards = hazardsOf(lookedWith());
  expect(hazards.flatMap(unverified)).toEqual([]);
  expect(hazards.filter(({ controlled }) => !controlled)).toEqual([]);
  expect(hazardRefusal(hazards)).toBeUndefined();
  expect(new Set(hazards.map(({ id }) => id)).size).toBe(hazards.length);
});

/** For each hazard the cases in which it, and it alone, is not controlled. */
const UNCONTROLLED: readonly (readonly [HazardId, string, Looked])[] = [
  [
    'foreign-build',
    'staging lists the build too',
    lookedWith({}, { listed: [listedAs(STABLE), listedAs(CANDIDATE), listedAs(CANDIDATE, STAGING)] }),
  ],
  ['build-absent', 'it does not answer', lookedWith({}, { candidateAnswers: saying({ unreachable: 'connection refused' }) })],
  ['wrong-target', 'the target says staging', lookedWith({}, { targetSays: ['staging'] })],
  ['older-build', 'a higher sequence was known-good', lookedWith({}, { history: historyWith({ highestSequence: 9 }) })],
  [
    'bad-again',
    'its gate failed here',
    lookedWith({}, { history: historyWith({ bad: new Map([[CANDIDATE.guid, 'a gate failed']]) }) }),
  ],
  ['untried-source', 'staging never had it', lookedWith({ checked: refusing('untried-source') })],
  [
    'no-known-good',
    'the pointer names another build',
    lookedWith({}, { pointer: { ...factsWith().pointer, knownGood: guidOf(9) } }),
  ],
  [
    'no-known-good',
    'nothing was ever known-good',
    lookedWith({}, { history: historyWith({ knownGood: [], highestSequence: null }) }),
  ],
  [
    'way-back-depends',
    'both builds have one place',
    lookedWith(
      {},
      {
        listed: [listedAs(STABLE), listedAs({ ...CANDIDATE, ref: STABLE.ref })],
        atPlace: [listedAs(STABLE), listedAs({ ...CANDIDATE, ref: STABLE.ref })],
      },
    ),
  ],
  [
    'way-back-depends',
    "a restoring command goes to the candidate's address",
    lookedWith({ wayBack: toAddress('127.0.0.1:9002') }),
  ],
  [
    'way-back-depends',
    'a restoring request goes through the service',
    lookedWith({ wayBack: toUrl('http://127.0.0.1:9001/admin') }),
  ],
  ['disk', 'a probe cannot be written', lookedWith({}, { diskProblem: 'no space left on device' })],
  ['disk', 'a restart empties it', lookedWith({ disk: { kind: 'volatile', name: 'tmpfs' } })],
  ['silent-metrics', 'a gate has no data', lookedWith({ checked: refusing('silent-metrics') })],
  ['rounded-split', 'a step is impossible', lookedWith({ checked: refusing('rounded-split') })],
  [
    'client-failures',
    'probes alone judge a protected environment',
    lookedWith({}, { clients: { gates: [], isProtected: true, probesOnly: false } }),
  ],
  [
    'late-gates',
    'more requests are wanted than are sent before patience runs out',
    lookedWith({ plan: { ...PLAN, gates: PLAN.gates.map((gate) => ({ ...gate, minRequests: 1021 })) } }),
  ],
  [
    'forgetful-router',
    'a reload restores old weights',
    lookedWith({ forgetful: { why: 'without serverStateFile it forgets', cure: 'Set it.' } }),
  ],
  ['crash-midway', 'no rollback path can be rendered', lookedWith({ wayBack: [] })],
];

describe('each hazard alone, not controlled', () => {
  it.each(UNCONTROLLED)('the hazard %s is not controlled when %s', (id, _when, looked) => {
    expect(open(looked)).toEqual([id]);
    const refusal = hazardRefusal(hazardsOf(looked));
    expect(refusal?.code).toBe('HAZARD_UNCONTROLLED');
    expect(refusal?.message).toContain(hazard(looked, id).hazard.replace(/\.$/, ''));
    expect(refusal?.hint).toBe(hazard(looked, id).fix);
  });

  it('every hazard has a case, but for three whose controls cannot be taken away, and gates that are not there', () => {
    const shown = new Set(UNCONTROLLED.map(([id]) => id));
    const others = hazardsOf(lookedWith()).flatMap(({ id }) => (shown.has(id) ? [] : [id]));
    expect(others).toEqual(['stale-plan', 'black-hole', 'two-runners', 'no-answer']);
    const gateless = lookedWith({ plan: { ...PLAN, gates: [] }, measured: [] });
    expect(open(gateless)).toEqual(['black-hole', 'late-gates']);
    expect(hazardRefusal(hazardsOf(gateless))?.message).toContain('2 hazards have no control');
  });
});

/** Cases with a doubt that another mechanism covers: a warning, not a refusal. */
const DOUBTS: readonly (readonly [HazardId, string, Looked])[] = [
  ['foreign-build', 'no other scope is known', lookedWith({ otherScopes: 0 })],
  ['foreign-build', 'a ledger that no one expects to see could not be read', lookedWith({}, { unseen: [UNSEEN] })],
  ['way-back-depends', 'there is no copy', lookedWith({ copies: [] })],
  ['way-back-depends', 'the copy is on the same disk', lookedWith({ copies: [{ dir: '/srv/copy', elsewhere: false }] })],
  ['way-back-depends', 'the copy cannot be looked at', lookedWith({ copies: [{ dir: '/srv/copy', elsewhere: null }] })],
  [
    'disk',
    'only looking, nothing was written',
    lookedWith({ checked: checkedIn(factsWith()).filter(({ hazard: id }) => id !== 'disk') }),
  ],
  ['disk', 'an overlay', lookedWith({ disk: { kind: 'unsure', name: 'overlay' } })],
  ['black-hole', 'one step of 100 %', lookedWith({ plan: { ...promotion([100]), pollMs: 1000, patienceMs: 100_000 } })],
  [
    'late-gates',
    'a source that counts cannot say what it will count',
    lookedWith({ measured: [{ gate: 'errors', measurement: { requests: 10, errors: 0, counting: 'total' } }] }),
  ],
  ['two-runners', 'another state may drive the target', lookedWith({ markDoubt: 'the folder cannot be read' })],
  ['forgetful-router', 'haproxy.cfg cannot be read', lookedWith({ routerDoubts: ['haproxy.cfg cannot be read'] })],
  ['two-runners', 'a claim was not given back', lookedWith({ leaderSince: '2026-11-21T09:12:00Z' })],
  ['no-answer', 'there is no terminal', lookedWith({ confirmation: { wants: '--confirm production', given: 'no one' } })],
];

it.each([
  ['the service says that probes are enough', { gates: [], isProtected: true, probesOnly: true }, 'probesOnly: true'],
  ['the environment is not protected', { gates: [], isProtected: false, probesOnly: false }, 'it is not protected'],
] as const)(
  'the hazard of failures that only clients see has a row, controlled by a decision, when %s',
  (_when, clients, detail) => {
    const row = hazard(lookedWith({}, { clients }), 'client-failures');
    expect([row.controlled, row.controls]).toMatchObject([true, [{ level: 'administration', status: 'verified', detail }]]);
  },
);

it('the hazard of failures that only clients see names what no gate judges, as a doubt that refuses nothing', () => {
  const errors = { gate: 'errors', unseen: ['latency: set latency', 'slices'] };
  const slow = { gate: 'slow', unseen: ['slices', 'retries'] };
  const rowOf = (unseen: Looked['unseen']) => hazard(lookedWith({ unseen }), 'client-failures');
  expect(rowOf([errors])).toMatchObject({ controlled: true, controls: [{}, { status: 'not-verified' }] });
  expect(rowOf([errors]).controls[1]?.detail).toBe('no gate judges latency, slices');
  expect(rowOf([errors, slow]).controls[1]?.detail).toBe('no gate judges slices');
  expect(rowOf([errors, { ...slow, unseen: [] }]).controls[1]?.status).toBe('verified');
});

describe('a doubt is a warning where another mechanism was verified', () => {
  it.each(DOUBTS)('a doubt about the hazard %s is a warning when %s', (id, _when, looked) => {
    expect([doubtful(looked), open(looked)]).toEqual([[id], []]);
  });

  it('a doubt about every control of a hazard is no mere warning', () => {
    const looked = lookedWith({
      checked: checkedIn(factsWith()).filter((check) => check.hazard !== 'disk'),
      disk: { kind: 'unsure', name: 'nfs' },
      pointerGeneration: null,
    });
    expect(open(looked)).toEqual(['disk']);
  });
});

describe('the hierarchy of controls', () => {
  const control = (level: Control['level'], status: Control['status'] = 'verified'): Control => ({
    control: 'c',
    level,
    status,
    detail: '',
  });
  const doubt = control('engineering', 'not-verified');

  it.each([
    ['nothing', [], false],
    ['a careful person', [control('ppe')], false],
    ['a rule that people follow', [control('administration')], true],
    ['a mechanism', [control('engineering')], true],
    ['a mechanism that was not looked at', [doubt], false],
    ['a mechanism in doubt next to a rule', [doubt, control('administration')], false],
    ['a mechanism in doubt next to a mechanism', [doubt, control('engineering')], true],
    ['a mechanism in doubt next to a lesser danger', [doubt, control('substitution')], true],
    ['a mechanism that failed next to one that holds', [control('engineering', 'absent'), control('elimination')], false],
  ] as const)('a hazard is controlled, or not, by %s', (_what, controls, controlled) => {
    expect(isControlled(controls)).toBe(controlled);
  });
});

it('a requirement that the environment does not have is no hazard of the release', () => {
  const looked = lookedWith({ checked: checkedIn(factsWith()).filter((check) => check.hazard !== 'untried-source') });
  expect(hazardsOf(looked).map(({ id }) => id)).not.toContain('untried-source');
  expect(open(looked)).toEqual([]);
});

it('what was not looked at, because a check refused before, is never called verified', () => {
  const looked = lookedWith({ plan: null, unseen: [], wayBack: null, members: null, checked: [], measured: [] });
  const verified = hazardsOf(looked).flatMap(({ controls }) => controls.filter(({ status }) => status === 'verified'));
  expect(verified.map(({ control }) => control)).toEqual([
    'a copy of the pointer is on another disk',
    'the file system keeps flushed data',
    'the newest pointer reads back whole',
    'one claim per scope, taken by compare-and-swap in the ledger',
    'no one else leads',
    'no other state drives this target',
    'nothing begins without confirmation',
    'someone can answer',
  ]);
});

it('a rollback path that needs a host name is a hazard of its own, named but controlled; without a name there is no such row', () => {
  expect(hazardsOf(lookedWith()).map(({ id }) => id)).not.toContain('way-back-names');
  const named = hazard(lookedWith({ wayBackHosts: ['gw-admin.lab.test'] }), 'way-back-names');
  expect(named).toMatchObject({
    controlled: true,
    controls: [{ status: 'not-verified', detail: 'gw-admin.lab.test must resolve' }, { status: 'verified' }],
  });
});
