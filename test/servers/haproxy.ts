/** A real HAProxy on loopback for tests: started from a temp folder, restarted, reloaded and killed as an operator or a fault would. */
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { freePort, type Program, startProgram, tempFolder, until } from './program.ts';

export interface HaproxyServer {
  readonly name: string;
  readonly port: number;
  /** Its port at each location, where these have backends of their own. */
  readonly ports?: readonly number[];
  readonly weight?: number;
  /** Persistence cookie of this server; any makes the backend set cookies. */
  readonly cookie?: string;
  /** More words of its `server` line: `backup`, `disabled`, `slowstart 5s`. */
  readonly extra?: string;
}

export interface HaproxyOptions {
  readonly servers: readonly HaproxyServer[];
  /** `roundrobin` when left out. */
  readonly balance?: string;
  readonly description?: string;
  /** Lines added to the backend, or to the frontend. */
  readonly backendLines?: readonly string[];
  readonly frontendLines?: readonly string[];
  /** Lines added to `global`, and sections after the backend. */
  readonly globalLines?: readonly string[];
  readonly sections?: readonly string[];
  /** The name of the frontend, `edge` otherwise. */
  readonly frontend?: string;
  /** False leaves out the server-state file. */
  readonly stateFile?: boolean;
  /** How many HAProxy processes, each with its own socket: locations. */
  readonly sockets?: 1 | 2;
  /** Serves HAProxy's own metrics at `/metrics` of `metricsAddress`. */
  readonly metrics?: boolean;
  readonly statsTimeout?: string;
}

export interface Haproxy {
  /** Of the first location. */
  readonly url: string;
  readonly urls: readonly string[];
  readonly sockets: readonly string[];
  /** One per socket. */
  readonly stateFiles: readonly string[];
  /** `127.0.0.1:<port>` where `/metrics` is served. */
  readonly metricsAddress: string;
  readonly backend: 'gw';
  /** One runtime command line on one socket. */
  command(line: string, socket?: number): Promise<string>;
  /** As `systemctl reload`: a new process takes over, the old one finishes. */
  reload(): Promise<void>;
  /** As `systemctl restart`. */
  restart(): Promise<void>;
  /** SIGKILL of all, or of one location; `start` brings all back. */
  kill(location?: number): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP for one location: the kernel still takes connections. `kill` and `stop` end it as well. */
  freeze(location?: number): Promise<void>;
  thaw(location?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one or two HAProxy processes with one backend `gw` and waits until they answer and see their servers. */
export async function startHaproxy(options: HaproxyOptions): Promise<Haproxy> {
  const { folder, remove } = tempFolder();
  const numbers = Array.from({ length: options.sockets ?? 1 }, (_, index) => index);
  const places = await Promise.all(
    numbers.map(async (index) => ({
      index,
      socket: path.join(folder, `admin-${index}.sock`),
      stateFile: path.join(folder, `state-${index}`),
      port: await freePort(),
      metricsPort: await freePort(),
      config: path.join(folder, `haproxy-${index}.cfg`),
    })),
  );
  for (const place of places) writeFileSync(place.config, configText(options, place));
  return driveHaproxy(
    places.map(({ config, socket, port, stateFile }) => ({
      config,
      socket,
      url: `http://127.0.0.1:${port}/`,
      stateFile,
    })),
    { metricsAddress: `127.0.0.1:${places[0]?.metricsPort}`, remove },
  );
}

/** Starts HAProxy from configurations that are already there. */
export async function driveHaproxy(
  places: readonly {
    config: string;
    socket: string;
    url: string;
    stateFile: string;
  }[],
  rest: { metricsAddress?: string; remove(): void },
): Promise<Haproxy> {
  const programs: Program[] = [];
  const older: Program[] = [];
  const start = async () => {
    await Promise.all(
      places.map(async ({ config, socket }, index) => {
        programs[index] = await startOne(config, socket);
      }),
    );
  };
  const kill = async (location?: number) => {
    const all = location === undefined ? [...programs, ...older.splice(0)] : programs.slice(location, location + 1);
    await Promise.all(all.map((program) => program.signal('SIGKILL')));
  };
  await start();
  return {
    url: places[0]?.url ?? '',
    urls: places.map(({ url }) => url),
    sockets: places.map(({ socket }) => socket),
    stateFiles: places.map(({ stateFile }) => stateFile),
    metricsAddress: rest.metricsAddress ?? '',
    backend: 'gw',
    command: (line, socket = 0) => runtimeCommand(places[socket]?.socket ?? '', line),
    async reload() {
      older.push(...programs);
      await Promise.all(
        places.map(async ({ config, socket }, index) => {
          programs[index] = await startOne(config, socket, programs[index]);
        }),
      );
    },
    async restart() {
      await Promise.all(programs.map((program) => program.signal('SIGTERM')));
      await start();
    },
    kill,
    start,
    freeze: async (location = 0) => programs[location]?.signal('SIGSTOP'),
    thaw: async (location = 0) => programs[location]?.signal('SIGCONT'),
    async stop() {
      await kill();
      rest.remove();
    },
  };
}

async function startOne(config: string, socket: string, old?: Program): Promise<Program> {
  const takeOver = old === undefined ? [] : ['-sf', String(old.pid)];
  const program = await startProgram('haproxy', ['-f', config, ...takeOver], path.dirname(config));
  await until(
    () => `haproxy did not start: ${program.output()}`,
    async () => {
      if (program.exited()) throw new Error(`haproxy ended: ${program.output()}`);
      const info = await runtimeCommand(socket, 'show info').catch(() => '');
      return info.includes(`Pid: ${program.pid}\n`) ? true : undefined;
    },
  );
  return program;
}

/** Sends one line to a UNIX socket of HAProxy and gives the whole answer. */
function runtimeCommand(socket: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = net.connect(socket);
    let answer = '';
    connection.setTimeout(2000, () => connection.destroy(new Error('no answer within 2 s')));
    connection.on('data', (data) => {
      answer += data;
    });
    connection.once('error', reject);
    connection.once('close', () => resolve(answer));
    connection.end(`${line}\n`);
  });
}

