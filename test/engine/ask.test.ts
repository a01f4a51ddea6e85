/** Every way in which a member can be asked, with real servers; what the config says counts before what the router says; the pointer asks the same. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTls } from 'node:https';
import { type AddressInfo, createServer as createPlain, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { identify } from '../../src/base/changes/identity.ts';
import { identitySchema } from '../../src/core/identity.ts';
import { askAll, askerOf } from '../../src/engine/asking/ask.ts';
import { questionsAt, wayText } from '../../src/engine/asking/questions.ts';
import { nodeIo } from '../../src/io.ts';
import type { MemberAt } from '../../src/routers/places.ts';
import type { Ask, Member } from '../../src/routers/router.ts';
import { freshFolder } from '../fresh-folder.ts';
import { askBuild, memberAt } from './asking.ts';

const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const folder = freshFolder();
const pem = (name: string) => join(folder, name);
const open: Server[] = [];

const says: RequestListener = (request, response) => {
  response.setHeader('x-git-sha', COMMIT);
  response.setHeader('x-environment', 'production');
  response.setHeader('x-host', request.headers.host ?? '');
  response.end(JSON.stringify({ builds: [{ id: 7, part: 1.1, big: 2 ** 64 }], of: { commit: COMMIT } }));
};

async function listening<S extends Server>(server: S, at: string | number = 0): Promise<S> {
  open.push(server);
  await new Promise<void>((resolve) =>
    typeof at === 'string' ? server.listen(at, resolve) : server.listen(at, '127.0.0.1', resolve),
  );
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A server that takes only connections that begin with a PROXY header, and remembers it. */
async function behindProxyHeader() {
  const heads: Buffer[] = [];
  const http = createServer(says);
  const server = createPlain((socket) =>
    socket.once('data', (data) => {
      const isOne = data.subarray(0, 6).toString() === 'PROXY ';
      if (!isOne && data.readUInt32BE(0) !== 0x0d0a0d0a) {
        socket.destroy();
        return;
      }
      const length = isOne ? data.indexOf('\r\n') + 2 : 16 + data.readUInt16BE(14);
      heads.push(data.subarray(0, length));
      http.emit('connection', socket);
      if (data.length > length) socket.unshift(data.subarray(length));
    }),
  );
  return { heads, address: `http://127.0.0.1:${portOf(await listening(server))}` };
}

const commit = (more: object) => identitySchema.parse({ path: '/healthz', header: 'x-git-sha', is: 'commit', ...more });
const named = { named: { is: 'commit', word: COMMIT } };

