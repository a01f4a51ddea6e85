/** `builds add` writes what CI knows of a build into a manifest: in a checkout alone, without state, router or network. */
import { chmodSync, existsSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { derived, sha256 } from '../../src/core/manifest/build-guid.ts';
import { adding, CONFIG, listingSite, manifestOf, PRODUCTION, rowOf, STAGING } from './listing-site.ts';

const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const SCOPE = { tenant: 'acme', environment: 'production', service: 'hello' };
const source = (commit: string) => ({ repository: 'https://example.com/acme/hello', commit });
const guidOf = (commit: string, environment = 'production') =>
  derived({ digest: undefined, source: source(commit) }, { ...SCOPE, environment }).guid;

describe('a build that CI adds', () => {
  it('builds add creates the file at the place of its scope, and prints the GUID alone on stdout', async () => {
    const site = listingSite();
    const { exitCode, stdout, stderr } = await site.run(adding('1.4.2', COMMIT));
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${guidOf(COMMIT)}\n` });
    expect(stderr).toContain(`note  Added 1.4.2 to ${PRODUCTION} as sequence 1, at green.\n`);
    const [, created] = /createdAt: (\S+)\n/.exec(site.read(PRODUCTION)) ?? [];
    expect(Math.abs(Date.now() - Date.parse(created ?? ''))).toBeLessThan(60_000);
    expect(site.read(PRODUCTION)).toBe(
      manifestOf(
        'production',
        `builds:
  - guid: ${guidOf(COMMIT)}
    version: 1.4.2
    digest: ${sha256(`https://example.com/acme/hello@${COMMIT}`)}
    digestOf: source
    sequence: 1
    createdAt: ${created}
    ref: green
    environment: production
    source: { repository: https://example.com/acme/hello, commit: ${COMMIT} }
`,
      ),
    );
    expect(site.files()).toEqual(['hello.yaml']);
  });

  it('one commit that is built for two environments has two GUIDs, and both manifests are valid', async () => {
    const site = listingSite();
    const production = await site.run(adding('1.4.2', COMMIT));
    const staging = await site.run(adding('1.4.2', COMMIT, [], 'staging'));
    expect(staging.stdout).toBe(`${guidOf(COMMIT, 'staging')}\n`);
    expect(staging.stdout).not.toBe(production.stdout);
    expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
  });

  it('the same line again changes nothing, and says so', async () => {
    const site = listingSite();
    const line = adding('1.4.2', COMMIT, ['--label', 'release=2026-11', '--created-at', '2026-11-21T09:12:00Z']);
    await site.run(line);
    const before = site.read(PRODUCTION);
    const { exitCode, stdout, stderr } = await site.run(line);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${guidOf(COMMIT)}\n` });
    expect(stderr).toContain('unchanged');
    expect(site.read(PRODUCTION)).toBe(before);
  });

  it('another place only moves the row, and says so', async () => {
    const site = listingSite();
    await site.run(adding('1.4.2', COMMIT));
    const before = site.read(PRODUCTION);
    const { exitCode, stderr } = await site.run([...adding('1.4.2', COMMIT), '--ref', 'blue']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`note  Moved 1.4.2 in ${PRODUCTION} from green to blue.\n`);
    expect(site.read(PRODUCTION)).toBe(before.replace('ref: green', 'ref: blue'));
  });

  test.each([
    ['version', ['--version', '1.4.3'], 'version is 1.4.2, not 1.4.3'],
    ['sequence', ['--sequence', '7'], 'sequence is 1, not 7'],
    ['label', ['--label', 'a=b'], 'labels is none, not {"a":"b"}'],
    ['time', ['--created-at', '2026-11-21T09:12:00Z'], 'createdAt is '],
  ])('a listed build with another %s is refused, and nothing is written', async (_what, more, why) => {
    const site = listingSite();
    await site.run(adding('1.4.2', COMMIT));
    const before = site.read(PRODUCTION);
    const { exitCode, stdout, stderr } = await site.run([...adding('1.4.2', COMMIT), '--ref', 'blue', ...more]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    expect(stderr).toContain('✖ BUILD_DIFFERS');
    expect(stderr).toContain(why);
    expect(stderr).toContain(`at       ${PRODUCTION}:7:11`);
    expect(site.read(PRODUCTION)).toBe(before);
  });

  it('a digest names the build, and a file is named by the digest of its bytes', async () => {
    const site = listingSite({ 'app.tgz': 'test' });
    const digest = sha256('test');
    const words = ['builds', 'add', '--env', 'production', '--version', '1', '--ref', 'green'];
    const { stdout } = await site.run([...words, '--file', 'app.tgz']);
    expect(stdout).toBe(`${derived({ digest, source: undefined }, SCOPE).guid}\n`);
    expect(site.read(PRODUCTION)).toContain(`version: "1"\n    digest: ${digest}\n    sequence: 1\n`);
    expect(await site.run([...words, '--digest', digest])).toMatchObject({ exitCode: 0, stdout });
  });

  it('auto is one more than the highest sequence of the scope, wherever it stands', async () => {
    const site = listingSite({ [PRODUCTION]: manifestOf('production', `builds:\n${rowOf(GUID, 41)}`) });
    const { json } = await site.run(adding('1.4.2', COMMIT, ['--sequence', 'auto', '--json']));
    expect(json.filter(({ type }) => type !== 'note')).toMatchObject([
      { type: 'version' },
      { type: 'row', change: 'added', file: PRODUCTION, build: { guid: guidOf(COMMIT), sequence: 42, digestOf: 'source' } },
      { type: 'result', command: 'builds add', ok: true, exitCode: 0, scope: SCOPE },
    ]);
  });
});

describe('the file that a build is added to', () => {
  const comments = `# ours\nbuilds: # newest last\n  - guid: ${GUID}     # the first\n${rowOf(GUID, 1).split('\n').slice(1).join('\n')}\n# end\n`;

  test.each([
    ['with comments', manifestOf('production', comments)],
    ['with the line ends of Windows', manifestOf('production', comments).replaceAll('\n', '\r\n')],
    [
      'in flow style',
      `{ apiVersion: kvdeploy.dev/v1, kind: ReleaseManifest, tenant: acme, environment: production, service: hello, builds: [ ] }\n`,
    ],
    ['without builds', manifestOf('production', 'builds: []\n')],
    ['whose list is still to be written', manifestOf('production', 'builds:\n')],
    ['that is empty', ''],
    ['that has comments only', '# ours\n'],
  ])('a manifest %s keeps all that it has, and is valid afterwards', async (_how, text) => {
    const site = listingSite({ [PRODUCTION]: text, [STAGING]: manifestOf('staging', 'builds: []\n') });
    chmodSync(join(site.folder, PRODUCTION), 0o640);
    expect(await site.run(adding('1.4.2', COMMIT))).toMatchObject({ exitCode: 0, stdout: `${guidOf(COMMIT)}\n` });
    const kept = text.split('\n').filter((line) => line.trim() !== '' && !line.includes('builds:'));
    for (const line of kept) expect(site.read(PRODUCTION)).toContain(line.trim() === line ? line : `${line}\n`);
    expect(statSync(join(site.folder, PRODUCTION)).mode & 0o777).toBe(0o640);
    expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
  });

  it('a manifest in JSON stays JSON, wherever its scope is declared', async () => {
    const value = { ...JSON.parse('{"apiVersion":"kvdeploy.dev/v1","kind":"ReleaseManifest"}'), ...SCOPE, builds: [] };
    const site = listingSite({ 'releases/acme/production/hello.json': JSON.stringify(value, null, 2) });
    expect(await site.run(adding('1.4.2', COMMIT))).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(site.read('releases/acme/production/hello.json')).builds).toMatchObject([{ guid: guidOf(COMMIT) }]);
    expect(site.files()).toEqual(['hello.json']);
  });
});

