/** CI jobs that add builds at once: each has a clone of its own, and all push to one bare repository, by the script of docs/builds.md. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONFIG, manifestOf, PRODUCTION, STAGING } from '../cli/listing-site.ts';
import { resultOf } from '../cli/local-site.ts';
import { BIN, runCli } from '../cli/run-cli.ts';
import { block } from '../docs/walk.ts';
import { freshFolder } from '../fresh-folder.ts';
import { openSite } from './site.ts';

const SCRIPT = block('run: add-and-push', 'docs/builds.md');

/** A bare repository with one commit, and clones of it on demand. */
function openRemote() {
  const folder = freshFolder();
  const env = {
    PATH: `${folder}/bin:${process.env['PATH']}`,
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    REPOSITORY: 'https://example.com/acme/hello',
  };
  const git = (cwd: string, ...args: readonly string[]) =>
    execFileSync('git', args, { cwd, env, stdio: 'pipe', encoding: 'utf8' });
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/kvdeploy'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
  chmodSync(join(folder, 'bin/kvdeploy'), 0o755);
  writeFileSync(join(folder, '.gitconfig'), '[user]\n  name = ci\n  email = ci@example.com\n');
  git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', 'remote.git');
  const clone = (name: string) => {
    git(folder, 'clone', '--quiet', 'remote.git', name);
    return join(folder, name);
  };
  const first = clone('first');
  git(first, 'checkout', '--quiet', '-B', 'main');
  for (const [name, text] of [
    ['kvdeploy.config.yaml', CONFIG],
    [STAGING, manifestOf('staging', 'builds: []\n')],
  ] as const) {
    mkdirSync(join(first, name, '..'), { recursive: true });
    writeFileSync(join(first, name), text);
  }
  git(first, 'add', '.');
  git(first, 'commit', '--quiet', '--message', 'Begin');
  git(first, 'push', '--quiet', 'origin', 'main');
  const job = (cwd: string, version: string, commit: string, script = SCRIPT) =>
    new Promise<{ code: number | null; out: string }>((resolve, reject) => {
      const child = spawn('sh', ['-c', script], { cwd, env: { ...env, VERSION: version, COMMIT: commit } });
      let out = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          out += text;
        });
      child.on('error', reject).on('close', (code) => resolve({ code, out }));
    });
  const add = (cwd: string, version: string, commit: string) => {
    const args = ['builds', 'add', '--env', 'production', '--version', version, '--ref', 'green', '--commit', commit];
    return spawnSync(join(folder, 'bin/kvdeploy'), [...args, '--repository', env.REPOSITORY], { cwd, env, encoding: 'utf8' });
  };
  /** What the remote's main branch has. */
  const pushed = () => git(folder, '--git-dir=remote.git', 'show', `main:${PRODUCTION}`);
  const validates = () => {
    const last = join(folder, 'last');
    cpSync(clone('last'), join(folder, 'kept'), { recursive: true });
    return execFileSync(join(folder, 'bin/kvdeploy'), ['validate'], { cwd: last, env, encoding: 'utf8' });
  };
  return { clone, git, job, add, pushed, validates };
}

const SURE = ['--env', 'production', '--confirm', 'production', '--json'];
const commits = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(40));
const sequences = (text: string) => [...text.matchAll(/sequence: (\d+)/g)].map(([, number]) => Number(number));

