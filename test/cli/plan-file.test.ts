/** plan --out and promote --plan: exactly that plan, or none once anything that it was made from has moved. */
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { routesText } from '../../src/routers/local/local-routes.ts';
import { until } from '../servers/program.ts';
import { contents } from './fingerprint.ts';
import { AMBER, BLUE, GREEN, IN_STAGING, PRODUCTION, SCOPES, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, pasted, resultOf } from './local-site.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let site: LocalSite;
/** The plan file that is made of the site as each test finds it. */
let planned: string;
const planOut = ['plan', ...PRODUCTION, '--build', GREEN.guid, '--out', 'plan.json'];
const promotePlan = ['promote', ...PRODUCTION, '--plan', 'plan.json'];
const inCheckout = (...names: readonly string[]) => join(site.checkout, ...names);
const result = async (args: readonly string[]) => resultOf(await site.run([...args, '--json']));

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
  expect(await result(planOut)).toMatchObject({ ok: true });
  planned = readFileSync(inCheckout('plan.json'), 'utf8');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig();
  for (const name of ['production', 'staging', 'globex'] as const) site.writeManifest(name, SCOPES[name].builds);
  await site.restore('adopted');
  writeFileSync(inCheckout('plan.json'), planned);
});

/** Promotes the plan file; whatever is said, nothing may be changed by it. */
async function refused(args: readonly string[] = [...promotePlan, ...SURE]) {
  const before = contents(site.stateDir, site.routes('production'));
  const said = await result(args);
  expect(contents(site.stateDir, site.routes('production'))).toEqual(before);
  return said;
}

