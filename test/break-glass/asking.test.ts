/** What the program as it is shipped asks before its first change, and what it makes of each answer and of none. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { IdentityCheck } from '../../src/base/changes/identity.ts';
import type { Pointer } from '../../src/base/pointer/pointer-format.ts';
import {
  BLUE,
  bundle,
  freshFolder,
  GREEN,
  httpServer,
  lineServer,
  pointerOf,
  REASON,
  restoreOf,
  routesTo,
  runToEnd,
  SCOPE,
  stateWith,
  type Talking,
} from './scene.ts';

let shipped: string;
let program: string;
let folder: string;
let routes: string;
let router: Talking | undefined;

beforeAll(async () => {
  shipped = freshFolder();
  program = await bundle(join(import.meta.dirname, '../../src/break-glass/main.ts'), shipped);
});
afterAll(() => fs.rmSync(shipped, { recursive: true, force: true }));
beforeEach(() => {
  folder = freshFolder();
  routes = join(folder, 'routes.json');
  fs.writeFileSync(routes, '{"serve":"bad"}\n');
});
afterEach(async () => {
  await router?.close();
  router = undefined;
  fs.rmSync(folder, { recursive: true, force: true });
});

const sure = (state: string) => ['--state-dir', state, '--env', 'production', '--reason', REASON, '--confirm', 'production'];
const serving = () => fs.readFileSync(routes, 'utf8').trim();

/** Rescues to GREEN, with BLUE as the build before. */
async function rescue(over: Partial<Pointer>, identity: readonly IdentityCheck[] = [], more: readonly string[] = []) {
  const state = join(folder, 'state');
  const blue = restoreOf(BLUE, { ref: 'blue', knownGoodSince: '2026-11-18T00:00:00Z', ...routesTo(routes, 'blue') });
  const knownGood = restoreOf(GREEN, { ...routesTo(routes, 'green'), identity });
  stateWith(state, [pointerOf({ knownGood, earlier: [blue], ...over })]);
  return runToEnd([process.execPath, program, ...(more.length > 0 ? ['--state-dir', state, ...more] : sure(state))]);
}

const asks = (address: string): Pointer['target'] => ({
  questions: [{ kind: 'socket', address, command: 'show info', field: 'description', timeoutMs: 500 }],
  others: ['staging'],
});

/** A router that describes itself. */
async function describedAs(description: string | null, where: string | 0 = join(folder, 'admin.sock')): Promise<string> {
  router = await lineServer(where, () => (description === null ? null : `Name: HAProxy\ndescription: ${description}\n`));
  return router.address;
}

