import { describe, expect, it } from 'vitest';
import type { Io } from '../../../src/io.ts';
import { nginx } from '../../../src/routers/nginx/nginx.ts';
import { nginxConfig } from '../../../src/routers/nginx/nginx-config.ts';
import { generationOf, includeText } from '../../../src/routers/nginx/nginx-include.ts';

const config = nginxConfig.parse({
  ...{ include: '/etc/nginx/kvdeploy/web.conf', probe: 'http://127.0.0.1:8080/.kvdeploy' },
  places: {
    blue: { upstream: 'blue_pool', members: ['10.0.0.1:80'] },
    green: { upstream: 'green_pool', members: ['10.0.0.2:80'] },
  },
});

const at = (percent: number) => [
  { place: 'blue', build: null, percent: 100 - percent },
  { place: 'green', build: null, percent },
];

/** An nginx whose file says 50 %, and whose workers answer so only after this many milliseconds. */
function reloading(afterMs: number): Io {
  let nowMs = 0;
  return {
    monotonic: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
    http: async () => ({
      ...{ status: 200, headers: {} },
      body: JSON.stringify({ generation: generationOf(config, at(nowMs < afterMs ? 0 : 50)), pid: 11 }),
    }),
    run: async () => ({ exitCode: 1, stdout: '', stderr: 'not allowed' }),
    fs: {
      readFileSync: (path: string) => {
        if (path !== config.include) throw new Error('ENOENT');
        return includeText(config, at(50));
      },
      readdirSync: () => [],
    },
  } as unknown as Io;
}

const greenOf = async (io: Io) => {
  const { places, trouble } = await nginx.read(config, io);
  return { percent: places.find(({ place }) => place === 'green')?.percent, trouble };
};

describe('a reading of nginx just after a reload', () => {
  it('a reading waits for workers that are about to take over the file, and says what they then serve', async () => {
    expect(await greenOf(reloading(500))).toEqual({ percent: 50, trouble: [] });
  });

  it('a reading does not wait for a reload that nginx does not make, and names it', async () => {
    const { percent, trouble } = await greenOf(reloading(60_000));
    expect(percent).toBe(0);
    expect(trouble.join()).toContain('is not what nginx serves');
  });
});
