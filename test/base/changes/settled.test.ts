/** Checks that ask more than once, checks by a program, and tables with many rows that are to be alike. */
import { describe, expect, it } from 'vitest';
import type { HttpCheck, Outside, RunCheck, TableCheck } from '../../../src/base/changes/change.ts';
import { check } from '../../../src/base/changes/checks.ts';
import { type IdentityCheck, identify } from '../../../src/base/changes/identity.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { httpServer } from '../../break-glass/scene.ts';

const SETTLED = { kind: 'http', url: 'http://10.0.0.1/', header: 'x-conf', equals: 'new', timeoutMs: 1000 } as const;

/** A clock that stands still but for sleeps and answers, each of which takes `answerMs`; `said` is what each answer says. */
function told(said: (at: number) => string, answerMs = 1) {
  let now = 0;
  const askedAt: number[] = [];
  const outside = {
    monotonic: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
    http: async ({ timeoutMs }: { timeoutMs: number }) => {
      askedAt.push(now);
      if (answerMs > timeoutMs) throw new Error(`no answer within ${timeoutMs} ms`);
      now += answerMs;
      return { status: 200, headers: { 'x-conf': said(askedAt.length) }, body: '' };
    },
  } as unknown as Outside;
  return { outside, askedAt };
}

describe('a settled check', () => {
  const wanted = (over: Partial<HttpCheck>): HttpCheck => ({ ...SETTLED, ...over });

  it('a settled check wants so many answers in a row, the last so long after the first', async () => {
    const { outside, askedAt } = told(() => 'new');
    expect(await check(wanted({ times: 5, settleMs: 2000 }), outside)).toEqual({ ok: true });
    expect(askedAt).toHaveLength(5);
    expect((askedAt[4] ?? 0) - (askedAt[0] ?? 0)).toBeGreaterThanOrEqual(2000);
  });

  it('a settled check with no number of answers asks again at the end of its time', async () => {
    const { outside, askedAt } = told((at) => (at === 1 ? 'new' : 'old'));
    expect(await check(wanted({ settleMs: 2000 }), outside)).toMatchObject({ ok: false });
    expect(askedAt).toHaveLength(2);
  });

  it.each([1, 4, 5])('a settled check fails at answer %i of five that is another', async (other) => {
    const { outside, askedAt } = told((at) => (at === other ? 'old' : 'new'));
    expect(await check(wanted({ times: 5 }), outside)).toEqual({ ok: false, why: expect.stringContaining('returned old') });
    expect(askedAt).toHaveLength(other);
  });

  it('a settled check ends at its deadline however slow each answer is, and is then unknown', async () => {
    const { outside, askedAt } = told(() => 'new', 300);
    expect(await check(wanted({ times: 1000, settleMs: 500 }), outside)).toHaveProperty('unknown');
    expect(askedAt.length).toBeLessThan(10);
  });

  it('a settled check uses a fresh connection for every answer', async () => {
    const ports = new Set<unknown>();
    const server = await httpServer(() => ({ headers: { 'x-conf': 'new' } }));
    const watching: Outside = {
      ...nodeOutside,
      http: async (request, allowed) => {
        const answer = await nodeOutside.http(request, allowed);
        ports.add(server.requests.length);
        return answer;
      },
    };
    expect(await check(wanted({ url: server.url, times: 4, timeoutMs: 5000 }), watching)).toEqual({ ok: true });
    expect(server.requests.map(({ headers }) => headers['connection'])).toEqual(new Array(4).fill('close'));
    expect(ports.size).toBe(4);
    await server.close();
  });
});

