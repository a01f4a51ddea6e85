/** Rollouts judged by what pods count, while pods come and go, and where one address shows several of them in turn. */
import { expect, it } from 'vitest';
import { GUIDS, inMetricsScene, type MetricsSceneOptions, type Series } from './metrics-scene.ts';

type Place = 'blue' | 'green';

const BUILDS: readonly Place[] = ['blue', 'green'];
/** Requests of every pod so far. */
const counted = new Map<string, number>();
const GATE = `requests: 'req_total{build="\${build}"}', status: code`;

/** Requests of one pod, of which every so-manieth fails. */
function count(series: Series, build: Place, instance: string, requests: number, each: number): void {
  const all = (counted.get(instance) ?? 0) + requests;
  const failed = Math.floor(all / each) - Math.floor((all - requests) / each);
  counted.set(instance, all);
  series.add('req_total', { build: GUIDS[build], instance, code: 200 }, requests - failed);
  series.add('req_total', { build: GUIDS[build], instance, code: 500 }, failed);
}

/** Ten pods of each build. Of the candidate's the oldest leaves every third block and another comes. */
function autoscaled(): MetricsSceneOptions {
  const pods = { blue: Array.from({ length: 10 }, (_, id) => id), green: Array.from({ length: 10 }, (_, id) => id) };
  let [next, replaced] = [10, 0];
  return {
    gate: GATE,
    evidence: '{ block: 1s, dwell: 3s, watch: 2s }',
    tick: (series, { share, requests, second }) => {
      if (second >= replaced + 3) {
        series.remove('instance', `green-${pods.green.shift()}`);
        pods.green.push(next);
        [next, replaced] = [next + 1, second];
      }
      for (const build of BUILDS)
        for (const id of pods[build]) {
          const own = (requests * (build === 'green' ? share : 1 - share)) / 10;
          count(series, build, `${build}-${id}`, Math.round(own), 1000);
        }
    },
  };
}

it('a good build of which a pod is replaced every few blocks is released', { timeout: 120_000 }, () =>
  inMetricsScene(autoscaled(), async ({ promote, percent }) => {
    const { exitCode, stdout, stderr } = await promote();
    expect([exitCode, percent()], stderr + stdout).toEqual([0, 100]);
    expect(stdout).not.toMatch(/candidate reset/);
  }),
);

it('two pods behind one scrape address are named, and the build that they belong to is not marked bad', {
  timeout: 120_000,
}, () => {
  const shown = { green: 0 };
  return inMetricsScene(
    {
      gate: GATE,
      evidence: '{ block: 1s, dwell: 3s, watch: 3s }',
      patience: '5s',
      tick: (series, { share, requests, second }) => {
        for (const build of BUILDS)
          for (const pod of build === 'green' ? ['one', 'two'] : ['one']) {
            const own = build === 'green' ? (requests * share) / 2 : requests * (1 - share);
            // What each of them counted before.
            if (second === 0) count(series, build, pod, pod === 'one' ? 5000 : 5700, pod === 'one' ? 5000 : 28);
            count(series, build, pod, Math.round(own), 1000);
          }
      },
      text: (series) => {
        shown.green += 1;
        const other = shown.green % 2 === 0 ? 'one' : 'two';
        const lines = series.text().split('\n');
        return lines
          .filter((line) => !line.includes(GUIDS.green) || !line.includes(`instance="${other}"`))
          .map((line) => line.replace(/instance="\w+"/, 'instance="app"'))
          .join('\n');
      },
    },
    async ({ promote, percent, run }) => {
      const { exitCode, stdout, stderr } = await promote();
      expect(exitCode, stdout).not.toBe(0);
      expect(stdout + stderr).toMatch(/app: its totals go back and forth: several processes behind one scrape address/);
      expect(percent()).toBe(0);
      expect((await run('status --env production')).stdout).not.toMatch(/bad/);
    },
  );
});
