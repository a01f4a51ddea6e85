/** Latency gates on real HAProxy and a real Prometheus: slow builds go back, however few requests are slow, and odd buckets let none through. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../servers/program.ts';
import { type Prometheus, startPrometheus } from '../servers/prometheus.ts';
import { COMPARE, expectPromoted, expectReverted, inScene, type Scene } from './gates-scene.ts';
import { type Builds, PLACES, startBuilds } from './site.ts';

const LONG = { timeout: 240_000 };

describe.concurrent('a build judged by its histogram of latency', () => {
  const names = ['slower', 'sometimes slow', 'healthy', 'other buckets', 'no histogram'] as const;
  const builds = new Map<(typeof names)[number], Builds>();
  let prometheus: Prometheus;

  beforeAll(async () => {
    for (const name of names) builds.set(name, await startBuilds());
    const all = [...builds.values()].flatMap((made) => PLACES.map((place) => made[place].backend.port));
    prometheus = await startPrometheus({ targets: all.map((port) => `127.0.0.1:${port}`) });
  }, 60_000);
  afterAll(() => prometheus.stop());

  // A build that is slower than tolerated uses up patience while the evidence grows with every poll: a busy machine makes few.
  const inSite = (name: (typeof names)[number], act: (scene: Scene) => Promise<void>, patience = '2m') => {
    const made = builds.get(name);
    if (made === undefined) throw new Error(name);
    const queries = `requests: 'http_requests_total{build="\${build}"}', status: code, latency: 'http_request_duration_seconds_bucket{build="\${build}"}'`;
    const gates = `[{ name: errors, source: prometheus, url: "${prometheus.url}", interval: 1s, ${queries}, ${COMPARE} }]`;
    return inScene({ builds: made, gates, patience, visitors: 120 }, act);
  };

  it('a build that takes 60 ms longer for every request is rolled back, and latency is blamed', LONG, () =>
    inSite('slower', async (scene) => {
      scene.candidate.backend.setSlow({ percent: 100, ms: 60 });
      await expectReverted(scene, await scene.promote(), /Gate errors failed: slower than 0\.0\d+s: \d+ of \d+ \(\d\S* %\) vs/);
    }),
  );

  it('a build that takes 400 ms longer for 5 % of its requests is rolled back, though most are as quick as ever', LONG, () =>
    inSite('sometimes slow', async (scene) => {
      scene.candidate.backend.setSlow({ percent: 5, ms: 400 });
      await expectReverted(scene, await scene.promote(), /Gate errors failed: slower than 0\.\d+s: \d+ of \d+ \(\d/);
    }),
  );

  it('a build that is as quick as the stable one goes to 100 %', LONG, () =>
    inSite('healthy', async (scene) => expectPromoted(scene, await scene.promote())),
  );

  it('a build whose latency buckets share no bound never gets more traffic, and the screen says why', LONG, () =>
    inSite(
      'other buckets',
      async (scene) => {
        scene.candidate.backend.setLatencyBounds([0.02, 0.2, 2]);
        const ran = await scene.promote();
        const polls = ran.json.flatMap((line) => (line.type === 'poll' ? [line] : []));
        expect(polls.length).toBeGreaterThan(0);
        expect(polls.every(({ percent }) => percent <= 50)).toBe(true);
        const whys = polls.flatMap(({ gates }) => gates.map(({ why }) => why));
        expect(whys.join('\n')).toMatch(
          /latency is not seen: the builds share no bucket that is judged: the candidate has 0\.02s 0\.2s 2s/,
        );
        await expectReverted(scene, ran, /latency is not seen: the builds share no bucket/);
      },
      '5s',
    ),
  );

  it('a rollout is refused before its first step where the serving build has no latency histogram', LONG, () =>
    inSite('no histogram', async ({ site, promote }) => {
      site.builds.blue.backend.setLatencyBounds(null);
      const query = `http_request_duration_seconds_count{build="${site.builds.blue.guid}"}`;
      await until('it is gone', async () => ((await prometheus.value(query)) === undefined ? true : undefined));
      const ran = await promote();
      expect([ran.exitCode, ran.result.code], ran.result.message).toEqual([3, 'GATE_NOT_READY']);
      expect(ran.result.message).toMatch(/its latency query: .* has no fresh series for/);
      expect(ran.json.filter(({ type }) => type === 'poll')).toEqual([]);
      expect(await site.split()).toEqual({ blue: 100 });
    }),
  );
});
