import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../servers/program.ts';
import { AMBER, BLUE, GREEN, IN_STAGING, PRODUCTION, SQUATTER, STAGING, SURE, VIOLET } from './local-builds.ts';
import { type LocalSite, openLocalSite, pasted, resultOf } from './local-site.ts';

let site: LocalSite;
const inStaging = (guid: string) => ['promote', ...IN_STAGING, '--build', guid, '--yes'];
const toProduction = (...what: readonly string[]) => ['promote', ...PRODUCTION, ...what, ...SURE];

async function result(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return resultOf(await site.run([...args, '--json'], { env }));
}

beforeAll(async () => {
  site = await openLocalSite(['production', 'staging']);
  site.keep('empty');
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('staging-unknown');
  expect(await result(['adopt', ...IN_STAGING, '--yes'])).toMatchObject({ ok: true });
  site.keep('adopted');
  expect(await result(toProduction('--build', GREEN.guid))).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig();
  await site.restore('adopted');
});

describe('--from another environment', () => {
  test("promote --from promotes this environment's own build of the same source", async () => {
    const answer = await site.run([...toProduction('--from', 'staging'), '--json']);
    expect(resultOf(answer)).toMatchObject({ ok: true, traffic: { split: [{ build: GREEN.guid, percent: 100 }] } });
    expect(answer.stdout).toContain(
      `staging has ${STAGING.blue.guid.slice(0, 8)}; production's own build of the same source is ${GREEN.guid}`,
    );
  });

  test('promote --from refuses a source that no build here has', async () => {
    expect(await result(inStaging(STAGING.green.guid))).toMatchObject({ ok: true });
    expect(await result(toProduction('--from', 'staging'))).toMatchObject({ code: 'NO_SUCH_SOURCE', exitCode: 3 });
  });

  test('promote --from refuses a source that several builds have, and lists them', async () => {
    expect(await result(inStaging(STAGING.amber.guid))).toMatchObject({ ok: true });
    const refused = await result(toProduction('--from', 'staging'));
    expect(refused).toMatchObject({ code: 'SOURCE_UNCLEAR', exitCode: 3, hint: `Choose one: --build ${AMBER.guid}` });
    expect(refused.message).toContain(VIOLET.guid);
    expect(refused.places).toHaveLength(2);
  });

  test.each([
    ['its own name', 'production', 'USAGE'],
    ['a name that there is not', 'stagin', 'UNKNOWN_NAME'],
    ['a file that there is not', './no.json', 'USAGE'],
  ])('promote --from refuses %s', async (_what, from, code) => {
    expect(await result(toProduction('--from', from))).toMatchObject({ code, exitCode: 2 });
  });

  test('an environment without a known-good build has nothing to take over', async () => {
    await site.restore('staging-unknown');
    expect(await result(toProduction('--from', 'staging'))).toMatchObject({ code: 'NO_SUCH_SOURCE', exitCode: 3 });
  });

  test('promote --from reads the file that pointer export wrote on another machine', async () => {
    const { json } = await site.run(['pointer', 'export', ...IN_STAGING, '--json']);
    const document = json.find((line) => line.type === 'document');
    writeFileSync(join(site.checkout, 'staging.json'), JSON.stringify(document?.data));
    await site.restore('staging-unknown');
    expect(await result(toProduction('--from', './staging.json'))).toMatchObject({
      ok: true,
      traffic: { split: [{ build: GREEN.guid }] },
    });
  });
});

describe('an environment that requires another one first', () => {
  test('an environment that requires another one refuses until the source has soaked there, and says how long', async () => {
    site.writeConfig({ requires: { soak: '1h' } });
    const early = await result(toProduction('--build', GREEN.guid));
    expect(early).toMatchObject({ code: 'REQUIREMENT_UNMET', exitCode: 3, message: expect.stringContaining('1h are required') });
    site.writeConfig({ requires: { soak: '1s' } });
    await until('the soak to be over', async () =>
      (await result(['plan', ...PRODUCTION, '--build', GREEN.guid])).ok ? true : undefined,
    );
    expect(await result(toProduction('--build', GREEN.guid))).toMatchObject({ ok: true });
  });

  test('an environment that requires another one refuses a source never known-good there, and shows where to look', async () => {
    site.writeConfig({ requires: { soak: '1s' } });
    const refused = await result(toProduction('--build', AMBER.guid));
    expect(refused).toMatchObject({ code: 'REQUIREMENT_UNMET', exitCode: 3 });
    const command = /kvdeploy builds .*$/.exec(refused.hint ?? '')?.[0] ?? '';
    expect(await site.run(pasted(command))).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(STAGING.amber.guid.slice(0, 8)),
    });
  });
});

