/** `backtest` as people and scripts run it: results, bad traces, gates of a config, standard input, calibration, and a real Prometheus. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshFolder } from '../fresh-folder.ts';
import { until } from '../servers/program.ts';
import { type Prometheus, startPrometheus } from '../servers/prometheus.ts';
import { EXAMPLES, HEADER, linesOf, TRACES, traceOf } from '../traces.ts';
import { type CliOptions, runCli } from './run-cli.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111';
const GREEN = '7f3c2a10-2222-4222-8222-222222222222';

const folder = freshFolder();
const run = (args: readonly string[], options: CliOptions = {}) => runCli(['backtest', ...args], { cwd: folder, ...options });

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

async function resultOf(args: readonly string[], options: CliOptions = {}) {
  const { exitCode, json, stderr } = await run([...args, '--json'], options);
  const last = json.at(-1);
  if (last?.type !== 'result') throw new Error(`no result: ${stderr}`);
  return { ...last, exitCode, lines: json };
}

/** A folder with a config of its own; `service` is what stands below each of its services. */
function configFolder(service: string, names: readonly string[] = ['hello']): string {
  const home = join(freshFolder(), 'checkout');
  mkdirSync(home);
  const services = names.map((name) => `          ${name}: ${service}\n`).join('');
  const text = `apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants:\n  acme:\n    environments:\n      production:\n        services:\n${services}`;
  writeFileSync(join(home, 'kvdeploy.config.yaml'), text);
  return home;
}

describe('a trace', () => {
  it.each([
    ['healthy', { verdict: 'pass', t_s: 180, badRequests: 12, slice: null, step: 1 }],
    ['five-percent', { verdict: 'fail', slice: null, step: 1 }],
    ['one-tenant', { verdict: 'fail', slice: 'tenant-007', step: 1 }],
    ['outage-of-401', { verdict: 'fail', slice: null, step: 1 }],
    ['scrape-gap', { verdict: 'give-up', slice: null, step: 1 }],
  ])('a backtest of the trace %s ends with exit code 0 and its verdict on the result line', async (name, expected) => {
    const result = await resultOf(['--trace', join(TRACES, `${name}.csv`)]);
    expect(result).toMatchObject({ ok: true, code: null, exitCode: 0, command: 'backtest', ...expected });
    expect(result.logE).toBeTypeOf('number');
    expect(result.lines.map(({ type }) => type)).toEqual(['version', 'document', 'result']);
  });

  it.each([
    ['a redirect that the stable build never gives', 307, 0, { verdict: 'fail' }],
    ['an empty answer that the stable build never gives', 204, 0, { verdict: 'fail' }],
    ['as many 304 as the stable build gives', 304, 0.2, { verdict: 'pass', badRequests: 0 }],
  ])(
    'a backtest of a build of which a fifth of the answers are %s ends with its verdict',
    async (_what, status, usual, expected) => {
      const lines = Array.from({ length: 40 }, (_, index) => {
        const line = (build: string, requests: number, part: number) =>
          `${15 * (index + 1)},,${build},200,${requests * (1 - part)},0\n${15 * (index + 1)},,${build},${status},${requests * part},0`;
        return `${line('candidate', 750, 0.2)}\n${line('stable', 14_250, usual)}`;
      });
      const trace = file('statuses.csv', `t_s,slice,build,status,requests,errors\n${lines.join('\n')}\n`);
      expect(await resultOf(['--trace', trace])).toMatchObject({ ok: true, exitCode: 0, ...expected });
    },
  );

  it('a backtest takes a status that the gate expects for no failure', async () => {
    const line = (index: number, build: string, status: number, requests: number) =>
      `${15 * (index + 1)},,${build},${status},${requests},0`;
    const lines = Array.from({ length: 40 }, (_, index) =>
      [line(index, 'candidate', 301, 750), line(index, 'stable', 200, 14_250)].join('\n'),
    );
    const trace = file('meant.csv', `t_s,slice,build,status,requests,errors\n${lines.join('\n')}\n`);
    const cwd = configFolder('{ gates: [{ name: errors, source: local, expect: [301] }] }');
    expect(await resultOf(['--trace', join(folder, trace)], { cwd })).toMatchObject({ exitCode: 0, verdict: 'pass' });
    expect(await resultOf(['--trace', trace])).toMatchObject({ exitCode: 0, verdict: 'fail' });
  });

  it('the traces in fixtures/traces are what their script makes', () => {
    for (const [name, text] of Object.entries(EXAMPLES)) expect(readFileSync(join(TRACES, `${name}.csv`), 'utf8')).toBe(text());
  });

  it('a trace that decides nothing holds, with exit code 0', async () => {
    const name = file('short.csv', traceOf({ intervals: 4 }));
    expect(await resultOf(['--trace', name])).toMatchObject({ exitCode: 0, verdict: 'hold', t_s: 60, slice: null });
  });

  it('a trace in which the candidate is silent from the start holds, in text and JSON', async () => {
    const name = file('silent.csv', `${HEADER}\n15,,stable,10,0\n30,,stable,10,0\n`);
    const result = await resultOf(['--trace', name]);
    expect(result).toMatchObject({ exitCode: 0, code: null, verdict: 'hold', t_s: 30, released: false });
    expect((await run(['--trace', name])).stdout).toMatch(/why .*no line for the candidate build, so nothing is known of it/);
  });

  it('a trace that was recorded at its first step passes no further, and says what it cannot tell', async () => {
    const args = ['--trace', join(TRACES, 'healthy.csv')];
    const result = await resultOf(args);
    expect(result).toMatchObject({ verdict: 'pass', step: 1, released: false });
    expect(result.message).toMatch(
      /would have advanced past step 1 of 4 at 180 s, after 12 bad requests; the trace cannot tell what follows/,
    );
    expect(result['cannotTell']).toContain('what the candidate does at 25 %, 50 %, 100 % of the traffic');
    const { stdout } = await run(args);
    expect(stdout).toMatch(/unknown {2}what the candidate does at 25 %, 50 %, 100 % of the traffic/);
    expect(stdout).toMatch(/a rollout polls every 1s; here counts are spread evenly/);
  });

  it('a trace may come from standard input, and be longer than other input may', async () => {
    const input = traceOf({
      slices: Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`slice-${index}`, 0.004])),
      intervals: 100,
    });
    expect(input.length).toBeGreaterThan(1_050_000);
    expect(await resultOf(['--trace', '-'], { input })).toMatchObject({ exitCode: 0, verdict: expect.any(String) });
  });

  it('the result of a trace is told to people in words', async () => {
    const { stdout, stderr, exitCode } = await run(['--trace', join(TRACES, 'one-tenant.csv')]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const text of ['verdict  fail at', 'slice    tenant-007', 'step  share', '✔ The gates would have rolled back at'])
      expect(stdout).toContain(text);
  });
});