function configText(
  options: HaproxyOptions,
  place: {
    index: number;
    socket: string;
    stateFile: string;
    port: number;
    metricsPort: number;
  },
): string {
  const stateFile = options.stateFile !== false;
  const cookies = options.servers.some((server) => server.cookie !== undefined);
  return [
    'global',
    `  stats socket ${place.socket} mode 600 level admin`,
    `  stats timeout ${options.statsTimeout ?? '10s'}`,
    ...(stateFile ? [`  server-state-file ${place.stateFile}`] : []),
    `  description "${options.description ?? 'gateway environment=production'}"`,
    '  nbthread 2',
    ...(options.globalLines ?? []).map((line) => `  ${line}`),
    'defaults',
    '  mode http',
    '  timeout connect 1s',
    '  timeout client 30s',
    '  timeout server 30s',
    ...(stateFile ? ['  load-server-state-from-file global'] : []),
    ...(options.metrics === true
      ? ['frontend metrics', `  bind 127.0.0.1:${place.metricsPort}`, '  http-request use-service prometheus-exporter']
      : []),
    `frontend ${options.frontend ?? 'edge'}`,
    `  bind 127.0.0.1:${place.port}`,
    '  default_backend gw',
    ...(options.frontendLines ?? []).map((line) => `  ${line}`),
    'backend gw',
    `  balance ${options.balance ?? 'roundrobin'}`,
    ...(cookies ? ['  cookie GW insert indirect'] : []),
    ...(options.backendLines ?? []).map((line) => `  ${line}`),
    '  default-server inter 100ms fall 2 rise 1',
    ...options.servers.map((server) => serverLine(server, place.index)),
    ...(options.sections ?? []),
    '',
  ].join('\n');
}

function serverLine(server: HaproxyServer, location: number): string {
  const cookie = server.cookie === undefined ? '' : ` cookie ${server.cookie}`;
  const extra = server.extra === undefined ? '' : ` ${server.extra}`;
  return `  server ${server.name} 127.0.0.1:${server.ports?.[location] ?? server.port} check weight ${server.weight ?? 100}${cookie}${extra}`;
}