describe('what validate would refuse', () => {
  const foreign = manifestOf('staging', `builds:\n${rowOf(guidOf(COMMIT), 1)}`);
  test.each([
    ['a GUID of another scope', { [STAGING]: foreign }, 3, 'is listed in 2 scopes'],
    ['a damaged row', { [PRODUCTION]: manifestOf('production', 'builds:\n  - guid: nonsense\n') }, 2, 'Not a GUID'],
    ['a damaged file of another scope', { [STAGING]: 'builds: [' }, 2, 'Not YAML'],
    ['an anchor', { [PRODUCTION]: manifestOf('production', 'builds: &all []\n') }, 2, 'An anchor'],
    [
      'a second manifest of the scope',
      {
        [PRODUCTION]: manifestOf('production', 'builds: []\n'),
        'releases/acme/production/hello.yml': manifestOf('production', 'builds: []\n'),
      },
      3,
      'has 2 manifests',
    ],
    [
      'a file for another environment at this place',
      { [PRODUCTION]: manifestOf('staging', 'builds: []\n') },
      3,
      'is for acme/staging/hello',
    ],
    [
      'a sequence that is taken',
      { [PRODUCTION]: manifestOf('production', `builds:\n${rowOf(GUID, 7)}`) },
      3,
      'Sequence 7 is used twice',
    ],
  ])('%s refuses the new row, and nothing is written', async (_what, files, exit, why) => {
    const site = listingSite(files);
    const before = site.files().length;
    const { exitCode, stdout, stderr } = await site.run(adding('1.4.2', COMMIT, ['--sequence', '7']));
    expect({ exitCode, stdout }).toEqual({ exitCode: exit, stdout: '' });
    expect(stderr).toContain('Nothing was written, because validate would refuse it');
    expect(stderr).toContain(why);
    for (const [name, text] of Object.entries(files)) expect(site.read(name)).toBe(text);
    expect(site.files()).toHaveLength(before);
  });

  it('a link in place of the manifest is neither followed nor replaced', async () => {
    const site = listingSite({ 'elsewhere.yaml': manifestOf('production', 'builds: []\n') });
    mkdirSync(join(site.folder, 'releases/production'), { recursive: true });
    symlinkSync('../../elsewhere.yaml', join(site.folder, PRODUCTION));
    const { exitCode, stderr } = await site.run(adding('1.4.2', COMMIT));
    expect(exitCode).toBe(2);
    expect(stderr).toContain('This is a symlink; it is not followed.');
    expect(site.read('elsewhere.yaml')).toBe(manifestOf('production', 'builds: []\n'));
  });

  it('a manifest that another scope still lacks is only a warning: it cannot be written first', async () => {
    const { exitCode, stderr } = await listingSite().run(adding('1.4.2', COMMIT));
    expect(exitCode).toBe(0);
    expect(stderr).toContain('warning  acme/staging/hello has no manifest. Nothing was compared with it.');
  });

  it('a scope whose manifest is kept elsewhere takes no row here', async () => {
    const site = listingSite(
      {},
      CONFIG.replace('protected: true, services: { hello: {} }', 'services: { hello: { manifest: none } }'),
    );
    const { exitCode, stderr } = await site.run(adding('1.4.2', COMMIT));
    expect(exitCode).toBe(2);
    expect(stderr).toContain('has manifest: none');
    expect(site.files()).toEqual([]);
  });
});

