/** Three replicas a place behind `kvdeploy serve`, from the adoption to the rescue, by bin/kvdeploy.js alone. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServeStatus, STATUS_PATH, statusSchema } from '../../src/routers/local/local-routes.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { load } from '../servers/load.ts';
import { freePort, tempFolder } from '../servers/program.ts';
import { AMBER, BLUE, GREEN, manifestText, PRODUCTION, type SiteBuild, SURE, VIOLET } from './local-builds.ts';
import { resultOf } from './local-site.ts';
import { type RunningCli, runCli, startCli } from './run-cli.ts';

const BUILDS = [BLUE, GREEN, AMBER, VIOLET];
const { folder, remove } = tempFolder();
const checkout = join(folder, 'checkout');
const options = { cwd: checkout, env: { HOME: join(folder, 'home'), USER: 'tess' }, timeoutMs: 120_000 };
const replicas = new Map<SiteBuild, Backend[]>();
const leaving = new AbortController();
let [port, visits, serving] = [0, Promise.resolve() as Promise<unknown>, undefined as RunningCli | undefined];

beforeAll(async () => {
  for (const dir of [options.env.HOME, join(checkout, '.git'), join(checkout, 'releases/acme/production')])
    mkdirSync(dir, { recursive: true });
  for (const build of BUILDS) {
    const started = [1, 2, 3].map(() => startBackend({ guid: build.guid, environment: 'production' }));
    replicas.set(build, await Promise.all(started));
  }
  port = await freePort();
  writeFileSync(join(checkout, 'kvdeploy.config.yaml'), configText());
  writeFileSync(join(checkout, 'releases/acme/production/kv-gateway.yaml'), manifestText('production', BUILDS));
  serving = startCli(['serve', ...PRODUCTION, '--initially', 'blue'], { ...options, timeoutMs: 1_800_000 });
  await serving.waitFor(/serving http/);
  visits = load(`http://127.0.0.1:${port}`, { count: 1_000_000, perSecond: 60, keepAlive: false, signal: leaving.signal });
});

afterAll(async () => {
  leaving.abort();
  await visits;
  serving?.signal('SIGKILL');
  await serving?.ended;
  for (const backend of [...replicas.values()].flat()) await backend.close();
  remove();
});

function configText(): string {
  const places = BUILDS.map(
    (build) =>
      `${build.ref}: [${of(build)
        .map(({ address }) => JSON.stringify(address))
        .join(', ')}]`,
  );
  return `${[
    'apiVersion: kvdeploy.dev/v1',
    'kind: Config',
    `stateDir: ${JSON.stringify(join(folder, 'state'))}`,
    'tenants:',
    '  acme:',
    '    environments:',
    '      production:',
    '        protected: true',
    '        services:',
    '          kv-gateway:',
    `            router: { kind: local, listen: "127.0.0.1:${port}", routes: ${JSON.stringify(join(folder, 'routes.json'))}, places: { ${places.join(', ')} } }`,
    '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
    '            steps: [{ percent: 50, bake: 500ms }, { percent: 100, bake: 300ms }]',
    '            poll: 100ms',
    '            patience: 60s',
    '            gates: [{ name: errors, source: local, max: 10%, minRequests: 20 }]',
  ].join('\n')}\n`;
}

const of = (build: SiteBuild) => replicas.get(build) ?? [];
const member = (build: SiteBuild, index: number) => of(build)[index] as Backend;

async function run(...args: readonly string[]) {
  return resultOf(await runCli([...args, '--json'], options));
}

async function status(): Promise<ServeStatus> {
  const answer = await fetch(`http://127.0.0.1:${port}${STATUS_PATH}`, { signal: AbortSignal.timeout(10_000) });
  return statusSchema.parse(await answer.json());
}

/** The places that get anything, and which members of each have served since `before`. */
async function served(before: ServeStatus) {
  const after = await status();
  const counts = (one: ServeStatus) => new Map((one.members ?? []).map(({ name, served }) => [name, served]));
  const was = counts(before);
  const busy = (after.members ?? []).filter((one) => one.served > (was.get(one.name) ?? 0));
  return { applied: after.applied, busy: busy.map(({ url }) => url).toSorted() };
}

