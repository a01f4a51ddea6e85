/** `builds add` where the checkout, the machine or the command line is not as it should be. */
import { chmodSync, lstatSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { sha256 } from '../../src/core/manifest/build-guid.ts';
import { adding, CONFIG, listingSite, manifestOf, PRODUCTION, rowOf, STAGING } from './listing-site.ts';
import { resultOf } from './local-site.ts';
import { startCli } from './run-cli.ts';

const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const GOOD = {
  [PRODUCTION]: manifestOf('production', `builds:\n${rowOf(GUID, 7)}`),
  [STAGING]: manifestOf('staging', 'builds: []\n'),
};

describe('a checkout that is not as it should be', () => {
  it('a manifest that was made read-only is left alone', async () => {
    const site = listingSite(GOOD);
    chmodSync(join(site.folder, PRODUCTION), 0o444);
    const { exitCode, stdout, stderr } = await site.run(adding('1.4.2', COMMIT));
    expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: '' });
    expect(stderr).toContain(`${PRODUCTION} could not be written: it is read-only.`);
    expect(site.read(PRODUCTION)).toBe(GOOD[PRODUCTION]);
    expect(site.files()).toHaveLength(2);
  });

  it('builds add works for a user without account, HOME or state', async () => {
    const site = listingSite(GOOD, CONFIG.replace('stateDir: state\n', ''));
    const uid = 54_321;
    const { chownSync, readdirSync } = await import('node:fs');
    for (const name of ['', ...(readdirSync(site.folder, { recursive: true }) as string[])])
      chownSync(join(site.folder, name), uid, uid);
    const env = { HOME: undefined, USER: undefined, LANG: undefined, CI: '1' };
    const { exitCode, stderr } = await site.run(adding('1.4.2', COMMIT), { uid, env });
    expect(exitCode, stderr).toBe(0);
    expect(lstatSync(join(site.folder, PRODUCTION)).uid).toBe(uid);
  });

  it('a temporary file that a killed process left an hour ago is swept', async () => {
    const site = listingSite(GOOD);
    const left = join(site.folder, 'releases/production/.tmp.1.0123456789ab');
    writeFileSync(left, 'half');
    utimesSync(left, 1, 1);
    expect(await site.run(adding('1.4.2', COMMIT))).toMatchObject({ exitCode: 0 });
    expect(site.files()).toEqual(['hello.yaml', 'hello.yaml']);
  });

  it('a process that is killed while it writes leaves the manifest old or whole, and the next one goes on', {
    timeout: 60_000,
  }, async () => {
    const site = listingSite(GOOD);
    const running = startCli(adding('1.4.2', COMMIT), { cwd: site.folder, timeoutMs: 60_000 });
    let isOver = false;
    const over = running.ended.then(() => {
      isOver = true;
    });
    while (!isOver && site.files().length === 2) await new Promise((resolve) => setTimeout(resolve, 1));
    running.signal('SIGKILL');
    await over;
    const left = site.read(PRODUCTION);
    expect(left === GOOD[PRODUCTION] || left.includes(COMMIT)).toBe(true);
    expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
    expect(await site.run(adding('1.4.2', COMMIT), { timeoutMs: 60_000 })).toMatchObject({ exitCode: 0 });
    expect(site.read(PRODUCTION).match(/guid:/g)).toHaveLength(2);
    expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
  });
});

