import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { routesText, type ServeStatus, STATUS_PATH, statusSchema } from '../../src/routers/local/local-routes.ts';
import { type Serving, serve } from '../../src/serve/serve.ts';
import { type Answering, type Backend, startBackend } from './backend.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const BLUE = '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111';
const GREEN = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const PATIENT = { timeout: 20_000 };

describe('kvdeploy serve with replicas', () => {
  let folder: string;
  let blue: Backend;
  let greens: Backend[];
  let serving: Serving | undefined;
  const lines: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kvdeploy-replicas-'));
    lines.length = 0;
    blue = await startBackend(BLUE);
    greens = await Promise.all([1, 2, 3].map(() => startBackend(GREEN)));
  });

  afterEach(async () => {
    await serving?.close();
    serving = undefined;
    await Promise.all([blue, ...greens].map((backend) => backend.close()));
    rmSync(folder, { recursive: true });
  });

  /** `percent` to green. */
  const start = async (percent: number) => {
    const routes = join(folder, 'routes.json');
    const split = [
      { place: 'blue', build: null, percent: 100 - percent },
      { place: 'green', build: null, percent },
    ];
    writeFileSync(routes, routesText(split));
    const places = { blue: [blue.address], green: { urls: greens.map(({ address }) => address) } };
    serving = await serve({ scope: SCOPE, listen: '127.0.0.1:0', routes, places }, (line) => lines.push(line));
    return serving.url;
  };
  const replace = async (index: number, answer?: Answering) => {
    const old = greens[index] as Backend;
    await old.close();
    greens[index] = await startBackend(GREEN, answer, Number(new URL(old.address).port));
  };
  const greenMembers = ({ members = [] }: ServeStatus) => members.filter(({ place }) => place === 'green');
  const upOf = async (url: string) => greenMembers(await status(url)).map(({ up }) => up);

  it('serve sends the share of a place to its members in turn, and counts what each got and answered', async () => {
    await replace(1, (_request, response) => response.writeHead(500).end());
    const url = await start(75);
    for (let sent = 0; sent < 40; sent += 1) await ask(url);
    expect([blue, ...greens].map((backend) => backend.requests())).toEqual([10, 10, 10, 10]);
    const said = await status(url);
    expect(said).toMatchObject({ served: { blue: 10, green: 30 }, answered: { blue: { 200: 10 }, green: { 200: 20, 500: 10 } } });
    expect(greenMembers(said)).toEqual(
      greens.map(({ address }, index) => ({
        ...{ name: new URL(address).host, place: 'green', url: address, up: true, served: 10 },
        answered: index === 1 ? { 500: 10 } : { 200: 10 },
      })),
    );
  });

  it('serve takes a member that refuses connections out of rotation: the others of its place get its requests', async () => {
    const url = await start(50);
    await greens[1]?.close();
    const answers = [];
    for (let sent = 0; sent < 40; sent += 1) answers.push(await ask(url));
    expect(answers.filter((code) => code === 502)).toHaveLength(1);
    expect(await upOf(url)).toEqual([true, false, true]);
    expect((await status(url)).served).toEqual({ blue: 20, green: 20 });
    expect(greens.map((backend) => backend.requests() > 8)).toEqual([true, false, true]);
    expect(lines).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+ of green is out of rotation: .*ECONNREFUSED/)]);
  });

  it('serve sends requests to a member again once it accepts connections, without one that fails meanwhile', async () => {
    const url = await start(100);
    await greens[1]?.close();
    for (let sent = 0; sent < 6; sent += 1) await ask(url);
    expect(await upOf(url)).toEqual([true, false, true]);
    await replace(1);
    await expect.poll(() => upOf(url), PATIENT).toEqual([true, true, true]);
    expect(greens[1]?.requests()).toBe(0);
    for (let sent = 0; sent < 6; sent += 1) expect(await ask(url)).toBe(200);
    expect(greens[1]?.requests()).toBe(2);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/of green is in rotation again$/);
  });

  it('serve takes a member out of rotation that resets connections, and not one whose client leaves', async () => {
    let asked = 0;
    await replace(0, (request) => request.socket.resetAndDestroy());
    await replace(1, () => {
      asked += 1;
    });
    const url = await start(100);
    const leaving = [1, 2, 3].map(() => get(url).on('error', () => undefined));
    await expect.poll(() => asked, PATIENT).toBeGreaterThan(0);
    for (const request of leaving) request.destroy();
    await expect.poll(async () => greenMembers(await status(url))[1]?.answered, PATIENT).toEqual({ none: asked });
    expect(lines.filter((line) => line.includes('is out of rotation'))).toEqual([
      expect.stringContaining(`${new URL(greens[0]?.address ?? '').host} of green`),
    ]);
  });

  it('serve never gives the share of a place to another one: with no member up, each is tried in turn', async () => {
    for (const green of greens) await green.close();
    const url = await start(50);
    const answers = [];
    for (let sent = 0; sent < 40; sent += 1) answers.push(await ask(url));
    expect(answers.filter((code) => code === 502)).toHaveLength(20);
    const said = await status(url);
    expect(said.served).toEqual({ blue: 20, green: 20 });
    expect(greenMembers(said).map(({ up, answered }) => [up, Object.keys(answered)])).toEqual(
      [1, 2, 3].map(() => [false, ['none']]),
    );
    await replace(2);
    await expect.poll(() => ask(url).then(() => upOf(url)), PATIENT).toEqual([false, false, true]);
  });

  it('serve tells an earlier kvdeploy a list where a place has several members, which it cannot take for an address', async () => {
    const said = await status(await start(50));
    expect(said.formatVersion).toBe(1);
    expect(said.addresses['blue']).toBe(blue.address);
    expect(said.addresses['green']).toBe(greens.map(({ address }) => address).join(', '));
    expect(URL.canParse(said.addresses['green'] ?? '')).toBe(false);
  });
});

function ask(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(url, { timeout: 10_000 }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error('timed out')));
  });
}

async function status(url: string): Promise<ServeStatus> {
  const answer = await fetch(`${url}${STATUS_PATH}`, { signal: AbortSignal.timeout(10_000) });
  return statusSchema.parse(await answer.json());
}
