/** Three hosts with a router each, in namespaces of their own, driven from one over SSH: good, bad, one cut off, and a rescue. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayHaveHosts } from '../servers/hosts.ts';
import type { Kind } from './hosts-files.ts';
import { type HostsSite, openHostsSite } from './hosts-scene.ts';
import { BUILDS, SURE } from './nginx-scene.ts';

const LIMIT = { timeout: 90_000 };

const { blue, green } = BUILDS;

const PROMOTE = ['promote', '--build', green.guid, ...SURE];

const may = mayHaveHosts();

describe.each<Kind>(['nginx', 'haproxy'])('three hosts with %s', (kind) => {
  let site: HostsSite;
  let clients: { end(): Promise<void> };
  beforeAll(async () => {
    if (!may) return;
    site = await openHostsSite(kind);
    clients = site.clients(60);
  }, 60_000);
  afterAll(async () => {
    await clients?.end();
    await site?.close();
  });

  const ran = async (args: readonly string[], code = 0) => {
    const { exitCode, stdout, stderr } = await site.run(args);
    expect(exitCode, `${stdout}\n${stderr}`).toBe(code);
    return stdout + stderr;
  };
  const served = () => Promise.all([site.n1, site.n2, site.n3].map((host) => site.servedBy(host)));

  it('a build on three hosts is adopted from one of them', LIMIT, async () => {
    if (!may) return;
    await ran(['adopt', ...SURE]);
    expect(await served()).toEqual([[blue.guid], [blue.guid], [blue.guid]]);
  });

  it('a bad build on three hosts is rolled back on all of them', LIMIT, async () => {
    if (!may) return;
    site.setBad('green', true);
    expect(await ran(PROMOTE, 4)).toContain('REVERTED');
    site.setBad('green', false);
    expect(await served()).toEqual([[blue.guid], [blue.guid], [blue.guid]]);
    await ran(['builds', 'pardon', green.guid, ...SURE, '--reason', 'the fault was made up']);
  });

  it('a good build is promoted on three hosts', LIMIT, async () => {
    if (!may) return;
    await ran(PROMOTE);
    expect(await served()).toEqual([[green.guid], [green.guid], [green.guid]]);
  });
});