describe('a trace is refused', () => {
  it.each([
    ['', 'the header has no t_s'],
    [`${HEADER}\n`, 'a header but no data'],
    [`${HEADER}\n15,,candidate,10,0\n`, 'no line for the stable build'],
    [`${HEADER}\n15,,candidate,10,12\n15,,stable,9,0\n`, '12 errors of only 10 requests'],
    [`${HEADER}\n15,,candidate,-3,0\n15,,stable,9,0\n`, 'is not a whole number'],
    ['%PDF-1.7', 'there is no column'],
  ])('a bad trace is refused with its place, reason and fix (%#)', async (text, reason) => {
    const name = file('bad.csv', text);
    const { exitCode, stdout, stderr } = await run(['--trace', name]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(reason);
    expect(stderr).toMatch(/at {3}bad\.csv:\d+:\d+/);
    expect(stderr).toMatch(/TRACE_INVALID/);
    expect(stderr).toMatch(/ {2}fix {2}\S/);
    const result = await resultOf(['--trace', name]);
    expect(result).toMatchObject({ ok: false, code: 'TRACE_INVALID', exitCode: 2, places: [{ file: 'bad.csv' }] });
    expect(result.lines.find((line) => line.type === 'document')).toMatchObject({ name: 'findings' });
    expect(result).not.toHaveProperty('verdict');
  });

  it('a bad trace is refused with every finding, not only the first', async () => {
    const name = file('many.csv', `${HEADER}\n15,,canary,1,0\n15,,stable,1,2\nx,,stable,1,0\n`);
    const { stderr } = await run(['--trace', name]);
    for (const place of ['many.csv:2:5', 'many.csv:3:14', 'many.csv:4:1']) expect(stderr).toContain(place);
    expect(stderr).toContain('many.csv has 3 errors.');
  });

  it('a trace that cannot be read, is no file, is no text, or is too large, is refused', async () => {
    file('binary.csv', '');
    writeFileSync(join(folder, 'binary.csv'), Buffer.from([0xff, 0xfe, 0x00]));
    writeFileSync(join(folder, 'huge.csv'), Buffer.alloc(34 * 1024 * 1024, 'x'));
    for (const [name, reason] of [
      ['nowhere.csv', /there is no such file/],
      ['.', /not a regular file/],
      ['binary.csv', /not UTF-8 text/],
      ['huge.csv', /larger than the limit of 32 MiB/],
    ] as const)
      expect(await resultOf(['--trace', name])).toMatchObject({
        code: 'TRACE_INVALID',
        exitCode: 2,
        message: expect.stringMatching(reason),
      });
  });

  it('a backtest that names no trace, or two, is refused', async () => {
    expect(await resultOf([])).toMatchObject({ code: 'USAGE', exitCode: 2 });
    expect(await resultOf(['--trace', 'x', '--from-prometheus', 'http://127.0.0.1:1'])).toMatchObject({
      code: 'USAGE',
      exitCode: 2,
    });
  });
});

describe('the gates of a config', () => {
  const trace = join(TRACES, 'five-percent.csv');
  const asking = (more: string) =>
    `{ gates: [{ name: errors, source: prometheus, url: 'http://127.0.0.1:9', requests: 'a{b="\${build}"}', errors: 'c{b="\${build}"}', ${more} }], steps: [{ percent: 5, bake: 2m }, { percent: 100, bake: 2m }] }`;

  it('a backtest judges with the margins of the gates in the config', async () => {
    const cwd = configFolder(asking('compare: { tolerate: { plus: 8% }, ruleOut: { plus: 9% }, limit: 20% }'));
    expect(await resultOf(['--trace', trace, '--env', 'production'], { cwd })).toMatchObject({
      verdict: 'pass',
      scope: { tenant: 'acme', environment: 'production', service: 'hello' },
    });
    expect(await resultOf(['--trace', trace], { cwd })).toMatchObject({ verdict: 'pass' });
    const named = join(cwd, 'kvdeploy.config.yaml');
    expect(await resultOf(['--trace', trace, '-c', named])).toMatchObject({ verdict: 'pass' });
  });

  it('a backtest judges with a fixed limit of the config too', async () => {
    const cwd = configFolder(asking('max: 2%, minRequests: 500'));
    expect(await resultOf(['--trace', trace], { cwd })).toMatchObject({ verdict: 'fail', logE: 0, t_s: 15 });
    expect(await resultOf(['--trace', join(TRACES, 'healthy.csv')], { cwd })).toMatchObject({ verdict: 'pass', t_s: 120 });
  });

  it('a config of several services wants one named; one that was merely found does not', async () => {
    const cwd = configFolder(asking('compare: {}'), ['one', 'two']);
    const config = ['-c', join(cwd, 'kvdeploy.config.yaml')];
    expect(await resultOf(['--trace', trace, ...config], { cwd })).toMatchObject({ code: 'SCOPE_UNCLEAR', exitCode: 2 });
    expect(await resultOf(['--trace', trace, '--env', 'production', '--service', 'two'], { cwd })).toMatchObject({
      verdict: 'fail',
      scope: { service: 'two' },
    });
    expect(await resultOf(['--trace', trace, '--env', 'prodution'], { cwd })).toMatchObject({
      code: 'UNKNOWN_NAME',
      hint: 'Did you mean --env production?',
    });
    const found = await resultOf(['--trace', trace], { cwd });
    expect(found).toMatchObject({ verdict: 'fail', scope: null });
    expect(found.lines.find(({ type }) => type === 'note')).toMatchObject({
      message: expect.stringMatching(/the default gate is used/),
    });
  });

  it('gates are refused where there are none, or the config is broken, or the config asked for is not there', async () => {
    expect(await resultOf(['--trace', trace], { cwd: configFolder('{}') })).toMatchObject({ code: 'NO_GATE', exitCode: 2 });
    expect(await resultOf(['--trace', trace], { cwd: configFolder('{ gates: 7 }') })).toMatchObject({
      code: 'CONFIG_INVALID',
      exitCode: 2,
    });
    expect(await resultOf(['--trace', trace, '-c', 'nowhere.yaml'])).toMatchObject({ code: 'CONFIG_MISSING', exitCode: 2 });
    expect(await resultOf(['--trace', trace, '--env', 'production'])).toMatchObject({ code: 'CONFIG_MISSING', exitCode: 2 });
  });
});

describe('--calibrate', () => {
  it('backtest --calibrate says the threshold and the clusters to write down', async () => {
    const stable = linesOf({ intervals: 3600 }).filter((line) => line.includes('stable'));
    const name = file('day.csv', [HEADER, ...stable].join('\n'));
    const { stdout, exitCode } = await run(['--trace', name, '--calibrate']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/set evidence: \{ threshold: \d/);
    expect(stdout).toMatch(/set compare: \{ clusters: \d/);
    const cwd = configFolder(
      `{ router: { kind: local, listen: '127.0.0.1:1', routes: /tmp/nothing.json, addresses: { a: 'http://127.0.0.1:2' } }, gates: [errors], evidence: { threshold: 3 } }`,
    );
    const checked = await run(['--trace', join(folder, name), '--calibrate'], { cwd });
    expect(checked.stdout).toMatch(/the threshold 3 in the config is too low: set 4\.61/);
  });

  it('backtest --calibrate says how many replays are missing', async () => {
    const result = await resultOf(['--trace', join(TRACES, 'healthy.csv'), '--calibrate']);
    expect(result).toMatchObject({ exitCode: 0, message: 'Not calibrated: 98 more replays are needed.' });
    expect(result).not.toHaveProperty('verdict');
  });
});

describe('--from-prometheus', () => {
  let server: Prometheus;
  let range: readonly string[];
  // Every scrape finds a hundred more requests of each build; all of the candidate's fail.
  let scrapes = 0;
  const exporter = http.createServer((_request, response) => {
    scrapes += 1;
    const total = (build: string, code: string, count: number) =>
      `http_requests_total{build="${build}",code="${code}"} ${count}\n`;
    response.end(
      total(BLUE, '200', scrapes * 100) + total(BLUE, '500', 1) + total(GREEN, '200', 1) + total(GREEN, '500', scrapes * 100),
    );
  });
  const cwd = () =>
    configFolder(
      `{ gates: [{ name: errors, source: prometheus, url: 'http://127.0.0.1:9', requests: 'http_requests_total{build="\${build}"}', status: code, interval: 200ms, timeout: 2s }], evidence: { block: 1s } }`,
    );

  beforeAll(async () => {
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
    server = await startPrometheus({ targets: [`127.0.0.1:${(exporter.address() as AddressInfo).port}`] });
    const startS = Math.ceil(Date.now() / 1000);
    await until('five seconds were scraped', async () => (Date.now() / 1000 > startS + 5.5 ? true : undefined), 15_000);
    range = ['--start', new Date(startS * 1000).toISOString(), '--end', String(startS + 5), '--step', '1s'];
  });
  afterAll(async () => {
    await server.stop();
    exporter.close();
    exporter.closeAllConnections();
  });
  const fetched = (...more: readonly string[]) => ['--from-prometheus', server.url, ...range, ...more];

  it('backtest --from-prometheus replays what was recorded, by the queries of the config', async () => {
    const result = await resultOf(fetched('--build', GREEN, '--stable', BLUE), { cwd: cwd() });
    expect(result).toMatchObject({ exitCode: 0, verdict: 'fail', slice: null, step: 1 });
    expect(result.badRequests).toBeGreaterThan(100);
  });

  it('backtest --from-prometheus lets the stable build be compared with itself', async () => {
    expect(await resultOf(fetched('--stable', BLUE, '--calibrate'), { cwd: cwd() })).toMatchObject({
      exitCode: 0,
      message: expect.stringMatching(/^Not calibrated: 99 more/),
    });
  });

  it('backtest --from-prometheus refuses what it cannot have', async () => {
    const both = ['--build', GREEN, '--stable', BLUE];
    const cases = [
      [
        fetched('--build', '00000000-0000-4000-8000-000000000000', '--stable', BLUE),
        'TRACE_INVALID',
        /has no counts of the candidate build/,
      ],
      [['--from-prometheus', 'http://127.0.0.1:9', ...range, ...both], 'UNREACHABLE', /cannot be queried/],
      [fetched('--build', GREEN), 'USAGE', /--stable is missing/],
      [fetched('--build', 'green', '--stable', BLUE), 'USAGE', /use \$\{build\}, but --build green does not give it/],
      [
        ['--from-prometheus', server.url, ...both, '--start', 'yesterday', '--end', '1800000000'],
        'USAGE',
        /not a time with a time zone/,
      ],
      [
        ['--from-prometheus', server.url, ...both, '--start', '2026-11-22T10:00:00', '--end', '1800000000'],
        'USAGE',
        /not a time with a time zone/,
      ],
      [
        ['--from-prometheus', server.url, ...both, '--start', '1800000000', '--end', '1700000000'],
        'USAGE',
        /at least one interval/,
      ],
      [
        ['--from-prometheus', server.url, ...both, '--start', '1700000000', '--end', '1800000000'],
        'USAGE',
        /exceed Prometheus's limit of 11000/,
      ],
    ] as const;
    const home = cwd();
    for (const [args, code, message] of cases)
      expect(await resultOf(args, { cwd: home })).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await resultOf(fetched(...both))).toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/No gate of the config uses Prometheus/),
    });
  });
});
