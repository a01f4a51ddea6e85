/** A real nginx on loopback for tests, set up as docs/nginx.md says: reloaded, frozen and killed as an operator or a fault would. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { NginxConfig } from '../../src/routers/nginx/nginx-config.ts';
import { nginxConfig } from '../../src/routers/nginx/nginx-config.ts';
import { includeText } from '../../src/routers/nginx/nginx-include.ts';
import { freePort, type Program, startProgram, tempFolder, until } from './program.ts';

export interface NginxOptions {
  /** The servers of each place: `{ blue: [9001], green: [9002] }`; the first has 100 % at the start. */
  readonly places: Readonly<Record<string, readonly number[]>>;
  /** Lines added at the top, to http, and to the server. */
  readonly topLines?: readonly string[];
  readonly httpLines?: readonly string[];
  readonly serverLines?: readonly string[];
  /** The address to listen on. */
  readonly listen?: string;
  /** Words after each `server` of an upstream. */
  readonly serverWords?: string;
  /** More or other settings of the router. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Nginx {
  readonly url: string;
  readonly folder: string;
  readonly file: string;
  /** The settings with which kvdeploy drives it, as a config would have them, and parsed. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly config: NginxConfig;
  readonly master: number;
  workers(): readonly number[];
  errors(): string;
  /** Writes the configuration anew, with other lines. */
  write(options: NginxOptions): void;
  /** As `nginx -s reload` by hand; resolves when fresh connections reach new workers. */
  reload(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL of the master alone: its workers go on. */
  killMaster(): Promise<void>;
  killWorkers(): void;
  close(): Promise<void>;
}

const LOG =
  '{"t":$msec,"g":"$kv_generation","p":"$kv_place","s":$status,"us":"$upstream_status","ua":"$upstream_addr","rt":$request_time}';

const PROBE = '{"generation":"$kv_generation","pid":$pid,"environment":"production"}';

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { folder, remove } = tempFolder();
  const port = await freePort();
  const file = path.join(folder, 'nginx.conf');
  const include = path.join(folder, 'kvdeploy/web.conf');
  mkdirSync(path.dirname(include));
  const run = (...words: string[]) => ['/usr/sbin/nginx', '-c', file, '-p', folder, ...words];
  const settings = {
    include,
    probe: `http://127.0.0.1:${port}/.kvdeploy`,
    log: path.join(folder, 'kv.log'),
    pid: path.join(folder, 'nginx.pid'),
    test: run('-t'),
    reload: run('-s', 'reload'),
    dump: run('-T'),
    places: Object.fromEntries(
      Object.entries(options.places).map(([place, ports]) => [
        place,
        { upstream: `${place}_pool`, members: ports.map((each) => `127.0.0.1:${each}`) },
      ]),
    ),
    ...options.settings,
  };
  const config = nginxConfig.parse(settings);
  const [first = ''] = Object.keys(options.places);
  writeFileSync(include, includeText(config, [{ place: first, build: null, percent: 100 }]));
  const write = (wanted: NginxOptions) => writeFileSync(file, confText(folder, port, include, wanted));
  write(options);
  let program: Program;
  const pidOf = () => Number(readFileSync(settings.pid, 'utf8'));
  const childrenOf = (pid: number) => {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  };
  let known: readonly number[] = [];
  const start = async () => {
    program = await startProgram('nginx', ['-c', file, '-p', folder], folder);
    await until(
      () => `nginx did not start: ${program.output()}`,
      async () => {
        if (program.exited()) throw new Error(`nginx ended: ${program.output()}`);
        return (await answer(settings.probe)) === undefined ? undefined : true;
      },
    );
    known = childrenOf(program.pid);
  };
  await start();
  const endAll = async () => {
    if (!program.exited()) known = [...known, ...childrenOf(program.pid)];
    await program.signal('SIGKILL');
    for (const pid of known) kill(pid);
  };
  return {
    url: `http://127.0.0.1:${port}/`,
    folder,
    file,
    settings: { kind: 'nginx', ...settings },
    config,
    get master() {
      return pidOf();
    },
    workers: () => childrenOf(pidOf()),
    errors: () => readFileSync(path.join(folder, 'error.log'), 'utf8'),
    write,
    reload: async () => {
      const before = new Set(childrenOf(pidOf()));
      process.kill(pidOf(), 'SIGHUP');
      await until('nginx to reload', async () => {
        const body = await answer(settings.probe);
        const isNew = body !== undefined && !before.has(body.pid);
        return isNew && childrenOf(pidOf()).every((pid) => !before.has(pid)) ? true : undefined;
      });
      known = [...known, ...childrenOf(pidOf())];
    },
    start,
    stop: endAll,
    killMaster: async () => {
      known = [...known, ...childrenOf(pidOf())];
      await program.signal('SIGKILL');
    },
    killWorkers: () => {
      for (const pid of childrenOf(pidOf())) kill(pid);
    },
    close: async () => {
      await endAll();
      remove();
    },
  };
}

async function answer(probe: string): Promise<{ readonly pid: number } | undefined> {
  try {
    const response = await fetch(probe, { headers: { connection: 'close' }, signal: AbortSignal.timeout(1000) });
    return response.ok ? ((await response.json()) as { pid: number }) : undefined;
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** nginx.conf as docs/nginx.md has it. */
export function confText(folder: string, port: number, include: string, options: NginxOptions): string {
  const upstreams = Object.entries(options.places).map(
    ([place, ports]) =>
      `  upstream ${place}_pool {\n${ports.map((each) => `    server 127.0.0.1:${each}${options.serverWords ?? ''};`).join('\n')}\n  }`,
  );
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`);
  return [
    'daemon off;',
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'worker_processes 2;',
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log;`,
    ...(options.topLines ?? ['worker_shutdown_timeout 2s;']),
    'events { worker_connections 512; }',
    'http {',
    '  access_log off;',
    ...temporary,
    `  include ${include};`,
    `  log_format kv escape=json '${LOG}';`,
    ...upstreams,
    ...(options.httpLines ?? []).map((line) => `  ${line}`),
    '  server {',
    `    listen ${options.listen ?? '127.0.0.1'}:${port};`,
    `    access_log ${folder}/kv.log kv;`,
    '    location = /.kvdeploy {',
    '      allow 127.0.0.1;',
    '      deny all;',
    '      default_type application/json;',
    `      return 200 '${PROBE}';`,
    '    }',
    '    location / {',
    '      proxy_pass http://$kv_upstream;',
    '      proxy_set_header Host $host;',
    ...(options.serverLines ?? []).map((line) => `      ${line}`),
    '    }',
    '  }',
    '}',
    '',
  ].join('\n');
}