describe('a command line that is not as it should be', () => {
  it('an abbreviated commit is taken with a warning: given whole it would be another build', async () => {
    const { exitCode, stderr } = await listingSite(GOOD).run(adding('1.4.2', '3f2a9c1'));
    expect(exitCode).toBe(0);
    expect(stderr).toContain('warning  --commit 3f2a9c1 is abbreviated');
    expect((await listingSite(GOOD).run(adding('1.4.2', COMMIT))).stderr).not.toContain('abbreviated');
  });

  it('an empty file is no build', async () => {
    const site = listingSite({ ...GOOD, 'app.tgz': '' });
    const words = ['builds', 'add', '--env', 'production', '--version', '1', '--ref', 'green', '--file', 'app.tgz'];
    const { exitCode, stderr } = await site.run(words);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--file app.tgz cannot be read: it is empty.');
  });

  it('a secret in the address of the repository is neither stored nor shown', async () => {
    const site = listingSite(GOOD);
    const line = ['builds', 'add', '--env', 'production', '--version', '1', '--ref', 'green', '--commit', COMMIT];
    for (const words of [['--repository', 'ci:hunter2@example.com/acme'], ['--repo=https://ci:hunter2@example.com/acme']]) {
      const { exitCode, stdout, stderr } = await site.run([...line, ...words, '-v']);
      expect(exitCode).toBe(2);
      expect(stdout + stderr).not.toContain('hunter2');
    }
    expect(site.read(PRODUCTION)).toBe(GOOD[PRODUCTION]);
  });

  test.each([
    [['add', ...adding('1.4.2', COMMIT).slice(2), 'c=d']],
    [['prune', '--env', 'production', '5']],
    [['remove', '--env', 'production', '--build', GUID, 'and-more']],
  ])('a word too many in builds %j is refused, and the help of that part named', async ([part = '', ...words]) => {
    const site = listingSite(GOOD);
    const answer = await site.run(['builds', part, ...words, '--json']);
    expect(resultOf(answer)).toMatchObject({
      command: `builds ${part}`,
      exitCode: 2,
      message: expect.stringContaining('Too many arguments'),
      hint: `kvdeploy builds ${part} --help`,
    });
    expect(site.read(PRODUCTION)).toBe(GOOD[PRODUCTION]);
  });
});

describe('builds that say something else than their GUID', () => {
  const saying = (is: string) =>
    CONFIG.replace(
      'services: { hello: {} } }\n',
      `services: { hello: { identity: { path: /, header: x-is, is: ${is}, environmentHeader: x-env } } } }\n`,
    );
  const words = (...more: string[]) => ['builds', 'add', '--env', 'staging', '--version', '1.4.2', '--ref', 'green', ...more];
  const source = ['--commit', COMMIT, '--repository', 'https://example.com/acme/hello'];
  const digest = (of: string) => ['--digest', sha256(of)];

  test.each([
    ['commit', [...digest('one'), ...source], [...digest('two'), ...source]],
    ['version', digest('one'), digest('two')],
    ['label.release', [...digest('one'), '--label', 'release=7'], [...digest('two'), '--label', 'release=7']],
  ])('a second row with the same %s is refused where builds say that, since both would become unclear', async (is, one, two) => {
    const site = listingSite({ [PRODUCTION]: manifestOf('production', 'builds: []\n') }, saying(is));
    expect(await site.run(words(...one))).toMatchObject({ exitCode: 0 });
    const before = site.read(STAGING);
    const answer = await site.run([...words(...two), '--json']);
    expect(resultOf(answer)).toMatchObject({ code: 'IDENTITY_UNCLEAR', exitCode: 3, places: [{ file: STAGING, line: 7 }] });
    expect(site.read(STAGING)).toBe(before);
    expect(await site.run(words(...one))).toMatchObject({ exitCode: 0 });
    // Where builds say their GUID, two rows of one commit are two builds.
    site.put('kvdeploy.config.yaml', CONFIG);
    expect(await site.run(words(...two))).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['commit', digest('one'), '--commit'],
    ['digest', source, '--digest'],
    ['label.release', source, '--label release='],
  ])('a row without a %s is refused where builds say that, since it could not be recognized', async (is, one, option) => {
    const site = listingSite({ [PRODUCTION]: manifestOf('production', 'builds: []\n') }, saying(is));
    const { exitCode, stderr } = await site.run(words(...one));
    expect(exitCode).toBe(2);
    expect(stderr).toContain('what runs could not be recognized');
    expect(stderr).toContain(`Give it: ${option}`);
    expect(site.files()).toEqual(['hello.yaml']);
  });

  it('what was refused leaves no folder', async () => {
    const site = listingSite({ [PRODUCTION]: 'builds: [' });
    expect(await site.run(words(...source))).toMatchObject({ exitCode: 2 });
    expect(() => readFileSync(join(site.folder, 'releases/staging'))).toThrow('ENOENT');
  });
});
