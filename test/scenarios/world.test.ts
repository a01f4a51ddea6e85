import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { demoScenario } from '../../src/scenarios/demo.ts';
import type { Member } from '../../src/scenarios/scenario.ts';
import { type Backend, startBackend } from '../../src/scenarios/servers.ts';
import { startVisitors, type Visitors } from '../../src/scenarios/visitors.ts';

const BAD = memberNamed('bad');
const GOOD = memberNamed('good');

describe('the builds of the local world', () => {
  let backend: Backend | undefined;
  afterEach(() => backend?.close());

  it('the bad build looks healthy until it has had some traffic; then it fails every fifth request, probes too', async () => {
    backend = await startBackend(BAD);
    expect(await failuresOf(backend, '/kv/probe', 40)).toBe(0);
    await failuresOf(backend, '/kv/item', 70);
    expect(await failuresOf(backend, '/kv/probe', 40)).toBe(8);
    expect(await failuresOf(backend, '/healthz', 20)).toBe(0);
  });

  it('a build cuts off whoever measures it when the metrics go down, and continues to serve', async () => {
    backend = await startBackend(GOOD);
    backend.setMeasuring(false);
    await expect(fetch(`${backend.address}/kv/probe`)).rejects.toThrow();
    expect(await failuresOf(backend, '/kv/item', 10)).toBe(0);
  });
});

describe('the visitors of the local world', () => {
  let backend: Backend | undefined;
  let visitors: Visitors | undefined;
  afterEach(async () => {
    visitors?.stop();
    await backend?.close();
  });

  it('visitors count by the build’s own answer, and only requests that began after they were asked to', async () => {
    backend = await startBackend(GOOD);
    visitors = startVisitors(backend.address, true);
    await pause(200);
    const before = visitors.total().requests;
    const seen = await visitors.sample(100);
    expect(before).toBeGreaterThan(0);
    expect(seen.failed).toBe(0);
    expect([...seen.byGuid.keys()]).toEqual([GOOD.guid]);
    expect(seen.requests).toBeLessThan(visitors.total().requests);
  });

  it('visitors count a request that no one answered as failed', async () => {
    backend = await startBackend(GOOD);
    const { address } = backend;
    await backend.close();
    visitors = startVisitors(address, true);
    const seen = await visitors.sample(20);
    expect(seen.failed).toBe(seen.requests);
    expect([...seen.byGuid.keys()]).toEqual(['no one']);
    backend = undefined;
  });
});

async function failuresOf({ address }: Backend, path: string, count: number): Promise<number> {
  let failures = 0;
  for (let sent = 0; sent < count; sent += 1) {
    const answer = await fetch(`${address}${path}`, { signal: AbortSignal.timeout(2000) });
    await answer.arrayBuffer();
    if (answer.status >= 400) failures += 1;
  }
  return failures;
}

function memberNamed(name: string): Member {
  const member = demoScenario().cast[name];
  if (member === undefined) throw new Error(`the demo has no ${name}`);
  return member;
}
