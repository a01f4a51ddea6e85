import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../servers/program.ts';
import { AMBER, BLUE, GLOBEX, GREEN, PRODUCTION, SURE, VIOLET } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

const schema = JSON.parse(readFileSync(new URL('../../schemas/output-line.json', import.meta.url), 'utf8')) as object;
const isOutputLine = new Ajv({ strict: false, validateFormats: false }).compile(schema);

const promote = (guid: string, ...more: readonly string[]) => ['promote', ...PRODUCTION, '--build', guid, ...SURE, ...more];

let site: LocalSite;

beforeAll(async () => {
  site = await openLocalSite(['production']);
  site.keep('empty');
  expect(await site.run(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ exitCode: 0 });
  site.keep('adopted');
  const rescue = ['rollback', '--break-glass', ...PRODUCTION, ...SURE, '--reason', 'a rehearsal for the tests'];
  expect(await site.run(rescue)).toMatchObject({ exitCode: 0 });
  site.keep('held');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig();
  site.backend('production', 'amber').setStatus(200);
  await site.restore('adopted');
});

/** What is promised of every command's output, run once for machines and once for people. Returns the result line. */
async function check(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const machine = await site.run([...args, '--json'], { env });
  const lines = machine.stdout.trimEnd().split('\n');
  for (const line of lines)
    expect({ line, valid: isOutputLine(JSON.parse(line)), why: isOutputLine.errors }).toMatchObject({ valid: true });
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ type: 'version' });
  expect(lines.filter((line) => line.startsWith('{"type":"result"'))).toEqual([lines.at(-1)]);
  expect(machine.stderr).toBe('');
  const result = resultOf(machine);
  expect(result).toMatchObject({ exitCode: machine.exitCode, ok: machine.exitCode === 0 });
  expect(result.ok ? result.code : typeof result.code).toBe(result.ok ? null : 'string');
  return result;
}

function checkForPeople(answer: { readonly stdout: string; readonly stderr: string; readonly exitCode: number }) {
  const { stdout, stderr, exitCode } = answer;
  expect(`${stdout}${stderr}`).not.toContain('\u001b');
  expect(`${stdout}${stderr}`.split('\n').filter((line) => / $/.test(line))).toEqual([]);
  if (exitCode === 0) return;
  expect(stdout).not.toMatch(/✖|traffic {2}/);
  const lines = stderr.trimEnd().split('\n');
  const from = lines.findLastIndex((line) => /^[✖!] [A-Z_]+ {2}/.test(line));
  expect({ stderr, from }).not.toMatchObject({ from: -1 });
  const block = lines.slice(from);
  expect(block.length).toBeLessThanOrEqual(12);
  expect(block.at(-1)).toMatch(/^ {2}traffic {2}\S/);
  const hint = block.find((line) => line.startsWith('  try '));
  expect({ block, hint }).toMatchObject({ hint: expect.stringMatching(/\S/) });
  if (hint?.endsWith(':') === true) expect(block.join('\n')).toContain('\n  next ');
}

