/** The lines of docs/builds.md exactly as printed, and its recipe by hand. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { derived } from '../../src/core/manifest/build-guid.ts';
import { listingSite, manifestOf, PRODUCTION, STAGING } from '../cli/listing-site.ts';
import { BIN } from '../cli/run-cli.ts';
import { block } from './walk.ts';

it('the lines that add a build run as they are printed, each twice, and what they write is valid', {
  timeout: 60_000,
}, async () => {
  const site = listingSite({ 'dist/app.tgz': 'an archive', [STAGING]: manifestOf('staging', 'builds: []\n') });
  const script = `set -eu\nkvdeploy() { '${process.execPath}' '${BIN}' "$@"; }\n${block('run: add', 'docs/builds.md')}`;
  const options = { cwd: site.folder, env: { ...process.env, HOME: site.folder }, encoding: 'utf8', stdio: 'pipe' } as const;
  const guids = execFileSync('sh', ['-c', script], options);
  expect(guids).toMatch(/^(?:[0-9a-f-]{36}\n){3}$/);
  const written = site.read(PRODUCTION);
  expect([...written.matchAll(/guid: (\S+)/g)].map(([, guid]) => guid)).toEqual(guids.trim().split('\n'));
  expect(execFileSync('sh', ['-c', script], options)).toBe(guids);
  expect(site.read(PRODUCTION)).toBe(written);
  expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
});

it('the recipe of the page on builds prints the GUIDs that kvdeploy derives', () => {
  const script = block('file: recipe.py', 'docs/builds.md');
  const [, tenant = '', environment = '', service = ''] = /kvdeploy:(.*)\/(.*)\/(.*)"/.exec(script) ?? [];
  const names = [...script.matchAll(/uuid5\(scope, "(.*)"\)/g)].map(([, name = '']) => name);
  const guids = names.map((name) => {
    const [repository = '', commit = ''] = name.split('@');
    const made = commit === '' ? { digest: name, source: undefined } : { digest: undefined, source: { repository, commit } };
    return derived(made, { tenant, environment, service }).guid;
  });
  expect(`${guids.join('\n')}\n`).toBe(block('output: recipe', 'docs/builds.md'));
  expect(guids).toHaveLength(2);
});
