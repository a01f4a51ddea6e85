/** A config that someone else could have written: whose is used, and which programs run where a person only looks. */
import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isRoot } from '../as-root.ts';
import { etcWith, onMachine } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import { GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { CliAnswer } from './run-cli.ts';

const STRANGER = 40_001;
let site: LocalSite;
const config = () => join(site.checkout, 'kvdeploy.config.yaml');
const ran = () => join(site.folder, 'ran');
const plan = (...more: readonly string[]) => ['plan', ...PRODUCTION, '--build', GREEN.guid, '--json', ...more];
const mounts = mayMount('the machine file of a config');

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
});
afterAll(() => site.close());
beforeEach(() => {
  site.writeConfig();
  rmSync(ran(), { force: true });
});

describe('a config or checkout of another account', () => {
  const strange = () => [config(), site.checkout, join(site.checkout, 'releases'), join(site.checkout, '.git')];
  afterEach(() => {
    if (process.getuid?.() === 0) for (const path of strange()) chownSync(path, 0, 0);
  });

  test('a config that was found, whose file, folder, manifests or .git is a stranger’s, is refused, and named it is used', async () => {
    if (!isRoot('a config of another user')) return;
    for (const path of strange()) {
      chownSync(path, STRANGER, STRANGER);
      const refused = resultOf(await site.run(plan()));
      expect(refused, path).toMatchObject({ code: 'CONFIG_NOT_OURS', exitCode: 3 });
      expect(refused.message).toContain(`${path} belongs to user ${STRANGER}`);
      expect(refused.hint).toContain(`--config ${config()}`);
      chownSync(path, 0, 0);
    }
    for (const path of strange()) chownSync(path, STRANGER, STRANGER);
    expect(resultOf(await site.run(plan('--config', config())))).toMatchObject({ ok: true });
    expect(resultOf(await site.run(plan(), { env: { SUDO_UID: String(STRANGER) } }))).toMatchObject({ ok: true });
    expect((await site.run(['validate'])).exitCode).toBe(0);
    const back = await site.run(['rollback', ...PRODUCTION, ...SURE, '--state-dir', site.stateDir, '--json']);
    expect(resultOf(back)).toMatchObject({ code: 'KNOWN_GOOD_SERVES' });
  });

  test('a config of an account that the machine file lists under configOwners is used', async () => {
    if (!mounts || !isRoot('a config of another user')) return;
    for (const path of strange()) chownSync(path, STRANGER, STRANGER);
    const via = (owners: readonly number[]) => ({ via: onMachine(etcWith({ configOwners: owners })) });
    expect(resultOf(await site.run(plan(), via([STRANGER])))).toMatchObject({ ok: true });
    expect(resultOf(await site.run(plan(), via([STRANGER + 1])))).toMatchObject({ code: 'CONFIG_NOT_OURS' });
  });
});

describe('a program that a config names', () => {
  const argv = (file: string) => [
    '/bin/sh',
    '-c',
    `echo >> ${file}; echo '{"targets":{"a":{"slices":{"":{"requests":9,"errors":0}}}}}'`,
    '${build}',
  ];
  const sayOf = ({ json }: CliAnswer, name: string) => json.find((line) => line.type === 'check' && line.name.endsWith(name));
  beforeEach(() => {
    const gate = { name: 'counted', source: 'command', argv: argv(ran()), max: '10%', minRequests: 5 };
    writeFileSync(config(), readFileSync(config(), 'utf8').replaceAll(/gates: .*/g, `gates: [${JSON.stringify(gate)}]`));
  });

  test('plan, doctor and validate run no program, and plan calls its gate not verified', async () => {
    const planned = await site.run(plan());
    expect(resultOf(planned)).toMatchObject({ ok: true, exitCode: 0 });
    expect(sayOf(planned, 'every gate has data for the build currently serving')).toMatchObject({
      ok: null,
      message: expect.stringMatching(/gate counted runs a program .*--run-programs/),
    });
    const checked = await site.run(['doctor', ...PRODUCTION, '--json']);
    expect(sayOf(checked, 'gate counted')).toMatchObject({ ok: null, message: expect.stringContaining('not verified') });
    expect((await site.run(['validate', '--run-programs'])).exitCode).toBe(0);
    const written = resultOf(await site.run(plan('--out', join(site.folder, 'plan.json'))));
    expect(written).toMatchObject({ code: 'USAGE', hint: expect.stringContaining('--run-programs') });
    expect(existsSync(ran())).toBe(false);
  });

  test('a gate that compares by a program is not verified either, and its program does not run', async () => {
    const gate = { name: 'counted', source: 'command', argv: argv(ran()) };
    writeFileSync(config(), readFileSync(config(), 'utf8').replaceAll(/gates: .*/g, `gates: [${JSON.stringify(gate)}]`));
    const planned = await site.run(plan());
    expect(resultOf(planned)).toMatchObject({ ok: true, exitCode: 0 });
    expect(sayOf(planned, 'every gate has data for the build currently serving')).toMatchObject({ ok: null });
    expect(existsSync(ran())).toBe(false);
  });

  test('a program runs with --run-programs, and for promote, which a person asked for', async () => {
    const planned = await site.run(plan('--run-programs'));
    expect(sayOf(planned, 'every gate has data for the build currently serving')).toMatchObject({ ok: true });
    expect(existsSync(ran())).toBe(true);
    rmSync(ran());
    await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, '--confirm', 'nowhere']);
    expect(existsSync(ran())).toBe(true);
  });

  test('a program runs where the machine file lists exactly its argv', async () => {
    if (!mounts) return;
    const via = (programs: readonly (readonly string[])[]) => ({ via: onMachine(etcWith({ programs })) });
    await site.run(plan(), via([argv(ran()).slice(0, 3)]));
    expect(existsSync(ran())).toBe(false);
    const planned = await site.run(plan(), via([argv(ran())]));
    expect(sayOf(planned, 'every gate has data for the build currently serving')).toMatchObject({ ok: true });
    expect(existsSync(ran())).toBe(true);
  });
});
