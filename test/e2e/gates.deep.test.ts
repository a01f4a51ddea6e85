/** Gates that compare, on real HAProxy and Prometheus: every build ends as it should, and missing or odd data lets none through. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../servers/program.ts';
import { type Prometheus, startPrometheus } from '../servers/prometheus.ts';
import { COMPARE, EVIDENCE, expectPromoted, expectReverted, inScene, type Scene } from './gates-scene.ts';
import { type Builds, PLACES, PRODUCTION, type Ran, startBuilds } from './site.ts';

const SLOW = { timeout: 180_000 };
/** A handful. */
const CRASHES = 6;

describe('a build on the counters of HAProxy', () => {
  const reverts = (how: (scene: Scene) => void, why: RegExp, backendLines: readonly string[] = []) =>
    inScene({ backendLines }, async (scene) => {
      how(scene);
      await expectReverted(scene, await scene.promote(), why);
    });

  it('a healthy build on the counters of HAProxy goes to 100 %', SLOW, () =>
    inScene({}, async (scene) => expectPromoted(scene, await scene.promote())),
  );

  it.each([1, 5, 100])('a build that fails %i in a hundred requests on the counters of HAProxy is rolled back', SLOW, (percent) =>
    reverts(({ candidate }) => candidate.backend.setFailPercent(percent), /Gate errors failed: errors: \d+ of \d+/),
  );

  it('a build that answers 401 to everyone is rolled back, though no answer is a 5xx', SLOW, () =>
    reverts(({ candidate }) => {
      candidate.backend.setStatus(401);
    }, /Gate errors failed: 4xx: \d+ of \d+ \(100 %\) vs 0 of/),
  );

  it('a build that hangs in 1 % of requests is rolled back', SLOW, () =>
    reverts(({ candidate }) => candidate.backend.setHangPercent(1), /Gate errors failed: errors: \d+ of \d+/, [
      'timeout server 1s',
    ]),
  );

  it('a build that crashes and comes back, over and over, gets no more traffic, and is rolled back for it', SLOW, () =>
    inScene({ steps: '[{ percent: 50, bake: 12s }, { percent: 100, bake: 1s }]' }, async (scene) => {
      const running = scene.site.start(`promote --build ${scene.candidate.guid} ${PRODUCTION}`);
      await running.waitFor(/"phase":"baking"/);
      scene.candidate.backend.crashLoop({ upMs: 2500, downMs: 400 });
      const ran = await running.ended;
      expect(sharesOf(ran).every((percent) => percent === 50)).toBe(true);
      const why = /Gate errors failed: restarts: the candidate went down (\d+) times in \d+ s, the stable build not once/;
      await expectReverted(scene, ran, why);
      expect(Number(why.exec(ran.result.message)?.[1])).toBeLessThanOrEqual(CRASHES);
    }),
  );

  it('a fixed limit that would let a crashing build pass rolls it back too, for its crashes', SLOW, () => {
    const gates = '[{ name: errors, source: haproxy, max: 20%, minRequests: 20 }]';
    return inScene({ gates, steps: '[{ percent: 50, bake: 12s }, { percent: 100, bake: 1s }]' }, async (scene) => {
      const running = scene.site.start(`promote --build ${scene.candidate.guid} ${PRODUCTION} --max-wait 50s`);
      await running.waitFor(/"phase":"baking"/);
      scene.candidate.backend.crashLoop({ upMs: 2500, downMs: 400 });
      const ran = await running.ended;
      expect(sharesOf(ran).every((percent) => percent === 50)).toBe(true);
      const why =
        /gate router: green went down \d+ times at this step|it began again \d+ times at this step, now because .* green as DOWN|every member at green as down/;
      await expectReverted(scene, ran, why);
    });
  });
});

