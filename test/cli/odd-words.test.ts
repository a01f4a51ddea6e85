/** Words that look harmless in a file or on the command line: ~ in a path, a line end in a version, the nil GUID. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GUID, manifest, put } from '../commands/release/validate-run.ts';
import { freshFolder } from '../fresh-folder.ts';
import { resultOf } from './local-site.ts';
import { runCli } from './run-cli.ts';

const CONFIG =
  'apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants: { acme: { environments: { production: { services: { kv-gateway: {} } } } } }\n';

/** A checkout with this config and this manifest of production. */
function checkout(files: Readonly<Record<string, string>> = {}): string {
  const folder = freshFolder();
  put(folder, {
    '.git/HEAD': '',
    'kvdeploy.config.yaml': CONFIG,
    'releases/production/kv-gateway.yaml': manifest('production'),
    ...files,
  });
  return folder;
}

test.each([
  ['--state-dir', ['status', '--state-dir=~/state'], {}],
  ['KVDEPLOY_STATE_DIR', ['status'], { KVDEPLOY_STATE_DIR: '~/state' }],
  ['--config', ['status', '--config=~/kvdeploy.config.yaml'], {}],
  ['--plan', ['promote', '--plan=~/plan.json', '--state-dir', 'state'], {}],
])('a path that begins with ~ is refused in %s, with the way to write it', async (what, args, env) => {
  const cwd = checkout();
  const result = resultOf(await runCli([...args, '--env', 'production', '--json'], { cwd, env }));
  expect(result).toMatchObject({ code: 'USAGE', exitCode: 2 });
  expect(result.message).toContain(`${what} ~/`);
  expect(result.hint).toContain('"$HOME/');
  expect(existsSync(join(cwd, '~'))).toBe(false);
});

test.each([
  ['stateDir', `stateDir: ~/state\n`],
  ['manifests', `manifests: ~/releases\n`],
])('a path that begins with ~ in the %s of a config is a finding, and no folder is made', async (_key, line) => {
  const cwd = checkout({ 'kvdeploy.config.yaml': `${CONFIG}${line}` });
  const answer = await runCli(['validate'], { cwd });
  expect([answer.exitCode, answer.stdout]).toEqual([
    2,
    expect.stringMatching(/no ~ is expanded here.*\n {2}at {3}kvdeploy\.config\.yaml:4/i),
  ]);
  expect(existsSync(join(cwd, '~'))).toBe(false);
});

test.each([
  ['a line end in its version', (text: string) => text.replace('version: "1"', 'version: "1\\n✔ admitted"')],
  ['an escape in its version', (text: string) => text.replace('version: "1"', 'version: "1\\e[2J"')],
  ['a mark in its version that turns the text', (text: string) => text.replace('version: "1"', 'version: "1\\u202e"')],
  ['a line end in its source', (text: string) => `${text}    source: { repository: "a\\nb", commit: abcdef1 }\n`],
  ['a line end in its ref', (text: string) => text.replace('ref: green', 'ref: "green\\n"')],
  ['the nil GUID', (text: string) => text.replace(GUID, '00000000-0000-0000-0000-000000000000')],
  ['the max GUID', (text: string) => text.replace(GUID, 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF')],
])('a build with %s is refused by validate, each on one line', async (_what, change) => {
  const cwd = checkout({ 'releases/production/kv-gateway.yaml': change(manifest('production')) });
  const answer = await runCli(['validate', '--format', 'json'], { cwd });
  const { exitCode, findings } = JSON.parse(answer.stdout) as { exitCode: number; findings: { message: string; file: string }[] };
  expect([exitCode, findings.length]).toEqual([2, 1]);
  expect(findings[0]?.message).toMatch(/one line|letters, digits|nil and the max GUID/i);
});

test('a manifest of 10,000 builds, the most that one may list, is validated', { timeout: 120_000 }, async () => {
  const [head = '', row = ''] = manifest('production').split('builds:\n');
  const rows = Array.from({ length: 10_000 }, (_, index) => {
    const build = row
      .replace(GUID, `7c9e6679-7425-40de-944b-${String(index).padStart(12, '0')}`)
      .replace('sequence: 1', `sequence: ${index}`);
    return `${build}    environment: production\n    source: { repository: https://example.com/acme/gateway, commit: ${'f'.repeat(40)} }\n`;
  });
  const cwd = checkout({ 'releases/production/kv-gateway.yaml': `${head}builds:\n${rows.join('')}` });
  const answer = await runCli(['validate'], { cwd, timeoutMs: 120_000 });
  expect([answer.exitCode, answer.stdout]).toEqual([0, '1 manifest, 1 config: no findings\n']);
});
