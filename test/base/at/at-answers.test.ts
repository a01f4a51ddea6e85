/** A host, or whatever is there in its place, that answers as it should not: nothing of it is believed, and every reason names the location. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elsewhereBy } from '../../../src/base/at/at-ssh.ts';
import type { Elsewhere } from '../../../src/base/changes/change.ts';
import { check } from '../../../src/base/changes/checks.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { freshFolder } from '../../fresh-folder.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'web' };

/** Stands in for ssh on PATH: what it does is a file of JavaScript that `-p` names the folder of. */
const SSH = `#!${process.execPath}
const { readFileSync, appendFileSync } = require('node:fs');
const file = process.argv[process.argv.indexOf('-i') + 1];
appendFileSync(file + '.starts', 'x');
const say = (reply) => process.stdout.write(JSON.stringify({ nowMs: performance.now(), ...reply }) + '\\n');
let count = 0;
const each = (does) => require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.deed.do === 'hello') say({ id: order.id, done: true });
  else does(order, count += 1);
}).on('close', () => process.exit(0));
eval(readFileSync(file, 'utf8'));
`;

const WRITE = { kind: 'write-file', path: '/etc/x', content: 'x', at: 'n2' } as const;

const FILE = { kind: 'file', path: '/etc/x', content: 'x', at: 'n2' } as const;

const always = () => undefined;

