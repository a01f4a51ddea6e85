import fs from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { actorOf } from '../../src/base/owners/actor.ts';
import { until } from '../servers/program.ts';
import { AMBER, BLUE, GLOBEX, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, pasted, resultOf } from './local-site.ts';

let site: LocalSite;
const promote = (guid: string, ...more: readonly string[]) => ['promote', ...PRODUCTION, '--build', guid, ...SURE, ...more];

async function result(args: readonly string[]) {
  return resultOf(await site.run([...args, '--json']));
}

/** A promotion of `guid` that is baking at 25 % for a minute, in a process of its own. */
async function baking(guid: string) {
  site.writeConfig({ bakeMs: 60_000 });
  const running = site.start([...promote(guid), '--json']);
  await running.waitFor(/"phase":"baking"/);
  return running;
}

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
  expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig();
  site.backend('production', 'amber').setStatus(200);
  await site.restore('adopted');
});

describe('Ctrl-C at a real terminal', () => {
  beforeEach(() => site.writeConfig({ bakeMs: 3000 }));
  const BAKING = /at 25 %|25 %.*(?:baking|waiting|watched)|baking/s;

  test('one Ctrl-C begins no further step and says what is true; a second one leaves with 130', async () => {
    const keys = [
      { waitFor: BAKING, type: '\u0003' },
      { waitFor: /paused: .*25 %[\s\S]*a person/, type: '\u0003' },
    ];
    const { exitCode, screen } = await site.atTerminal(promote(GREEN.guid), { keys, columns: 160 });
    expect({ exitCode, screen }).toMatchObject({
      exitCode: 130,
      screen: expect.stringMatching(
        /the gates are still watched[\s\S]*INTERRUPTED[\s\S]*No one is watching[\s\S]*kvdeploy resume/,
      ),
    });
    expect(await site.percent('production', 'green')).toBe(25);
    expect(await result(['resume', ...PRODUCTION])).toMatchObject({
      ok: true,
      traffic: { split: [{ build: GREEN.guid, percent: 100 }] },
    });
  });

  test('a gate that fails after one Ctrl-C still reverts', async () => {
    const keys = [{ waitFor: BAKING, type: '\u0003' }];
    const ended = site.atTerminal(promote(AMBER.guid), { keys, columns: 160 });
    const at25 = async () => (await site.percent('production', 'amber')) === 25;
    await until('the first step', async () => ((await at25()) ? true : undefined), 10_000);
    // Longer than the bake: without the hold it would have gone on.
    const later = performance.now() + 4500;
    await until('the bake to be over', () => (performance.now() > later ? true : undefined), 10_000);
    expect(await at25()).toBe(true);
    site.backend('production', 'amber').setStatus(500);
    const { exitCode, screen } = await ended;
    expect({ exitCode, screen }).toMatchObject({ exitCode: 4, screen: expect.stringMatching(/paused: [\s\S]*REVERTED/) });
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});

describe('leaving and coming back', () => {
  test('--until stops after its step with 0, says that no one is watching, and resume goes on', async () => {
    const left = await result(promote(GREEN.guid, '--until', '25'));
    expect(left).toMatchObject({
      exitCode: 0,
      code: null,
      message: expect.stringContaining('No one is watching'),
      next: [expect.stringContaining('kvdeploy resume'), expect.stringContaining('kvdeploy abort')],
    });
    expect(await site.percent('production', 'green')).toBe(25);
    const beside = await result(promote(AMBER.guid));
    expect(beside).toMatchObject({ code: 'UNFINISHED', exitCode: 6 });
    expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ code: 'UNFINISHED', exitCode: 6 });
    expect(await result(['plan', ...PRODUCTION, '--build', AMBER.guid])).toMatchObject({ code: 'UNFINISHED', exitCode: 6 });
    expect(await result(promote(GLOBEX.blue.guid))).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
    expect(await result(pasted(left.next[0] ?? ''))).toMatchObject({
      ok: true,
      traffic: { split: [{ build: GREEN.guid, percent: 100 }] },
    });
  });

  test('--max-wait leaves with 75 as often as it takes, and short CI steps get there', async () => {
    site.writeConfig({ bakeMs: 900 });
    const codes: (string | null)[] = [(await result(promote(GREEN.guid, '--max-wait', '300ms'))).code];
    while (codes.at(-1) === 'STILL_BAKING' && codes.length < 6)
      codes.push((await result(['resume', ...PRODUCTION, '--max-wait', codes.length < 2 ? '300ms' : '15s'])).code);
    expect(codes).toEqual(['STILL_BAKING', 'STILL_BAKING', null]);
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test('resume refuses another target than the plan has, and offers abort', async () => {
    await result(promote(GREEN.guid, '--until', '25'));
    const there = await site.shell(
      `sed '/routes-production/s/"127.0.0.1:[0-9]*"/"127.0.0.1:9"/' kvdeploy.config.yaml > other.yaml && kvdeploy resume ${PRODUCTION.join(' ')} --config other.yaml`,
    );
    expect(there).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/TARGET_CHANGED.*listen was[\s\S]*kvdeploy abort/),
    });
    expect(await result(['abort', ...PRODUCTION])).toMatchObject({ ok: true });
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});

describe('two runners', () => {
  test('the second of two runners is told who leads, where, since when; and moves nothing', async () => {
    const first = await baking(GREEN.guid);
    for (const args of [promote(AMBER.guid), promote(GREEN.guid), ['resume', ...PRODUCTION], ['adopt', ...PRODUCTION, ...SURE]]) {
      const second = await result(args);
      expect(second).toMatchObject({
        code: 'BUSY',
        exitCode: 6,
        hint: expect.stringMatching(/kvdeploy status --env production --tenant acme/),
      });
      expect(second.message).toContain(
        `${actorOf(fs)} leads acme/production/kv-gateway with promote on ${hostname()} (pid ${first.process.pid}) since 20`,
      );
    }
    expect(await site.percent('production', 'green')).toBe(25);
    const aborted = await result(['abort', ...PRODUCTION, '--reason', 'enough']);
    expect(aborted).toMatchObject({ ok: true, exitCode: 0, traffic: { split: [{ build: BLUE.guid, percent: 100 }] } });
    expect(resultOf(await first.ended)).toMatchObject({ code: 'ABORTED', exitCode: 4 });
  });

  test('a rollback during a rollout makes its leader roll back', async () => {
    const first = await baking(GREEN.guid);
    expect(await result(['rollback', ...PRODUCTION, ...SURE])).toMatchObject({
      ok: true,
      traffic: { split: [{ build: BLUE.guid, percent: 100 }] },
    });
    expect(resultOf(await first.ended)).toMatchObject({ exitCode: 4 });
  });

  test('a leader that is frozen is ended, and traffic is rolled back', async () => {
    const first = await baking(GREEN.guid);
    first.signal('SIGSTOP');
    expect(await result(['rollback', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
    expect((await first.ended).exitCode).toBe(137);
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});

describe('kill -9 in the middle', () => {
  test('resume goes on where a runner was killed with -9', async () => {
    const first = await baking(GREEN.guid);
    first.signal('SIGKILL');
    await first.ended;
    expect((await site.run(['status', ...PRODUCTION])).stdout).toMatch(
      /leader .*, but that process is gone[\s\S]*next {5}kvdeploy resume/,
    );
    expect(await result(promote(AMBER.guid))).toMatchObject({ code: 'UNFINISHED', exitCode: 6 });
    const resumed = site.start(['resume', ...PRODUCTION, '--json', '--max-wait', '1s']);
    expect(resultOf(await resumed.ended)).toMatchObject({ code: 'STILL_BAKING' });
    expect(await result(['abort', ...PRODUCTION])).toMatchObject({ ok: true });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('rollback works after a runner was killed with -9', async () => {
    const first = await baking(GREEN.guid);
    first.signal('SIGKILL');
    await first.ended;
    expect(await result(['rollback', ...PRODUCTION, ...SURE])).toMatchObject({
      ok: true,
      traffic: { split: [{ build: BLUE.guid, percent: 100 }] },
    });
  });

  test('a rollback killed with -9 is finished by running it again, and never returns to the build it was leaving', async () => {
    await site.restore('promoted');
    // Long enough asked for its GUID that the kill comes between the shift and its read-back.
    site.backend('production', 'blue').setDelayMs(1000);
    const first = site.start(['rollback', ...PRODUCTION, '--to', BLUE.guid, '--bad', ...SURE, '--json']);
    await first.waitFor(/"phase":"converging"/);
    first.signal('SIGKILL');
    await first.ended;
    site.backend('production', 'blue').setDelayMs(0);
    expect(await result(['rollback', ...PRODUCTION, '--bad', ...SURE])).toMatchObject({
      ok: true,
      traffic: { split: [{ build: BLUE.guid, percent: 100 }] },
    });
    expect(await result(['rollback', ...PRODUCTION, '--to', GREEN.guid, ...SURE])).toMatchObject({ code: 'BAD_BUILD' });
  });
});
