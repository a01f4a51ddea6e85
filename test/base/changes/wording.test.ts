/** What a person reads and pastes: the same change, and nothing that could drive a terminal. */
import fs from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Change } from '../../../src/base/changes/change.ts';
import { asCommand, describe as inWords } from '../../../src/base/changes/wording.ts';
import { safeLine, shellWord } from '../../../src/base/text.ts';
import { checkedReason, parseOptions } from '../../../src/break-glass/options.ts';
import { freshFolder, httpServer, lineServer, runToEnd } from '../../break-glass/scene.ts';
import { certificate } from '../../servers/certificates.ts';

let folder: string;
beforeEach(() => {
  folder = freshFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const HOSTILE = ["it's", '$(id)', '`id`', 'a\nb\tc', '%s\\n', '!!', 'ü', '', '-n', '\u001b[31m', '\u202e', '\r', '*'];

it('the words of a command are quoted so that a shell gives each back byte by byte', async () => {
  const program = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))';
  const command = [process.execPath, '-e', program, '--', ...HOSTILE].map(shellWord).join(' ');
  expect(safeLine(command.replace(/[\n\t]/g, ''))).toBe(command.replace(/[\n\t]/g, ''));
  expect(JSON.parse((await runToEnd(['bash', '-c', command])).stdout)).toEqual(HOSTILE);
});

it('the words for a file write it by hand exactly as the change would', async () => {
  const change: Change = { kind: 'write-file', path: join(folder, "the route's file"), content: `${HOSTILE.join('|')}\n\n` };
  expect((await runToEnd(['bash', '-c', asCommand(change)])).code).toBe(0);
  expect(fs.readFileSync(change.path, 'utf8')).toBe(change.content);
});

it('the words for a file of many lines are one line, so that what a message shows writes the same file when it is pasted', async () => {
  const content = 'split {\n\t"a\\\\nb" it\'s 100 %;\n}\n\n';
  const change: Change = { kind: 'write-file', path: join(folder, 'include'), content };
  expect(safeLine(asCommand(change).replaceAll('\t', ''))).toBe(asCommand(change).replaceAll('\t', ''));
  expect((await runToEnd(['sh', '-c', asCommand(change)])).code).toBe(0);
  expect(fs.readFileSync(change.path, 'utf8')).toBe(content);
});

it('the words for a request take the secret from a variable, and fail where the change would', async () => {
  const server = await httpServer((path) => (path === '/no' ? { status: 500 } : {}));
  const change = {
    kind: 'request',
    method: 'PUT',
    url: `${server.url}/w?a=1&b=2`,
    headers: { 'x-a': "b'c" },
    body: '@{"a":1}',
    bearerSecret: 'EDGE',
    expect: [200],
    timeoutMs: 1500,
  } as const;
  expect(asCommand(change)).not.toContain('s3cret');
  expect(await runToEnd(['bash', '-c', asCommand(change)], { env: { EDGE: 's3cret' } })).toMatchObject({ code: 0, stderr: '' });
  expect(server.requests[0]).toMatchObject({ method: 'PUT', url: '/w?a=1&b=2', body: '@{"a":1}' });
  expect(server.requests[0]?.headers).not.toHaveProperty('content-type');
  expect(server.requests[0]?.headers).toMatchObject({ authorization: 'Bearer s3cret', 'x-a': "b'c" });
  expect(
    (
      await runToEnd([
        'bash',
        '-c',
        asCommand({ kind: 'request', method: 'GET', url: `${server.url}/no`, expect: [200], timeoutMs: 1000 }),
      ])
    ).code,
  ).not.toBe(0);
  await server.close();
});

it('the words for a request take CA, certificate and name along, and another header for the secret', async () => {
  for (const name of ['ca', 'client']) certificate(folder, name, name === 'ca' ? {} : { by: 'ca' });
  certificate(folder, 'server', { by: 'ca', names: 'DNS:api.internal' });
  const [key, cert, ca] = ['server.key', 'server.pem', 'ca.pem'].map((name) => fs.readFileSync(join(folder, name)));
  const heard: unknown[] = [];
  const server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    const { servername } = request.socket as TLSSocket;
    heard.push([servername, request.headers.host, request.headers['x-api-key']]);
    response.end();
  });
  await new Promise<void>((open) => server.listen(0, '127.0.0.1', open));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const command = asCommand({
    kind: 'request',
    method: 'POST',
    url: `https://${host}/now`,
    ca: join(folder, 'ca.pem'),
    cert: join(folder, 'client.pem'),
    key: join(folder, 'client.key'),
    serverName: 'api.internal',
    secret: { name: 'KEY', header: 'x-api-key', scheme: 'v1' },
    expect: [200],
    timeoutMs: 5000,
  });
  expect(await runToEnd(['bash', '-c', command], { env: { KEY: 's3cret' } })).toMatchObject({ code: 0, stderr: '' });
  expect(heard).toEqual([['api.internal', host, 'v1 s3cret']]);
  await new Promise((closed) => server.close(closed));
});

