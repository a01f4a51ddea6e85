/** What stands between an emergency and the wrong target, the wrong build or the wrong command; for the mutants. */
import type { Outside, TableCheck, TargetQuestion } from '../../src/base/changes/change.ts';
import { check } from '../../src/base/changes/checks.ts';
import { identify } from '../../src/base/changes/identity.ts';
import { ownChanges } from '../../src/base/changes/own-changes.ts';
import { notAllowed, reachOf } from '../../src/base/owners/targets.ts';
import { askBefore } from '../../src/break-glass/ask.ts';
import { judge } from '../../src/break-glass/read-back.ts';
import { admittedBefore } from '../../src/core/admission/admitted.ts';
import { breakGlassCommand } from '../../src/lead/outcome.ts';
import type { Opened } from '../../src/release/open.ts';
import { parsePrinted, readSchema } from '../../src/routers/command/command-protocol.ts';
import { historyWith } from '../core/admission/facts.ts';
import { CANDIDATE, SCOPE, STABLE } from '../core/manifest/builds.ts';
import { begins, pointersIn, scene, when } from '../engine/scene.ts';
import { memoryDisk } from '../simulator/memory-disk.ts';
import { planOf, promote, rollbackOf } from '../simulator/rollouts.ts';

const ADDRESS = '/run/haproxy.sock';

const QUESTION: TargetQuestion = { kind: 'socket', address: ADDRESS, command: 'show info', field: 'description', timeoutMs: 9 };

const CHANGE = { kind: 'socket', address: ADDRESS, commands: ['set server gw/blue weight 256'], timeoutMs: 9 } as const;

const IDENTITY = { kind: 'http', url: 'http://blue/', header: 'x-build', equals: STABLE.guid, timeoutMs: 9 } as const;

/** A staging router, and a place that answers with this status and GUID. */
function outside(status: number, guid?: string): Outside {
  const headers: Record<string, string> = guid === undefined ? {} : { 'x-build': guid };
  return {
    socket: async () => 'description: environment=staging\n',
    http: async () => ({ status, headers, body: '' }),
    monotonic: () => 0,
  } as unknown as Outside;
}

/** What is wrong with the questions before the first change, the identity of a build, and the printed command. */
export async function rescues(): Promise<readonly string[]> {
  const restore = { build: STABLE, knownGoodSince: '', changes: [CHANGE], checks: [], identity: [IDENTITY] };
  const asked = {
    scope: SCOPE,
    choice: { restore, pointer: { target: { questions: [QUESTION], others: [] } }, others: [] },
    environments: [],
    otherCommands: [],
  } as unknown as Parameters<typeof askBefore>[0];
  const refused = await askBefore(asked, outside(200, STABLE.guid)).then(
    () => false,
    (error: unknown) => (error as { code?: unknown }).code === 'WRONG_TARGET',
  );
  const own = { questions: [QUESTION], environment: SCOPE.environment, others: [] };
  const { changes } = await ownChanges([CHANGE], own, outside(200));
  const history = historyWith({
    knownGood: [CANDIDATE, STABLE].map((build) => ({ build: admittedBefore(build), since: '', rollout: 'r' })),
  });
  const opened = { scope: SCOPE, pointerDirs: ['/state'], history: { ...history, rollingBackTo: STABLE.guid } };
  const command = breakGlassCommand(opened as unknown as Opened, { fs: memoryDisk(() => 0) } as never);
  return [
    ...(refused ? [] : ['a rescue changes the router of staging']),
    ...(changes.length === 0 ? [] : ['a revert changes the router of staging']),
    ...((await identify(IDENTITY, outside(302, STABLE.guid))).kind === 'right' ? ['a redirect is an identity'] : []),
    ...((await identify(IDENTITY, outside(200))).kind === 'gone' ? [] : ['a place that answers without a GUID is not refused']),
    ...((await identify(IDENTITY, outside(503))).kind === 'silent' ? [] : ['a sick build is refused']),
    ...(command.includes(`--to ${STABLE.guid}`) ? [] : ['the printed command does not name the build that it must lead to']),
    ...(await killedRollback()),
    ...(await loosely()),
    ...(await unserved()),
    ...programs(),
  ];
}

