/** A state that a group shares: what everyday commands refuse first, so that nothing is missing in an emergency. */
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { onMachineWith } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const may = mayMount('a machine file');
const pointerDir = () => join(site.stateDir, 'acme/production/kv-gateway/pointer');
const SHARED = { stateGroup: 'games' };

beforeAll(async () => {
  site = await openLocalSite(['production']);
  site.keep('empty');
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  site.keep('own');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig();
  await site.restore('own');
});

const onMachine = (machine: string, args: readonly string[]) => site.shell(onMachineWith(machine, args));

describe('a state that a group shares', () => {
  test('adopt, plan, promote and doctor refuse what the machine file does not name, and print the stanza', async () => {
    site.writeConfig(SHARED);
    for (const args of [
      ['plan', '--build', GREEN.guid],
      ['promote', '--build', GREEN.guid, ...SURE],
    ]) {
      const [command = '', ...rest] = args;
      const answer = await site.run([command, ...PRODUCTION, ...rest, '--json']);
      expect(resultOf(answer), command).toMatchObject({
        code: 'TARGET_NOT_ALLOWED',
        exitCode: 3,
        message: expect.stringContaining('group games can write the state of acme/production/kv-gateway'),
        hint: expect.stringContaining(`"files": ["${site.routes('production')}"]`),
      });
    }
    const doctor = await site.run(['doctor', ...PRODUCTION]);
    expect(doctor).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/FAIL +machine file +TARGET_NOT_ALLOWED/) });
    await site.restore('empty');
    const adopted = await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']);
    expect(resultOf(adopted)).toMatchObject({ code: 'TARGET_NOT_ALLOWED', exitCode: 3 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('the stanza that a refusal prints lets the same promotion, and the rescue after it, go on', async () => {
    if (!may) return;
    await site.restore('empty');
    site.writeConfig(SHARED);
    const refused = resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']));
    const printed = /Add to \S+: (\{.*\})$/.exec(refused.hint ?? '')?.[1] ?? '';
    const adopted = await onMachine(printed, ['adopt', ...PRODUCTION, ...SURE]);
    expect(adopted, adopted.stderr).toMatchObject({ exitCode: 0 });
    const promoted = await onMachine(printed, ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE]);
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 });
    const reason = ['--reason', 'sign-in is down', '--to', BLUE.guid, '--state-dir', site.stateDir];
    const rescued = await onMachine(printed, ['rollback', '--break-glass', ...PRODUCTION, ...reason, ...SURE]);
    expect(rescued, rescued.stderr).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});

describe('what a stranger plants', () => {
  test('a generation that jumps ahead is named, and bricks no later promotion', async () => {
    const planted = join(pointerDir(), 'ptr.999999999999');
    writeFileSync(planted, readFileSync(join(pointerDir(), 'ptr.000000000001')), { mode: 0o600 });
    const answer = await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json']);
    expect(resultOf(answer), answer.stderr).toMatchObject({ ok: true });
    expect(readdirSync(pointerDir()).filter((name) => /^ptr\.0000000000/.test(name)).length).toBeGreaterThan(1);
    const shown = await site.run(['pointer', 'show', ...PRODUCTION]);
    expect(`${shown.stdout}${shown.stderr}`).toContain('jumps far ahead');
  });

  test('a program next to the pointer that any user can write is named by doctor, and not run', async () => {
    chmodSync(join(pointerDir(), 'break-glass.mjs'), 0o666);
    expect((await site.run(['doctor', ...PRODUCTION])).stdout).toMatch(
      /warn +pointer +\S*break-glass\.mjs: any user can write to it/,
    );
    expect(await site.run(['doctor', '--break-glass', ...PRODUCTION])).toMatchObject({ exitCode: 3 });
  });

  test('the rehearsal never runs a program that is not the installed one, and names it', async () => {
    const ran = join(site.folder, 'ran');
    const program = join(pointerDir(), 'break-glass.mjs');
    appendFileSync(program, `\n;(await import('node:fs')).writeFileSync(${JSON.stringify(ran)}, '');\n`);
    const answer = await site.run(['doctor', '--break-glass', ...PRODUCTION]);
    expect(answer).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/FAIL +rescue +.*break-glass\.mjs .*TAMPERING/) });
    expect(existsSync(ran)).toBe(false);
    writeFileSync(program, '#!/usr/bin/env node\nthrow new Error("planted")\n');
    expect((await site.run(['doctor', '--break-glass', ...PRODUCTION])).stdout).not.toContain('planted');
  });
});