describe('a host that answers as it should not', () => {
  const path = process.env['PATH'];
  const bin = freshFolder();
  beforeAll(() => {
    writeFileSync(join(bin, 'ssh'), SSH, { mode: 0o755 });
    process.env['PATH'] = `${bin}:${path}`;
  });
  afterAll(() => {
    process.env['PATH'] = path;
  });

  /** A host whose ssh does this. */
  function hostThat(does: string) {
    const key = join(freshFolder(), 'does');
    writeFileSync(key, does);
    const elsewhere = elsewhereBy({ n2: { ssh: 'kv@10.0.0.2', key } }, SCOPE, 'rollout');
    const starts = () => (existsSync(`${key}.starts`) ? readFileSync(`${key}.starts`, 'utf8').length : 0);
    return { outside: { ...nodeOutside, elsewhere }, there: elsewhere('n2') as Elsewhere, starts, key };
  }
  const answering = (done: string) => hostThat(`each(({ id }) => say({ id, done: ${done} }))`);

  it.each(['false', 'null', '"true"', '{}', '[true]', '1'])('a change that is answered with %s was not made', async (done) => {
    await expect(make(WRITE, answering(done).outside, always)).rejects.toThrow(
      /^n2 answered nonsense; it is unknown whether the change was made: its answer must be true/,
    );
  });

  it.each([
    'true',
    'null',
    '{}',
    '{ ok: 1 }',
    '{ ok: false }',
    '{ ok: true, why: "x" }',
    '{ ok: true, rows: { serving: [], out: {} } }',
    '{ ok: true, rows: { serving: "a", out: [] } }',
    '{ ok: true, rows: { serving: [], out: [["a"]] } }',
    '{ unknown: 5 }',
    '"ok"',
  ])('a check that is answered with %s is unknown', async (done) => {
    expect(await check(FILE, answering(done).outside)).toEqual({ unknown: expect.stringContaining('n2 answered nonsense') });
  });

  it('members that are out of service come back by name from another host', async () => {
    const { outside } = answering('{ ok: true, rows: { serving: ["a"], out: [["b", "down"]] } }');
    const checked = await check(FILE, outside);
    expect(checked).toEqual({ ok: true, rows: { serving: ['a'], out: new Map([['b', 'down']]) } });
  });

  it.each([
    [{ do: 'hear', asked: { kind: 'http', url: 'http://a/', timeoutMs: 100 } }, '{ status: 1, headers: {}, body: "" }'],
    [{ do: 'hear', asked: { kind: 'http', url: 'http://a/', timeoutMs: 100 } }, '{ status: 200, headers: { a: 1 }, body: "" }'],
    [{ do: 'run', argv: ['/a'], timeoutMs: 100 }, '{ exitCode: null, stdout: "", stderr: "" }'],
    [{ do: 'read', path: '/a' }, '7'],
    [{ do: 'socket', address: '/a', line: 'show info', timeoutMs: 100 }, 'null'],
    [{ do: 'log', path: '/a', members: {} }, '{ counts: { a: { served: -1, byClass: {}, answers: 0, averageMs: 0 } } }'],
    [{ do: 'log', path: '/a', members: {} }, '{ counts: { a: { served: 1, byClass: {}, answers: 0, averageMs: null } } }'],
    [{ do: 'workers', pidFile: '/a', answered: [] }, '{ leaving: "no", youngestMs: null }'],
    [
      { do: 'question', question: { kind: 'run', argv: ['/a'], json: ['e'], timeoutMs: 100 }, own: 'a', others: [] },
      '{ kind: "yes" }',
    ],
  ] as const)('%j is not answered by %s', async (deed, done) => {
    await expect(answering(done).there.ask(deed as Parameters<Elsewhere['ask']>[0])).rejects.toThrow(/^n2 answered nonsense: /);
  });

  it.each([
    [
      'a greeting before the answers',
      `process.stdout.write('Welcome to n2\\n'); each(() => 0)`,
      /n2: it does not answer as kvdeploy, but: Welcome to n2/,
    ],
    [
      'an answer to another question',
      `each(({ id }) => say({ id: id + 1, done: true }))`,
      /n2: it answered what it was not asked/,
    ],
    [
      'an answer that comes twice',
      `each(({ id }) => { say({ id: id - 1, done: true }); say({ id, done: true }); })`,
      /n2: it answered what it was not asked/,
    ],
    [
      'a line without end',
      `setInterval(() => process.stdout.write('x'.repeat(1 << 20)), 1)`,
      /n2: it sent a line of more than \d+ bytes/,
    ],
    ['no id', `each(() => process.stdout.write('{"done":true}\\n'))`, /n2: it does not answer as kvdeploy/],
    ['two kinds of answer', `each(({ id }) => say({ id, done: true, held: 'x' }))`, /n2: it does not answer as kvdeploy/],
    ['a refusal without a text', `each(({ id }) => say({ id, refused: 1, fix: {} }))`, /n2: it does not answer as kvdeploy/],
    [
      'an older program',
      `process.stdout.write('usage: break-glass\\n'); process.exitCode = 2`,
      /n2: it does not answer as kvdeploy, but: usage/,
    ],
    [
      'a program of another version',
      `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => say({ id: JSON.parse(line).id, failed: 'use the same version of kvdeploy on both' }))`,
      /n2: use the same version of kvdeploy on both/,
    ],
    ['only the end of the connection', `process.exit(255)`, /n2: the connection ended/],
    [
      'a refusal of its key',
      `console.error('kv@10.0.0.2: Permission denied (publickey).'); process.exitCode = 255`,
      /n2: .*Permission denied.*authorized_keys of kv@10.0.0.2/,
    ],
  ])(
    '%s is an error that names the location, and no answer',
    async (_name, does, why) => {
      const { outside } = hostThat(does);
      await expect(make(WRITE, outside, always)).rejects.toThrow(why);
      const checked = await check(FILE, outside);
      expect(checked).toEqual({ unknown: expect.stringMatching(/^n2: /) });
    },
    30_000,
  );

  it('what a host says cannot drive a terminal, and does not fill it', async () => {
    const { outside } = hostThat(`each(({ id }) => say({ id, failed: '\\u001b[2Jgone\\u202e\\n' + 'x'.repeat(1e6) }))`);
    const error = await make(WRITE, outside, always).catch((why: Error) => why);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toContain('\\u{1b}[2Jgone\\u{202e}\\n');
    expect(message.length).toBeLessThan(5000);
    expect(message).not.toMatch(/\p{Cc}/u);
  });

  it('a host that drips its answer, or never answers, is given up in time', async () => {
    const slow = hostThat(`setInterval(() => process.stdout.write('x'), 20)`);
    await expect(slow.there.ask({ do: 'read', path: '/a' })).rejects.toThrow(/n2 cannot be reached within \d+ ms/);
    const silent = hostThat('each(() => undefined)');
    await expect(silent.there.ask({ do: 'read', path: '/a' })).rejects.toThrow(/^n2: it did not answer within \d+ ms$/);
    await expect(make(WRITE, silent.outside, always)).rejects.toThrow(
      /did not answer within \d+ ms; it is unknown whether the change was made/,
    );
  }, 30_000);

  it('many looks at a host that cannot be reached start few connections', async () => {
    const { there, starts } = hostThat('process.exit(255)');
    for (let count = 0; count < 200; count += 1)
      await expect(there.ask({ do: 'read', path: '/a' })).rejects.toThrow(/n2: the connection ended/);
    await Promise.allSettled(Array.from({ length: 200 }, () => there.ask({ do: 'read', path: '/a' })));
    expect(starts()).toBeLessThan(20);
  }, 60_000);

  it('orders sent together go over one connection, and each gets its own answer', async () => {
    const { there, starts } = hostThat(`const all = []; each((order) => {
      all.push(order);
      if (all.length === 50) for (const { id, deed } of all.reverse()) say({ id, done: deed.path });
    })`);
    const paths = Array.from({ length: 50 }, (_, at) => `/a${at}`);
    expect(await Promise.all(paths.map((one) => there.ask({ do: 'read', path: one })))).toEqual(paths);
    expect(starts()).toBe(1);
  }, 30_000);

  it('no secret of this host is sent to another one', async () => {
    const { there, outside, key } = hostThat(
      `each((order) => { require('node:fs').writeFileSync(file + '.order', JSON.stringify(order)); say({ id: order.id, done: { status: 200, headers: {}, body: '{"b":"x"}' } }); })`,
    );
    expect(there).toBeDefined();
    const { identify } = await import('../../../src/base/changes/identity.ts');
    const secret = { name: 'TOKEN', header: 'x-token' };
    const asked = {
      kind: 'http',
      url: 'http://a/',
      secret,
      json: ['b'],
      equals: 'x',
      exact: true,
      timeoutMs: 500,
      at: 'n2',
    } as const;
    expect(await identify(asked, { ...outside, secret: () => 'hunter2' })).toEqual({ kind: 'right' });
    const sent = readFileSync(`${key}.order`, 'utf8');
    expect(sent).toContain('TOKEN');
    expect(sent).not.toContain('hunter2');
  });

  it('a machine without ssh says what to install', async () => {
    const { there } = hostThat('');
    process.env['PATH'] = '/nowhere';
    try {
      await expect(there.ask({ do: 'read', path: '/a' })).rejects.toThrow(/n2: ssh cannot be run \(install the OpenSSH client\)/);
    } finally {
      process.env['PATH'] = `${bin}:${path}`;
    }
  });
});
