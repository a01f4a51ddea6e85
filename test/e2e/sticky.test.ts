/** Clients that a cookie binds to a build, on a real HAProxy: a good build is released, and never called bad for the requests it did not get. */
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../servers/program.ts';
import { EVIDENCE } from './gates-scene.ts';
import { openSite, PLACES, PRODUCTION, type Site, startBuilds } from './site.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Each of forty clients keeps its cookie for so many requests, and begins anew then; 200 requests a second together. */
function visit(url: string, keeps: number): () => Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const leaving = new AbortController();
  const cookies = new Map<number, string>();
  const one = (client: number) =>
    http
      .get(url, { agent, headers: { cookie: cookies.get(client) ?? 'none=1' }, timeout: 5000 }, (response) => {
        const [set] = response.headers['set-cookie'] ?? [];
        if (set !== undefined) cookies.set(client, set.split(';')[0] ?? '');
        response.resume();
      })
      .on('error', () => undefined);
  const visiting = (async () => {
    for (let sent = 0; !leaving.signal.aborted; sent += 1) {
      const client = sent % 40;
      if (Math.floor(sent / 40) % keeps === client % keeps) cookies.delete(client);
      one(client);
      await pause(5);
    }
  })();
  return async () => {
    leaving.abort();
    await visiting;
    agent.destroy();
  };
}

async function stickySite(keeps: number, compare: string): Promise<Site> {
  const builds = await startBuilds();
  const servers = PLACES.map((name) => ({
    ...{ name, port: builds[name].backend.port, cookie: name },
    ...(name === 'blue' ? {} : { extra: 'disabled' }),
  }));
  const gates = `[{ name: errors, compare: { ruleOut: { plus: 2% }, clusters: 1${compare} } }]`;
  const steps = '[{ percent: 50, bake: 1s }, { percent: 100, bake: 1s }]';
  const site = await openSite({ builds, proxy: { servers }, steps, gates, evidence: EVIDENCE, patience: '30s', adopted: false });
  open.push(() => site.close());
  open.push(visit(site.haproxy.url, keeps));
  await until('visitors were counted', () => (builds.blue.backend.requests() > 60 ? true : undefined));
  const adopted = await site.run(`adopt ${PRODUCTION}`);
  expect(adopted.exitCode, adopted.stderr).toBe(0);
  return site;
}

describe('clients that a cookie binds to a build', () => {
  it('clients bound by a cookie are named by plan and doctor, and their good build is released', {
    timeout: 90_000,
  }, async () => {
    const site = await stickySite(10, '');
    const { guid } = site.builds.green;
    const plan = await site.run(`plan --env production --build ${guid} --json`);
    expect(plan.stderr + plan.stdout).toMatch(/the traffic share is not judged: clients are bound to a server \(cookie \w+\)/);
    expect((await site.run('doctor --env production --json')).stdout).toMatch(/they are bound to a server \(cookie \w+\)/);
    const released = await site.run(`promote --build ${guid} ${PRODUCTION}`);
    expect([released.exitCode, released.result.code], released.stderr).toEqual([0, null]);
  });

  it('clients bound for ever take a good build back without a bad mark, where the traffic is judged', {
    timeout: 90_000,
  }, async () => {
    const site = await stickySite(1_000_000, ', traffic: true');
    const { guid } = site.builds.green;
    const back = await site.run(`promote --build ${guid} ${PRODUCTION}`);
    expect([back.exitCode, back.result.code], back.stderr).toEqual([4, 'REVERTED']);
    expect(back.result.message).toMatch(/^Gate errors gave up: traffic: the candidate had \d+ of \d+ requests .*not marked bad/);
    const status = await site.run('status --env production --json');
    expect(status.json).toContainEqual(expect.objectContaining({ name: 'status', data: expect.objectContaining({ bad: [] }) }));
    expect((await site.run('history --env production')).stdout).toMatch(/gates: give-up: errors give-up: traffic/);
    expect((await site.run(`plan --env production --build ${guid} --json`)).result.code).toBeNull();
  });
});