describe('beginning a history', () => {
  beforeEach(() => site.restore('empty'));

  test('a promotion without state before a target that serves is refused, naming adopt and pointer import', async () => {
    const refused = await result(toProduction('--build', GREEN.guid));
    expect(refused).toMatchObject({ code: 'NO_STATE', exitCode: 3 });
    expect(refused.hint).toMatch(
      /kvdeploy pointer import FILE --env production --tenant acme.*kvdeploy adopt --env production --tenant acme/,
    );
    expect(await result(['rollback', ...PRODUCTION, ...SURE])).toMatchObject({ code: 'NO_KNOWN_GOOD', exitCode: 3 });
    expect(await result(['pointer', 'show', ...PRODUCTION])).toMatchObject({ code: 'NO_KNOWN_GOOD', exitCode: 3 });
  });

  test('an adoption that was refused leaves no known-good build', async () => {
    site.backend('production', 'blue').setStatus(500);
    const refused = await result(['adopt', ...PRODUCTION, ...SURE]);
    site.backend('production', 'blue').setStatus(200);
    expect(refused).toMatchObject({ ok: false, exitCode: 3, code: 'GATE_FAILED' });
    expect(await result(toProduction('--build', GREEN.guid))).toMatchObject({ code: 'NO_KNOWN_GOOD', exitCode: 3 });
  });

  test('pointer import begins a history in a second state directory, and a promotion goes on from there', async () => {
    await site.restore('adopted');
    const exported = await site.shell(`kvdeploy pointer export ${PRODUCTION.join(' ')} > pointer.json`);
    expect(exported).toMatchObject({ exitCode: 0 });
    const env = { KVDEPLOY_STATE_DIR: join(site.folder, `second-${Date.now()}`) };
    expect(await result(toProduction('--build', GREEN.guid), env)).toMatchObject({ code: 'OTHER_STATE' });
    rmSync(site.stateDir, { recursive: true });
    expect(await result(['pointer', 'import', 'pointer.json', ...IN_STAGING, '--yes'], env)).toMatchObject({
      code: 'WRONG_SCOPE',
      exitCode: 3,
    });
    expect(await result(['pointer', 'import', 'pointer.json', ...PRODUCTION, ...SURE], env)).toMatchObject({ ok: true });
    expect(await result(['pointer', 'import', 'pointer.json', ...PRODUCTION, ...SURE], env)).toMatchObject({
      code: 'NOTHING_TO_DO',
    });
    expect(await result(['pointer', 'verify', ...PRODUCTION], env)).toMatchObject({ ok: true });
    expect(await result(toProduction('--build', GREEN.guid), env)).toMatchObject({
      ok: true,
      traffic: { split: [{ build: GREEN.guid, percent: 100 }] },
    });
  });
});

describe('what may not be promoted', () => {
  test('a build that wants the place of the serving one is refused, and the list of builds shows it', async () => {
    expect(await result(toProduction('--build', SQUATTER.guid))).toMatchObject({ code: 'SAME_PLACE', exitCode: 3 });
    const { stdout } = await site.run(['builds', ...PRODUCTION]);
    expect(stdout).toMatch(/^5c0a77e4 .* refused .*has the place blue/m);
    expect(stdout.match(/live/g)).toHaveLength(1);
    expect(stdout).toMatch(/^0b9f1c2d .* known-good {2}live 100 %$/m);
  });

  test('an older build is refused with the command for a rollback to it, which works', async () => {
    await site.restore('promoted');
    const refused = await result(toProduction('--build', BLUE.guid));
    expect(refused).toMatchObject({ code: 'OLD_SEQUENCE', exitCode: 3 });
    const command = /kvdeploy rollback .*$/.exec(refused.hint ?? '')?.[0] ?? '';
    expect(await result([...pasted(command), ...SURE])).toMatchObject({ ok: true, traffic: { split: [{ build: BLUE.guid }] } });
    const back = await result(toProduction('--build', GREEN.guid));
    expect(back).toMatchObject({ ok: false, exitCode: 3, hint: expect.not.stringContaining('rollback') });
  });
});

describe('a rollback', () => {
  beforeEach(() => site.restore('promoted'));

  test('a rollback is refused where the known-good build serves; the printed commands for earlier builds work', async () => {
    const refused = await result(['rollback', ...PRODUCTION, ...SURE]);
    expect(refused).toMatchObject({
      code: 'KNOWN_GOOD_SERVES',
      exitCode: 2,
      next: [expect.stringContaining(`--to ${BLUE.guid}`)],
    });
    const keys = [
      { waitFor: /Type production/, type: 'production\r' },
      { waitFor: /Is 7c9e6679 bad\?/, type: '\r' },
    ];
    const { exitCode, screen } = await site.atTerminal(pasted(refused.next[0] ?? ''), { keys });
    expect({ exitCode, screen }).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('the command that undoes a promotion is printed with it, works, and with --bad marks what it left', async () => {
    await site.restore('adopted');
    const done = await result(toProduction('--build', GREEN.guid));
    expect(await result([...pasted(done.next[0] ?? ''), '--bad', ...SURE])).toMatchObject({
      ok: true,
      message: expect.stringContaining('7c9e6679 is marked bad'),
    });
    expect(await result(['rollback', ...PRODUCTION, '--to', GREEN.guid, ...SURE])).toMatchObject({
      code: 'BAD_BUILD',
      exitCode: 3,
    });
    expect(await result(['rollback', ...PRODUCTION, '--to', AMBER.guid, ...SURE])).toMatchObject({
      code: 'NOT_KNOWN_GOOD',
      exitCode: 3,
    });
    expect(await result(['pointer', 'verify', ...PRODUCTION])).toMatchObject({ ok: true });
  });

  test('printed commands are about the state and the config that were named', async () => {
    const flags = ['--state-dir', site.stateDir, '--config', join(site.checkout, 'kvdeploy.config.yaml')];
    const refused = resultOf(await site.run(['rollback', ...PRODUCTION, ...SURE, ...flags, '--json'], { cwd: site.folder }));
    const [command = ''] = refused.next;
    const pastedThere = await site.run([...pasted(command), ...SURE, '--json'], { cwd: site.folder });
    expect(resultOf(pastedThere)).toMatchObject({ ok: true, traffic: { split: [{ build: BLUE.guid }] } });
  });

  test('a rollback to a build whose place answers as another one is refused', async () => {
    site.backend('production', 'blue').setGuid(VIOLET.guid);
    const refused = await result(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE]);
    site.backend('production', 'blue').setGuid(BLUE.guid);
    expect(refused).toMatchObject({ code: 'BUILD_GONE', exitCode: 3, message: expect.stringContaining(VIOLET.guid) });
    expect(await site.percent('production', 'green')).toBe(100);
  });
});
