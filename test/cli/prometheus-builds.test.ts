// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakePrometheus, GUIDS, openPrometheusSite, type PrometheusSite, startFakePrometheus } from './prometheus-site.ts';

let site: PrometheusSite;
let server: FakePrometheus;
const gate = (query: string) => site.writeGate(`url: "${server.url}", interval: 1s, status: code, requests: '${query}'`);
const PLAN = `plan --env production --build ${GUIDS.green}`;

beforeAll(async () => {
  [site, server] = await Promise.all([openPrometheusSite(), startFakePrometheus()]);
  gate('req_total{version="${version}"}');
  expect(await site.adopt()).toMatchObject({ exitCode: 0 });
}, 60_000);
afterAll(() => Promise.all([site.close(), server.close()]));

describe('what the manifest says of a build stands in queries', () => {
  it('version, digest and labels of both builds are asked for, and plan shows the queries', async () => {
    gate('req_total{version=~"${version}",image="app@${digest}",hash="${label.pod_template_hash}"}');
    site.writeBuilds('labels: { pod_template_hash: "6d5f" }', 'labels: { pod_template_hash: "7c8a" }');
    expect(await site.run('validate')).toMatchObject({ exitCode: 0 });
    server.asked.length = 0;
    const { exitCode, stdout } = await site.run(PLAN);
    expect(exitCode).toBe(0);
    const [query = ''] = server.asked.map((each) => each.query);
    for (const [n, hash] of [
      [1, '6d5f'],
      [2, '7c8a'],
    ] as const) {
      const filled = `req_total{version=~"1\\\\.${n}\\\\.0",image="app@sha256:${String(n).repeat(64)}",hash="${hash}"}`;
      expect(query).toContain(filled);
      expect(stdout).toContain(filled);
    }
  }, 30_000);

  it('validate names a placeholder that does not exist, with the one that was meant', async () => {
    gate('req_total{version="${verison}"}');
    const { exitCode, stdout } = await site.run('validate');
    expect(exitCode).toBe(2);
    expect(stdout).toMatch(/no placeholder \$\{verison\}\. Did you mean \$\{version\}\?/);
    expect(stdout).toMatch(/kvdeploy\.config\.yaml:\d+:\d+/);
  });

  it('a label that the newest build does not have is a finding of validate at that build, and plan refuses', async () => {
    gate('req_total{hash="${label.pod_template_hash}"}');
    site.writeBuilds('labels: { pod_template_hash: "6d5f" }');
    const checked = await site.run('validate');
    expect(checked.exitCode).toBe(3);
    expect(checked.stdout).toMatch(/GATE_LABEL_MISSING .*22222222.* has no label pod_template_hash/);
    expect(checked.stdout).toMatch(/app\.yaml:8:\d+/);
    const planned = await site.run(PLAN);
    expect(planned.exitCode).not.toBe(0);
    expect(planned.stderr).toMatch(/GATE_NOT_READY.*has no label pod_template_hash.*labels: \{ pod_template_hash: … \}/);
  });

  it('labels that the manifest gives the stable build after its promotion count', async () => {
    gate('req_total{hash="${label.pod_template_hash}"}');
    site.writeBuilds('labels: { pod_template_hash: "6d5f" }', 'labels: { pod_template_hash: "7c8a" }');
    expect(await site.run(PLAN)).toMatchObject({ exitCode: 0 });
    site.writeBuilds('', 'labels: { pod_template_hash: "7c8a" }');
    expect((await site.run(PLAN)).stderr).toMatch(/build 11111111\S* has no label pod_template_hash/);
  }, 30_000);

  it('a label that is no text, or has no name of a label, is a finding at its place', async () => {
    gate('req_total{version="${version}"}');
    site.writeBuilds('labels: { pod: 12 }', 'labels: { "a-b": x }');
    const { stdout } = await site.run('validate');
    expect(stdout).toMatch(/Put it in quotes: "12"/);
    expect(stdout).toMatch(/a-b.*not the name of a label/);
    site.writeBuilds();
  });

  it('two builds of the same version are refused by name when the version alone tells them apart', async () => {
    gate('req_total{version="${version}"}');
    site.writeBuilds('version: 1.1.0', 'version: 1.1.0');
    const { exitCode, stderr } = await site.run(PLAN);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/\$\{version\} is 1\.1\.0 for both builds, so both would be counted by the same series/);
    site.writeBuilds();
  });

  it('two builds that are counted by one series are refused by plan, with the series', async () => {
    gate('req_total{version="${version}"}');
    server.mood.same = true;
    const { exitCode, stderr } = await site.run(PLAN);
    server.mood.same = false;
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/GATE_NOT_READY.*both builds are counted by the same series, x\{/);
  });

  it.each([
    ['compares', ''],
    ['has a fixed limit', 'max: 1%, minRequests: 1,'],
  ])('plan asks about the candidate too, and refuses what no rollout could count: a gate that %s', async (_what, more) => {
    site.writeGate(`url: "${server.url}", interval: 1s, ${more} status: code, requests: 'req_total{place="\${place}"}'`);
    server.mood.odd = true;
    const { exitCode, stderr } = await site.run(PLAN);
    server.mood.odd = false;
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/GATE_NOT_READY.*could not judge 22222222\S*, the candidate: .*buckets/);
  });

  it('doctor asks for the known-good build by the labels that the manifest gives it today', async () => {
    gate('req_total{hash="${label.pod_template_hash}"}');
    site.writeBuilds('labels: { pod_template_hash: "6d5f" }', 'labels: { pod_template_hash: "7c8a" }');
    const { stdout } = await site.run('doctor --env production');
    site.writeBuilds();
    expect(stdout).toMatch(/gate errors .*prometheus polled for 11111111.*requests failed/);
  });
});

describe('a Prometheus that is slow is not broken', () => {
  const slow = (more: string) =>
    site.writeGate(`url: "${server.url}", interval: 15s, ${more} status: code, requests: 'req_total{place="\${place}"}'`);

  it('a timeout as long as the interval is taken, and doctor waits for it', async () => {
    slow('timeout: 15s,');
    expect(await site.run('validate')).toMatchObject({ exitCode: 0 });
    server.mood.delayMs = 2600;
    const { stdout } = await site.run('doctor --env production');
    server.mood.delayMs = 0;
    expect(stdout).toMatch(/gate errors .*requests failed/);
  }, 30_000);

  it('a server that is slower than its timeout is said to have timed out, with the timeout that it can have', async () => {
    slow('timeout: 2s,');
    server.mood.delayMs = 4000;
    const { stderr } = await site.run(PLAN);
    server.mood.delayMs = 0;
    expect(stderr).toMatch(/timed out after 2 s; timeout can be up to 15 s, as long as the interval/);
    expect(stderr).not.toMatch(/query=|%28/);
  }, 30_000);
});
