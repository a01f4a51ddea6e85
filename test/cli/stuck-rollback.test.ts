import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const pointer = () => join(site.stateDir, 'acme/production/kv-gateway/pointer');

async function result(args: readonly string[]) {
  return resultOf(await site.run([...args, '--json']));
}

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  expect(await result(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE])).toMatchObject({ ok: true });
  // Long enough asked for its GUID that the kill comes between the shift and its read-back.
  site.backend('production', 'blue').setDelayMs(1000);
  const first = site.start(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE, '--json']);
  await first.waitFor(/"phase":"converging"/);
  first.signal('SIGKILL');
  await first.ended;
  site.backend('production', 'blue').setDelayMs(0);
  site.keep('killed');
});
afterAll(() => site.close());
beforeEach(() => site.restore('killed'));

/** The newest generation of the pointer. */
function newest(): string {
  const names = readdirSync(pointer()).filter((name) => name.startsWith('ptr.'));
  return join(pointer(), names.toSorted().at(-1) ?? '');
}

/** Runs what was printed, as someone would who pastes it. */
function pasted(command: string | undefined) {
  return site.shell(`${command?.replace('"…"', "'following what was printed'")} --confirm production`);
}

const onBlue = async () => [await site.percent('production', 'blue'), await site.percent('production', 'green')];

describe('a rollback that was stopped in its middle', () => {
  test('the command that an aborted rollback prints leads to its target, which the pointer names', async () => {
    const stuck = await result(['abort', ...PRODUCTION]);
    expect(stuck).toMatchObject({ code: 'STUCK', exitCode: 5 });
    expect(JSON.parse(readFileSync(newest(), 'utf8').split('\n')[0] ?? '')).toMatchObject({
      formatVersion: 2,
      why: 'before-rollback',
      knownGood: { build: { guid: BLUE.guid } },
    });
    expect(stuck.next).toEqual([stuck.hint]);
    expect(await pasted(stuck.next[0])).toMatchObject({ exitCode: 0 });
    expect(await onBlue()).toEqual([100, 0]);
  });

  test('the printed emergency command says --to where the pointer names the build that is left', async () => {
    unlinkSync(newest());
    const stuck = await result(['abort', ...PRODUCTION]);
    const status = await result(['status', ...PRODUCTION]);
    for (const printed of [stuck.next[0], status.next[1]])
      expect(printed).toMatch(new RegExp(`^node .* --to ${BLUE.guid} --reason`));
    expect(await pasted(stuck.next[0])).toMatchObject({ exitCode: 0 });
    expect(await onBlue()).toEqual([100, 0]);
  });

  test('break-glass in the middle of a rollback goes to its target, without being told which', async () => {
    const program = `node ${join(pointer(), 'break-glass.mjs')} ${PRODUCTION.join(' ')} --reason "…"`;
    expect(await pasted(program)).toMatchObject({ exitCode: 0 });
    expect(await onBlue()).toEqual([100, 0]);
  });

  test('the printed command under a hold leads to the build that the rescue named', async () => {
    const to = ['--to', GREEN.guid, '--reason', 'blue is worse than green', ...SURE];
    expect(await result(['rollback', '--break-glass', ...PRODUCTION, ...to])).toMatchObject({ ok: true });
    const { next } = await result(['status', ...PRODUCTION]);
    expect(next[1]).toMatch(new RegExp(`^node .* --to ${GREEN.guid} --reason`));
  });

  test('a plain rollback after a stuck one goes on to its target, never back to the build that it left', async () => {
    expect(await result(['abort', ...PRODUCTION])).toMatchObject({ code: 'STUCK' });
    const plain = await result(['rollback', ...PRODUCTION, ...SURE]);
    expect(await onBlue()).toEqual([100, 0]);
    expect(plain.message).not.toContain(GREEN.guid.slice(0, 8));
  });

  test('a pointer that names the target of a stuck rollback verifies, and is rendered for that build again', async () => {
    expect(await result(['abort', ...PRODUCTION])).toMatchObject({ code: 'STUCK' });
    expect(await result(['pointer', 'verify', ...PRODUCTION])).toMatchObject({ ok: true });
    unlinkSync(newest());
    expect(await result(['pointer', 'verify', ...PRODUCTION])).toMatchObject({ code: 'POINTER_STALE' });
    expect(await result(['pointer', 'verify', '--renew', ...PRODUCTION])).toMatchObject({ ok: true });
    expect(JSON.parse(readFileSync(newest(), 'utf8').split('\n')[0] ?? '')).toMatchObject({
      knownGood: { build: { guid: BLUE.guid } },
    });
  });
});
