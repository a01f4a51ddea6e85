/** Pointer files: believed only when whole, and then no choice made from them is bad, foreign or unspeakable. */
import { decodePointer, encodePointer, type Pointer, type Restore, sha256 } from '../../../src/base/pointer/pointer-format.ts';
import { plainGuid } from '../../../src/base/scope.ts';
import { canonical } from '../../../src/base/shape.ts';
import { chooseBuild } from '../../../src/break-glass/choose.ts';
import { showPlan } from '../../../src/break-glass/plan-text.ts';
import { Refused } from '../../../src/break-glass/refusal.ts';
import { pointerOf, restoreOf } from '../../break-glass/scene.ts';
import { editedText, hostileText, mutated, respelled } from '../hostile.ts';
import { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeSafe, mustSpeakSafely } from '../terminal.ts';

/** A build with every key that a change, a check or a question may have. */
function allKeys(): Restore {
  for (let seed = 0; ; seed += 1) {
    const one = restore(new Luck(`whole/${seed}`), GUIDS[0] ?? '');
    const isPlain = /^[\x20-\x7e]*$/.test(JSON.stringify(one));
    if (isPlain && one.changes.length === 4 && one.checks.length > 0 && one.identity.length > 0) return one;
  }
}

const GUIDS = [
  '0b9f1c2d-1111-4111-8111-000000000011',
  '0b9f1c2e-2222-4222-8222-000000000022',
  '7c9e6679-7425-40de-944b-e07fc1f90ae7',
];
const FOREIGN = 'feed0000-3333-4333-8333-000000000033';

const SECRET = { name: 'TOKEN', header: 'x-token', scheme: 'v1' };
const TLS = { ca: '/etc/ca.pem', serverName: 'green.internal', secret: SECRET };
const WAY = { ...TLS, insecure: true, host: 'api', unixSocket: '/run/green.sock', proxyProtocol: 2 } as const;
const ASKED = { kind: 'http', header: 'x-commit', equals: 'abc123', timeoutMs: 1000 } as const;
const LOOKS = { kind: 'run', argv: ['/usr/bin/look'], stdin: '{}', json: ['build'], equals: 'abc123', timeoutMs: 1000 } as const;
const TABLE = {
  kind: 'table',
  address: '/run/haproxy.sock',
  command: 'show servers state',
  separator: ' ',
  where: { be_name: 'gw' },
  key: 'srv_name',
  rows: { green: { srv_uweight: ['256'] } },
  groups: [
    { keys: ['blue-1', 'blue-2'], columns: { srv_uweight: ['0'], srv_admin_state: { any: 1 } }, idle: [] },
    { keys: ['green-1'], columns: { srv_uweight: ['1'] }, idle: [{ is: 'down', columns: { srv_op_state: ['0'] } }], least: 1 },
  ],
  others: [],
  timeoutMs: 1000,
} as const;

function restore(luck: Luck, guid: string): Restore {
  const url = 'http://127.0.0.1:9002/id';
  return restoreOf(guid, {
    ref: luck.pick(['blue', 'green', 'srv:1']),
    knownGoodSince: luck.pick(['2026-11-20T09:00:00Z', '2026-11-19T09:00:00Z']),
    changes: [
      { kind: 'socket', address: '/run/haproxy.sock', commands: ['set server gw/green weight 100'], timeoutMs: 2000 },
      { kind: 'write-file', path: '/tmp/routes.json', content: luck.chance(0.3) ? hostileText(luck) : '{}\n' },
      {
        kind: 'request',
        method: 'PUT',
        url,
        headers: { 'x-a': 'b' },
        body: luck.chance(0.3) ? hostileText(luck) : '{}',
        ...(luck.chance(0.5) ? { bearerSecret: 'TOKEN' } : { ...TLS, cert: '/etc/c.pem', key: '/etc/c.key' }),
        expect: [200],
        timeoutMs: 100,
      },
      {
        kind: 'run',
        argv: ['true', luck.chance(0.3) ? hostileText(luck).replaceAll('\0', '') : '-x'],
        ...(luck.chance(0.5) ? { stdin: hostileText(luck) } : {}),
        timeoutMs: 2000,
        at: 'fra-1',
      },
    ].slice(luck.below(3)) as Restore['changes'],
    checks: luck.chance(0.5) ? [{ ...ASKED, url, ...WAY, times: 3, settleMs: 10 }, { ...LOOKS, equals: guid }, TABLE] : [],
    identity: luck.chance(0.5)
      ? [
          { ...ASKED, url, header: 'x-build-guid', equals: guid },
          { ...ASKED, url, ...WAY, exact: true, environment: { header: 'x-env', equals: 'production' } },
          { ...LOOKS, exact: true, members: ['green-1'], at: '/run/haproxy.sock' },
        ]
      : [],
  });
}

