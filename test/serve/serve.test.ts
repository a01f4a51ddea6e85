import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseGuid } from '../../src/core/scope.ts';
import { BUILD_HEADER, routesText, STATUS_PATH } from '../../src/routers/local/local-routes.ts';
import { type ServeSettings, type Serving, serve } from '../../src/serve/serve.ts';
import { type Backend, startBackend } from './backend.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const BLUE = '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111';
const GREEN = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

describe('kvdeploy serve', () => {
  let folder: string;
  let routes: string;
  let blue: Backend;
  let green: Backend;
  let serving: Serving | undefined;
  const lines: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kvdeploy-serve-'));
    routes = join(folder, 'routes.json');
    lines.length = 0;
    blue = await startBackend(BLUE);
    green = await startBackend(GREEN);
  });

  afterEach(async () => {
    await serving?.close();
    serving = undefined;
    await Promise.all([blue.close(), green.close()]);
    rmSync(folder, { recursive: true });
  });

  const start = async (more: Partial<ServeSettings> = {}) => {
    const addresses = { blue: blue.address, green: green.address };
    serving = await serve({ scope: SCOPE, listen: '127.0.0.1:0', routes, addresses, ...more }, (line) => lines.push(line));
    return serving.url;
  };

  it('serve answers 503 with what to do while there is no routes file', async () => {
    const url = await start();
    const answer = await ask(url);
    expect(answer.status).toBe(503);
    expect(answer.body).toMatch(/--initially/);
    expect(lines.join('\n')).toMatch(/cannot be read/);
  });

  it('serve writes the first routes file with --initially, and leaves one that is there alone', async () => {
    await start({ initially: 'blue' });
    const first = readFileSync(routes, 'utf8');
    expect(JSON.parse(first).split).toContainEqual({ place: 'blue', build: null, percent: 100 });
    await serving?.close();
    await start({ initially: 'green' });
    expect(readFileSync(routes, 'utf8')).toBe(first);
  });

  it('serve refuses --initially with a place it does not know, before it listens or writes', async () => {
    await expect(start({ initially: 'purple' })).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringMatching(/blue, green/),
    });
    expect(existsSync(routes)).toBe(false);
  });

  it('serve says so when another program listens at its address', async () => {
    await expect(start({ listen: new URL(blue.address).host })).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('serve splits the requests of one kept-alive connection, and names the build in each answer', async () => {
    put(routes, [25, 75]);
    const url = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const seen = new Map<string, number>();
    const ports = new Set<number | undefined>();
    for (let sent = 0; sent < 100; sent += 1) {
      const answer = await ask(url, agent);
      expect(answer.headers[BUILD_HEADER]).toBe(answer.headers['x-build-guid']);
      const who = String(answer.headers[BUILD_HEADER]);
      seen.set(who, (seen.get(who) ?? 0) + 1);
      ports.add(answer.localPort);
    }
    agent.destroy();
    expect(Object.fromEntries(seen)).toEqual({ [BLUE]: 25, [GREEN]: 75 });
    expect(ports.size).toBe(1);
  });

  it('serve follows the routes file without a restart, within a moment and without being asked', async () => {
    put(routes, [100, 0]);
    const url = await start();
    expect((await ask(url)).headers[BUILD_HEADER]).toBe(BLUE);
    put(routes, [0, 100]);
    await expect.poll(async () => (await ask(url)).headers[BUILD_HEADER], { timeout: 2000, interval: 20 }).toBe(GREEN);
  });

  it('serve keeps the last good split while the routes file is bad or gone, says so once, and says when it is good', async () => {
    put(routes, [100, 0]);
    const url = await start();
    writeFileSync(routes, '{"formatVersion": 1, "sp');
    await expect.poll(() => lines.length, { timeout: 2000 }).toBe(1);
    for (let sent = 0; sent < 5; sent += 1) expect((await ask(url)).headers[BUILD_HEADER]).toBe(BLUE);
    expect((await status(url)).problem).toMatch(/damaged/);
    rmSync(routes);
    await expect.poll(() => lines.length, { timeout: 2000 }).toBe(2);
    expect((await ask(url)).headers[BUILD_HEADER]).toBe(BLUE);
    put(routes, [0, 100]);
    expect((await status(url)).problem).toBeNull();
    expect((await ask(url)).headers[BUILD_HEADER]).toBe(GREEN);
    expect(lines).toHaveLength(3);
  });

  it('serve counts a request per place and build when it begins, and not those for its own status', async () => {
    put(routes, [50, 50]);
    const url = await start();
    for (let sent = 0; sent < 10; sent += 1) await ask(url);
    const said = await status(url);
    expect(said).toMatchObject({ scope: SCOPE, applied: 'blue=50,green=50', served: { blue: 5, green: 5 } });
    expect(said.servedByBuild).toEqual({ [BLUE]: 5, [GREEN]: 5 });
    expect(blue.requests() + green.requests()).toBe(10);
  });

  it('serve answers 502 in plain words when a build does not answer, and lives on', async () => {
    put(routes, [0, 100]);
    const url = await start();
    await green.close();
    const answer = await ask(url);
    expect(answer.status).toBe(502);
    expect(answer.body).toMatch(/green at http.* did not answer/);
    expect(answer.headers[BUILD_HEADER]).toBe(GREEN);
    put(routes, [100, 0]);
    await status(url);
    expect((await ask(url)).status).toBe(200);
  });

  it('serve does not let a build answer in the name of another', async () => {
    await green.close();
    green = await startBackend(GREEN, (_request, response) => response.setHeader(BUILD_HEADER, BLUE).end('ok'));
    put(routes, [0, 100]);
    expect((await ask(await start())).headers[BUILD_HEADER]).toBe(GREEN);
  });

  it('serve passes method, path, query, body and several headers of one name through', async () => {
    await blue.close();
    blue = await startBackend(BLUE, (request, response) => {
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      response.statusCode = 418;
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => response.end(`${request.method} ${request.url} ${body}`));
    });
    put(routes, [100, 0]);
    const url = await start();
    const answer = await fetch(`${url}/kv/a%20b?x=1&y`, { method: 'PUT', body: 'hello', signal: AbortSignal.timeout(2000) });
    expect(answer.status).toBe(418);
    expect(await answer.text()).toBe('PUT /kv/a%20b?x=1&y hello');
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  });

  it('serve passes upgraded connections through, and cuts them when it closes', async () => {
    put(routes, [100, 0]);
    const { port } = new URL(await start());
    const socket = connect(Number(port), '127.0.0.1');
    let heard = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      heard += chunk;
    });
    const ended = new Promise((resolve) => socket.on('close', resolve));
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    await expect.poll(() => heard, { timeout: 2000 }).toMatch(/101 Switching/);
    socket.write('ping');
    await expect.poll(() => heard, { timeout: 2000 }).toMatch(/ping$/);
    await serving?.close();
    await ended;
  });

  it('serve passes on no header that is meant for one connection only, in either direction', async () => {
    await blue.close();
    const heard: string[][] = [];
    blue = await startBackend(BLUE, (request, response) => {
      heard.push(Object.keys(request.headers));
      response.setHeader('connection', 'x-of-this-hop, keep-alive');
      response.setHeader('x-of-this-hop', 'secret');
      response.setHeader('keep-alive', 'timeout=600');
      response.setHeader('proxy-authenticate', 'Basic');
      response.setHeader('x-kept', '1');
      response.end('ok');
    });
    put(routes, [100, 0]);
    const url = await start();
    const said = await raw(url, [
      'GET /a HTTP/1.1',
      'host: x',
      'connection: close, x-mine, host, x-reflected',
      'x-mine: 1',
      'te: trailers',
      'proxy-authorization: Basic eDp5',
      'keep-alive: timeout=5',
    ]);
    expect(said).toMatch(/^HTTP\/1\.1 200 /);
    expect(said).toMatch(/x-kept: 1/i);
    expect(said).not.toMatch(/x-of-this-hop|timeout=600|proxy-authenticate|x-reflected/i);
    const [headers = []] = heard;
    expect(headers).toContain('host');
    expect(headers.filter((name) => /x-mine|^te$|proxy-auth|keep-alive/.test(name))).toEqual([]);
  });

  it('serve counts an upgrade that its build refuses or drops, and names the build itself', async () => {
    await blue.close();
    blue = await startBackend(BLUE);
    blue.onUpgrade((request, socket) => {
      if (request.url === '/drop') socket.destroy();
      else
        socket.end(
          `HTTP/1.1 401 Unauthorized\r\n${BUILD_HEADER}: ${GREEN}\r\nx-hop: 1\r\nconnection: x-hop\r\ncontent-length: 0\r\n\r\n`,
        );
    });
    put(routes, [100, 0]);
    const url = await start();
    const websocket = (path: string) =>
      raw(url, [`GET ${path} HTTP/1.1`, 'host: x', 'connection: upgrade', 'upgrade: websocket']);
    const refused = await websocket('/');
    expect(refused).toMatch(/^HTTP\/1\.1 401 /);
    expect(refused).toContain(`${BUILD_HEADER}: ${BLUE}`);
    expect(refused).not.toMatch(new RegExp(`${GREEN}|x-hop`));
    expect(await websocket('/drop')).toMatch(/^HTTP\/1\.1 502 /);
    expect(await raw(url, ['GET / HTTP/1.1', 'host: x', 'connection: upgrade', 'upgrade: h2c'])).toMatch(/^HTTP\/1\.1 501 /);
    await expect.poll(async () => (await status(url)).answered).toEqual({ blue: { 401: 1, none: 1 } });
  });

  it('serve tells its status only to those who ask by a loopback name and not through a proxy', async () => {
    put(routes, [100, 0]);
    const url = await start();
    const { port } = new URL(url);
    const asked = async (...headers: string[]) =>
      (await raw(url, [`GET ${STATUS_PATH} HTTP/1.1`, 'connection: close', ...headers])).slice(9, 12);
    for (const host of [`127.0.0.1:${port}`, 'localhost', '[::1]:80'])
      expect([host, await asked(`host: ${host}`)]).toEqual([host, '200']);
    for (const host of ['example.com', `127.0.0.1.example.com:${port}`, 'localhost.example.com'])
      expect([host, await asked(`host: ${host}`)]).toEqual([host, '403']);
    expect(await asked('host: localhost', 'x-forwarded-for: 203.0.113.7')).toBe('403');
  });

  it('serve tells its status only to clients on this machine', async () => {
    const outside = Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal);
    put(routes, [100, 0]);
    const url = await start({ listen: '0.0.0.0:0' });
    const { port } = new URL(url);
    expect((await ask(`http://127.0.0.1:${port}${STATUS_PATH}`)).status).toBe(200);
    if (outside !== undefined) expect((await ask(`http://${outside.address}:${port}${STATUS_PATH}`)).status).toBe(403);
  });

  it('serve lets a request in flight end when it closes, and takes no new one', async () => {
    let finish: (() => void) | undefined;
    await blue.close();
    blue = await startBackend(BLUE, (_request, response) => {
      finish = () => response.end('late');
    });
    put(routes, [100, 0]);
    const url = await start();
    const answer = ask(url);
    await expect.poll(() => finish, { timeout: 2000 }).toBeTypeOf('function');
    const closed = serving?.close();
    await expect(ask(url)).rejects.toThrow();
    finish?.();
    expect((await answer).body).toBe('late');
    await closed;
  });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly localPort: number | undefined;
}

function ask(url: string, agent?: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ...(agent === undefined ? {} : { agent }), timeout: 2000 }, (response) => {
      const { localPort } = response.socket;
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body, localPort }));
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error('timed out')));
  });
}

/** What comes back on one connection until it is closed. */
function raw(url: string, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
    socket.setEncoding('utf8').on('data', (chunk) => {
      said += chunk;
    });
    socket.on('close', () => resolve(said)).on('error', reject);
  });
}

async function status(url: string) {
  return JSON.parse((await ask(`${url}${STATUS_PATH}`)).body);
}

function put(path: string, [blue, green]: readonly [number, number]): void {
  const split = [
    { place: 'blue', build: parseGuid(BLUE) ?? null, percent: blue },
    { place: 'green', build: parseGuid(GREEN) ?? null, percent: green },
  ];
  writeFileSync(`${path}.new`, routesText(split));
  renameSync(`${path}.new`, path);
}