describe('a program that looks', () => {
  const looks = (script: string, over: object = {}): RunCheck => ({
    kind: 'run',
    argv: [process.execPath, '-e', script],
    json: ['build', 'id'],
    equals: 'abc',
    timeoutMs: 10_000,
    ...over,
  });
  const prints = (value: unknown) => `console.log(${JSON.stringify(JSON.stringify(value))})`;

  it('a program check wants the text at its place in the JSON that is printed', async () => {
    expect(await check(looks(prints({ build: { id: 'abc' } })), nodeOutside)).toEqual({ ok: true });
    expect(await check(looks(prints({ build: { id: 'xyz' } })), nodeOutside)).toMatchObject({
      ok: false,
      why: expect.stringContaining('returned xyz in build.id'),
    });
  });

  it.each([
    ['prints nothing', ''],
    ['prints no JSON', 'console.log("abc")'],
    ['says it elsewhere', prints({ id: 'abc' })],
    ['says it and fails', `${prints({ build: { id: 'abc' } })}; process.exitCode = 3`],
    ['does not end', 'setInterval(() => {}, 1000)'],
  ])('a program check is unknown where the program %s', async (_how, script) => {
    const timeoutMs = script.startsWith('setInterval') ? 500 : 10_000;
    expect(await check(looks(script, { timeoutMs }), nodeOutside)).toHaveProperty('unknown');
  });

  it('a program hears its input to the end, and one that reads none is judged by its exit code', async () => {
    const echo = 'process.stdin.pipe(process.stdout)';
    const stdin = JSON.stringify({ build: { id: 'abc', rest: 'x'.repeat(200_000) } });
    expect(await check(looks(echo, { stdin }), nodeOutside)).toEqual({ ok: true });
    expect(await check(looks(prints({ build: { id: 'abc' } }), { stdin }), nodeOutside)).toEqual({ ok: true });
  });

  it('a program tells the identity of a member, and one that fails is no word about the build', async () => {
    const said = { build: { id: 'abc' }, env: 'production' };
    const member = (script: string): IdentityCheck => ({
      ...looks(script),
      exact: true,
      environment: { json: ['env'], equals: 'production' },
    });
    expect(await identify(member(prints(said)), nodeOutside)).toEqual({ kind: 'right' });
    expect(await identify(member(prints({ ...said, env: 'staging' })), nodeOutside)).toMatchObject({ kind: 'gone' });
    expect(await identify(member(prints({ build: { id: 'ABC' } })), nodeOutside)).toMatchObject({ kind: 'gone' });
    expect(await identify(member(prints({ build: { id: 'abc' } })), nodeOutside)).toMatchObject({ kind: 'silent' });
    expect(await identify(member('process.exit(1)'), nodeOutside)).toMatchObject({ kind: 'silent' });
    expect(await identify(member('console.log("{}")'), nodeOutside)).toMatchObject({ kind: 'silent' });
  });
});

describe('a table in groups', () => {
  const table = (lines: readonly string[]) =>
    `1\n# be_name srv_name weight state\n${lines.map((line) => `gw ${line}\n`).join('')}`;
  const wanted: TableCheck = {
    kind: 'table',
    address: '/run/haproxy.sock',
    command: 'show',
    separator: ' ',
    where: { be_name: 'gw' },
    key: 'srv_name',
    rows: { b1: { weight: ['0'] } },
    groups: [
      { keys: ['g1', 'g2'], columns: { weight: ['256'], state: { none: 1 } } },
      { keys: ['b2', 'b3'], columns: { weight: ['0'] } },
    ],
    others: [{ weight: ['0'] }],
    timeoutMs: 100,
  };
  const read = (lines: readonly string[]) => check(wanted, { socket: async () => table(lines) } as unknown as Outside);
  const good = ['g1 256 0', 'g2 256 0', 'b1 0 1', 'b2 0 1', 'b3 0 1'];

  it('a table wants each row of a group as its columns say, and every row of it', async () => {
    expect(await read(good)).toEqual({ ok: true });
    expect(await read(good.filter((line) => !line.startsWith('g2')))).toMatchObject({
      why: expect.stringContaining('has no g2'),
    });
    expect(await read(good.with(1, 'g2 256 1'))).toMatchObject({ why: expect.stringContaining('g2 has state 1') });
    expect(await read(good.with(4, 'b3 1 1'))).toMatchObject({ why: expect.stringContaining('b3 has weight 1') });
    expect(await read([...good, 'x 1 0'])).toMatchObject({ why: expect.stringContaining('unknown member x') });
  });
});
