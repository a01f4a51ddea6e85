/** The watch of the stable build before the first step, through the program. */
import { expect, it } from 'vitest';
import { GUIDS, inMetricsScene } from './metrics-scene.ts';

it('a rollout watches the stable build first, and a rollback soon after its step names warmUp', { timeout: 120_000 }, () =>
  inMetricsScene(
    {
      evidence: '{ block: 1s, dwell: 3s, watch: 3s }',
      gate: `requests: 'req_total{build="\${build}"}', status: code`,
      tick: (pods, { share, requests }) => {
        pods.add('req_total', { build: GUIDS.blue, instance: 'blue-1', code: 200 }, Math.round(requests * (1 - share)));
        pods.add('req_total', { build: GUIDS.green, instance: 'green-1', code: 500 }, Math.round(requests * share));
      },
    },
    async ({ promote, percent, run }) => {
      const { stdout: plan } = await run(`plan --env production --build ${GUIDS.green}`);
      expect(plan).toMatch(/^ {2}watch {6}the stable build for 3s, before the first step; nothing is shifted$/m);
      const { exitCode, json, stdout } = await promote();
      expect([exitCode, percent()], stdout).toEqual([4, 0]);
      const lines = json.map((line) => line as Readonly<Record<string, unknown>>);
      const phases = lines.flatMap(({ type, phase }) => (type === 'phase' ? [phase] : []));
      expect(phases.slice(0, 3)).toEqual(['checking', 'watching', 'shifting']);
      const watched = lines.filter(({ type, step }) => type === 'poll' && step === 0);
      expect(watched.at(-1)).toMatchObject({ bakeMs: 3000, verdict: 'pass', percent: 0 });
      expect(Number(watched.at(-1)?.['watchedMs'])).toBeGreaterThanOrEqual(3000);
      expect(lines.at(-1)).toMatchObject({
        code: 'REVERTED',
        message: expect.stringMatching(
          /after the step began: if the build fails only while it starts, give the gate warmUp, such as 60s/,
        ),
      });
    },
  ),
);

it('a watch that is killed with -9 shifts nothing, and resume watches the stable build whole', { timeout: 120_000 }, () =>
  inMetricsScene(
    {
      evidence: '{ block: 1s, dwell: 3s, watch: 4s }',
      steps: '[{ percent: 100, bake: 1s }]',
      gate: `requests: 'req_total{build="\${build}"}', status: code`,
      tick: (pods, { share, requests }) => {
        pods.add('req_total', { build: GUIDS.blue, instance: 'blue-1', code: 200 }, Math.round(requests * (1 - share)));
        pods.add('req_total', { build: GUIDS.green, instance: 'green-1', code: 200 }, Math.round(requests * share));
      },
    },
    async ({ start, run, percent }) => {
      const running = start(`promote --env production --build ${GUIDS.green} -y --json`);
      await running.waitFor(/(?:[^\n]*"type":"poll"[^\n]*"step":0[^\n]*\n){2}/);
      running.signal('SIGKILL');
      await running.ended.catch(() => undefined);
      expect(percent()).toBe(0);
      const { exitCode, json, stdout } = await run('resume --env production -y --json');
      expect([exitCode, percent()], stdout).toEqual([0, 100]);
      const lines = json.map((line) => line as Readonly<Record<string, unknown>>);
      const first = lines.findIndex(({ type, phase }) => type === 'phase' && phase === 'shifting');
      const watched = lines.slice(0, first).filter(({ type }) => type === 'poll');
      expect(Number(watched[0]?.['watchedMs'])).toBeLessThan(4000);
      expect(watched.at(-1)).toMatchObject({ step: 0, percent: 0, bakeMs: 4000, verdict: 'pass' });
      expect(Number(watched.at(-1)?.['watchedMs'])).toBeGreaterThanOrEqual(4000);
    },
  ),
);
