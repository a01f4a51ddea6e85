/** Detector for what nginx says of itself: a generation that kvdeploy did not write, the moment after a reload, and workers of an earlier split. */
import type { Io } from '../../src/io.ts';
import { nginx } from '../../src/routers/nginx/nginx.ts';
import { nginxConfig } from '../../src/routers/nginx/nginx-config.ts';
import { generationOf, includeText } from '../../src/routers/nginx/nginx-include.ts';

const config = nginxConfig.parse({
  ...{ include: '/etc/nginx/kvdeploy/web.conf', probe: 'http://127.0.0.1:8080/.kvdeploy' },
  places: {
    blue: { upstream: 'blue_pool', members: ['10.0.0.1:80'] },
    green: { upstream: 'green_pool', members: ['10.0.0.2:80'] },
  },
});

const HALF = [
  { place: 'blue', build: null, percent: 50 },
  { place: 'green', build: null, percent: 50 },
];

/** What is read from an nginx that answers this; its workers started just now, and one of them is ending. */
async function reading(generation: string) {
  let slept = 0;
  const stat = (pid: number, parent: number) => `${pid} (nginx) S ${parent} 10 ${'0 '.repeat(16)}499999 0`;
  const files: Readonly<Record<string, string>> = {
    [config.include]: includeText(config, HALF),
    [config.pid]: '10',
    '/proc/uptime': '5000.00 1.00',
    ...{ '/proc/10/cmdline': 'nginx: master process', '/proc/10/stat': stat(10, 1) },
    ...{ '/proc/11/cmdline': 'nginx: worker process', '/proc/11/stat': stat(11, 10) },
    ...{ '/proc/12/cmdline': 'nginx: worker process is shutting down', '/proc/12/stat': stat(12, 10) },
  };
  const readFileSync = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error(`no such file: ${path}`);
    return text;
  };
  const io = {
    monotonic: () => slept,
    sleep: async (ms: number) => {
      slept += ms;
    },
    http: async () => ({ status: 200, headers: {}, body: JSON.stringify({ generation, pid: 11 }) }),
    run: async () => ({ exitCode: 1, stdout: '', stderr: '' }),
    fs: { readFileSync, readdirSync: () => ['10', '11', '12'] },
  } as unknown as Io;
  const seen = await nginx.read(config, io).catch(() => undefined);
  return { seen, slept };
}

export async function nginxWords(): Promise<readonly string[]> {
  const { seen, slept } = await reading(generationOf(config, HALF));
  const foreign = await reading('blue=50,green=50 0123456789abcdef');
  return [
    ...(foreign.seen === undefined ? [] : ['believes a split that kvdeploy did not write']),
    ...(slept > 0 ? [] : ['does not wait until old workers stop accepting']),
    ...(seen?.trouble.some((one) => one.includes('still busy')) === true ? [] : ['does not see a worker of an earlier split']),
  ];
}
