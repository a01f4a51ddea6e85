/** The recipe of docs/pre-commit.md with the real pre-commit program and the built kvdeploy. */
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freshFolder, manifest, put } from '../commands/release/validate-run.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** The recipe as the page shows it, with this checkout's program as the entry. */
function recipe(): string {
  const page = fs.readFileSync(path.join(root, 'docs/pre-commit.md'), 'utf8');
  const text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const entry = `entry: ${process.execPath} ${path.join(root, 'bin/kvdeploy.js')} validate`;
  expect(text).toContain('entry: kvdeploy validate\n');
  return text.replace('entry: kvdeploy validate', entry);
}

function repository(): { readonly folder: string; commit(): { readonly status: number | null; readonly output: string } } {
  const folder = freshFolder();
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    PRE_COMMIT_HOME: path.join(folder, '.git/pre-commit-home'),
    GIT_CONFIG_NOSYSTEM: '1',
  };
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, env, stdio: 'pipe' });
  git('init', '--quiet');
  git('config', 'user.email', 'dev@example.com');
  git('config', 'user.name', 'dev');
  put(folder, { '.pre-commit-config.yaml': recipe() });
  execFileSync('pre-commit', ['install'], { cwd: folder, env, stdio: 'pipe' });
  return {
    folder,
    commit: () => {
      git('add', '--all');
      const { status, stdout, stderr } = spawnSync('git', ['commit', '--message', 'release'], {
        cwd: folder,
        env,
        encoding: 'utf8',
      });
      return { status, output: stdout + stderr };
    },
  };
}

test('a commit that offers a staging build to production does not get in, a good one and one without manifests do', () => {
  const { folder, commit } = repository();
  put(folder, { 'README.md': 'x' });
  expect(commit()).toMatchObject({ status: 0, output: expect.stringContaining('Skipped') });

  put(folder, { 'releases/staging/kv-gateway.yaml': manifest('staging') });
  expect(commit()).toMatchObject({ status: 0, output: expect.stringContaining('Passed') });

  put(folder, { 'releases/production/kv-gateway.yaml': manifest('production') });
  const foreign = commit();
  expect(foreign.status).toBe(1);
  expect(foreign.output).toContain('- exit code: 3');
  expect(foreign.output).toMatch(/FOREIGN_BUILD.*acme\/production\/kv-gateway and acme\/staging\/kv-gateway/);
  expect(foreign.output).not.toContain('\u001b');

  put(folder, { 'releases/production/kv-gateway.yaml': 'a: [\n' });
  expect(commit().output).toContain('- exit code: 2');

  put(folder, { 'releases/production/kv-gateway.yaml': manifest('production', '11111111-1111-4111-8111-111111111111') });
  expect(commit()).toMatchObject({ status: 0, output: expect.stringContaining('Passed') });
});