describe('plan --out', () => {
  test('plan --out writes only the file, and prints the command that promotes it', async () => {
    const before = contents(site.stateDir, site.home, site.routes('production'));
    const said = await result(planOut);
    expect(contents(site.stateDir, site.home, site.routes('production'))).toEqual(before);
    const text = readFileSync(inCheckout('plan.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({ kind: 'PlanFile', formatVersion: 1, plan: { candidate: { guid: GREEN.guid } } });
    expect((await result([...pasted(said.next[0] ?? ''), ...SURE])).ok).toBe(true);
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test('plan --out writes nothing for a plan that is refused, nor where it may not', async () => {
    const { mtimeMs } = statSync(inCheckout('plan.json'));
    expect(await result(['plan', ...PRODUCTION, '--build', STAGING.blue.guid, '--out', 'plan.json'])).toMatchObject({
      exitCode: 3,
    });
    expect(statSync(inCheckout('plan.json')).mtimeMs).toBe(mtimeMs);
    expect(await result([...planOut.slice(0, -1), 'no-such-folder/plan.json'])).toMatchObject({ code: 'USAGE', exitCode: 2 });
  });
});

describe('promote --plan', () => {
  test('the commands of docs/operations.md promote a plan file', async () => {
    const block = /<!-- run: plan-file -->\n```sh\n([\s\S]*?)```/.exec(
      readFileSync(join(ROOT, 'docs/operations.md'), 'utf8'),
    )?.[1];
    expect(block).toContain('--plan plan.json');
    // The site of the tests has two tenants; the reader's has one.
    const said = await site.shell(`set -e\n${block?.replaceAll('--env', '--tenant acme --env')}`);
    expect(said, said.stderr).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test('promote --plan promotes exactly that plan, under its id', async () => {
    const { plan } = JSON.parse(readFileSync(inCheckout('plan.json'), 'utf8'));
    const answer = await site.run([...promotePlan, ...SURE, '--json']);
    expect(resultOf(answer)).toMatchObject({ ok: true, traffic: { split: [{ build: GREEN.guid, percent: 100 }] } });
    expect(answer.json.find((line) => line.type === 'started')).toMatchObject({ rollout: plan.id, steps: plan.steps });
    expect(await refused()).toMatchObject({
      code: 'STALE_PLAN',
      message: expect.stringMatching(/the ledger now has .* the pointer is at generation 3/),
    });
  });

  test('promote --plan asks at a terminal as promote does without it', async () => {
    const no = await site.atTerminal(promotePlan, { keys: [{ waitFor: /Type production/, type: 'no\r' }] });
    expect({ ...no }).toMatchObject({ exitCode: 2, screen: expect.stringContaining('NOT_CONFIRMED') });
    const yes = await site.atTerminal(promotePlan, { keys: [{ waitFor: /Type production/, type: 'production\r' }] });
    expect({ ...yes }).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test('promote --plan judges every check again', async () => {
    site.backend('production', 'green').setGuid(AMBER.guid);
    const said = await refused();
    site.backend('production', 'green').setGuid(GREEN.guid);
    expect(said).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
  });

  test.each([
    ['--build', GREEN.guid],
    ['--from', 'staging'],
  ])('promote --plan says itself which build, and refuses %s with it', async (flag, value) => {
    expect(await refused([...promotePlan, flag, value, ...SURE])).toMatchObject({ code: 'USAGE', exitCode: 2 });
  });

  test('promote --plan refuses a file of another scope, an edited one, one of a later format, and none at all', async () => {
    const text = readFileSync(inCheckout('plan.json'), 'utf8');
    expect(await refused(['promote', ...IN_STAGING, '--plan', 'plan.json', '--yes'])).toMatchObject({
      code: 'WRONG_SCOPE',
      exitCode: 3,
    });
    writeFileSync(inCheckout('plan.json'), text.replace('"percent": 25,', '"percent": 90,'));
    expect(await refused()).toMatchObject({
      code: 'PLAN_INVALID',
      exitCode: 2,
      message: expect.stringContaining('it was changed'),
    });
    writeFileSync(inCheckout('plan.json'), text.replace('"formatVersion": 1', '"formatVersion": 2'));
    expect(await refused()).toMatchObject({ code: 'PLAN_INVALID', message: expect.stringContaining('its format is 2') });
    expect(await refused(['promote', ...PRODUCTION, '--plan', 'none.json', ...SURE])).toMatchObject({
      code: 'PLAN_INVALID',
      exitCode: 2,
    });
  });
});

/** Everything that can move between a plan and its promotion. */
const MOVES: readonly (readonly [string, RegExp, () => void | Promise<void>])[] = [
  [
    'its manifest was edited',
    /releases\/acme\/production\/kv-gateway.yaml has changed/,
    () => appendFileSync(manifestOf('production'), '# seen\n'),
  ],
  [
    "another scope's manifest was edited",
    /releases\/acme\/staging\/kv-gateway.yaml has changed/,
    () => appendFileSync(manifestOf('staging'), '# seen\n'),
  ],
  ['the config was edited', /kvdeploy.config.yaml has changed/, () => site.writeConfig({ bakeMs: 400 })],
  [
    'another rollout ran',
    /the ledger now has \d+ entries, had \d+/,
    async () => {
      expect(await result(['promote', ...PRODUCTION, '--build', AMBER.guid, ...SURE])).toMatchObject({ ok: true });
      expect(await result(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE])).toMatchObject({ ok: true });
    },
  ],
  [
    'someone moved traffic',
    /the target serves blue 60 %, green 40 %, and served blue 100 %/,
    async () => {
      const split = [
        ['blue', 60],
        ['green', 40],
      ] as const;
      writeFileSync(site.routes('production'), routesText(split.map(([place, percent]) => ({ place, build: null, percent }))));
      await until('the router to follow', async () => ((await site.percent('production', 'green')) === 40 ? true : undefined));
    },
  ],
  [
    'the pointer was renewed',
    /the pointer is at generation 2, and was at 1/,
    async () => {
      const dir = join(site.stateDir, 'acme/production/kv-gateway/pointer');
      const newest =
        readdirSync(dir)
          .filter((name) => name.startsWith('ptr.'))
          .sort()
          .at(-1) ?? '';
      appendFileSync(join(dir, newest), 'x');
      expect(await result(['pointer', 'verify', '--renew', ...PRODUCTION])).toMatchObject({ ok: true });
    },
  ],
];

const manifestOf = (environment: string) => inCheckout('releases/acme', environment, 'kv-gateway.yaml');

describe('a plan is stale once', () => {
  test.each(MOVES)('a plan is stale once %s', async (_what, words, move) => {
    await move();
    const said = await refused();
    expect(said).toMatchObject({ code: 'STALE_PLAN', exitCode: 3, message: expect.stringMatching(words) });
    expect(said.hint).toContain(`--build ${GREEN.guid} --out plan.json`);
  });

  test('a plan whose build became foreign is refused for that first', async () => {
    site.writeManifest('staging', [...SCOPES.staging.builds, { ...GREEN, ref: 'teal', sequence: 99 }]);
    expect(await refused()).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
  });
});