describe('which environment the target is', () => {
  it.each([
    ['staging in words', 'gateway of staging', 'staging'],
    ['an environment that no one ever named', 'gateway environment=qa', 'qa'],
    ['staging, although it also mentions production', 'environment=staging (once production)', 'staging'],
  ])('break-glass changes nothing at a target that says %s', async (_, description, other) => {
    const { code, stderr } = await rescue({ target: asks(await describedAs(description)) });
    expect([code, serving()]).toEqual([3, '{"serve":"bad"}']);
    expect(stderr).toContain(
      `✖ WRONG_TARGET  The target belongs to another environment: ${router?.address} says that it is ${other}`,
    );
    expect(stderr).toContain('  traffic  unchanged');
    expect(fs.readdirSync(join(folder, 'state/acme/production/kv-gateway/pointer'))).toEqual(['ptr.000000000001']);
  });

  it('break-glass takes the environments of other states on this machine for others too', async () => {
    const staging = { ...SCOPE, environment: 'stage-2' };
    stateWith(join(folder, 'state'), [pointerOf({ scope: staging, knownGood: restoreOf(BLUE) })], staging);
    const { code, stderr } = await rescue({ target: asks(await describedAs('gw stage-2')) });
    expect([code, serving()]).toEqual([3, '{"serve":"bad"}']);
    expect(stderr).toContain('says that it is stage-2');
  });

  it.each([
    ['production', 'gateway environment=production', ''],
    ['production, and mentions staging', 'environment=production, twin of staging', ''],
    ['nothing', '', 'does not say which environment it is'],
    ['words without an environment', 'gw-7 in rack 12', 'does not say which environment it is: gw-7 in rack 12'],
  ])('break-glass goes on at a target that says %s', async (_, description, doubt) => {
    const { code, stderr } = await rescue({ target: asks(await describedAs(description)) });
    expect([code, serving()]).toEqual([0, '{"serve":"green"}']);
    if (doubt === '') expect(stderr).not.toContain('says that it is');
    else expect(stderr).toMatch(new RegExp(`! NOT VERIFIED: .*${doubt}.*; continuing`));
  });

  it('break-glass goes on and says so when the target does not answer', async () => {
    const silent = await rescue({ target: asks(await describedAs(null)) });
    const absent = await rescue({ target: asks(join(folder, 'no.sock')) });
    for (const { code, stderr } of [silent, absent]) {
      expect([code, serving()]).toEqual([0, '{"serve":"green"}']);
      expect(stderr).toMatch(/! NOT VERIFIED: \S+ does not say which environment it is: .*; continuing/);
    }
  });

  it('break-glass refuses when one of two locations is another environment', async () => {
    const own = await describedAs('environment=production');
    const other = await lineServer(join(folder, 'other.sock'), () => 'description: environment=staging\n');
    const target = { ...asks(own), questions: [...asks(own).questions, ...asks(other.address).questions] };
    const { code } = await rescue({ target });
    await other.close();
    expect([code, serving()]).toEqual([3, '{"serve":"bad"}']);
  });

  it('break-glass asks the local router by its status, which names exactly one environment', async () => {
    const status = await httpServer(() => ({ body: JSON.stringify({ scope: { environment: 'staging' } }) }));
    const questions = [{ kind: 'http', url: status.url, json: ['scope', 'environment'], timeoutMs: 500 }] as const;
    const { code, stderr } = await rescue({ target: { questions, others: [] } });
    await status.close();
    expect([code, serving(), stderr]).toEqual([3, '{"serve":"bad"}', expect.stringContaining('WRONG_TARGET')]);
  });

  it('a rehearsal is refused by the target of another environment as a rescue would be', async () => {
    const rehearse = ['--env', 'production', '--rehearse'];
    const { code, stderr } = await rescue({ target: asks(await describedAs('environment=staging')) }, [], rehearse);
    expect([code, stderr]).toEqual([3, expect.stringContaining('WRONG_TARGET')]);
  });
});