describe('what every command says, to machines and to people', () => {
  test.each([
    ['status', ['status', ...PRODUCTION], null],
    ['builds', ['builds', ...PRODUCTION], null],
    ['history', ['history', ...PRODUCTION], null],
    ['plan', ['plan', ...PRODUCTION, '--build', GREEN.guid], null],
    ['pointer show', ['pointer', 'show', ...PRODUCTION], null],
    ['pointer verify', ['pointer', 'verify', ...PRODUCTION], null],
    ['pointer export', ['pointer', 'export', ...PRODUCTION], null],
    ['validate', ['validate'], null],
    ['schema', ['schema', 'release-manifest'], null],
    ['a refused plan', ['plan', ...PRODUCTION, '--build', GLOBEX.green.guid], 'FOREIGN_BUILD'],
    ['a build that is not listed', promote('00000000-0000-4000-8000-000000000000'), 'UNLISTED_BUILD'],
    ['adopting twice', ['adopt', ...PRODUCTION, ...SURE], 'NOTHING_TO_DO'],
    ['going back from known-good', ['rollback', ...PRODUCTION, ...SURE], 'KNOWN_GOOD_SERVES'],
    ['nothing to resume', ['resume', ...PRODUCTION], 'NOTHING_TO_DO'],
    ['nothing to abort', ['abort', ...PRODUCTION], 'NOTHING_TO_DO'],
    ['nothing to reconcile', ['reconcile', ...PRODUCTION, ...SURE], 'NOTHING_TO_DO'],
    ['a file that is no export', ['pointer', 'import', 'kvdeploy.config.yaml', ...PRODUCTION, ...SURE], 'USAGE'],
    ['a mistyped command', ['promot', ...PRODUCTION], 'USAGE'],
    ['a config that is not there', ['builds', ...PRODUCTION, '--config', 'no.yaml'], 'CONFIG_MISSING'],
  ] as const)('the output of %s is for machines and for people', async (_name, args, code) => {
    expect(await check(args)).toMatchObject({ code });
    checkForPeople(await site.run(args));
  });

  test('a long list of faults stays readable', async () => {
    writeFileSync(
      `${site.checkout}/kvdeploy.config.yaml`,
      'apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants:\n  acme:\n    environments:\n      production:\n        services:\n          kv-gateway:\n            a: 1\n            b: 2\n            c: 3\n            d: 4\n            e: 5\n            f: 6\n            g: 7\n            h: 8\n            i: 9\n            j: 10\n',
    );
    const args = ['builds', '--env', 'production'];
    expect(await check(args)).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 });
    checkForPeople(await site.run(args));
  });

  test('a typo in the config is said once, with how to look or roll back all the same', async () => {
    const file = `${site.checkout}/kvdeploy.config.yaml`;
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.replace('protected:', 'portected:'));
    const { stderr, exitCode } = await site.run(['status', ...PRODUCTION], {
      env: { KVDEPLOY_STATE_DIR: `${site.folder}/none` },
    });
    writeFileSync(file, whole);
    expect({ exitCode, times: stderr.match(/Did you mean "protected"/g)?.length }).toEqual({ exitCode: 2, times: 1 });
    expect(stderr).toMatch(
      / {2}try {6}Rename it to protected, or remove it\. Without a config, give the state directory: --state-dir DIR\.\n/,
    );
  });

  test('--quiet leaves only results, warnings and errors', async () => {
    expect(await site.run([...promote(GREEN.guid), '--quiet'])).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: expect.stringMatching(/^✔ .*\n {2}traffic .*\n {2}next .*\n$/),
    });
  });

  test('serve says where it listens, to machines as well', async () => {
    await site.stopServe('production');
    const running = site.start(['serve', ...PRODUCTION, '--json']);
    await running.waitFor(/"name":"serve"/);
    running.signal('SIGTERM');
    const answer = await running.ended;
    await site.startServe('production');
    expect(resultOf(answer)).toMatchObject({ command: 'serve', ok: true, exitCode: 0 });
  });
});