/** What of a program is believed that no one allowed, or that it did not say. */
function programs(): readonly string[] {
  const change = { kind: 'run', argv: ['/usr/local/bin/split', 'set', '--force'], timeoutMs: 9 } as const;
  const reach = reachOf({ changes: [change], checks: [], identity: [], questions: [] });
  const listed = { programs: [['/usr/local/bin/split', 'set']] };
  const printed = parsePrinted(readSchema, '{"formatVersion":1,"percent":{"blue":0,"blue":100}}');
  return [
    ...(notAllowed(reach, listed, 'acme/production/web') === undefined ? ['a program runs that no one listed'] : []),
    ...('problem' in printed ? [] : ['a share that is said twice is believed']),
  ];
}

/** What is taken for a rescue, though a member that gets traffic is silent, or none gets any. */
async function unserved(): Promise<readonly string[]> {
  const groups = [{ keys: ['blue'], columns: { weight: ['1'] }, idle: [{ is: 'down', columns: { weight: ['0'] } }], least: 1 }];
  const asks = { kind: 'table', address: ADDRESS, command: 'show', separator: ' ', key: 'name', timeoutMs: 9 } as const;
  const table: TableCheck = { ...asks, where: {}, rows: {}, groups, others: [] };
  const at = (weight: number) =>
    ({ ...outside(200), socket: async () => `# name weight\nblue ${weight}\n` }) as unknown as Outside;
  const down = await check(table, at(0));
  const silent = judge(
    [table],
    [await check(table, at(1))],
    [{ ...IDENTITY, members: ['blue'] }],
    [{ kind: 'silent', why: 'silence' }],
  );
  return [
    ...('ok' in down && !down.ok ? [] : ['a place where no member serves passes']),
    ...(silent.doubts.length > 0 ? [] : ['a silent member that gets traffic passes']),
  ];
}

/** What is taken for the build, for settled and for allowed, though it is not. */
async function loosely(): Promise<readonly string[]> {
  const { equals, ...asks } = IDENTITY;
  const said = outside(200, equals.toUpperCase());
  const exact = await identify({ ...asks, equals, exact: true }, said);
  const secret = { name: 'TOKEN', header: 'x-token' };
  const sent: unknown[] = [];
  const http = async (request: unknown) => sent.push(request);
  const leaky = { ...outside(200), http, secret: () => 's3cret' } as unknown as Outside;
  await identify({ ...IDENTITY, insecure: true, secret }, leaky);
  let answers = 0;
  const changing = {
    ...said,
    http: async () => ({ status: 200, headers: { 'x-build': ++answers < 3 ? equals : 'other' }, body: '' }),
  };
  const settled = await check({ ...IDENTITY, times: 3 }, { ...changing, monotonic: () => 0 } as unknown as Outside);
  const looks = { kind: 'run', argv: ['/bin/look'], json: ['a'], equals: 'b', timeoutMs: 9 } as const;
  const reach = reachOf({ changes: [], checks: [looks], identity: [], questions: [] });
  return [
    ...(exact.kind === 'gone' ? [] : ['another spelling is taken for a commit']),
    ...(sent.length === 0 ? [] : ['a secret goes to a server that no one verified']),
    ...('ok' in settled && !settled.ok ? [] : ['a check settles on its first answer']),
    ...(reach.programs.length === 1 ? [] : ['a program that looks needs no machine file']),
  ];
}

/** Where the pointer leads when a rollback dies right before its first shift. */
async function killedRollback(): Promise<readonly string[]> {
  const here = scene();
  await here.go(planOf({ id: 'r-1' }));
  const runner = here.process(13);
  const back = rollbackOf({ id: 'r-2' });
  when(here, begins('shifting'), () => runner.kill());
  await promote(here.sim, runner, back, (line) => here.lines.push(line));
  const { newest } = pointersIn(here);
  return newest?.knownGood.build.guid === back.candidate.guid
    ? []
    : ['a rescue in the middle of a rollback returns to what it left'];
}