describe('what runs at the place', () => {
  const asked = async (answer: { status?: number; guid?: string; environment?: string } | 'silence') => {
    const build = await httpServer(() => {
      if (answer === 'silence') return 'silence';
      const { status = 200, guid, environment } = answer;
      const headers = { ...(guid && { 'x-build-guid': guid }), ...(environment && { 'x-environment': environment }) };
      return { status, headers };
    });
    const environment = { header: 'x-environment', equals: 'production' };
    const ran = await rescue({}, [
      { kind: 'http', url: build.url, header: 'x-build-guid', equals: GREEN, environment, timeoutMs: 500 },
    ]);
    await build.close();
    return ran;
  };

  it.each([
    ['answers 200 without a GUID', {}, 'answered 200 without x-build-guid'],
    ['answers 204 without a GUID', { status: 204 }, 'answered 204 without x-build-guid'],
    ['answers with another GUID', { guid: BLUE }, `returned ${BLUE} in x-build-guid, not ${GREEN}`],
    ['fails with another GUID', { status: 500, guid: BLUE }, `returned ${BLUE}`],
    ['fails, and was made for another environment', { status: 503, environment: 'staging' }, 'was made for staging'],
    ['was made for another environment', { guid: GREEN, environment: 'staging' }, 'was made for staging, not production'],
  ])('break-glass refuses a place that %s, and names the other known-good build', async (_, answer, why) => {
    const { code, stderr } = await asked(answer);
    expect([code, serving()]).toEqual([3, '{"serve":"bad"}']);
    expect(stderr).toContain(`✖ BUILD_GONE  Build ${GREEN} is gone: `);
    expect(stderr).toContain(why);
    expect(stderr).toMatch(new RegExp(`next {5}.*--env production .*--to ${BLUE}`));
  });

  it.each([
    ['fails without a GUID, as a sick build does', { status: 503 }, 'answered 503 without x-build-guid', 5],
    [
      'redirects, with the right GUID',
      { status: 302, guid: GREEN, environment: 'production' },
      'a redirect is never an identity',
      5,
    ],
    ['redirects, with another GUID', { status: 307, guid: BLUE }, 'a redirect is never an identity', 5],
    ['does not answer', 'silence', 'returned no complete answer', 5],
    ['does not report its environment', { guid: GREEN }, 'does not report its environment in x-environment', 5],
  ] as const)('break-glass goes on to a place that %s, and says so', async (_, answer, doubt, exitCode) => {
    const { code, stderr } = await asked(answer);
    expect([code, serving()]).toEqual([exitCode, '{"serve":"green"}']);
    expect(stderr).toContain('! NOT VERIFIED: the build does not report its GUID');
    expect(stderr).toContain(doubt);
  });

  it.each([
    ['sick, but knows its name', { status: 503, guid: GREEN, environment: 'production' }],
    ['well, with its GUID in another spelling', { guid: `{${GREEN.toUpperCase()}}`, environment: 'production' }],
  ])('break-glass verifies a build that is %s', async (_, answer) => {
    expect(await asked(answer)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('every change was made and read back'),
    });
  });

  it('break-glass asks every member of a place, and one that is another build refuses', async () => {
    const [right, other] = await Promise.all(
      [GREEN, BLUE].map((guid) => httpServer(() => ({ headers: { 'x-build-guid': guid } }))),
    );
    const member = (url = ''): IdentityCheck => ({ kind: 'http', url, header: 'x-build-guid', equals: GREEN, timeoutMs: 500 });
    const { code, stderr } = await rescue({}, [member(right?.url), member(other?.url)]);
    await Promise.all([right?.close(), other?.close()]);
    expect([code, serving(), stderr]).toEqual([3, '{"serve":"bad"}', expect.stringContaining('BUILD_GONE')]);
  });
});

