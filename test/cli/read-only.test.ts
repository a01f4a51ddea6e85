import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from './fingerprint.ts';
import { AMBER, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite } from './local-site.ts';
import { BIN } from './run-cli.ts';

let site: LocalSite;

const LOOKING: readonly (readonly string[])[] = [
  ['plan', ...PRODUCTION, '--build', AMBER.guid],
  ['plan', ...PRODUCTION, '--build', GREEN.guid],
  ['builds', ...PRODUCTION],
  ['status', ...PRODUCTION],
  ['history', ...PRODUCTION],
  ['pointer', 'show', ...PRODUCTION],
  ['pointer', 'verify', ...PRODUCTION],
  ['pointer', 'export', ...PRODUCTION],
  ['validate'],
  ['schema', 'config'],
];

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await site.run(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ exitCode: 0 });
  expect(await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE])).toMatchObject({ exitCode: 0 });
});
afterAll(() => site.close());

const everything = () => fingerprint(site.stateDir, site.home, site.checkout, site.routes('production'));

describe('commands that look change nothing', () => {
  test.each(LOOKING.map((args) => [args.slice(0, 2).join(' '), args] as const))(
    '%s leaves every byte, and no request goes through the router',
    async (_name, args) => {
      const before = everything();
      const { served } = await site.status('production');
      const { exitCode } = await site.run(args);
      expect(exitCode).toBe(args.includes(GREEN.guid) ? 3 : 0);
      expect(everything()).toEqual(before);
      expect((await site.status('production')).served).toEqual(served);
    },
  );

  test.each(
    LOOKING.slice(0, 8)
      .filter((_args, index) => index !== 1)
      .map((args) => [args.slice(0, 2).join(' '), args] as const),
  )('%s opens nothing for writing, by the word of the kernel', async (_name, args) => {
    const trace = join(site.folder, 'trace');
    const calls =
      'trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,truncate,ftruncate,chmod,fchmod,fchmodat,utimensat';
    const words = args.map((arg) => `'${arg}'`).join(' ');
    const answer = await site.shell(`strace -f -qq -o ${trace} -e ${calls} node ${BIN} ${words}`);
    expect(answer).toMatchObject({ exitCode: 0 });
    const lines = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(site.folder));
    expect(lines.length).toBeGreaterThan(3);
    const reading = /open(?:at)?\([^"]*"[^"]*", O_RDONLY/;
    expect(lines.filter((line) => !reading.test(line) && !/= -1 ENOENT/.test(line))).toEqual([]);
  });

  test('plan says what it did not try, and shows the exact changes', async () => {
    const { json, stderr } = await site.run(['plan', ...PRODUCTION, '--build', AMBER.guid, '--json']);
    expect(stderr).toBe('');
    expect(json).toContainEqual({
      type: 'check',
      name: 'the state directory is durable',
      ok: null,
      message: 'checked only by promote, because the check writes a file',
    });
    const document = json.find((line) => line.type === 'document');
    const routes = site.routes('production');
    expect(document).toMatchObject({
      data: {
        steps: [
          { percent: 25, changes: [{ kind: 'write-file', path: routes, content: expect.stringContaining(AMBER.guid) }] },
          { percent: 100 },
        ],
      },
    });
  });
});
