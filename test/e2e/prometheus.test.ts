/** Rollouts on real HAProxy, judged by a real Prometheus from the builds' own counters and by asking the builds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../servers/program.ts';
import { type Prometheus, startPrometheus } from '../servers/prometheus.ts';
import { type Builds, documentOf, loseCheckout, openSite, PLACES, PRODUCTION, type Site, startBuilds } from './site.ts';

let judged: Builds;
let silent: Builds;
let frozen: Builds;
let prometheus: Prometheus;
let freezing: Prometheus;

const COUNTED = 'http_requests_total{build="${build}"';
const gates = ({ url }: Prometheus) =>
  `[{ name: errors, source: prometheus, url: "${url}", interval: 200ms, requests: 'sum(${COUNTED}})', errors: 'sum(${COUNTED},code=~"5.."})', max: 2%, minRequests: 20 },
    { name: answers, source: http-probe, path: /healthz, probes: 5, max: 2%, minRequests: 10 }]`.replaceAll('\n', ' ');
const steps = '[{ percent: 25, bake: 500ms }, { percent: 100, bake: 500ms }]';
const targetsOf = (builds: Builds, places: readonly (typeof PLACES)[number][] = PLACES) =>
  places.map((place) => `127.0.0.1:${builds[place].backend.port}`);

beforeAll(async () => {
  [judged, silent, frozen] = await Promise.all([startBuilds(), startBuilds(), startBuilds()]);
  const asked = [...targetsOf(judged), ...targetsOf(silent, ['blue'])];
  [prometheus, freezing] = await Promise.all([
    startPrometheus({ targets: asked }),
    startPrometheus({ targets: targetsOf(frozen) }),
  ]);
}, 60_000);
afterAll(() => Promise.all([prometheus.stop(), freezing.stop()]));

async function within(options: Parameters<typeof openSite>[0], act: (site: Site) => Promise<void>): Promise<void> {
  const site = await openSite({ steps, visitors: 150, ...options, adopted: false });
  try {
    const { blue } = site.builds;
    await until('visitors were counted', () => (blue.backend.requests() > 30 ? true : undefined));
    const adopted = await site.run(`adopt ${PRODUCTION}`);
    expect(adopted.exitCode, adopted.stderr).toBe(0);
    await act(site);
  } finally {
    await site.close();
  }
}

describe.concurrent('judged by Prometheus', () => {
  it('a rollout judged by Prometheus takes a good build to 100 % and rolls a bad one back', { timeout: 60_000 }, () =>
    within({ builds: judged, gates: gates(prometheus) }, async (site) => {
      const { green, amber } = site.builds;
      const promoted = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect(promoted.exitCode, promoted.stderr).toBe(0);
      expect(promoted.result).toMatchObject({
        ok: true,
        code: null,
        traffic: { split: [{ build: green.guid, place: 'green', percent: 100 }] },
      });
      const polls = promoted.json.flatMap((line) => (line.type === 'poll' ? [line] : []));
      const last = polls.at(-1)?.gates.find(({ gate }) => gate === 'errors');
      expect(last).toMatchObject({ verdict: 'pass', errors: 0 });
      expect(last?.requests).toBeGreaterThanOrEqual(20);
      expect(polls.map(({ percent }) => percent)).toEqual(expect.arrayContaining([25, 100]));
      expect(await site.split()).toEqual({ green: 100 });
      expect(await site.answers()).toEqual({ green: 40 });
      expect(await site.states()).toMatchObject({ blue: 'drain' });
      await site.haproxy.restart();
      expect(await site.split()).toEqual({ green: 100 });
      await agreesEverywhere(site, green.guid);

      amber.backend.setFailPercent(20);
      const reverted = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
      expect(reverted.exitCode, reverted.stderr).toBe(4);
      expect(reverted.result.code).toBe('REVERTED');
      expect(reverted.result.message).toMatch(/gate errors failed: \d+ of \d+ \(\d+.*limit 2 %/i);
      expect(await site.split()).toEqual({ green: 100 });
      expect(await site.states()).toEqual({ blue: 'maint', green: 'ready', amber: 'maint' });
      await site.haproxy.kill();
      await site.haproxy.start();
      expect(await site.split()).toEqual({ green: 100 });
      expect(await site.answers()).toEqual({ green: 40 });
      await agreesEverywhere(site, green.guid);
      amber.backend.setFailPercent(0);
      const again = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
      expect([again.exitCode, again.result.code]).toEqual([3, 'BAD_BUILD']);
      expect(await site.split()).toEqual({ green: 100 });
    }),
  );

  it('a build that no metric tells about is held, then reverted; once one does, it may be promoted', { timeout: 60_000 }, () =>
    within({ builds: silent, gates: gates(prometheus), patience: '2s' }, async (site) => {
      const { blue, green } = site.builds;
      const reverted = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect([reverted.exitCode, reverted.result.code], reverted.stderr).toEqual([4, 'REVERTED']);
      expect(reverted.result.message).toMatch(/health was unknown for too long: gate errors: no data/i);
      const polls = reverted.json.flatMap((line) => (line.type === 'poll' ? [line] : []));
      expect(polls.every(({ percent }) => percent === 25)).toBe(true);
      expect(polls.slice(0, -1).every(({ verdict }) => verdict === 'hold')).toBe(true);
      expect(polls.at(-1)?.verdict).toBe('give-up');
      expect(polls.length).toBeGreaterThan(3);
      expect(await site.split()).toEqual({ blue: 100 });
      await agreesEverywhere(site, blue.guid);
      const again = await site.run(`plan --env production --build ${green.guid} --json`);
      expect(again.exitCode, again.stderr).toBe(0);
    }),
  );

  it('a rollout never promotes on what a frozen Prometheus said before', { timeout: 60_000 }, () =>
    within({ builds: frozen, gates: gates(freezing), patience: '3s' }, async (site) => {
      const { blue, green } = site.builds;
      const running = site.start(`promote --build ${green.guid} ${PRODUCTION}`);
      await running.waitFor(/"phase":"baking"/);
      await freezing.freeze();
      const reverted = await running.ended;
      expect([reverted.exitCode, reverted.result.code], reverted.stderr).toEqual([4, 'REVERTED']);
      expect(reverted.result.message).toMatch(/health was unknown for too long: gate errors: no data/i);
      expect(await site.split()).toEqual({ blue: 100 });
      await agreesEverywhere(site, blue.guid);
      const refused = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect([refused.exitCode, refused.result.code]).toEqual([3, 'GATE_NOT_READY']);
      await freezing.thaw();
      await until('Prometheus is back', () => freezing.value(`http_requests_total{build="${blue.guid}"}`).catch(() => undefined));
      const promoted = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect(promoted.exitCode, promoted.stderr).toBe(0);
      expect(await site.split()).toEqual({ green: 100 });

      await freezing.freeze();
      loseCheckout(site);
      const rescued = await site.run(
        `rollback --break-glass --to ${blue.guid} --reason metrics-and-config-are-gone ${PRODUCTION}`,
      );
      expect([rescued.exitCode, rescued.result.code], rescued.stderr).toEqual([0, null]);
      expect(await site.split()).toEqual({ blue: 100 });
    }),
  );
});

interface StatusData {
  readonly traffic: { readonly split: readonly { readonly build: string; readonly percent: number }[] };
  readonly knownGood: { readonly guid: string };
  readonly pointers: readonly { readonly knownGood: string }[];
  readonly drift: string | null;
  readonly leader: unknown;
  readonly trouble: readonly string[];
}

/** `status`, the pointer and HAProxy itself all say that this build, which is known-good, serves alone. */
async function agreesEverywhere(site: Site, guid: string): Promise<void> {
  const status = await site.run('status --env production --json');
  expect(documentOf<StatusData>(status)).toMatchObject({
    traffic: { split: [{ build: guid, percent: 100 }] },
    knownGood: { guid },
    pointers: [{ knownGood: guid }],
    drift: null,
    leader: null,
    trouble: [],
  });
  const verified = await site.run('pointer verify --env production --json');
  expect(verified.exitCode, verified.stderr).toBe(0);
}
