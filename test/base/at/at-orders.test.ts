/** What a host does for an order, whoever sent it: nothing that its machine file does not list, nothing late, and never two changes at once. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { MOST_LINE_BYTES } from '../../../src/base/at/at-format.ts';
import { type AtHost, replyTo } from '../../../src/base/at/at-host.ts';
import { serveAt } from '../../../src/base/at/at-serve.ts';
import type { Outside } from '../../../src/base/changes/change.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { limited } from '../../../src/base/limited.ts';
import { type Machine, parseMachine } from '../../../src/base/owners/machine-format.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { lyingFs } from '../owners/lying-fs.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'web' };

const NAME = 'acme/production/web';

const URL = 'http://127.0.0.1:9/health';

/** An outside in which everything answers, and nothing is there. */
const outside: Outside = {
  ...nodeOutside,
  http: async () => ({ status: 200, headers: {}, body: 'http' }),
  socket: async () => 'socket',
  run: async () => ({ exitCode: 0, stdout: 'run', stderr: '' }),
  secret: () => 'secret',
};

function hostWith(allowance: NonNullable<Machine['targets']>[string], more: Partial<AtHost> = {}): AtHost {
  return { outside, machine: () => ({ targets: { [NAME]: allowance } }), holdDirs: () => [], inTurn: limited(1), ...more };
}

const soon = () => Math.round(outside.monotonic()) + 60_000;

const order = (deed: object, more: object = {}) =>
  JSON.stringify({ formatVersion: 1, id: 7, scope: SCOPE, at: 'n2', by: 'rollout', untilMs: soon(), deed, ...more });

const table = (command: string) => ({
  ...{ kind: 'table', address: '/run/h.sock', command, separator: ' ', where: {}, key: 'name', rows: {}, others: [] },
  timeoutMs: 1,
});

const asked = { kind: 'http', url: URL, timeoutMs: 1000 };