describe('CI jobs with clones of their own', () => {
  it('the loser of a push resets to the remote, runs the same line again, and pushes', { timeout: 120_000 }, async () => {
    const { clone, git, job, pushed, validates } = openRemote();
    const [one, two] = [clone('one'), clone('two')];
    // As if both had looked at the remote before either pushed: the second does not fetch the first time.
    const blind = `fetched=; git() { if [ "$1" = fetch ] && [ -z "$fetched" ]; then fetched=1; command git fetch -q . HEAD; else command git "$@"; fi; }\n`;
    const [first, second] = commits as [string, string];
    expect(await job(one, '1.0.0', first)).toMatchObject({ code: 0 });
    const late = await job(two, '1.1.0', second, blind + SCRIPT);
    expect(late.code, late.out).toBe(0);
    expect(late.out).toMatch(/rejected|fetch first/);
    expect(sequences(pushed())).toEqual([1, 2]);
    expect(pushed()).toMatch(new RegExp(`commit: ${first}[^]*commit: ${second}`));
    expect(readFileSync(join(two, PRODUCTION), 'utf8')).toBe(pushed());
    const before = git(two, 'rev-parse', 'origin/main');
    expect(await job(one, '1.0.0', first)).toMatchObject({ code: 0 });
    expect(git(one, 'rev-parse', 'HEAD')).toBe(before);
    expect(validates()).toContain('no findings');
  });

  it('jobs that run at once all get their rows in, each with a sequence of its own', { timeout: 120_000 }, async () => {
    const { clone, job, pushed, validates } = openRemote();
    const clones = commits.map((_commit, index) => clone(`job-${index}`));
    const ended = await Promise.all(commits.map((commit, index) => job(clones[index] ?? '', `1.${index}.0`, commit)));
    expect(
      ended.map(({ code }) => code),
      ended.map(({ out }) => out).join('\n'),
    ).toEqual(commits.map(() => 0));
    for (const commit of commits) expect(pushed()).toContain(commit);
    expect(sequences(pushed())).toEqual([1, 2, 3, 4]);
    expect(validates()).toContain('no findings');
  });

  it('rows of two clones that git cannot merge are named as a conflict, and nothing is written until it is resolved', {
    timeout: 60_000,
  }, async () => {
    const { clone, git, job, add, pushed } = openRemote();
    const two = clone('two');
    expect(await job(clone('one'), '1.0.0', commits[0] ?? '')).toMatchObject({ code: 0 });
    expect(add(two, '1.1.0', commits[1] ?? '')).toMatchObject({ status: 0 });
    git(two, 'add', '.');
    git(two, 'commit', '--quiet', '--message', 'Mine');
    expect(() => git(two, 'pull', '--quiet', '--no-rebase', 'origin', 'main')).toThrow();
    const conflict = readFileSync(join(two, PRODUCTION), 'utf8');
    const refused = add(two, '1.2.0', commits[2] ?? '');
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toContain('A merge conflict is not resolved here.');
    expect(refused.stderr).toMatch(new RegExp(`at +${PRODUCTION}:7:1`));
    expect(readFileSync(join(two, PRODUCTION), 'utf8')).toBe(conflict);
    git(two, 'checkout', '--quiet', '--theirs', PRODUCTION);
    expect(add(two, '1.1.0', commits[1] ?? '')).toMatchObject({ status: 0 });
    expect(sequences(readFileSync(join(two, PRODUCTION), 'utf8'))).toEqual([1, 2]);
    expect(readFileSync(join(two, PRODUCTION), 'utf8').startsWith(pushed())).toBe(true);
  });

  it('what a killed process left next to the manifest is never committed by the script', { timeout: 60_000 }, async () => {
    const { clone, git, job } = openRemote();
    const one = clone('one');
    mkdirSync(join(one, 'releases/production'));
    for (const name of ['.hello.yaml.turn-0123456789ab', '.tmp.1.0123456789ab'])
      writeFileSync(join(one, 'releases/production', name), '{}');
    expect(await job(one, '1.0.0', commits[0] ?? '')).toMatchObject({ code: 0 });
    const listed = git(one, 'ls-tree', '-r', '--name-only', 'origin/main').trim().split('\n');
    expect(listed).toEqual(['kvdeploy.config.yaml', PRODUCTION, STAGING]);
  });

  it('a build that one clone added and pushed is promoted from another, once that one has it', { timeout: 120_000 }, async () => {
    const { clone, git, job } = openRemote();
    const site = await openSite({ adopted: false });
    try {
      // The clone of the deploy host: its config and its builds of before are in the repository.
      const host = clone('host');
      git(host, 'rm', '-rq', 'releases');
      for (const name of ['kvdeploy.config.yaml', 'releases'])
        cpSync(join(site.checkout, name), join(host, name), { recursive: true });
      git(host, 'add', '.');
      git(host, 'commit', '--quiet', '--message', 'Describe the service');
      git(host, 'push', '--quiet', 'origin', 'main');
      const run = (words: string) => runCli([...words.split(' '), ...SURE], { cwd: host, env: site.env, timeoutMs: 60_000 });
      expect((await run('adopt')).exitCode).toBe(0);

      const added = await job(clone('ci'), '2.0.0', commits[0] ?? '');
      expect(added.code, added.out).toBe(0);
      const [guid = ''] = /[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f-]{17}/.exec(added.out) ?? [];
      site.builds.green.backend.setGuid(guid);
      expect(resultOf(await run(`promote --build ${guid}`))).toMatchObject({ code: 'UNLISTED_BUILD', exitCode: 3 });
      git(host, 'pull', '--quiet', '--ff-only', 'origin', 'main');
      const promoted = await run(`promote --build ${guid}`);
      expect(resultOf(promoted), promoted.stderr).toMatchObject({ code: null, exitCode: 0 });
      expect(await site.split()).toEqual({ green: 100 });
    } finally {
      await site.close();
    }
  });

  it('a job whose commit is refused by a hook fails, and does not take an empty push for a row', {
    timeout: 60_000,
  }, async () => {
    const { clone, git, job } = openRemote();
    const one = clone('one');
    writeFileSync(join(one, '.git/hooks/pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const { code, out } = await job(one, '1.0.0', commits[0] ?? '');
    expect(code, out).toBe(7);
    expect(git(one, 'rev-list', '--count', 'origin/main').trim()).toBe('1');
  });

  it('a job whose line is refused fails, and pushes nothing', { timeout: 60_000 }, async () => {
    const { clone, git, job } = openRemote();
    const one = clone('one');
    const { code, out } = await job(one, '1.0.0', 'no-commit');
    expect(code, out).toBe(2);
    expect(out).toContain('--commit "no-commit"');
    expect(git(one, 'rev-list', '--count', 'origin/main').trim()).toBe('1');
  });
});