beforeAll(() => {
  const line = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=x -addext subjectAltName=DNS:gateway.internal`;
  execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' });
});
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

describe('the ways to a member', () => {
  const tls = async () => listening(createTls({ key: readFileSync(pem('k.pem')), cert: readFileSync(pem('c.pem')) }, says));

  it('a member behind TLS is believed by a private CA and the name that is given, and by no other name', async () => {
    const address = `https://127.0.0.1:${portOf(await tls())}`;
    expect(await askBuild(commit({ ca: pem('c.pem'), serverName: 'gateway.internal' }), address, nodeIo)).toMatchObject(named);
    expect(await askBuild(commit({ ca: pem('c.pem'), serverName: 'other.internal' }), address, nodeIo)).toHaveProperty(
      'unreachable',
    );
    expect(await askBuild(commit({}), address, nodeIo)).toEqual({
      unreachable: expect.stringMatching(/give identity: ca and serverName/),
    });
  });

  it('a member behind TLS is asked without verifying only where the config or the router itself says so', async () => {
    const address = `https://127.0.0.1:${portOf(await tls())}`;
    expect(await askBuild(commit({ verify: 'none' }), address, nodeIo)).toMatchObject(named);
    expect(await askBuild(commit({}), { address, insecure: true }, nodeIo)).toMatchObject(named);
    const stricter = commit({ serverName: 'gateway.internal' });
    expect(await askBuild(stricter, { address, insecure: true }, nodeIo)).toHaveProperty('unreachable');
  });

  it('a member that is not verified is still sent the name that the router sends, by which it may choose who answers', async () => {
    const names: unknown[] = [];
    const server = await tls();
    server.on('secureConnection', ({ servername }) => names.push(servername));
    const ask: Ask = { address: `https://127.0.0.1:${portOf(server)}`, insecure: true, serverName: 'gateway.internal' };
    for (const more of [{}, { verify: 'none' }]) expect(await askBuild(commit(more), ask, nodeIo)).toMatchObject(named);
    expect(names).toEqual(['gateway.internal', 'gateway.internal']);
  });

  it('a member on a UNIX socket is asked there, whether the router or the config says so', async () => {
    await listening(createServer(says), pem('u.sock'));
    expect(await askBuild(commit({}), { address: null, unixSocket: pem('u.sock') }, nodeIo)).toMatchObject(named);
    expect(await askBuild(commit({ unixSocket: pem('u.sock') }), 'http://127.0.0.1:1', nodeIo)).toMatchObject(named);
  });

  it.each(['v1', 'v2'] as const)('a member that expects the PROXY protocol %s gets its header', async (version) => {
    const { heads, address } = await behindProxyHeader();
    expect(await askBuild(commit({ proxyProtocol: version }), address, nodeIo)).toMatchObject(named);
    expect(await askBuild(commit({}), { address, proxyProtocol: version === 'v1' ? 1 : 2 }, nodeIo)).toMatchObject(named);
    expect(heads.map((head) => head.subarray(0, 6).toString() === 'PROXY ')).toEqual(Array(2).fill(version === 'v1'));
    expect(await askBuild(commit({}), address, nodeIo)).toHaveProperty('unreachable');
  });

  it('a health endpoint on another port is asked there, with the Host header that is given and without the PROXY header of the first', async () => {
    const port = portOf(await listening(createServer(says)));
    const identity = commit({ port, host: 'health.internal', header: 'x-host', is: 'version' });
    const ask: Ask = { address: 'http://127.0.0.1:1', proxyProtocol: 2 };
    expect(await askBuild(identity, ask, nodeIo)).toMatchObject({ named: { is: 'version', word: 'health.internal' } });
  });

  it('a header that is sent twice with different values is no word, whichever header it is', async () => {
    const twice = createServer((_, response) => response.writeHead(200, ['etag', COMMIT, 'etag', 'other']).end());
    const address = `http://127.0.0.1:${portOf(await listening(twice))}`;
    const word = `${COMMIT}, other`;
    expect(await askBuild(commit({ header: 'etag' }), address, nodeIo)).toMatchObject({ named: { is: 'commit', word } });
  });

  it('white space around what a JSON answer says is not part of it, for a rollout as for break-glass', async () => {
    const server = createServer((_, response) => response.end(JSON.stringify({ commit: `${COMMIT}\n`, none: ' ' })));
    const address = `http://127.0.0.1:${portOf(await listening(server))}`;
    const at = (json: string) => identitySchema.parse({ path: '/', json, is: 'commit' });
    expect(await askBuild(at('commit'), address, nodeIo)).toMatchObject(named);
    expect(await askBuild(at('none'), address, nodeIo)).toMatchObject({ named: { is: 'commit', word: null } });
  });

  it.each([
    ['of.commit', COMMIT],
    ['builds.0.id', '7'],
    ['builds.0.part', null],
    ['builds.0.big', null],
    ['builds.length', null],
    ['builds.1.id', null],
  ])('a JSON answer says at %s exactly %s', async (json, word) => {
    const address = `http://127.0.0.1:${portOf(await listening(createServer(says)))}`;
    const identity = identitySchema.parse({ path: '/', json, is: 'version' });
    expect(await askBuild(identity, address, nodeIo)).toMatchObject({ named: { is: 'version', word } });
  });
});

describe('a program that asks', () => {
  const script =
    'let t="";process.stdin.on("data",(d)=>t+=d).on("end",()=>console.log(JSON.parse(t).address+" "+JSON.parse(t).member))';
  const program = [process.execPath, '-e', script];
  const members: MemberAt[] = [
    { key: 'main', words: 'blue', location: 'main', member: memberAt({ address: 'http://10.0.0.7:80' }) },
  ];

  it('a program is told where the member is, and what it prints is what the member says', async () => {
    const identity = identitySchema.parse({ program, is: 'version' });
    const answers = await askAll(
      identity,
      members,
      false,
      askerOf(nodeIo, () => true),
    );
    expect(answers).toMatchObject([{ answer: { named: { is: 'version', word: 'http://10.0.0.7:80 blue' } } }]);
  });

  it('a program that is not allowed does not run, and the member is silent', async () => {
    const identity = identitySchema.parse({ program, is: 'version' });
    const answers = await askAll(
      identity,
      members,
      false,
      askerOf(nodeIo, () => false),
    );
    expect(answers).toMatchObject([{ answer: { unreachable: expect.stringContaining('--run-programs') } }]);
  });
});