function pointer(luck: Luck, generation: number): unknown {
  const [known = '', ...earlier] = luck.chance(0.5) ? GUIDS : [...GUIDS].reverse();
  const bad = luck.some(2, () => luck.pick(GUIDS));
  return {
    ...pointerOf({
      knownGood: restore(luck, known),
      earlier: earlier.slice(luck.below(3)).map((guid) => restore(luck, guid)),
      bad,
    }),
    generation,
  };
}

interface PointerInput {
  /** Newest first; each gets its right checksum. */
  readonly pointers: readonly unknown[];
  readonly to: string | null;
}

/** Damaged by somebody who knows how to make a checksum. */
export const pointerObjects: Sweep<PointerInput> = {
  name: 'pointer-objects',
  what: 'pointers with a right checksum',
  kind: 'objects',
  share: 0.15,
  make: (luck) => ({
    pointers: [5, 4].slice(luck.below(2)).map((generation) => mutated(luck, pointer(luck, generation))),
    to: luck.chance(0.5) ? null : luck.chance(0.1) ? hostileText(luck) : wanted(luck),
  }),
  judge: ({ pointers, to }) => {
    const read = pointers.flatMap((value) => decoded(canonicalText(value)));
    const [newest, ...older] = read;
    if (newest === undefined) return 'refused';
    return chosen([newest, ...older], to);
  },
  must: ['refused', 'chosen', 'no choice'],
};

function wanted(luck: Luck): string {
  const guid = respelled(luck, luck.pick([...GUIDS, FOREIGN]));
  return luck.chance(0.5) ? guid : guid.slice(0, 6 + luck.below(20));
}

/** As the writer writes, where the value can be written at all. */
function canonicalText(value: unknown): string {
  const first = canonical(value) ?? 'null';
  return `${first}\nsha256:${sha256(first)}\n`;
}

/** The pointer, or none where it was refused with a plain error. What is read back means what was written. */
function decoded(text: string): Pointer[] {
  let pointer: Pointer;
  try {
    pointer = decodePointer(text);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
    return [];
  }
  must(canonical(pointer) === text.split('\n')[0], 'a pointer was read as something else');
  must(
    encodePointer(pointer).startsWith(canonical(pointer)) || pointer.earlier.length > 0,
    'a pointer was read that cannot be written',
  );
  return [pointer];
}

function chosen(pointers: readonly [Pointer, ...Pointer[]], to: string | null): string {
  const foreign = new Map([[FOREIGN, 'staging']]);
  try {
    const choice = chooseBuild(pointers, to ?? undefined, foreign, (guid) => `kvdeploy --to ${guid}`);
    const { guid } = choice.restore.build;
    must(!pointers[0].bad.includes(guid), 'a bad build was chosen');
    must(
      pointers.some((one) => [one.knownGood, ...one.earlier].some((known) => known.build.guid === guid)),
      'a build was chosen that was never known-good',
    );
    if (to !== null) must(guid.startsWith(plainGuid(to)), 'another build than the one that was named');
    else must(guid === pointers[0].knownGood.build.guid, 'another build than the known-good one');
    const source = {
      scope: pointers[0].scope,
      dirs: ['/s'],
      pointers,
      newest: pointers[0],
      from: '/s',
      damaged: [],
      warnings: [],
      others: [],
    };
    const shown = {
      source,
      choice,
      hold: undefined,
      commandFor: (one: string) => `kvdeploy --to ${one}`,
      nowMs: 1_800_000_000_000,
      brief: false,
    };
    mustSpeakSafely((voice) => showPlan(shown, voice), [true]);
    return 'chosen';
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    mustSpeakSafely((voice) => {
      const { code, message, hint, next } = error;
      voice.end({ code, message, hint, scope: null, serving: null, traffic: 'unchanged', next });
    });
    return 'no choice';
  }
}

const WHOLE = encodePointer({ ...pointerOf({ knownGood: allKeys() }), generation: 5 });

/** Damaged by a disk, or by somebody who forgot the checksum: refused, whatever changed. */
export const pointerTexts: Sweep<string> = {
  name: 'pointer-texts',
  what: 'texts of pointer files',
  kind: 'texts',
  share: 0.05,
  make: (luck) => (luck.chance(0.15) ? WHOLE : luck.chance(0.05) ? hostileText(luck) : editedText(luck, WHOLE)),
  judge: (text) => {
    const read = decoded(text);
    if (read.length === 0) return 'refused';
    must(text === WHOLE, 'a damaged pointer was believed');
    mustBeSafe(text, 'the pointer of the test');
    return 'read';
  },
  must: ['refused', 'read'],
};