describe('every exit code of the table, from the built program', () => {
  test('exit code 0 says done, with traffic as asked', async () => {
    const result = await check(promote(GREEN.guid));
    expect(result).toMatchObject({
      exitCode: 0,
      code: null,
      traffic: { split: [{ build: GREEN.guid, place: 'green', percent: 100 }] },
    });
  });

  test('exit code 1 says a bug in kvdeploy, here one that is put into its process from outside', async () => {
    const env = {
      NODE_OPTIONS: "--import=data:text/javascript,Date.prototype.toISOString=()=>{throw(new(TypeError)('injected'))}",
    };
    expect(await check(['pointer', 'export', ...PRODUCTION], env)).toMatchObject({
      exitCode: 1,
      code: 'BUG',
      message: expect.stringContaining('injected'),
    });
    checkForPeople(await site.run(['pointer', 'export', ...PRODUCTION], { env }));
  });

  test('exit code 2 says usage, and 3 refused, with traffic unchanged', async () => {
    expect(await check(['promote', ...PRODUCTION])).toMatchObject({ exitCode: 2, code: 'USAGE' });
    expect(await check(promote(GLOBEX.blue.guid))).toMatchObject({ exitCode: 3, code: 'FOREIGN_BUILD' });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('exit code 4 says reverted, and the bad build stays out', async () => {
    site.backend('production', 'amber').setStatus(500);
    const result = await check(promote(AMBER.guid));
    expect(result).toMatchObject({ exitCode: 4, code: 'REVERTED', traffic: { split: [{ build: BLUE.guid, percent: 100 }] } });
    site.backend('production', 'amber').setStatus(200);
    const again = await check(promote(AMBER.guid));
    expect(again).toMatchObject({ exitCode: 3, code: 'BAD_BUILD' });
    checkForPeople(await site.run(promote(AMBER.guid)));
  });

  test('exit code 5 says stuck, when someone else moves the traffic, with the rollback path printed', async () => {
    site.writeConfig({ bakeMs: 60_000 });
    const running = site.start([...promote(VIOLET.guid), '--json']);
    await running.waitFor(/"phase":"baking"/);
    const text = readFileSync(site.routes('production'), 'utf8').replace(/(75|25)\b/g, (percent) =>
      percent === '75' ? '40' : '60',
    );
    writeFileSync(site.routes('production'), text);
    const result = resultOf(await running.ended);
    expect(result).toMatchObject({ exitCode: 5, code: 'DRIFT', next: [expect.stringMatching(/^node \S+break-glass\.mjs /)] });
    expect(result.traffic?.split).toContainEqual({ build: VIOLET.guid, place: 'violet', percent: 60 });
  });

  test('exit code 6 says busy, with another runner or a hold', async () => {
    await site.restore('held');
    expect(await check(promote(GREEN.guid))).toMatchObject({
      exitCode: 6,
      code: 'HELD',
      hint: expect.stringContaining('kvdeploy reconcile --env production --tenant acme --service kv-gateway'),
    });
    checkForPeople(await site.run(promote(GREEN.guid)));
  });

  test('exit code 7 says out of reach before anything was changed', async () => {
    await site.stopServe('production');
    const result = await check(promote(GREEN.guid));
    const people = await site.run(promote(GREEN.guid));
    await site.startServe('production');
    expect(result).toMatchObject({ exitCode: 7, code: 'UNREACHABLE' });
    checkForPeople(people);
  });

  test('exit code 75 says still baking, with the commands to go on', async () => {
    site.writeConfig({ bakeMs: 60_000 });
    const result = await check(promote(GREEN.guid, '--max-wait', '3s'));
    expect(result).toMatchObject({
      exitCode: 75,
      code: 'STILL_BAKING',
      next: [expect.stringContaining('kvdeploy resume'), expect.stringContaining('kvdeploy abort')],
    });
    expect(result.traffic?.split).toContainEqual({ build: GREEN.guid, place: 'green', percent: 25 });
    expect(result.message).toContain('No one is watching');
    expect(await check(['abort', ...PRODUCTION])).toMatchObject({ exitCode: 0, code: null });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('exit code 130: %s without a terminal leaves', async (signal) => {
    site.writeConfig({ bakeMs: 60_000 });
    const running = site.start([...promote(GREEN.guid), '--json']);
    await running.waitFor(/"phase":"baking"/);
    running.signal(signal);
    expect(resultOf(await running.ended)).toMatchObject({
      exitCode: 130,
      code: 'INTERRUPTED',
      traffic: { split: expect.arrayContaining([{ build: GREEN.guid, place: 'green', percent: 25 }]) },
    });
    await until('the claim to be given back', async () =>
      (await site.run(['status', ...PRODUCTION])).stdout.includes('leader      none') ? true : undefined,
    );
  });
});
