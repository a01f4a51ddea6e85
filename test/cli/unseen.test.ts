/** A manifest of another scope that cannot be seen could list the build: what a protected environment says then, and what others do. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AMBER, GLOBEX, GREEN, IN_GLOBEX, PRODUCTION, SCOPES, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { CliAnswer } from './run-cli.ts';

let site: LocalSite;
let withoutManifest: CliAnswer;
const manifest = () => join(site.checkout, 'releases/acme/staging/kv-gateway.yaml');
const ledger = (tenant: string) => join(site.stateDir, tenant, 'production/kv-gateway/ledger/0001.jsonl');
const damage = (file: string) => writeFileSync(file, readFileSync(file, 'utf8').replace('"actor"', '"acter"'));
const stranger = { ...STAGING.green, ref: 'green' };

beforeAll(async () => {
  site = await openLocalSite(['production', 'globex']);
  expect(resultOf(await site.run(['adopt', ...IN_GLOBEX, '--yes', '--json']))).toMatchObject({ ok: true });
  rmSync(manifest());
  withoutManifest = await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']);
  site.writeManifest('staging', SCOPES.staging.builds);
  // Another account's folder, and a ledger that cannot be read: neither was ever seen here.
  mkdirSync(join(site.stateDir, 'umbrella'));
  chmodSync(join(site.stateDir, 'umbrella'), 0o777);
  const whole = readFileSync(ledger('globex'));
  damage(ledger('globex'));
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  site.keep('never-read');
  rmSync(join(site.stateDir, 'umbrella'), { recursive: true });
  writeFileSync(ledger('globex'), whole);
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  rmSync(join(site.checkout, 'releases'), { recursive: true, force: true });
  for (const name of ['production', 'staging', 'globex'] as const) site.writeManifest(name, SCOPES[name].builds);
  site.writeConfig();
  await site.restore('adopted');
});

const checksIn = ({ json }: CliAnswer) => json.flatMap((line) => (line.type === 'check' ? [line] : []));
const sayOf = (answer: CliAnswer, name: string) => checksIn(answer).find((line) => line.name === name);

/** How the manifest that lists the build goes out of sight. */
const GONE: Readonly<Record<string, (file: string) => void>> = {
  'is deleted': (file) => rmSync(file),
  'is renamed to .old': (file) => renameSync(file, `${file}.old`),
  'is renamed to .txt': (file) => renameSync(file, file.replace('.yaml', '.txt')),
  'is a link': (file) => {
    renameSync(file, join(site.folder, 'real.yaml'));
    symlinkSync(join(site.folder, 'real.yaml'), file);
  },
  'is a link to nowhere': (file) => {
    rmSync(file);
    symlinkSync('nowhere.yaml', file);
  },
  'is a named pipe': (file) => {
    rmSync(file);
    execFileSync('mkfifo', [file]);
  },
  'is below node_modules': (file) => {
    mkdirSync(join(dirname(file), 'node_modules'));
    renameSync(file, join(dirname(file), 'node_modules/kv-gateway.yaml'));
  },
  'is in another folder': (file) => renameSync(dirname(file), join(site.folder, 'moved-away')),
  'has its folder behind a link': (file) => {
    renameSync(dirname(file), join(site.folder, 'linked-away'));
    symlinkSync(join(site.folder, 'linked-away'), dirname(file));
  },
};

describe('the manifest of another scope cannot be seen', () => {
  beforeEach(() => site.writeManifest('production', [...SCOPES.production.builds, stranger]));

  test.each(Object.keys(GONE))('production refuses a build of staging where the manifest of staging %s', async (how) => {
    rmSync(join(site.folder, 'moved-away'), { recursive: true, force: true });
    rmSync(join(site.folder, 'linked-away'), { recursive: true, force: true });
    GONE[how]?.(manifest());
    const answer = await site.run(['plan', ...PRODUCTION, '--build', stranger.guid, '--json']);
    expect(resultOf(answer)).toMatchObject({ code: 'SCOPE_UNSEEN', exitCode: 3 });
    expect(sayOf(answer, 'no other scope has the build')?.ok).toBeNull();
    const validated = await site.run(['validate', '--format', 'json']);
    expect(validated.exitCode).toBeGreaterThan(1);
    expect(validated.stdout).toMatch(/releases\/acme\/staging|acme\/staging\/kv-gateway has no manifest/);
  });

  test('plan, promote, adopt and builds refuse alike, and say how the manifest is seen again', async () => {
    rmSync(manifest());
    for (const command of ['plan', 'promote']) {
      const sure = command === 'promote' ? SURE : [];
      const refused = resultOf(await site.run([command, ...PRODUCTION, '--build', GREEN.guid, ...sure, '--json']));
      expect(refused, command).toMatchObject({ code: 'SCOPE_UNSEEN', exitCode: 3 });
      expect(refused.message).toContain('acme/staging/kv-gateway has no manifest');
      expect(refused.hint).toMatch(/releases\/acme\/staging\/kv-gateway\.yaml; .*builds: \[\].*manifest: none/);
      expect(refused.places).toEqual([expect.objectContaining({ file: 'kvdeploy.config.yaml', line: expect.any(Number) })]);
    }
    const listed = await site.run(['builds', ...PRODUCTION, '--json']);
    expect(listed.stdout).toMatch(new RegExp(`${GREEN.guid}[^}]*"state":"refused"[^}]*SCOPE_UNSEEN`));
    expect(resultOf(withoutManifest)).toMatchObject({ code: 'SCOPE_UNSEEN', exitCode: 3, command: 'adopt' });
  });

  test('an unprotected environment goes on, and calls it not verified, never a pass', async () => {
    renameSync(manifest(), `${manifest()}.old`);
    const answer = await site.run(['plan', ...IN_GLOBEX, '--build', GLOBEX.green.guid, '--json']);
    expect(resultOf(answer)).toMatchObject({ ok: true, exitCode: 0 });
    for (const name of ['no other scope has the build', 'every other scope was looked at'])
      expect(sayOf(answer, name)).toMatchObject({ ok: null, message: expect.stringContaining('kv-gateway.yaml.old') });
    const shown = await site.run(['plan', ...IN_GLOBEX, '--build', GLOBEX.green.guid]);
    expect(shown.stdout + shown.stderr).not.toMatch(/✔ no other scope has the build/);
    expect(shown.stdout).toMatch(/other scopes are checked\s+engineering\s+NOT VERIFIED/);
  });

  test('a rollback is not refused for a manifest of another scope that is missing', async () => {
    rmSync(manifest());
    const answer = await site.run(['rollback', ...PRODUCTION, ...SURE, '--json']);
    expect(resultOf(answer)).toMatchObject({ code: 'KNOWN_GOOD_SERVES' });
    expect(sayOf(answer, 'no other scope has the build')?.ok).toBeNull();
  });
});

