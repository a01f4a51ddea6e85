/** One bad replica of ten: judged as a slice of its own and named, in all that a rollout leaves behind, whatever counts it. */
import { describe, expect, it } from 'vitest';
import { type Backend, startBackend } from '../servers/backend.ts';
import { until } from '../servers/program.ts';
import { GUIDS, inMetricsScene } from './metrics-scene.ts';
import { openSite, PRODUCTION, type Ran, startBuilds } from './site.ts';

const TEN = Array.from({ length: 10 }, (_, at) => at + 1);
const COMPARED = 'compare: { ruleOut: { plus: 2% }, clusters: 1 }';

/** What the poll that failed blames, and every text that a person or a program may read of it. */
function blamed(ran: Ran): readonly (string | null | undefined)[] {
  const polls = ran.json.flatMap((line) => (line.type === 'poll' ? [line] : []));
  return (polls.at(-1)?.gates ?? []).filter(({ verdict }) => verdict === 'fail').map(({ evidence }) => evidence?.slice);
}

describe('one bad replica of ten', () => {
  it.each([
    ['the counters of HAProxy', `[{ name: errors, source: haproxy, ${COMPARED} }]`, 400, 'member green-7'],
    ['probes', '[{ name: errors, source: http-probe, path: /, probes: 20, max: 30%, minRequests: 40 }]', 0, undefined],
  ])(
    'one bad replica of ten ends the rollout by %s, and is named in the result, the ledger and status',
    {
      timeout: 120_000,
    },
    async (_what, gates, visitors, slice) => {
      const builds = await startBuilds();
      const replicas = new Map<string, Backend>();
      for (const place of ['blue', 'green'] as const)
        for (const number of TEN)
          replicas.set(`${place}-${number}`, await startBackend({ guid: builds[place].guid, environment: 'production' }));
      const servers = [...replicas].map(([name, { port }]) => ({ name, port, extra: name.startsWith('blue') ? '' : 'disabled' }));
      const site = await openSite({
        ...{ builds, gates, visitors, steps: '[{ percent: 50, bake: 3s }, { percent: 100, bake: 3s }]', patience: '60s' },
        ...{ evidence: '{ dwell: 2s, block: 1s, watch: 1s }', adopted: false, proxy: { servers } },
        places: { blue: { servers: 'blue-*' }, green: { servers: 'green-*' } },
      });
      try {
        if (visitors > 0)
          await until('visitors were counted', () => ((replicas.get('blue-1')?.requests() ?? 0) > 20 ? true : undefined));
        expect((await site.run(`adopt ${PRODUCTION}`)).result).toMatchObject({ ok: true });
        replicas.get('green-7')?.setFailPercent(visitors > 0 ? 70 : 100);
        const ran = await site.run(`promote --build ${builds.green.guid} ${PRODUCTION}`);
        expect(ran.result, ran.stdout).toMatchObject({
          code: 'REVERTED',
          exitCode: 4,
          message: expect.stringContaining('green-7'),
        });
        const others = TEN.filter((number) => number !== 7).map((number) => new RegExp(`green-${number}\\b`));
        for (const other of others) expect(ran.result.message).not.toMatch(other);
        if (slice !== undefined) expect(blamed(ran)).toEqual([slice]);
        expect((await site.run('explain REVERTED')).stdout).toContain('errors in member green-3');
        const history = await site.run('history --env production');
        expect(history.stdout).toContain('green-7');
        const status = await site.run('status --env production');
        expect(status.stdout).toContain('green-7');
      } finally {
        await site.close();
        await Promise.all([...replicas.values()].map((one) => one.close()));
      }
    },
  );

  it('one bad replica of ten that Prometheus tells by a label of both builds is a slice, and is named', {
    timeout: 120_000,
  }, async () => {
    const counted = 'req_total{build="${build}"}';
    const options = {
      gate: `requests: '${counted}', status: code, slices: replica, ${COMPARED}`,
      tick: (series: Parameters<Parameters<typeof inMetricsScene>[0]['tick']>[0], now: { share: number; requests: number }) => {
        for (const [build, share] of [
          [GUIDS.blue, 1 - now.share],
          [GUIDS.green, now.share],
        ] as const)
          for (const replica of TEN) {
            const requests = Math.round((now.requests * share) / TEN.length);
            const failed = build === GUIDS.green && replica === 7 ? Math.round(requests / 4) : 0;
            const labels = { build, replica: `r-${replica}`, instance: `${build.slice(0, 4)}-${replica}` };
            series.add('req_total', { ...labels, code: 200 }, requests - failed);
            series.add('req_total', { ...labels, code: 500 }, failed);
          }
      },
    };
    await inMetricsScene(options, async ({ promote, run }) => {
      const ran = await promote();
      expect(ran.result, ran.stdout).toMatchObject({ code: 'REVERTED', exitCode: 4, message: expect.stringContaining('r-7') });
      expect((await run('history --env production')).stdout).toContain('r-7');
    });
  });
});