describe('all members of a place', () => {
  const at = (name: string, location: string, more: Partial<Member> = {}): MemberAt => ({
    key: `${location} ${name}`,
    words: name,
    location,
    member: memberAt({ address: `http://${name}` }, { name, ...more }),
  });

  /** Answers after a moment; remembers how many were asked, and how many at once. */
  function counting() {
    const urls: string[] = [];
    let now = 0;
    let most = 0;
    const http = async ({ url }: { url: string }) => {
      urls.push(url);
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return { status: 200, headers: { 'x-git-sha': COMMIT }, body: '' };
    };
    return { urls, most: () => most, asker: askerOf({ ...nodeIo, http } as typeof nodeIo, () => false) };
  }

  it('a member is asked once, however many locations send there, and never more than 32 at once', async () => {
    const { urls, most, asker } = counting();
    const names = Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`);
    const members = ['lb-1', 'lb-2'].flatMap((location) => names.map((name) => at(name, location)));
    const answers = await askAll(commit({}), members, true, asker);
    expect(answers).toHaveLength(60);
    expect(answers[0]?.at).toBe('http://10.0.0.0 of lb-1 and lb-2');
    expect(urls.toSorted()).toEqual(names.map((name) => `http://${name}/healthz`).toSorted());
    expect(most()).toBe(32);
  });

  it('members of many places together are never more than 32 at once', async () => {
    const { urls, most, asker } = counting();
    const places = Array.from({ length: 100 }, (_, index) => [at(`10.0.1.${index}`, 'main')]);
    await Promise.all(places.map((members) => askAll(commit({}), members, false, asker)));
    expect(urls).toHaveLength(100);
    expect(most()).toBe(32);
  });

  it('members that would be asked at one address are not asked, since one of them would answer for all', async () => {
    const { urls, asker } = counting();
    const three = ['a:1', 'a:2', 'a:3'].map((name) => at(name, 'main'));
    for (const more of [{ port: 8081 }, { unixSocket: '/run/health.sock' }])
      expect(await askAll(commit(more), three, false, asker)).toMatchObject([
        { answer: { unreachable: expect.stringMatching(/a:1 .*a:2 .*a:3 .*only one of them would answer/) } },
      ]);
    const loopback = { ask: { address: 'http://127.0.0.1:9001' } };
    const far = ['10.0.0.1:9999', '10.0.0.2:9999'].map((router) => at('b', router, loopback));
    expect(await askAll(commit({}), far, true, asker)).toMatchObject([{ answer: { unreachable: expect.anything() } }]);
    expect(urls).toEqual([]);
    const near = ['/run/a.sock', 'localhost:9999'].map((router) => at('b', router, loopback));
    expect(await askAll(commit({}), near, true, asker)).toMatchObject([{ answer: { named: { word: COMMIT } } }]);
  });

  it('members that hang keep no one waiting for longer than 7 s, and those that were not asked are silent', async () => {
    const hanging = Array.from({ length: 400 }, (_, index) => at(`10.0.0.${index}`, 'main'));
    let nowMs = 0;
    const late: Array<() => void> = [];
    const http = () => new Promise((_, reject) => late.push(() => reject(new Error('timed out'))));
    const asker = askerOf({ ...nodeIo, http, monotonic: () => nowMs } as unknown as typeof nodeIo, () => false);
    const asking = askAll(commit({}), hanging, false, asker);
    let isOver = false;
    void asking.then(() => {
      isOver = true;
    });
    for (; !isOver; nowMs += 2000) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const fail of late.splice(0)) fail();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(nowMs).toBeLessThanOrEqual(8000);
    const answers = await asking;
    expect(answers).toHaveLength(400);
    expect(answers.at(-1)).toMatchObject({ answer: { unreachable: 'it was not asked: the others took 5 s' } });
  });

  it('a member that the router reports down is not asked, but one that is up at another location is', async () => {
    const { urls, asker } = counting();
    const members = [at('a', 'lb-1', { up: false }), at('b', 'lb-1', { up: false }), at('b', 'lb-2')];
    const answers = await askAll(commit({}), members, true, asker);
    expect(answers.map(({ answer }) => 'down' in answer)).toEqual([true, false]);
    expect(urls).toEqual(['http://b/healthz']);
  });
});

describe('the question that is kept for break-glass', () => {
  it('the kept question hears the same as the rollout did, to the letter', async () => {
    const { address } = await behindProxyHeader();
    const identity = commit({ environmentHeader: 'x-environment', proxyProtocol: 'v2' });
    const members: MemberAt[] = [{ key: 'main', words: 'blue', location: 'main', member: memberAt({ address }) }];
    const [question] = questionsAt(identity, members, false);
    if (question === undefined || 'why' in question.asked) throw new Error('one member has one question');
    const environment = { header: 'x-environment', equals: 'production' };
    const hears = (equals: string, of = environment) =>
      identify({ ...question.asked, exact: true, equals, environment: of } as never, nodeIo);
    expect(await hears(COMMIT)).toEqual({ kind: 'right' });
    expect(await hears(COMMIT.toUpperCase())).toMatchObject({ kind: 'gone' });
    expect(await hears(COMMIT, { ...environment, equals: 'staging' })).toMatchObject({ kind: 'gone' });
  });

  it('people read how a member is asked, and that TLS verifies no one', () => {
    const [question] = questionsAt(commit({ verify: 'none', scheme: 'https', host: 'h', proxyProtocol: 'v1' }), [at()], false);
    expect(wayText(question?.asked ?? { why: '' })).toBe(
      'https://10.0.0.7:80/healthz, Host h, TLS NOT VERIFIED, PROXY protocol v1',
    );
  });
});

const at = (): MemberAt => ({
  key: 'main',
  words: 'blue',
  location: 'main',
  member: memberAt({ address: 'http://10.0.0.7:80' }),
});
