/** Failures that only clients see: what judges them, where it is required, and that a build that refuses every client goes back. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { load } from '../servers/load.ts';
import { BLUE, GREEN, IN_GLOBEX, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

const OWN_COUNTERS = '[{ name: errors, source: local, max: 1%, minRequests: 20 }]';
const BLACKBOX = `[{ name: box, source: prometheus, url: "http://127.0.0.1:1", requests: 'probe_success{build="\${build}"}', status: code }]`;
const PROGRAM = `[{ name: curl, source: command, argv: [/bin/true, "\${build}"], probes: true }]`;

let site: LocalSite;
let clients: AbortController;
const visited: Promise<unknown>[] = [];
const run = async (...args: readonly string[]) => resultOf(await site.run([...args, '--json']));
const promote = ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE];

interface Hazards {
  readonly hazards: readonly { readonly id: string; readonly controlled: boolean; readonly controls: readonly unknown[] }[];
}

/** The row of the hazard table that `plan` prints. */
async function row(...what: readonly string[]) {
  const { json } = await site.run(['plan', ...what, '--json']);
  const document = json.find((line) => line.type === 'document' && line.name === 'plan');
  const { hazards } = (document?.type === 'document' ? document.data : { hazards: [] }) as Hazards;
  return hazards.find(({ id }) => id === 'client-failures');
}

/** Requests to the service until the test ends. */
function visit(): void {
  visited.push(load(site.url('production'), { count: 1_000_000, perSecond: 200, signal: clients.signal }));
}

beforeAll(async () => {
  site = await openLocalSite(['production', 'globex']);
  site.keep('empty');
  expect(await run('adopt', ...PRODUCTION, ...SURE)).toMatchObject({ ok: true });
  expect(await run('adopt', ...IN_GLOBEX, '--yes')).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  clients = new AbortController();
  await site.restore('adopted');
});
afterEach(async () => {
  clients.abort();
  await Promise.all(visited.splice(0));
  site.backend('production', 'green').setStatus(200);
});

describe('a protected environment that only probes judge', () => {
  it.each([
    ['http-probe', undefined],
    ['a command that probes', PROGRAM],
    ['metrics of the blackbox exporter', BLACKBOX],
  ])('adopt, plan and promote refuse where %s alone judges', { timeout: 60_000 }, async (_what, gates) => {
    site.writeConfig({ probesOnly: false, ...(gates === undefined ? {} : { gates }) });
    const refused = { code: 'PROBES_ONLY', exitCode: 3, hint: expect.stringContaining('gates: [errors]') };
    expect(await run('plan', ...PRODUCTION, '--build', GREEN.guid)).toMatchObject(refused);
    expect(await run(...promote)).toMatchObject(refused);
    await site.restore('empty');
    expect(await run('adopt', ...PRODUCTION, ...SURE)).toMatchObject(refused);
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  it('the hazard table shows whether failures that only clients see would be seen', { timeout: 60_000 }, async () => {
    const plan = [...PRODUCTION, '--build', GREEN.guid];
    site.writeConfig({ probesOnly: false });
    expect(await row(...plan)).toMatchObject({ controlled: false, controls: [{ status: 'absent' }] });
    site.writeConfig({ probesOnly: true });
    expect(await row(...plan)).toMatchObject({
      controlled: true,
      controls: [{ level: 'administration', detail: 'probesOnly: true' }],
    });
    site.writeConfig({ probesOnly: false, gates: OWN_COUNTERS });
    expect(await row(...plan)).toMatchObject({
      controlled: true,
      controls: [
        { level: 'engineering', status: 'verified', detail: 'errors' },
        { level: 'engineering', status: 'not-verified', detail: expect.stringMatching(/no gate judges .*latency.*slices/) },
      ],
    });
  });

  it('plan lists what each gate does not judge, in text and in JSON', { timeout: 60_000 }, async () => {
    const plan = ['plan', ...PRODUCTION, '--build', GREEN.guid];
    site.writeConfig({ probesOnly: false, gates: OWN_COUNTERS.replace(']', ', { name: compared, source: local }]') });
    const { stdout } = await site.run(plan);
    expect(stdout).toMatch(/not judged: latency/);
    expect(stdout).toMatch(/not judged: redirects \(3xx\) and 1xx: a fixed limit cannot know/);
    const { stdout: json } = await site.run([...plan, '--json']);
    const document = json.split('\n').flatMap((line) => (line.includes('"name":"plan"') ? [JSON.parse(line)] : []))[0];
    expect(document.data.gates[0].unseen).toContain('slices');
    expect(document.data.comparison[0].unseen).toContain('slices');
    expect(document.data.comparison[0].unseen.join()).not.toContain('redirects');
  });

  it('an environment that is not protected may be judged by probes alone, and doctor fails one that is', async () => {
    site.writeConfig({ probesOnly: false });
    expect(await run('plan', ...IN_GLOBEX, '--from', 'production')).not.toMatchObject({ code: 'PROBES_ONLY' });
    const { stdout } = await site.run(['doctor', ...PRODUCTION]);
    expect(stdout).toMatch(/FAIL {2}gates +Every gate of acme\/production\/kv-gateway judges by probes of its own/);
  });
});

describe('a build that answers its probes and refuses every client', () => {
  it('a fixed limit on router counters rolls an all-401 build back, and names the status', { timeout: 60_000 }, async () => {
    site.writeConfig({ probesOnly: false, gates: OWN_COUNTERS });
    site.backend('production', 'green').setStatus(401, 200);
    visit();
    const ended = await run(...promote);
    expect(ended).toMatchObject({ code: 'REVERTED', exitCode: 4, message: expect.stringMatching(/errors failed.*x 401/) });
    expect(await site.percent('production', 'blue')).toBe(100);
    expect(await run(...promote)).toMatchObject({ code: 'BAD_BUILD' });
  });

  it('statuses that a fixed limit expects are no failures, and others still are', { timeout: 60_000 }, async () => {
    site.backend('production', 'green').setStatus(404, 200);
    visit();
    const expecting = (statuses: string) => OWN_COUNTERS.replace('max:', `expect: ${statuses}, max:`);
    site.writeConfig({ probesOnly: false, gates: expecting('[404]') });
    expect(await run(...promote)).toMatchObject({ ok: true, traffic: { split: [{ build: GREEN.guid, percent: 100 }] } });
    await site.restore('adopted');
    site.writeConfig({ probesOnly: false, gates: expecting('[401]') });
    expect(await run(...promote)).toMatchObject({ code: 'REVERTED', message: expect.stringMatching(/x 404/) });
    expect((await run('status', ...PRODUCTION)).traffic).toMatchObject({ split: [{ build: BLUE.guid, percent: 100 }] });
  });
});