describe('a build on the counters of Prometheus', () => {
  const names = ['regional', 'stopped', 'gap', 'reset'] as const;
  const servers = new Map<(typeof names)[number], { builds: Builds; prometheus: Prometheus }>();
  const REGIONS = ['eu', 'us', 'asia', 'africa'];

  beforeAll(async () => {
    for (const name of names) {
      const builds = await startBuilds();
      const targets = PLACES.map((place) => `127.0.0.1:${builds[place].backend.port}`);
      servers.set(name, { builds, prometheus: await startPrometheus({ targets }) });
    }
  });
  afterAll(() => Promise.all([...servers.values()].map(({ prometheus }) => prometheus.stop())));

  const of = (name: (typeof names)[number]) => {
    const found = servers.get(name);
    if (found === undefined) throw new Error(name);
    return found;
  };
  const gate = ({ url }: Prometheus, more = '') =>
    `[{ name: errors, source: prometheus, url: "${url}", interval: 1s, requests: 'http_requests_total{build="\${build}"}', status: code, ${more}${COMPARE} }]`;

  it('a build that fails in one region only is rolled back, and the region is named', SLOW, () => {
    const { builds, prometheus } = of('regional');
    const gates = gate(prometheus, 'slices: region, ');
    const evidence = EVIDENCE.replace('}', ', unverified: 100% }');
    return inScene({ builds, gates, evidence, regions: REGIONS }, async (scene) => {
      scene.candidate.backend.setFailingRegion('asia');
      const ran = await scene.promote();
      expect([ran.exitCode, ran.result.code], ran.result.message).toEqual([4, 'REVERTED']);
      expect(ran.result.message).toMatch(/in asia: \d+ of \d+/);
      expect(await scene.site.split()).toEqual({ blue: 100 });
    });
  });

  it('a build never goes on while Prometheus is stopped, and is rolled back when patience ends', SLOW, () => {
    const { builds, prometheus } = of('stopped');
    return inScene({ builds, gates: gate(prometheus), patience: '4s' }, async (scene) => {
      const running = scene.site.start(`promote --build ${scene.candidate.guid} ${PRODUCTION}`);
      await running.waitFor(/"phase":"baking"/);
      await prometheus.freeze();
      const ran = await running.ended;
      await prometheus.thaw();
      expect(sharesOf(ran).every((percent) => percent === 50)).toBe(true);
      await expectReverted(scene, ran, /health was unknown for too long: gate errors:/i);
    });
  });

  it('a build is held over a gap of scrapes, and goes to 100 % afterwards', SLOW, () => {
    const { builds, prometheus } = of('gap');
    return inScene({ builds, gates: gate(prometheus) }, async (scene) => {
      const running = scene.site.start(`promote --build ${scene.candidate.guid} ${PRODUCTION}`);
      await running.waitFor(/"phase":"baking"/);
      scene.candidate.backend.setScraped(false);
      await running.waitFor(/no fresh series/, 60_000);
      scene.candidate.backend.setScraped(true);
      const ran = await running.ended;
      await expectPromoted(scene, ran);
      const held = ran.json
        .flatMap((line) => (line.type === 'poll' ? line.gates : []))
        .filter(({ why }) => /no fresh series/.test(why));
      expect(held.length).toBeGreaterThan(0);
      expect(held.every(({ verdict }) => verdict === 'hold')).toBe(true);
    });
  });

  it('a build whose counters began anew is judged on, for what it did since', SLOW, () => {
    const { builds, prometheus } = of('reset');
    return inScene({ builds, gates: gate(prometheus) }, async (scene) => {
      const running = scene.site.start(`promote --build ${scene.candidate.guid} ${PRODUCTION}`);
      await until(
        'the candidate was counted',
        async () =>
          ((await prometheus.value(`sum(http_requests_total{build="${scene.candidate.guid}"})`)) ?? 0) > 150 ? true : undefined,
        60_000,
      );
      scene.candidate.backend.forget();
      await running.waitFor(/restarted/, 60_000);
      const ran = await running.ended;
      await expectPromoted(scene, ran);
    });
  });
});

/** The candidate's percent at every poll. */
/** Of every poll after the watch. */
function sharesOf(ran: Ran): number[] {
  const shares = ran.json.flatMap((line) => (line.type === 'poll' && line.step > 0 ? [line.percent] : []));
  expect(shares.length).toBeGreaterThan(0);
  return shares;
}