describe('an order at the other host', () => {
  it.each([
    ['words', 'words', -1],
    ['half a line', order({ do: 'hello' }).slice(0, -9), 7],
    ['another format', order({ do: 'hello' }, { formatVersion: 2 }), 7],
    ['an unknown deed', order({ do: 'shell', line: 'id' }), 7],
    ['an unknown key', order({ do: 'hello', more: 1 }), 7],
    ['a scope that climbs', order({ do: 'hello' }, { scope: { ...SCOPE, service: '../web' } }), 7],
    ['a path that is not whole', order({ do: 'read', path: 'etc/passwd' }), 7],
    [
      'a command that changes something',
      order({ do: 'socket', address: '/run/h.sock', line: 'show info; disable server a/b', timeoutMs: 1 }),
      7,
    ],
    ['a command that shows the environment', order({ do: 'socket', address: '/run/h.sock', line: 'show env', timeoutMs: 1 }), 7],
    ['two lines', order({ do: 'socket', address: '/run/h.sock', line: 'show info\ndisable server a/b', timeoutMs: 1 }), 7],
    ['a check that changes something', order({ do: 'check', check: table('disable server a/b') }), 7],
    ['a check that shows, and then changes', order({ do: 'check', check: table('show stat; set weight a/b 0') }), 7],
    [
      'a question that changes something',
      order({
        do: 'question',
        question: { kind: 'socket', address: '/run/h.sock', command: 'shutdown', field: 'a', timeoutMs: 1 },
        own: 'a',
        others: [],
      }),
      7,
    ],
    [
      'a question whose level changes something',
      order({
        do: 'question',
        question: {
          kind: 'socket',
          address: '/run/h.sock',
          command: 'show info',
          field: 'a',
          level: { command: 'set x', answer: '' },
          timeoutMs: 1,
        },
        ...{ own: 'a', others: [] },
      }),
      7,
    ],
    ['a request that changes something', order({ do: 'hear', asked: { ...asked, method: 'POST' } }), 7],
    ['a request to another address than its URL', order({ do: 'hear', asked: { ...asked, connectTo: '169.254.169.254' } }), 7],
    ['a request with headers', order({ do: 'hear', asked: { ...asked, headers: { 'x-http-method-override': 'DELETE' } } }), 7],
  ])('%s is no order', async (_name, line, id) => {
    const everything = { sockets: ['/run/h.sock'], checks: [URL], files: ['/etc/passwd'] };
    expect(await replyTo(line, hostWith(everything))).toMatchObject({
      id,
      failed: expect.stringContaining('does not understand the order'),
    });
  });

  it('an order that is broken is refused without a word of it, which may be a secret', async () => {
    const said = await replyTo('{"id": 3, "token": hunter2}', hostWith({}));
    expect(said).toMatchObject({ id: 3, failed: expect.stringContaining('it is not JSON') });
    expect(JSON.stringify(said)).not.toContain('hunter2');
  });

  it.each([
    ['a URL', { do: 'hear', asked: { ...asked, url: 'http://169.254.169.254/latest' } }, 'http://169.254.169.254/latest'],
    ['a socket behind a listed URL', { do: 'hear', asked: { ...asked, unixSocket: '/run/docker.sock' } }, '/run/docker.sock'],
    ['a listed URL with a secret', { do: 'hear', asked: { ...asked, secret: { name: 'TOKEN', header: 'x-a' } } }, 'with TOKEN'],
    ['the file of a CA', { do: 'hear', asked: { ...asked, ca: '/home/kv/.ssh/id_ed25519' } }, '/home/kv/.ssh/id_ed25519'],
    ['the file of a CA of a check', { do: 'check', check: { ...asked, equals: 'a', json: ['a'], ca: '/home/x' } }, '/home/x'],
    ['a path that leads to a listed one', { do: 'read', path: '/etc/nginx/../nginx/web.conf' }, '/etc/nginx/../nginx/web.conf'],
    ['a log', { do: 'log', path: '/etc/shadow', members: {} }, '/etc/shadow'],
    ['a pid file', { do: 'workers', pidFile: '/etc/shadow', answered: [1] }, '/etc/shadow'],
    ['a program with one word more', { do: 'run', argv: ['/bin/reload', '-x'], timeoutMs: 1 }, '/bin/reload -x'],
    ['a program with one word less', { do: 'run', argv: ['/bin/reload'], timeoutMs: 1 }, '/bin/reload'],
    ['a socket', { do: 'socket', address: '/run/other.sock', line: 'show info', timeoutMs: 1 }, '/run/other.sock'],
    [
      'a file to save to',
      {
        do: 'make',
        change: { kind: 'socket', address: '/run/h.sock', commands: ['show stat'], saveTo: '/etc/cron.d/x', timeoutMs: 1 },
      },
      '/etc/cron.d/x',
    ],
  ])('%s that is not listed is not touched, and the reply says which lines are missing', async (_name, deed, named) => {
    const listed = { files: ['/etc/nginx/web.conf'], sockets: ['/run/h.sock'], checks: [URL], programs: [['/bin/reload', '-s']] };
    const touched: string[] = [];
    const watched = Object.fromEntries(
      (['http', 'socket', 'run'] as const).map((name) => [name, async () => touched.push(name)]),
    ) as unknown as Partial<Outside>;
    const said = await replyTo(order(deed), hostWith(listed, { outside: { ...outside, ...watched } }));
    expect(said).toMatchObject({ refused: expect.stringContaining(named), fix: expect.stringContaining(NAME) });
    expect(touched).toEqual([]);
  });

  it('the machine file of docs/hosts.md lists what an nginx at another host needs', async () => {
    const page = readFileSync(new globalThis.URL('../../../docs/hosts.md', import.meta.url), 'utf8');
    const [, text = ''] = /at-orders\.test\.ts -->\n```json\n([\s\S]*?)```/.exec(page) ?? [];
    const host = { ...hostWith({}), machine: () => parseMachine(text) };
    const sudo = ['/usr/bin/sudo', '-n', '/usr/sbin/nginx'];
    const deeds = [
      { do: 'may', change: { kind: 'write-file', path: '/etc/nginx/kvdeploy/web.conf', content: '' } },
      { do: 'may', change: { kind: 'run', argv: [...sudo, '-t'], timeoutMs: 1 } },
      { do: 'may', change: { kind: 'run', argv: [...sudo, '-s', 'reload'], timeoutMs: 1 } },
      { do: 'run', argv: [...sudo, '-T'], timeoutMs: 1 },
      { do: 'hear', asked: { ...asked, url: 'http://127.0.0.1:8080/.kvdeploy' } },
      { do: 'workers', pidFile: '/run/nginx.pid', answered: [] },
    ];
    for (const deed of deeds) expect(await replyTo(order(deed), host)).toHaveProperty('done');
  });

  it("what is listed for one service is not another one's", async () => {
    const deed = { do: 'hear', asked };
    const listed = hostWith({ checks: [URL] });
    expect(await replyTo(order(deed), listed)).toHaveProperty('done');
    for (const service of ['web2', 'constructor', 'w'])
      expect(await replyTo(order(deed, { scope: { ...SCOPE, service } }), listed)).toHaveProperty('refused');
  });

  it('a key that is for one scope does nothing for another one, whatever the machine file lists', async () => {
    const host = { ...hostWith({ checks: [URL] }), only: 'acme/staging/web' };
    expect(await replyTo(order({ do: 'hear', asked }), host)).toMatchObject({
      failed: expect.stringContaining('the key is for acme/staging/web alone'),
    });
    expect(await replyTo(order({ do: 'hear', asked }), { ...host, only: NAME })).toHaveProperty('done');
  });

  it('a secret is looked up at the other host, and never told', async () => {
    const secret = { name: 'TOKEN', header: 'x-token' };
    const sent: unknown[] = [];
    const http: Outside['http'] = async (request) => {
      sent.push(request.headers);
      return { status: 200, headers: { echo: 'hunter2' }, body: 'you sent hunter2' };
    };
    const host = hostWith(
      { requests: [{ method: 'GET', url: URL, secret: 'TOKEN' }] },
      {
        outside: { ...outside, http, secret: () => 'hunter2' },
      },
    );
    const said = await replyTo(order({ do: 'hear', asked: { ...asked, secret } }), host);
    expect(sent).toEqual([{ 'x-token': 'hunter2' }]);
    expect(said).toMatchObject({ done: { headers: { echo: '[TOKEN]' }, body: 'you sent [TOKEN]' } });
  });

  it('a file that is a pipe, a folder or too long is not read, and nothing waits for it', async () => {
    const folder = freshFolder();
    const [pipe, long] = [join(folder, 'pipe'), join(folder, 'long')];
    execFileSync('mkfifo', [pipe]);
    writeFileSync(long, '');
    truncateSync(long, 64 * 1024 * 1024);
    const host = hostWith({ files: [pipe, folder, long] });
    for (const [path, why] of [
      [pipe, 'not a regular file'],
      [folder, 'not a regular file'],
      [long, 'more than'],
    ] as const)
      expect(await replyTo(order({ do: 'read', path }), host)).toMatchObject({ failed: expect.stringContaining(why) });
  });

  it('a change whose time is over, or that has none, is not made', async () => {
    const path = join(freshFolder(), 'split');
    const host = hostWith({ files: [path] });
    const deed = { do: 'make', change: { kind: 'write-file', path, content: 'x' } };
    for (const late of [{ untilMs: 0 }, { untilMs: undefined }])
      expect(await replyTo(order(deed, late), host)).toMatchObject({ failed: expect.stringContaining('too late') });
    expect(existsSync(path)).toBe(false);
    expect(await replyTo(order(deed), host)).toMatchObject({ done: true });
  });

  it('an order with a key given twice is allowed by the same one that is done, the last', async () => {
    const path = join(freshFolder(), 'split');
    const line = order({ do: 'read', path }).replace('"deed":{', `"deed":{"path":"/etc/shadow","do":"hello",`);
    expect(await replyTo(line, hostWith({ files: ['/etc/shadow'] }))).toMatchObject({ refused: expect.stringContaining(path) });
  });

  it('a hold at the other host stops a rollout there, and not a rescue', async () => {
    const dir = freshFolder();
    const path = join(dir, 'split');
    mkdirSync(join(dir, 'pointer'));
    writeFileSync(join(dir, 'pointer/hold'), 'held');
    const held = hostWith({ files: [path] }, { holdDirs: () => [join(dir, 'pointer')] });
    const deed = { do: 'make', change: { kind: 'write-file', path, content: 'x' } };
    expect(await replyTo(order(deed), held)).toMatchObject({ id: 7, held: expect.stringContaining('cannot be read') });
    expect(existsSync(path)).toBe(false);
    expect(await replyTo(order(deed, { by: 'rescue' }), held)).toMatchObject({ id: 7, done: true });
    expect(readFileSync(path, 'utf8')).toBe('x');
  });
});