describe('a name that does not resolve', () => {
  const NAME = 'gw-admin.invalid';
  const through = async (description: string, addresses: Pointer['addresses']) => {
    const port = (await describedAs(description, 0)).split(':')[1];
    const address = `${NAME}:${port}`;
    const knownGood = restoreOf(GREEN, {
      changes: [{ kind: 'socket', address, commands: ['set weight gw/green 256'], timeoutMs: 2000, saveTo: routes }],
    });
    return rescue({ knownGood, target: asks(address), addresses });
  };

  it('break-glass reaches a name that does not resolve at the address in the pointer', async () => {
    const { stderr } = await through('environment=production', { [NAME]: ['127.0.0.1'] });
    expect(router?.lines).toContain('set weight gw/green 256');
    expect(stderr).toMatch(/! gw-admin\.invalid does not resolve \(.*\): the pointer's address 127\.0\.0\.1 is used/);
  });

  it.each([
    ['another environment', 'environment=staging'],
    ['no environment', 'gw-7'],
  ])('break-glass does not use an address of the pointer that now says %s', async (_, description) => {
    const { code, stderr } = await through(description, { [NAME]: ['127.0.0.1'] });
    expect(code).toBe(5);
    expect(router?.lines).not.toContain('set weight gw/green 256');
    expect(stderr).toContain('nothing at 127.0.0.1 answers as expected');
  });

  it('break-glass says which name does not resolve when the pointer has no address for it', async () => {
    const { code, stderr } = await through('environment=production', {});
    expect([code, stderr]).toEqual([5, expect.stringContaining('and the pointer has no address for it')]);
  });
});

describe('a rehearsal does what a rescue does', () => {
  const REHEARSE = ['--env', 'production', '--rehearse'];
  const leveled = (address: string): Pointer['target'] => ({
    questions: [
      { ...asks(address).questions[0], level: { command: 'show cli level', answer: 'admin' } },
    ] as Pointer['target']['questions'],
    others: ['staging'],
  });

  it.each([
    ['operator', 'operator\n\n', 'answers "operator" to "show cli level", not "admin": it would refuse every change'],
    ['user', 'user\n', 'answers "user" to "show cli level"'],
  ])('a rehearsal finds a socket of level %s', async (_, said, doubt) => {
    router = await lineServer(join(folder, 'admin.sock'), (line) =>
      line === 'show cli level' ? said : 'description: environment=production\n',
    );
    const { code, stderr } = await rescue({ target: leveled(router.address) }, [], REHEARSE);
    expect([code, stderr]).toEqual([5, expect.stringContaining(doubt)]);
    expect(router.lines).not.toContain(expect.stringContaining('set '));
  });

  it('a rehearsal finds nothing wrong with a socket of level admin', async () => {
    router = await lineServer(join(folder, 'admin.sock'), (line) =>
      line === 'show cli level' ? 'admin\n\n' : 'description: environment=production\n',
    );
    const { stderr } = await rescue({ target: leveled(router.address) }, [], REHEARSE);
    expect(stderr).not.toContain('show cli level');
  });

  const save = (saveTo: string) => ({
    knownGood: restoreOf(GREEN, {
      changes: [{ kind: 'socket', address: '/run/no.sock', commands: ['show servers state'], timeoutMs: 500, saveTo }],
    }),
  });

  it('a rehearsal finds a file to save that is a folder, and a folder that is not there', async () => {
    for (const [saveTo, doubt] of [
      [folder, `${folder} cannot be written: it is not a regular file`],
      ['/nonexistent/state', '/nonexistent does not exist'],
    ] as const) {
      const { code, stderr } = await rescue(save(saveTo), [], REHEARSE);
      expect([code, stderr]).toEqual([5, expect.stringContaining(`! ${doubt}`)]);
    }
  });

  it('a rehearsal finds a line of commands that HAProxy would not take', async () => {
    const commands = Array.from({ length: 500 }, (_, index) => `set server gw/server-number-${index} weight 0`);
    const changes = [{ kind: 'socket', address: '/run/no.sock', commands, timeoutMs: 500 }] as const;
    const { stderr } = await rescue({ knownGood: restoreOf(GREEN, { changes }) }, [], REHEARSE);
    expect(stderr).toMatch(/! the commands for \/run\/no\.sock have \d{5} bytes in one line/);
  });

  it('a rehearsal finds a folder in which this user cannot replace the file', async () => {
    const closed = join(folder, 'closed');
    fs.mkdirSync(closed, { mode: 0o755 });
    fs.writeFileSync(join(closed, 'routes.json'), '{}', { mode: 0o666 });
    const state = join(folder, 'state');
    const knownGood = restoreOf(GREEN, routesTo(join(closed, 'routes.json'), 'green'));
    stateWith(state, [pointerOf({ knownGood })]);
    for (const path of [folder, ...fs.readdirSync(state, { recursive: true }).map((name) => join(state, String(name))), state])
      fs.chownSync(path, 65534, 65534);
    const readable = join(folder, 'break-glass.mjs');
    fs.copyFileSync(program, readable);
    fs.chmodSync(readable, 0o755);
    const { stderr } = await runToEnd([process.execPath, readable, '--state-dir', state, ...REHEARSE], { uid: 65534 });
    expect(stderr).toMatch(/! \S+routes\.json cannot be written: EACCES/);
  });
});