const urls = (build: SiteBuild, ...without: readonly number[]) =>
  of(build)
    .filter((_, index) => !without.includes(index))
    .map(({ address }) => address)
    .toSorted();

/** Everything is at these members of one place. */
async function expectAllAt(build: SiteBuild, ...without: readonly number[]) {
  const before = await status();
  await expect
    .poll(() => served(before), { timeout: 20_000 })
    .toEqual({ applied: `${build.ref}=100`, busy: urls(build, ...without) });
}

const promote = (build: SiteBuild) => run('promote', ...PRODUCTION, '--build', build.guid, ...SURE);

/** In the order in which they happen. */
describe('three replicas a place behind kvdeploy serve', () => {
  test('three replicas of one build are adopted, and a good build with three replicas is promoted', async () => {
    expect(await run('adopt', ...PRODUCTION, ...SURE)).toMatchObject({ ok: true });
    expect(await promote(GREEN)).toMatchObject({ ok: true });
    await expectAllAt(GREEN);
  });

  test('a place where one replica of three is another build is refused before anything moves, and the replica named', async () => {
    member(AMBER, 1).setGuid('57a9e000-6666-4aaa-8bbb-000000000005');
    const refused = await promote(AMBER);
    expect(refused).toMatchObject({ ok: false, exitCode: 3 });
    expect(JSON.stringify(refused)).toContain(member(AMBER, 1).address);
    expect((await status()).applied).toBe('green=100');
    member(AMBER, 1).setGuid(AMBER.guid);
  });

  test('a place where one replica of three does not answer is refused before anything moves, and the replica named', async () => {
    const [first, second, third] = of(VIOLET) as [Backend, Backend, Backend];
    await second.close();
    const refused = await promote(VIOLET);
    expect(refused).toMatchObject({ ok: false, exitCode: 3 });
    expect(JSON.stringify(refused)).toContain(second.address);
    const again = await startBackend({ guid: VIOLET.guid, environment: 'production', port: second.port });
    replicas.set(VIOLET, [first, again, third]);
  });

  test('a build of which one replica of three fails every request is rolled back', async () => {
    member(AMBER, 2).setStatus(500, 200);
    expect(await promote(AMBER)).toMatchObject({ ok: false, exitCode: 4 });
    await expectAllAt(GREEN);
  });

  test('a replica that dies while its place serves gets nothing more, and keeps no one from rolling back', async () => {
    await member(GREEN, 0).close();
    const down = async () => (await status()).members?.filter(({ up }) => !up).map(({ url }) => url);
    await expect.poll(down, { timeout: 20_000 }).toEqual([member(GREEN, 0).address]);
    await expectAllAt(GREEN, 0);
    const back = ['rollback', ...PRODUCTION, '--to', BLUE.guid, '--not-bad', '--reason', 'a replica died', ...SURE];
    expect(await run(...back)).toMatchObject({ ok: true });
    await expectAllAt(BLUE);
  });

  test('break-glass moves all traffic to the replicas of another build without a config, and names one that does not answer', async () => {
    expect(await promote(VIOLET)).toMatchObject({ ok: true });
    rmSync(checkout, { recursive: true });
    mkdirSync(checkout);
    const rescue = ({ guid }: SiteBuild) => {
      const args = ['rollback', '--break-glass', '--env', 'production', '--to', guid, '--reason', 'errors everywhere'];
      return runCli([...args, ...SURE, '--state-dir', join(folder, 'state')], options);
    };
    const whole = await rescue(BLUE);
    expect([whole.exitCode, whole.stderr]).toEqual([0, expect.any(String)]);
    await expectAllAt(BLUE);
    const partly = await rescue(GREEN);
    expect([partly.exitCode, partly.stderr]).toEqual([5, expect.stringContaining(new URL(member(GREEN, 0).address).host)]);
    await expectAllAt(GREEN, 0);
  });
});
