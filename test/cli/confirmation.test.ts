import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { contents } from './fingerprint.ts';
import { GLOBEX, GREEN, IN_GLOBEX, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import { BIN } from './run-cli.ts';

let site: LocalSite;

/** Every command that asks, with the kept state in which it would have something to do. */
const ASKING: readonly (readonly [string, string, readonly string[]])[] = [
  ['promote', 'adopted', ['promote', ...PRODUCTION, '--build', GREEN.guid]],
  ['adopt', 'empty', ['adopt', ...PRODUCTION]],
  ['rollback', 'adopted', ['rollback', ...PRODUCTION]],
  ['reconcile', 'held', ['reconcile', ...PRODUCTION, '--reason', 'seen']],
  ['pointer import', 'empty', ['pointer', 'import', 'pointer.json', ...PRODUCTION]],
];

const touched = () => contents(site.stateDir, site.home, site.routes('production'), site.routes('globex'));

beforeAll(async () => {
  site = await openLocalSite(['production', 'globex']);
  site.keep('empty');
  expect(await site.run(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ exitCode: 0 });
  expect(await site.run(['adopt', ...IN_GLOBEX, '--yes'])).toMatchObject({ exitCode: 0 });
  site.keep('adopted');
  expect(await site.shell(`kvdeploy pointer export ${PRODUCTION.join(' ')} > pointer.json`)).toMatchObject({ exitCode: 0 });
  const rescue = ['rollback', '--break-glass', ...PRODUCTION, ...SURE, '--reason', 'a rehearsal for the tests'];
  expect(await site.run(rescue)).toMatchObject({ exitCode: 0 });
  site.keep('held');
});
afterAll(() => site.close());

describe('without a terminal nothing is ever taken for a yes', () => {
  const quoted = (args: readonly string[]) => args.map((arg) => `'${arg}'`).join(' ');

  test.each(ASKING)('nothing counts as a yes without a terminal: %s', async (_name, state, args) => {
    await site.restore(state);
    const before = touched();
    const scripts = [
      `kvdeploy ${quoted(args)} <&-`,
      `kvdeploy ${quoted(args)} </dev/null`,
      `echo yes | kvdeploy ${quoted(args)}`,
      `yes production | kvdeploy ${quoted(args)}`,
      `yes production | kvdeploy ${quoted(args)} --yes`,
    ];
    for (const answer of await Promise.all(scripts.map((script) => site.shell(script)))) {
      expect(answer).toMatchObject({ exitCode: 2 });
      expect(answer.stderr).toMatch(/✖ NO_TERMINAL {2}.*Nothing was changed\.\n {2}try {6}Give it with --confirm production/);
      expect(answer.stderr.trimEnd().split('\n').at(-1)).toMatch(/^ {2}traffic {2}unchanged/);
    }
    const json = await site.run([...args, '--json']);
    expect(resultOf(json)).toMatchObject({ ok: false, code: 'NO_TERMINAL', exitCode: 2 });
    for (const [extra, env] of [
      [['--no-input'], {}],
      [[], { CI: '1' }],
      [[], { KVDEPLOY_NO_INPUT: '1' }],
    ] as const) {
      const { exitCode, screen } = await site.atTerminal([...args, ...extra], { env });
      expect({ exitCode, screen }).toMatchObject({ exitCode: 2, screen: expect.stringContaining('NO_TERMINAL') });
    }
    expect(touched()).toEqual(before);
  });

  test.each(ASKING)('%s opens nothing for writing before it has asked, by the word of the kernel', async (_name, state, args) => {
    await site.restore(state);
    const trace = join(site.folder, 'trace');
    const calls =
      'trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,truncate,ftruncate,chmod,fchmod,fchmodat,utimensat';
    const answer = await site.shell(`strace -f -qq -o ${trace} -e ${calls} node ${BIN} ${quoted(args)}`);
    expect(answer).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('NO_TERMINAL') });
    const lines = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(site.folder));
    expect(lines.length).toBeGreaterThan(3);
    const reading = /open(?:at)?\([^"]*"[^"]*", O_RDONLY/;
    expect(lines.filter((line) => !reading.test(line) && !/= -1 ENOENT/.test(line))).toEqual([]);
  });

  test('--yes is not the name of a protected environment, and a wrong --confirm is not either', async () => {
    await site.restore('adopted');
    const before = touched();
    const wrong = await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, '--confirm', 'staging', '--yes', '--json']);
    expect(resultOf(wrong)).toMatchObject({
      code: 'NOT_CONFIRMED',
      exitCode: 2,
      hint: expect.stringMatching(/: --confirm production$/),
    });
    const globex = await site.run(['promote', ...IN_GLOBEX, '--build', GLOBEX.green.guid, '--no-input', '--json']);
    expect(resultOf(globex)).toMatchObject({ code: 'NO_TERMINAL', hint: expect.stringContaining('--yes') });
    expect(touched()).toEqual(before);
  });
});

describe('at a real terminal', () => {
  beforeEach(() => site.restore('adopted'));
  const promote = ['promote', ...PRODUCTION, '--build', GREEN.guid];
  const question = /Type production to continue/;

  test.each([
    ['another name', 'prod\r'],
    ['the name in capitals', 'PRODUCTION\r'],
    ['yes', 'yes\r'],
    ['nothing', '\r'],
    ['Ctrl-C', '\u0003'],
    ['the end of input', '\u0004'],
  ])('%s at the prompt for the name changes nothing', async (_what, type) => {
    const before = touched();
    const { exitCode, screen } = await site.atTerminal(promote, { keys: [{ waitFor: question, type }] });
    expect({ exitCode, screen }).toMatchObject({ exitCode: 2, screen: expect.stringContaining('NOT_CONFIRMED') });
    expect(touched()).toEqual(before);
  });

  test('the right name at the prompt begins the rollout', async () => {
    const { exitCode, screen } = await site.atTerminal(promote, { keys: [{ waitFor: question, type: 'production\r' }] });
    expect({ exitCode, screen }).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test.each([
    ['n', 'n\r', 2],
    ['Enter alone', '\r', 2],
    ['Ctrl-C', '\u0003', 2],
    ['y', 'y\r', 0],
  ])('an environment without protection wants a yes: %s', async (_what, type, exitCode) => {
    const before = touched();
    const keys = [{ waitFor: /\(y\/N\)/, type }];
    const answer = await site.atTerminal(['promote', ...IN_GLOBEX, '--build', GLOBEX.green.guid], { keys });
    expect({ ...answer }).toMatchObject({ exitCode });
    if (exitCode === 0) expect(await site.percent('globex', 'green')).toBe(100);
    else expect(touched()).toEqual(before);
  });

  test('NO_COLOR is kept at a terminal: the prompt has no colour', async () => {
    const { screen } = await site.atTerminal(['status', ...PRODUCTION], { env: { NO_COLOR: '1' } });
    expect(screen).toContain('known-good');
    expect(screen).not.toContain('\u001b');
  });

  test('the program that was run at the terminal is the built one', () => {
    expect(BIN).toMatch(/bin\/kvdeploy\.js$/);
  });
});