it('the words for a program hand it its input', async () => {
  const stdin = `it's $(x)\n%s`;
  const change: Change = { kind: 'run', argv: ['sh', '-c', 'cat; echo .'], stdin, timeoutMs: 1000 };
  expect((await runToEnd(['bash', '-c', asCommand(change)])).stdout).toBe(`${stdin}.\n`);
  expect(inWords(change)).toContain('with the input (12 bytes, SHA-256');
});

it('the words for a socket say the line by hand', async () => {
  const stand = join(folder, 'socat');
  fs.writeFileSync(
    stand,
    `#!${process.execPath}\nconst [path] = process.argv.filter((w) => w.startsWith('UNIX-CONNECT:')).map((w) => w.slice(13));
const s = require('net').connect(path); process.stdin.pipe(s); s.pipe(process.stdout);\n`,
    { mode: 0o755 },
  );
  const server = await lineServer(join(folder, 'admin.sock'), () => 'state\n');
  const change: Change = {
    kind: 'socket',
    address: server.address,
    commands: ['set weight a/b 1', 'show state'],
    saveTo: join(folder, 'saved'),
    timeoutMs: 1000,
  };
  await runToEnd(['bash', '-c', asCommand(change)], { env: { PATH: `${folder}:${process.env.PATH}` } });
  expect([server.lines, fs.readFileSync(join(folder, 'saved'), 'utf8')]).toEqual([['set weight a/b 1; show state'], 'state\n']);
  expect(asCommand({ kind: 'socket', address: '10.0.0.7:9999', commands: ['x'], timeoutMs: 1 })).toContain('TCP:10.0.0.7:9999');
  await server.close();
});

it('each kind of change is described in one line without control characters', () => {
  const changes: Change[] = [
    { kind: 'write-file', path: '/r', content: 'a\nb\u001b[2J' },
    { kind: 'request', method: 'PUT', url: 'http://x/', body: '\r\n', expect: [200], timeoutMs: 1 },
    { kind: 'run', argv: ['kubectl', 'apply', '-f', '\u202ex'], timeoutMs: 1 },
    { kind: 'socket', address: '/s', commands: ['a', 'b'], saveTo: '/t', timeoutMs: 1 },
  ];
  for (const change of changes) expect(inWords(change)).not.toMatch(/\p{Cc}|\p{Cf}/u);
  expect(inWords(changes[0] as Change)).toBe('write /r (7 bytes, SHA-256 a0a1f0fcda42)');
  expect(inWords({ kind: 'write-file', path: '/r', content: '{"serve":"green"}\n' })).toBe(
    'write /r (18 bytes): {"serve":"green"}',
  );
  expect(inWords(changes[3] as Change)).toBe('send to /s: a; b, save the answer to /t');
  expect(safeLine('a\u001b]52;c;x\u0007\u200b')).toBe('a\\u{1b}]52;c;x\\u{7}\\u{200b}');
});

it.each([
  [['--frobnicate'], 'Unknown argument'],
  [['--env=a', '-e', 'b'], 'given twice'],
  [['--env'], 'needs a value'],
  [['--reason', '--json'], 'needs a value'],
  [['--to='], 'needs a value'],
  [['--json=yes'], 'takes no value'],
  [['rollback', 'rollback'], 'Unknown argument'],
  [['--force'], 'Unknown argument'],
  [['--env', 'production', 'now'], 'Unknown argument'],
  [['--envi', 'production'], 'Unknown argument'],
])('break-glass refuses the options %j', (argv, why) => {
  expect(() => parseOptions(argv, {})).toThrow(why);
});

it.each([
  ['--confirm', '--confirm production'],
  ['-e', '--env production'],
  ['--to', '--to 0b9f1c2d'],
  ['--reason', '--reason "login is down, gateway answers 401"'],
])('break-glass shows by an example what %s wants, where it is given bare', (option, example) => {
  expect(() => parseOptions([option], {})).toThrow(expect.objectContaining({ hint: `For example: ${example}` }));
});

it('break-glass takes every spelling of an option, and the environment from its variable', () => {
  const argv = [
    '-eproduction',
    'rollback',
    '--break-glass',
    '--tenant=acme',
    '-s',
    'kv',
    '--reason',
    'rollback now',
    '--json',
    '-q',
    '-y',
    '-v',
    '--no-color',
    '-c',
    'f',
  ];
  expect(parseOptions(argv, { KVDEPLOY_ENV: 'staging' })).toMatchObject({
    environment: 'production',
    tenant: 'acme',
    service: 'kv',
    reason: 'rollback now',
    json: true,
    quiet: true,
    ignored: ['--config', '--yes'],
  });
  expect(parseOptions([], { KVDEPLOY_ENV: 'staging' }).environment).toBe('staging');
});

it.each([undefined, 'short', '            ', 'a         b', 'with\u001b[31m colour here', 'line one\nline two', 'x'.repeat(501)])(
  'break-glass refuses the reason %j',
  (reason) => {
    expect(() => checkedReason(reason)).toThrow(/reason/);
  },
);
