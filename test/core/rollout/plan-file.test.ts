/** Plan files: read back as written, refused after any edit, and stale when anything they were made from is different. */
import { describe, expect, it } from 'vitest';
import { type PlanRead, parsePlanFile, planDifference, planFileText, whatMoved } from '../../../src/core/rollout/plan-file.ts';
import { promotion } from '../manifest/builds.ts';

const PLAN = promotion([10, 100]);
const SHA = (digit: string) => digit.repeat(64);
const READ: PlanRead = {
  files: [
    { file: 'kvdeploy.config.yaml', sha256: SHA('a') },
    { file: 'releases/production/kv-gateway.yaml', sha256: SHA('b') },
  ],
  ledger: { nextSeq: 8, head: SHA('c') },
  pointer: { generation: 4 },
  router: [
    { place: 'blue', percent: 100, address: 'http://127.0.0.1:9001' },
    { place: 'green', percent: 0, address: 'http://127.0.0.1:9002' },
  ],
};
const TEXT = planFileText({
  madeAt: '2026-11-21T09:12:00.000Z',
  plan: PLAN,
  hazards: [
    {
      id: 'disk',
      hazard: 'The disk cannot keep what it acknowledges.',
      controlled: true,
      fix: 'Put it elsewhere.',
      controls: [{ control: 'it is tried', level: 'engineering', status: 'verified', detail: 'ext4' }],
    },
  ],
  read: READ,
});

describe('a plan file', () => {
  it('a plan file reads back as what was written', () => {
    const made = parsePlanFile(TEXT);
    expect(made.plan).toEqual(PLAN);
    expect(made.read).toEqual(READ);
    expect(made.scope).toEqual(PLAN.scope);
  });

  it.each([
    ['a step made larger', TEXT.replace('"percent": 10,', '"percent": 50,')],
    ['a build exchanged', TEXT.replaceAll(PLAN.candidate.guid, '00000009-7425-40de-944b-e07fc1f90ae7')],
    ['a gate loosened', TEXT.replace('"max": 0.01', '"max": 0.9')],
    ['a hazard hidden', TEXT.replace('"verified"', '"certain"')],
    ['what it was made from', TEXT.replace('"generation": 4', '"generation": 5')],
    ['a repeated key that only a reader sees', TEXT.replace('"kind": "PlanFile"', '"kind": "Plan",\n  "kind": "PlanFile"')],
    ['an added key', TEXT.replace('"kind"', '"note": "fine",\n  "kind"')],
    ['other white space', TEXT.replace('\n', '\r\n')],
    ['its hash taken out', TEXT.replace(/,\n {2}"sha256": "[0-9a-f]{64}"\n}\n$/, '\n}\n')],
    ['its end cut off', TEXT.slice(0, -3)],
  ])('a plan file edited by hand is refused: %s', (_what, text) => {
    expect(text).not.toBe(TEXT);
    expect(() => parsePlanFile(text)).toThrow(/changed after plan --out wrote it|not JSON/);
  });

  it.each([
    ['nothing', '', 'not JSON'],
    ['a list', '[]', 'not a file written by plan --out'],
    ['null', 'null', 'not a file written by plan --out'],
    ['an export', '{"kind":"PointerExport"}', 'not a file written by plan --out'],
    [
      'a later format',
      TEXT.replace('"formatVersion": 1', '"formatVersion": 2'),
      'its format is 2, but this version reads format 1',
    ],
  ])('a file that is no plan file of this version is refused: %s', (_what, text, why) => {
    expect(() => parsePlanFile(text)).toThrow(why);
  });
});

describe('what moved', () => {
  const [config, manifest] = READ.files as [PlanRead['files'][0], PlanRead['files'][0]];
  const [blue, green] = READ.router as [PlanRead['router'][0], PlanRead['router'][0]];

  it('nothing has moved since a plan when everything is the same, in whatever order', () => {
    expect(whatMoved(READ, READ)).toEqual([]);
    expect(whatMoved(READ, { ...READ, files: [manifest, config], router: [green, blue] })).toEqual([]);
  });

  it.each([
    ['the config', { files: [{ ...config, sha256: SHA('d') }, manifest] }, 'kvdeploy.config.yaml has changed'],
    ['a manifest', { files: [config, { ...manifest, sha256: SHA('d') }] }, 'releases/production/kv-gateway.yaml has changed'],
    ['a new file', { files: [config, manifest, { file: 'x.yaml', sha256: SHA('d') }] }, 'x.yaml is new'],
    ['a lost file', { files: [config] }, 'releases/production/kv-gateway.yaml is gone'],
    ['the ledger', { ledger: { nextSeq: 10, head: SHA('d') } }, 'the ledger now has 9 entries, had 7'],
    ['a ledger of the same length', { ledger: { nextSeq: 8, head: SHA('d') } }, 'the last ledger entry has changed'],
    ['the pointer', { pointer: { generation: 5 } }, 'the pointer is at generation 5, and was at 4'],
    ['a lost pointer', { pointer: { generation: null } }, 'the pointer is at generation none, and was at 4'],
    [
      'the weights',
      {
        router: [
          { ...blue, percent: 99.5 },
          { ...green, percent: 0.5 },
        ],
      },
      'the target serves blue 99.5 %, green 0.5 %, and served blue 100 %',
    ],
    ['a new place', { router: [blue, green, { place: 'amber', percent: 0, address: null }] }, 'the target has a new place amber'],
    ['a lost place', { router: [blue] }, 'the target no longer has the place green'],
    ['an address', { router: [blue, { ...green, address: 'http://127.0.0.1:9' }] }, 'green is at http://127.0.0.1:9 now'],
  ])('a plan is stale once something has moved: %s', (_what, now, words) => {
    expect(whatMoved(READ, { ...READ, ...now })).toEqual([words]);
  });

  it('a router that was not read is not said to have moved', () => {
    expect(whatMoved(READ, { ...READ, router: null })).toEqual([]);
  });

  it('a plan differs by what it plans, but not by who makes it and when, nor by which members are up', () => {
    expect(planDifference(PLAN, { ...PLAN, id: 'r-2', actor: 'bob', reason: 'why' })).toEqual([]);
    const seen = (out: object) => ({
      ...PLAN,
      layout: [{ location: 'main', members: [{ name: 'blue-1', place: 'blue', ...out }] }],
    });
    expect(planDifference(seen({ out: true }), seen({}))).toEqual([]);
    expect(planDifference(seen({}), PLAN)).toEqual(['layout']);
    expect(planDifference(PLAN, { ...promotion([20, 100]), patienceMs: 1 })).toEqual(['steps', 'patienceMs']);
  });
});