describe('the ledger of another scope goes out of sight', () => {
  /** The ledger of acme/production has read that of globex when it promoted GREEN. */
  const readBefore = async () => {
    expect(resultOf(await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json']))).toMatchObject({
      ok: true,
    });
  };
  const nextBuild = () => site.run(['plan', ...PRODUCTION, '--build', AMBER.guid, '--json']);

  test('a ledger that was read before and is damaged, gone or a link refuses, until its scope leaves the config', async () => {
    await readBefore();
    site.keep('read-before');
    const losses: Readonly<Record<string, () => void>> = {
      'is damaged': () => damage(ledger('globex')),
      'was read before, is not there': () => rmSync(join(site.stateDir, 'globex'), { recursive: true }),
      'is a symlink': () => {
        renameSync(join(site.stateDir, 'globex'), join(site.folder, 'globex-state'));
        symlinkSync(join(site.folder, 'globex-state'), join(site.stateDir, 'globex'));
      },
    };
    for (const [how, lose] of Object.entries(losses)) {
      await site.restore('read-before');
      lose();
      const answer = await nextBuild();
      expect(resultOf(answer), how).toMatchObject({ code: 'SCOPE_UNSEEN', exitCode: 3 });
      expect(resultOf(answer).hint).toMatch(/Restore that ledger.*remove it from the config/);
      expect(sayOf(answer, 'no other scope has the build'), how).toMatchObject({
        ok: null,
        message: expect.stringContaining(how),
      });
    }
    const config = join(site.checkout, 'kvdeploy.config.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').split('  globex:')[0] ?? '');
    const after = await nextBuild();
    expect(resultOf(after)).toMatchObject({ ok: true });
    expect(sayOf(after, 'no other scope has the build')?.ok).toBeNull();
  });

  test('a ledger that was never read before and cannot be read is not verified, and refuses nothing', async () => {
    await site.restore('never-read');
    chmodSync(join(site.stateDir, 'umbrella'), 0o777);
    const answer = await site.run(['plan', ...PRODUCTION, '--build', GREEN.guid, '--json']);
    expect(resultOf(answer)).toMatchObject({ ok: true });
    expect(sayOf(answer, 'no other scope has the build')).toMatchObject({
      ok: null,
      message: expect.stringMatching(/umbrella.*globex/),
    });
  });
});

describe('what is fine', () => {
  const plan = () => site.run(['plan', ...PRODUCTION, '--build', GREEN.guid, '--json']);

  test('a scope with manifest: none in the config is not verified, and does not refuse', async () => {
    rmSync(manifest());
    const config = join(site.checkout, 'kvdeploy.config.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace('kv-gateway:\n', 'kv-gateway:\n            manifest: none\n'));
    const answer = await plan();
    expect(resultOf(answer)).toMatchObject({ ok: true, exitCode: 0 });
    expect(sayOf(answer, 'no other scope has the build')).toMatchObject({
      ok: null,
      message: 'acme/staging/kv-gateway has manifest: none',
    });
    expect((await site.run(['validate'])).exitCode).toBe(0);
  });

  test('a manifest with builds: [], hidden files, texts and a licence are no finding', async () => {
    writeFileSync(manifest(), readFileSync(manifest(), 'utf8').replace(/builds:[\s\S]*/, 'builds: []\n'));
    for (const name of ['README.md', 'LICENSE', '.gitkeep', 'notes.txt'])
      writeFileSync(join(site.checkout, 'releases', name), 'Some say that kind is a key of a ReleaseManifest.\n');
    symlinkSync('README.md', join(site.checkout, 'releases/CHANGES.md'));
    const answer = await plan();
    expect(resultOf(answer)).toMatchObject({ ok: true, exitCode: 0 });
    expect(sayOf(answer, 'no other scope has the build')).toMatchObject({ ok: true });
    expect((await site.run(['validate'])).exitCode).toBe(0);
  });
});
