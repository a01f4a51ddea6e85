/** Making changes on real files, servers, sockets and programs. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Change, NotAllowed } from '../../../src/base/changes/change.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { freshFolder, httpServer, lineServer, runToEnd, until } from '../../break-glass/scene.ts';

const yes = () => undefined;
const held = () => 'a hold is in force';
let folder: string;
beforeEach(() => {
  folder = freshFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('write-file', () => {
  const write = (path: string, content: string): Change => ({ kind: 'write-file', path, content });

  it('a write-file change replaces the whole content and leaves nothing else in the folder', async () => {
    const path = join(folder, 'routes.json');
    await make(write(path, 'one'), nodeOutside, yes);
    await make(write(path, 'two, longer'), nodeOutside, yes);
    expect(fs.readFileSync(path, 'utf8')).toBe('two, longer');
    expect(fs.readdirSync(folder)).toEqual(['routes.json']);
    expect(fs.statSync(path).mode & 0o777).toBe(0o644);
  });

  it('a write-file change keeps the mode and owner of what was there', async () => {
    const path = join(folder, 'routes.json');
    fs.writeFileSync(path, 'one');
    fs.chmodSync(path, 0o640);
    fs.chownSync(path, 1234, 1235);
    await make(write(path, 'two'), nodeOutside, yes);
    expect(fs.statSync(path)).toMatchObject({ uid: 1234, gid: 1235 });
    expect(fs.statSync(path).mode & 0o777).toBe(0o640);
  });

  it('a write-file change does not write equal content again', async () => {
    const path = join(folder, 'routes.json');
    await make(write(path, 'one'), nodeOutside, yes);
    const before = fs.statSync(path).ino;
    await make(write(path, 'one'), nodeOutside, yes);
    expect(fs.statSync(path).ino).toBe(before);
  });

  it('a write-file change changes nothing when it is not allowed just before the rename', async () => {
    const path = join(folder, 'routes.json');
    fs.writeFileSync(path, 'one');
    await expect(make(write(path, 'two'), nodeOutside, held)).rejects.toThrow(NotAllowed);
    expect(fs.readFileSync(path, 'utf8')).toBe('one');
    expect(fs.readdirSync(folder)).toEqual(['routes.json']);
  });

  it('a write-file change replaces a planted symlink instead of writing through it', async () => {
    const victim = join(folder, 'victim');
    fs.writeFileSync(victim, 'precious');
    fs.symlinkSync(victim, join(folder, 'routes.json'));
    await make(write(join(folder, 'routes.json'), 'two'), nodeOutside, yes);
    expect(fs.readFileSync(victim, 'utf8')).toBe('precious');
    expect(fs.lstatSync(join(folder, 'routes.json')).isFile()).toBe(true);
  });

  it('a write-file change refuses a FIFO without hanging', async () => {
    await runToEnd(['mkfifo', join(folder, 'routes.json')]);
    await expect(make(write(join(folder, 'routes.json'), 'two'), nodeOutside, yes)).rejects.toThrow('not a regular file');
  });

  it('a write-file change keeps the old file when the disk is full', async () => {
    expect((await runToEnd(['mount', '-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder])).code).toBe(0);
    try {
      const path = join(folder, 'routes.json');
      fs.writeFileSync(path, 'x'.repeat(6000));
      await expect(make(write(path, 'y'.repeat(12_000)), nodeOutside, yes)).rejects.toThrow(/ENOSPC|no more bytes/);
      expect(fs.readFileSync(path, 'utf8')).toBe('x'.repeat(6000));
      expect(fs.readdirSync(folder)).toEqual(['routes.json']);
    } finally {
      await runToEnd(['umount', folder]);
    }
  });
});

describe('request', () => {
  const request = (url: string, over: object = {}): Change => ({
    kind: 'request',
    method: 'PUT',
    url,
    body: '{"percent":100}',
    headers: { 'content-type': 'application/json' },
    expect: [200],
    timeoutMs: 1000,
    ...over,
  });

  it('a request change sends method, headers, body and the secret that it only knows by name', async () => {
    const server = await httpServer(() => ({}));
    const outside = { ...nodeOutside, secret: (name: string) => (name === 'EDGE_TOKEN' ? 's3cret' : undefined) };
    await make(request(`${server.url}/weights?x=1`, { bearerSecret: 'EDGE_TOKEN' }), outside, yes);
    expect(server.requests).toMatchObject([{ method: 'PUT', url: '/weights?x=1', body: '{"percent":100}' }]);
    expect(server.requests[0]?.headers).toMatchObject({ authorization: 'Bearer s3cret', 'content-type': 'application/json' });
    await server.close();
  });

  it('a request change fails on any other status, on a redirect too, and never names the secret', async () => {
    const server = await httpServer(() => ({
      status: 302,
      headers: { location: 'http://127.0.0.1:1/' },
      body: 'go away \u001b[31m',
    }));
    const outside = { ...nodeOutside, secret: () => 's3cret' };
    const failure = await make(request(server.url, { bearerSecret: 'T' }), outside, yes).catch((error) => error as Error);
    expect(failure?.message).toContain('answered 302, expected 200: go away \\u{1b}[31m');
    expect(failure?.message).not.toContain('s3cret');
    await server.close();
  });

  it('a request change refuses to go without a secret that is not set', async () => {
    const server = await httpServer(() => ({}));
    await expect(make(request(server.url, { bearerSecret: 'NOT_SET_ANYWHERE' }), nodeOutside, yes)).rejects.toThrow(
      'NOT_SET_ANYWHERE is not set',
    );
    expect(server.requests).toEqual([]);
    await server.close();
  });

  it('a request change connects, asks whether it may, and sends nothing when it may not', async () => {
    const server = await httpServer(() => ({}));
    await expect(make(request(server.url), nodeOutside, held)).rejects.toThrow(NotAllowed);
    expect(server.requests).toEqual([]);
    await server.close();
  });

  it('a request change gives up at its deadline when no one answers, and when no one listens', async () => {
    const server = await httpServer(() => 'silence');
    const begun = performance.now();
    await expect(make(request(server.url, { timeoutMs: 150 }), nodeOutside, yes)).rejects.toThrow('it is unknown whether');
    expect(performance.now() - begun).toBeLessThan(1000);
    await server.close();
    await expect(make(request('http://127.0.0.1:1/'), nodeOutside, yes)).rejects.toThrow('ECONNREFUSED');
  });

  it('a request change refuses an answer of more than 1 MiB, other protocols, and passwords in a URL', async () => {
    const server = await httpServer(() => ({ body: 'x'.repeat(1_100_000) }));
    await expect(make(request(server.url), nodeOutside, yes)).rejects.toThrow('more than 1048576 bytes');
    await server.close();
    await expect(make(request('ftp://127.0.0.1/'), nodeOutside, yes)).rejects.toThrow('only http and https');
    await expect(make(request('http://a:b@127.0.0.1/'), nodeOutside, yes)).rejects.toThrow('must not contain a password');
  });
});

describe('run', () => {
  const run = (argv: string[], timeoutMs = 2000): Change => ({ kind: 'run', argv, timeoutMs });

  it('a run change passes hostile words as they are, starts no shell, and hands on four variables only', async () => {
    const out = join(folder, 'out');
    process.env.KVDEPLOY_TEST_LEAK = 'secret';
    const program =
      'require("fs").writeFileSync(process.argv[1], JSON.stringify([process.argv.slice(2), Object.keys(process.env).sort()]))';
    const words = ['$(touch /tmp/no)', '`x`', ';', 'a\nb', '%PATH%', '*', "'"];
    await make(run([process.execPath, '-e', program, '--', out, ...words]), nodeOutside, yes);
    delete process.env.KVDEPLOY_TEST_LEAK;
    const [got, names] = JSON.parse(fs.readFileSync(out, 'utf8')) as [string[], string[]];
    expect(got).toEqual(words);
    expect(names.filter((name) => !['PATH', 'HOME', 'LANG', 'TZ'].includes(name))).toEqual([]);
  });

  it('a run change fails on an exit code, on a missing program, and on a relative path', async () => {
    await expect(make(run(['sh', '-c', 'echo no such backend >&2; exit 3']), nodeOutside, yes)).rejects.toThrow(
      'exited with 3: no such backend',
    );
    await expect(make(run(['no-such-program-here']), nodeOutside, yes)).rejects.toThrow('cannot be run');
    await expect(make(run(['./here']), nodeOutside, yes)).rejects.toThrow('neither an absolute path');
  });

  it('a run change gives the program exactly its input, and nothing where there is none', async () => {
    const out = join(folder, 'out');
    const stdin = 'apiVersion: v1\n\u00e9 $(x)\0';
    await make({ kind: 'run', argv: ['sh', '-c', `cat > ${out}`], stdin, timeoutMs: 2000 }, nodeOutside, yes);
    expect(fs.readFileSync(out, 'utf8')).toBe(stdin);
    await make(run(['sh', '-c', `cat > ${out}`]), nodeOutside, yes);
    expect(fs.readFileSync(out, 'utf8')).toBe('');
  });

  it('a run change does not start the program when it is not allowed', async () => {
    await expect(make(run(['touch', join(folder, 'made')]), nodeOutside, held)).rejects.toThrow(NotAllowed);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('a run change kills the whole group at the deadline, even what ignores SIGTERM', async () => {
    const pidFile = join(folder, 'pid');
    const script = `trap '' TERM; sh -c 'trap "" TERM; echo $$ > ${pidFile}; while :; do sleep 0.05; done' & wait`;
    await expect(make(run(['sh', '-c', script], 300), nodeOutside, yes)).rejects.toThrow('was killed');
    const pid = Number(fs.readFileSync(pidFile, 'utf8'));
    await until(() => !fs.existsSync(`/proc/${pid}`) || fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z'));
  });
});

describe('socket', () => {
  const socket = (address: string, over: object = {}): Change => ({
    kind: 'socket',
    address,
    commands: ['set weight gw/green 256', 'set weight gw/blue 0'],
    timeoutMs: 1000,
    ...over,
  });

  it('a socket change says all commands in one line, on a path and on TCP, and takes blank text for consent', async () => {
    for (const where of [join(folder, 'admin.sock'), 0] as const) {
      const server = await lineServer(where, () => '\n\n');
      await make(socket(server.address), nodeOutside, yes);
      expect(server.lines).toEqual(['set weight gw/green 256; set weight gw/blue 0']);
      await server.close();
    }
  });

  it('a socket change takes any text for a refusal', async () => {
    const server = await lineServer(0, () => 'No such server.\n');
    await expect(make(socket(server.address), nodeOutside, yes)).rejects.toThrow('refused: No such server.');
    await server.close();
  });

  it('a socket change connects, asks whether it may, and says nothing when it may not', async () => {
    const server = await lineServer(0, () => '');
    let connected = 0;
    const allowed = () => {
      connected += 1;
      return 'held';
    };
    await expect(make(socket(server.address), nodeOutside, allowed)).rejects.toThrow(NotAllowed);
    await until(() => server.connections() === 1);
    expect([connected, server.lines]).toEqual([1, []]);
    await server.close();
  });

  it('a socket change saves an answer durably where asked, and refuses an empty one', async () => {
    const saveTo = join(folder, 'state');
    const server = await lineServer(0, () => '1\n# be_id be_name\n3 gw\n');
    await make(socket(server.address, { commands: ['show servers state'], saveTo }), nodeOutside, yes);
    expect(fs.readFileSync(saveTo, 'utf8')).toBe('1\n# be_id be_name\n3 gw\n');
    await server.close();
    const silent = await lineServer(0, () => '\n');
    await expect(make(socket(silent.address, { saveTo }), nodeOutside, yes)).rejects.toThrow('empty answer');
    expect(fs.readFileSync(saveTo, 'utf8')).toContain('be_name');
    await silent.close();
  });

  it('a socket change refuses a command that would smuggle in a second line', async () => {
    await expect(make(socket('/nowhere', { commands: ['a\nb'] }), nodeOutside, yes)).rejects.toThrow('one line');
  });

  it('a socket change fails within its deadline on a path that is no socket, and on one that never answers', async () => {
    fs.writeFileSync(join(folder, 'file'), '');
    await expect(make(socket(join(folder, 'file')), nodeOutside, yes)).rejects.toThrow(/ECONNREFUSED|ENOTSOCK/);
    const server = await lineServer(0, () => null);
    await expect(make(socket(server.address, { timeoutMs: 100 }), nodeOutside, yes)).rejects.toThrow(
      'it is unknown whether it made the change',
    );
    await server.close();
  });
});
