import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Backend, startBackend } from '../../../src/scenarios/demo/backend.ts';
import { BAD, GOOD } from '../../../src/scenarios/demo/builds.ts';
import { type Load, startLoad } from '../../../src/scenarios/demo/load.ts';

describe('the demo’s builds', () => {
  let backend: Backend | undefined;
  afterEach(() => backend?.close());

  it('look healthy until they have had some traffic; then the bad one fails every fifth request, probes too', async () => {
    backend = await startBackend(BAD);
    expect(await failuresOf(backend, '/kv/probe', 40)).toBe(0);
    await failuresOf(backend, '/kv/item', 70);
    expect(await failuresOf(backend, '/kv/probe', 40)).toBe(8);
    expect(await failuresOf(backend, '/healthz', 20)).toBe(0);
  });

  it('cut off whoever measures them when the metrics go down, and go on serving', async () => {
    backend = await startBackend(GOOD);
    backend.setMeasuring(false);
    await expect(fetch(`${backend.address}/kv/probe`)).rejects.toThrow();
    expect(await failuresOf(backend, '/kv/item', 10)).toBe(0);
  });
});

describe('the demo’s visitors', () => {
  let backend: Backend | undefined;
  let load: Load | undefined;
  afterEach(async () => {
    load?.stop();
    await backend?.close();
  });

  it('count by the build’s own answer, and only requests that began after they were asked to', async () => {
    backend = await startBackend(GOOD);
    load = startLoad(backend.address);
    await pause(200);
    const before = load.total().requests;
    const seen = await load.sample(100);
    expect(before).toBeGreaterThan(0);
    expect(seen.failed).toBe(0);
    expect([...seen.byGuid.keys()]).toEqual([GOOD.guid]);
    expect(seen.requests).toBeLessThan(load.total().requests);
  });

  it('count a request that nobody answered as failed', async () => {
    backend = await startBackend(GOOD);
    const { address } = backend;
    await backend.close();
    load = startLoad(address);
    const seen = await load.sample(20);
    expect(seen.failed).toBe(seen.requests);
    expect([...seen.byGuid.keys()]).toEqual(['nobody']);
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
