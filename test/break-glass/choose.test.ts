/** The decision between builds and states, as tables. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT_OF } from '../../src/base/codes.ts';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { copyPointer, readPointers } from '../../src/base/pointer/pointer.ts';
import type { Pointer } from '../../src/base/pointer/pointer-format.ts';
import { chooseBuild } from '../../src/break-glass/choose.ts';
import { chooseSource, findPlaces } from '../../src/break-glass/find.ts';
import { RESCUE_CODES, type Refused } from '../../src/break-glass/refusal.ts';
import { Voice } from '../../src/break-glass/voice.ts';
import { BLUE, freshFolder, GREEN, pointerOf, restoreOf, SCOPE, stateWith } from './scene.ts';

const RED = '0b9fffff-2222-4222-8222-000000000022';
const commandFor = (guid: string) => `go --to ${guid}`;

function refusal(attempt: () => unknown): Refused {
  try {
    attempt();
  } catch (error) {
    return error as Refused;
  }
  throw new Error('it was not refused');
}

const numbered = (...pointers: Omit<Pointer, 'generation'>[]) =>
  pointers.map((pointer, index) => ({ ...pointer, generation: index + 1 })).reverse() as unknown as [Pointer, ...Pointer[]];

describe('the build', () => {
  const choose = (pointers: [Pointer, ...Pointer[]], to?: string, foreign = new Map<string, string>()) =>
    chooseBuild(pointers, to, foreign, commandFor);
  const blue = restoreOf(BLUE, { ref: 'blue', knownGoodSince: '2026-11-19T09:00:00Z' });

  it('the build to restore is the newest known-good one, and the others are offered', () => {
    const choice = choose(numbered(pointerOf({ knownGood: blue }), pointerOf({ earlier: [blue] })));
    expect([choice.restore.build.guid, choice.pointer.generation]).toEqual([GREEN, 2]);
    expect(choice.others.map(({ restore }) => restore.build.guid)).toEqual([BLUE]);
  });

  it.each([BLUE, BLUE.slice(0, 8), BLUE.toUpperCase(), `urn:uuid:${BLUE}`, `{${BLUE}}`])(
    'the build to restore is the one that --to %s names',
    (to) => {
      expect(choose(numbered(pointerOf({ earlier: [blue] })), to).restore.build.guid).toBe(BLUE);
    },
  );

  it('the build to restore comes from an older generation where the newest does not list it', () => {
    expect(choose(numbered(pointerOf({ knownGood: blue }), pointerOf()), BLUE).pointer.generation).toBe(1);
  });

  it.each([
    ['a foreign one', RED, 'FOREIGN_BUILD', [[RED, 'acme/staging/kv-gateway']]],
    ['one that no one knows', RED, 'NOT_KNOWN_GOOD', []],
    ['seven characters', BLUE.slice(0, 7), 'USAGE', []],
    ['no GUID', 'previous', 'USAGE', []],
  ] as const)('the build to restore is refused: %s', (_, to, code, foreign) => {
    expect(refusal(() => choose(numbered(pointerOf({ earlier: [blue] })), to, new Map(foreign)))).toMatchObject({ code });
  });

  it.each([
    ['the known-good one is bad', pointerOf({ bad: [GREEN] }), undefined],
    ['another is named that no one knows', pointerOf({ bad: [GREEN] }), RED],
    ['what is named is no GUID', pointerOf({ bad: [GREEN] }), 'previous'],
  ])('the build to restore is refused without announcing others where there are none: %s', (_, pointer, to) => {
    expect(refusal(() => choose(numbered(pointer), to))).toMatchObject({
      hint: 'There is no other known-good build to roll back to. Change the router by hand.',
      next: [],
    });
  });

  it('the build to restore is refused when two begin alike', () => {
    const pointers = numbered(pointerOf({ earlier: [restoreOf(`${GREEN.slice(0, 35)}9`, { ref: 'other' })] }));
    expect(refusal(() => choose(pointers, GREEN.slice(0, 8))).code).toBe('GUID_UNCLEAR');
  });

  it('the build to restore is refused when it is marked bad, with the command for the next one', () => {
    const pointers = numbered(pointerOf({ earlier: [blue], bad: [GREEN] }));
    expect(refusal(() => choose(pointers))).toMatchObject({ code: 'BAD_BUILD', next: [commandFor(BLUE)] });
    expect(refusal(() => choose(pointers, GREEN)).code).toBe('BAD_BUILD');
    expect(choose(pointers, BLUE).restore.build.guid).toBe(BLUE);
  });

  it('a build whose place went to a later one is refused, even after a rollback from that one', () => {
    const green = restoreOf(GREEN, { knownGoodSince: '2026-11-18T09:00:00Z' });
    const heir = restoreOf(RED, { knownGoodSince: '2026-11-20T09:00:00Z' });
    const pointers = numbered(
      pointerOf({ knownGood: green }),
      pointerOf({ knownGood: blue }),
      pointerOf({ knownGood: heir }),
      pointerOf({ knownGood: blue, bad: [RED] }),
    );
    expect(refusal(() => choose(pointers, GREEN))).toMatchObject({ code: 'BUILD_GONE', message: expect.stringContaining(RED) });
    expect(choose(pointers).restore.build.guid).toBe(BLUE);
  });

  it('a build that came back to its place after the later one is not refused', () => {
    const green = restoreOf(GREEN, { knownGoodSince: '2026-11-18T09:00:00Z' });
    const heir = restoreOf(RED, { knownGoodSince: '2026-11-20T09:00:00Z' });
    expect(choose(numbered(pointerOf({ knownGood: heir }), pointerOf({ knownGood: green }))).restore.build.guid).toBe(GREEN);
  });
});

describe('the state', () => {
  let folder: string;
  let state: string;
  let copy: string;
  beforeEach(() => {
    folder = freshFolder();
    state = join(folder, 'state');
    copy = join(folder, 'copy');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  const wanted = {
    environment: 'production',
    tenant: undefined,
    service: undefined,
    preferred: [],
    program: 'rescue',
    stateless: 'rescue',
    searched: [],
    hasHome: true,
    strangerHint: (_stranger: unknown, command: string) => command,
  };
  const source = (over: Partial<Parameters<typeof chooseSource>[1]> = {}) =>
    chooseSource(findPlaces([state, copy], undefined, fs), { ...wanted, ...over });

  function alsoCopied(dir: string, target: string): void {
    for (const pointer of [...readPointers(dir, fs, SCOPE).all].reverse())
      copyPointer(stateWith(target, []), pointer, fs, OWNER_ONLY);
  }

  it('a state is one with its copies: the highest good generation wins, and all of them get the hold', () => {
    const dir = stateWith(state, [pointerOf(), pointerOf({ rollout: 'r-2' })]);
    alsoCopied(dir, copy);
    fs.truncateSync(join(dir, 'ptr.000000000002'), 10);
    expect(source()).toMatchObject({
      newest: { generation: 2 },
      from: stateWith(copy, []),
      dirs: [dir, stateWith(copy, [])],
      damaged: [{ file: join(dir, 'ptr.000000000002') }],
    });
  });

  it('a state is never mixed with another one of the same names; which one is meant must be said', () => {
    stateWith(state, [pointerOf()]);
    stateWith(copy, [pointerOf({ rollout: 'r-other' }), pointerOf({ rollout: 'r-other-2' })]);
    const refused = refusal(() => source());
    expect([refused.code, refused.next]).toEqual([
      'SCOPE_UNCLEAR',
      [state, copy].map((root) => `rescue --env production --tenant acme --service kv-gateway --state-dir ${root}`),
    ]);
    expect(source({ preferred: [state] })).toMatchObject({ newest: { rollout: 'r-1' }, dirs: [stateWith(state, [])] });
  });

  it('the state is read from a copy when the named one is gone', () => {
    stateWith(copy, [pointerOf()]);
    expect(source({ preferred: [join(folder, 'gone')] }).from).toBe(stateWith(copy, []));
  });

  it('the state must be of one scope, else each gets its whole command', () => {
    stateWith(state, [pointerOf()]);
    const billing = { ...SCOPE, service: 'billing' };
    stateWith(state, [pointerOf({ scope: billing })], billing);
    const both = ['billing', 'kv-gateway'].map((service) => `rescue --env production --tenant acme --service ${service}`);
    expect(refusal(() => source())).toMatchObject({ code: 'SCOPE_UNCLEAR', next: both });
    expect(refusal(() => source({ environment: undefined }))).toMatchObject({ code: 'USAGE', next: both });
    expect(source({ service: 'billing' }).scope).toEqual(billing);
  });

  it('break-glass says what is known when nothing fits', () => {
    expect(refusal(() => source()).code).toBe('NO_STATE');
    stateWith(state, [pointerOf()]);
    expect(refusal(() => source({ environment: 'staging' }))).toMatchObject({
      code: 'UNKNOWN_NAME',
      message: expect.stringContaining('production'),
    });
    expect(refusal(() => source({ service: 'other' })).code).toBe('UNKNOWN_NAME');
  });

  it('break-glass refuses pointers that were copied over from another environment', () => {
    const staging = { ...SCOPE, environment: 'staging' };
    const from = stateWith(join(folder, 'other'), [pointerOf({ scope: staging })], staging);
    const to = stateWith(state, []);
    fs.copyFileSync(join(from, 'ptr.000000000001'), join(to, 'ptr.000000000001'));
    expect(refusal(() => source())).toMatchObject({
      code: 'POINTER_DAMAGED',
      message: expect.stringContaining('belongs to acme/staging/kv-gateway'),
    });
  });

  it('break-glass warns when a lower generation was written later', () => {
    stateWith(state, [pointerOf({ writtenAt: '2026-11-21T12:00:00Z' }), pointerOf()]);
    expect(source().warnings).toEqual([expect.stringContaining('generation 1 has a later timestamp')]);
  });
});

it('break-glass ends with the exit codes that every other command uses', () => {
  const out = { write: () => true } as unknown as NodeJS.WritableStream;
  const voice = new Voice({ stdout: out, stderr: out }, { json: false, quiet: true });
  const ending = { message: '', hint: null, scope: null, serving: null, traffic: 'unchanged', next: [] };
  for (const code of RESCUE_CODES) expect([code, voice.end({ ...ending, code })]).toEqual([code, EXIT_OF[code]]);
});