describe('words of builds add that are wrong', () => {
  const made = ['--digest', sha256('test')];
  test.each([
    [['--ref', 'green', ...made], '--version is missing'],
    [['--version', '1', ...made], '--ref is missing'],
    [['--version', '1', '--ref', 'green'], 'nothing to derive a GUID from'],
    [['--version', '', '--ref', 'green', ...made], '--version ""'],
    [['--version', '1', '--ref', 'a b', ...made], '--ref "a b": a ref has letters'],
    [['--version', '1', '--ref', 'green', '--digest', 'f'.repeat(64)], `Write it as --digest sha256:${'f'.repeat(64)}`],
    [['--version', '1', '--ref', 'green', '--digest', 'sha256:12'], 'a digest is sha256: and 64'],
    [['--version', '1', '--ref', 'green', '--file', 'none.tgz'], '--file none.tgz cannot be read'],
    [['--version', '1', '--ref', 'green', '--file', 'releases', ...made], '--digest and --file are both given'],
    [['--version', '1', '--ref', 'green', '--file', '.'], '--file . cannot be read'],
    [['--version', '1', '--ref', 'green', '--commit', COMMIT], '--commit needs --repository'],
    [['--version', '1', '--ref', 'green', '--repository', 'https://example.com/a'], '--repository needs --commit'],
    [['--version', '1', '--ref', 'green', '--commit', 'HEAD', '--repository', 'https://example.com/a'], '--commit "HEAD"'],
    [
      ['--version', '1', '--ref', 'green', '--commit', COMMIT, '--repository', 'https://u:p4ss@example.com/a'],
      'has a user or a password in it',
    ],
    [['--version', '1', '--ref', 'green', ...made, '--sequence', 'next'], '--sequence "next"'],
    [['--version', '1', '--ref', 'green', ...made, '--label', 'release'], 'it has no ='],
    [['--version', '1', '--ref', 'green', ...made, '--label', '1a=b'], '--label "1a"'],
    [['--version', '1', '--ref', 'green', ...made, '--label', 'a=b', '--label', 'a=c'], '--label a is given twice'],
    [['--version', '1', '--ref', 'green', ...made, '--created-at', 'yesterday'], '--created-at "yesterday"'],
    [['--version', '1', '--ref', 'green', ...made, '--digset', 'x'], 'Did you mean --digest?'],
    [['--version', '1', '--ref', 'green', ...made, '--env', 'prodution'], 'Did you mean --env production?'],
  ])('builds add %j is refused with what is wrong', async (words, why) => {
    const site = listingSite();
    const { exitCode, stdout, stderr } = await site.run(['builds', 'add', '--env', 'production', ...words]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(why);
    expect(stderr).not.toContain('p4ss');
    expect(site.files()).toEqual([]);
  });

  it('a place that the config does not name is refused, with the nearest one', async () => {
    const router =
      '{ kind: local, listen: 127.0.0.1:1, routes: /tmp/none.json, addresses: { blue: http://127.0.0.1:2, green: http://127.0.0.1:3 } }';
    const config = CONFIG.replace('protected: true, services: { hello: {} }', `services: { hello: { router: ${router} } }`);
    const site = listingSite({}, config);
    const { exitCode, stderr } = await site.run([...adding('1.4.2', COMMIT), '--ref', 'gren']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('the config names no such place of acme/production/hello. Did you mean "green"?');
    expect(site.files()).toEqual([]);
    expect(await site.run(adding('1.4.2', COMMIT))).toMatchObject({ exitCode: 0 });
  });

  it('a misspelt part of builds is answered with the nearest one', async () => {
    const { exitCode, stderr } = await listingSite().run(['builds', 'ad', '--env', 'production']);
    expect({ exitCode, stderr: stderr.split('\n').slice(0, 2) }).toEqual({
      exitCode: 2,
      stderr: ["✖ USAGE  Unknown command 'ad'.", '  try      Did you mean builds add?'],
    });
  });

  it('--version is the version of kvdeploy in front of a command, and of the build after builds add', async () => {
    const site = listingSite();
    expect(await site.run(['--version'])).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(await site.run(['--json', 'builds', '--env', 'production', 'add', ...adding('1.4.2', COMMIT).slice(4)])).toMatchObject(
      {
        exitCode: 0,
        json: [{ type: 'version' }, expect.anything(), { type: 'row', build: { version: '1.4.2' } }, expect.anything()],
      },
    );
    expect(await site.run(['pointer', '--env', 'production', 'show'])).toMatchObject({ exitCode: 3 });
  });
});

describe('several processes on one checkout', () => {
  it('many that add at once lose no row, and no two have one sequence', { timeout: 60_000 }, async () => {
    const site = listingSite({ [STAGING]: manifestOf('staging', 'builds: []\n') });
    const commits = Array.from({ length: 6 }, (_, index) => `${index}`.repeat(40));
    const answers = await Promise.all(commits.map((commit) => site.run(adding('1.4.2', commit), { timeoutMs: 60_000 })));
    expect(answers.map(({ exitCode }) => exitCode)).toEqual(commits.map(() => 0));
    for (const commit of commits) expect(site.read(PRODUCTION)).toContain(guidOf(commit));
    const sequences = [...site.read(PRODUCTION).matchAll(/sequence: (\d+)/g)].map(([, sequence]) => Number(sequence));
    expect(sequences).toEqual(commits.map((_commit, index) => index + 1));
    expect(site.files().sort()).toEqual(['hello.yaml', 'hello.yaml']);
    expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
  });

  it('the ticket of a killed process is swept, and that of a living one is waited for', { timeout: 60_000 }, async () => {
    const site = listingSite({ [PRODUCTION]: manifestOf('production', 'builds: []\n') });
    const { nodeIo } = await import('../../src/io.ts');
    const living = nodeIo.self();
    const ticket = (name: string) => join(site.folder, `releases/production/.hello.yaml.turn-${name}`);
    writeFileSync(ticket('0123456789ab'), JSON.stringify({ ...living, started: '1' }));
    writeFileSync(ticket('ba9876543210'), JSON.stringify(living));
    const adds = site.run(adding('1.4.2', COMMIT), { timeoutMs: 60_000 });
    while (existsSync(ticket('0123456789ab'))) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(site.read(PRODUCTION)).not.toContain(COMMIT);
    renameSync(ticket('ba9876543210'), join(site.folder, 'gone'));
    expect(await adds).toMatchObject({ exitCode: 0 });
    expect(site.files()).toEqual(['hello.yaml']);
  });
});
