/** Three hosts with a router each, in network namespaces of their own, driven from one over SSH: good, bad, one cut off, and a rescue. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayMount } from '../crash/mounts.ts';
import { until } from '../servers/program.ts';
import { BUILDS, type HostsSite, type Kind, openHostsSite, SURE } from './hosts-scene.ts';

const LIMIT = { timeout: 180_000 };

const promote = ['promote', '--build', BUILDS.green.guid, ...SURE];

const may = mayMount('hosts of their own');

describe.each(['nginx', 'haproxy'] as const)('three hosts with %s', (kind: Kind) => {
  let site: HostsSite;
  let clients: { end(): Promise<void> };
  beforeAll(async () => {
    if (!may) return;
    site = await openHostsSite(kind);
    clients = site.clients(60);
  }, 90_000);
  afterAll(async () => {
    await clients?.end();
    await site?.close();
  });

  const allServe = async (guid: string) => {
    for (const byBuild of await site.served()) expect(Object.keys(byBuild)).toEqual([guid]);
  };

  it('a build on three hosts is adopted from one of them', LIMIT, async () => {
    if (!may) return;
    const { exitCode, stderr } = await site.run(['adopt', ...SURE]);
    expect(exitCode, stderr).toBe(0);
    await allServe(BUILDS.blue.guid);
  });

  it('a bad build on three hosts is rolled back on all of them', LIMIT, async () => {
    if (!may) return;
    site.setBad('green', true);
    const { exitCode, stderr } = await site.run(promote);
    expect(exitCode, stderr).toBe(4);
    site.setBad('green', false);
    await allServe(BUILDS.blue.guid);
    expect((await site.run(['builds', 'pardon', BUILDS.green.guid, ...SURE, '--reason', 'the fault was made up'])).exitCode).toBe(
      0,
    );
  });

  it('a host that is cut off in mid-rollout is named, nothing is raised, and the others go back', LIMIT, async () => {
    if (!may) return;
    const rollout = site.start(promote);
    await until('the first step bakes', () => (/50 % baking/.test(rollout.output()) ? true : undefined));
    site.hosts[2]?.cut();
    const { exitCode, stderr } = await rollout.ended;
    expect(stderr).toContain('n3');
    expect([5, 9]).toContain(exitCode);
    const [n1, n2] = await Promise.all(
      [0, 1].map(async (at) => (await fetch(`http://${site.hosts[at]?.address}:8080/`)).headers.get('x-build-guid')),
    );
    expect([n1, n2]).toEqual([BUILDS.blue.guid, BUILDS.blue.guid]);
    const status = await site.run(['status', '--env', 'production']);
    expect(`${status.stdout}${status.stderr}`).toContain('n3');
    expect(status.exitCode).toBe(9);
  });

  it('a host that is back is put right by converge', LIMIT, async () => {
    if (!may) return;
    site.hosts[2]?.join();
    await until('n3 to answer', async () =>
      fetch(`http://${site.hosts[2]?.address}:8080/`, { signal: AbortSignal.timeout(1000) }).then(
        () => true as const,
        () => undefined,
      ),
    );
    const { exitCode, stderr } = await site.run(['converge', ...SURE]);
    expect(exitCode, stderr).toBe(0);
    await allServe(BUILDS.blue.guid);
  });

  it('a good build is promoted on three hosts', LIMIT, async () => {
    if (!may) return;
    const { exitCode, stderr } = await site.run(promote);
    expect(exitCode, stderr).toBe(0);
    await allServe(BUILDS.green.guid);
  });

  it('a rescue needs SSH and local disks alone, and names the host that it does not reach', LIMIT, async () => {
    if (!may) return;
    site.hosts[2]?.cut();
    const rescue = ['rollback', '--break-glass', '--to', BUILDS.blue.guid, ...SURE, '--reason', 'SSO is down, as a drill'];
    const { exitCode, stderr } = await site.run(rescue);
    expect(stderr).toContain('n3');
    expect(exitCode).toBe(5);
    site.hosts[2]?.join();
    const again = await site.run(rescue);
    expect(again.exitCode, again.stderr).toBe(0);
    await allServe(BUILDS.blue.guid);
  });
});