describe('the orders of one connection', () => {
  const MACHINE = '/etc/kvdeploy/machine.json';

  function serving(allowance: object, more: Partial<Outside> = {}) {
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const content = JSON.stringify({ targets: { [NAME]: allowance } });
    const fs = lyingFs(freshFolder(), { [MACHINE]: { content, uid: 0, mode: 0o644 } });
    let text = '';
    stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const code = serveAt({ stdin, stdout, env: {}, outside: { ...outside, fs, ...more }, holdDirs: () => [] });
    const replies = () =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { id: number });
    return { stdin, stdout, code, replies };
  }

  it('thousands of orders at once are all answered, few at a time', async () => {
    let [now, most] = [0, 0];
    const http: Outside['http'] = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now -= 1;
      return { status: 200, headers: {}, body: '' };
    };
    const { stdin, code, replies } = serving({ checks: [URL] }, { http });
    for (let id = 0; id < 3000; id += 1) stdin.write(`${order({ do: 'hear', asked }, { id })}\n`);
    stdin.end();
    expect(await code).toBe(0);
    expect(new Set(replies().map(({ id }) => id)).size).toBe(3000);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(256);
  });

  it('changes are made one after another, however their orders are written', async () => {
    const seen: string[] = [];
    const run: Outside['run'] = async ([name = '']) => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(`${name} ends`);
      return { exitCode: 0, stdout: '', stderr: '' };
    };
    const { stdin, code } = serving({ programs: [['/a'], ['/b'], ['/c']] }, { run });
    const makes = ['/a', '/b', '/c'].map((name) => order({ do: 'make', change: { kind: 'run', argv: [name], timeoutMs: 1000 } }));
    stdin.end(
      makes
        .map((line, at) => line.replace('"do":"make"', ['"do":"make"', '"do": "make"', '"do":"m\\u0061ke"'][at] ?? ''))
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(await code).toBe(0);
    expect(seen).toEqual(['/a', '/b', '/c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it('a change that was begun is finished when whoever asked is gone', async () => {
    let finished = false;
    const run: Outside['run'] = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      finished = true;
      return { exitCode: 0, stdout: '', stderr: '' };
    };
    const { stdin, stdout, code } = serving({ programs: [['/a']] }, { run });
    stdin.write(`${order({ do: 'make', change: { kind: 'run', argv: ['/a'], timeoutMs: 1000 } })}\n`);
    stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    stdin.end(order({ do: 'hello' }).slice(0, 20));
    expect(await code).toBe(0);
    expect(finished).toBe(true);
  });

  it('a line without end is refused, after what came before it', async () => {
    const { stdin, code, replies } = serving({ checks: [URL] });
    stdin.write(`${order({ do: 'hear', asked })}\n`);
    stdin.write('x'.repeat(MOST_LINE_BYTES + 1));
    expect(await code).toBe(2);
    await expect.poll(replies).toHaveLength(2);
    expect(replies()).toContainEqual(expect.objectContaining({ id: -1, failed: expect.stringContaining('a line of more than') }));
  });

  it('nesting without end, and every kind of garbage, is answered and harms no later order', async () => {
    const { stdin, code, replies } = serving({ checks: [URL] });
    for (const line of [
      '['.repeat(200_000),
      '{"a":'.repeat(100_000),
      'null',
      '0',
      '""',
      '[]',
      '{}',
      '\u0000\u001b[2J',
      '{"__proto__":{"id":1}}',
    ])
      stdin.write(`${line}\n`);
    stdin.end(`${order({ do: 'hear', asked })}\n`);
    expect(await code).toBe(0);
    expect(replies()).toHaveLength(10);
    expect(replies().at(-1)).toMatchObject({ id: 7, done: { status: 200 } });
  });
});
