/** Three hosts with a router and two builds each, driven from the first one: sshd on the others, keys and state on the first one's disk. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nginxConfig } from '../../src/routers/nginx/nginx-config.ts';
import { includeText } from '../../src/routers/nginx/nginx-include.ts';
import { BIN } from '../cli/run-cli.ts';
import { type Host, openHosts } from '../servers/hosts.ts';
import { load } from '../servers/load.ts';
import { until } from '../servers/program.ts';
import { BUILDS, SURE } from './nginx-scene.ts';
import { manifestText } from './site-files.ts';

export { BUILDS, SURE };

export type Kind = 'nginx' | 'haproxy';

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HostsSite {
  readonly hosts: readonly Host[];
  /** kvdeploy on the first host. */
  run(args: readonly string[]): Promise<Answer>;
  start(args: readonly string[]): { readonly output: () => string; readonly ended: Promise<Answer> };
  /** Every build at this place on every host answers 500 to clients from now on, or is well. */
  setBad(place: 'blue' | 'green', isBad: boolean): void;
  /** Which build each host answers with, by many requests. */
  served(): Promise<readonly Readonly<Record<string, number>>[]>;
  clients(perSecond: number): { end(): Promise<void> };
  close(): Promise<void>;
}

const PORTS = { blue: 9001, green: 9002 } as const;

const DIST = join(import.meta.dirname, '../../dist');

const SPARE_LINES = (folder: string) =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n');

/** The builds: a second nginx, whose servers say which build they are. */
function buildsConf(bad: ReadonlySet<string>): string {
  const servers = Object.entries(PORTS).map(([place, port]) => {
    const { guid } = BUILDS[place as keyof typeof BUILDS];
    const says = `add_header x-build-guid ${guid} always; add_header x-build-environment production always;`;
    return `  server { listen 127.0.0.1:${port}; ${says} location = /healthz { return 200 ok; } location / { return ${bad.has(place) ? 500 : 200} ok; } }`;
  });
  return `user root;\nworker_processes 1;\npid /mnt/builds.pid;\nerror_log /mnt/builds-error.log;\nevents { }\nhttp {\n  access_log off;\n${SPARE_LINES('/mnt/builds')}\n${servers.join('\n')}\n}\n`;
}

function nginxConf(): string {
  const log =
    '{"t":$msec,"g":"$kv_generation","p":"$kv_place","s":$status,"us":"$upstream_status","ua":"$upstream_addr","rt":$request_time}';
  const probe = '{"generation":"$kv_generation","pid":$pid,"environment":"production"}';
  return `user root;
worker_processes 2;
pid /mnt/nginx.pid;
error_log /mnt/error.log;
worker_shutdown_timeout 2s;
events { }
http {
  access_log off;
${SPARE_LINES('/mnt/edge')}
  include /mnt/kvdeploy/web.conf;
  log_format kv escape=json '${log}';
  upstream blue_pool { server 127.0.0.1:${PORTS.blue}; }
  upstream green_pool { server 127.0.0.1:${PORTS.green}; }
  server {
    listen 8080;
    access_log /mnt/kv.log kv;
    location = /.kvdeploy { allow 127.0.0.1; deny all; default_type application/json; return 200 '${probe}'; }
    location / { proxy_pass http://$kv_upstream; proxy_set_header Host $host; }
  }
}
`;
}

function haproxyConf(): string {
  return `global
  stats socket /mnt/admin.sock mode 600 level admin
  server-state-file /mnt/state
  description "gateway environment=production"
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  load-server-state-from-file global
frontend edge
  bind :8080
  default_backend gw
backend gw
  option httpchk GET /healthz
  default-server check inter 500ms fall 2 rise 1 weight 100
  server blue 127.0.0.1:${PORTS.blue}
  server green 127.0.0.1:${PORTS.green} disabled
`;
}

const NGINX = { run: (...words: string[]) => ['/usr/sbin/nginx', '-c', '/mnt/nginx.conf', '-p', '/mnt', ...words] };

function routerOf(kind: Kind, hosts: readonly Host[]) {
  const [, ...others] = hosts;
  const far = Object.fromEntries(
    others.map(({ name, address }) => [name, { ssh: `root@${address}`, key: '/mnt/user', knownHosts: '/mnt/known' }]),
  );
  const locations = { n1: 'local', ...far };
  if (kind === 'haproxy') return { kind, sockets: ['/mnt/admin.sock'], backend: 'gw', serverStateFile: '/mnt/state', locations };
  return {
    ...{
      kind,
      include: '/mnt/kvdeploy/web.conf',
      probe: 'http://127.0.0.1:8080/.kvdeploy',
      log: '/mnt/kv.log',
      pid: '/mnt/nginx.pid',
    },
    ...{ test: NGINX.run('-t'), reload: NGINX.run('-s', 'reload'), dump: NGINX.run('-T') },
    places: {
      blue: { upstream: 'blue_pool', members: [`127.0.0.1:${PORTS.blue}`] },
      green: { upstream: 'green_pool', members: [`127.0.0.1:${PORTS.green}`] },
    },
    locations,
  };
}

/** What each host allows for the service. */
function allowanceOf(kind: Kind): object {
  const checks = Object.values(PORTS).map((port) => `http://127.0.0.1:${port}/healthz`);
  if (kind === 'haproxy') return { sockets: ['/mnt/admin.sock'], files: ['/mnt/state'], checks };
  const programs = [NGINX.run('-t'), NGINX.run('-s', 'reload'), NGINX.run('-T')];
  return {
    ...{ files: ['/mnt/kvdeploy/web.conf', '/mnt/kv.log', '/mnt/nginx.pid'], programs },
    checks: [...checks, 'http://127.0.0.1:8080/.kvdeploy'],
  };
}

/** blue serves on all three; nothing is adopted. */
export async function openHostsSite(kind: Kind): Promise<HostsSite> {
  const { hosts, close } = await openHosts(['n1', 'n2', 'n3']);
  const [first] = hosts;
  if (first === undefined) throw new Error('there is no host');
  const children: ChildProcess[] = [];
  const background = (host: Host, ...argv: string[]) => {
    const [program = '', ...words] = [...host.inside, ...argv];
    const child = spawn(program, words, { stdio: 'ignore' });
    children.push(child);
  };
  const bad = new Set<string>();
  for (const host of hosts) {
    for (const dir of ['kvdeploy', 'builds', 'edge']) mkdirSync(join(host.folder, dir), { recursive: true });
    writeFileSync(join(host.folder, 'builds.conf'), buildsConf(bad));
    background(host, '/usr/sbin/nginx', '-c', '/mnt/builds.conf', '-p', '/mnt', '-g', 'daemon off;');
    host.allow({ targets: { 'acme/production/gw': allowanceOf(kind) } });
    if (kind === 'nginx') {
      const { kind: _kind, ...settings } = routerOf(kind, hosts);
      const config = nginxConfig.parse(settings);
      writeFileSync(join(host.folder, 'nginx.conf'), nginxConf());
      writeFileSync(join(host.folder, 'kvdeploy/web.conf'), includeText(config, [{ place: 'blue', build: null, percent: 100 }]));
      background(host, '/usr/sbin/nginx', '-c', '/mnt/nginx.conf', '-p', '/mnt', '-g', 'daemon off;');
    } else {
      writeFileSync(join(host.folder, 'haproxy.cfg'), haproxyConf());
      background(host, '/usr/sbin/haproxy', '-db', '-f', '/mnt/haproxy.cfg');
    }
  }
  await openSsh(hosts, background);
  writeFiles(first, kind, hosts);
  for (const { address } of hosts) await until(`${address} to serve`, () => answers(address));
  const argv = [
    ...first.inside,
    'env',
    '-i',
    `PATH=${process.env['PATH']}`,
    'HOME=/mnt/home',
    'USER=tess',
    'sh',
    '-c',
    'cd /mnt/checkout && exec "$@"',
    'sh',
    process.execPath,
    BIN,
  ];
  const start: HostsSite['start'] = (args) => {
    const [program = '', ...words] = [...argv, ...args];
    let said = '';
    const ended = new Promise<Answer>((resolve) => {
      const child = execFile(program, words, { encoding: 'utf8', timeout: 150_000 }, (error, stdout, stderr) =>
        resolve({ exitCode: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
      );
      child.stderr?.on('data', (text: string) => {
        said += text;
      });
    });
    return { output: () => said, ended };
  };
  return {
    hosts,
    start,
    run: (args) => start(args).ended,
    setBad: (place, isBad) => {
      if (isBad) bad.add(place);
      else bad.delete(place);
      for (const { folder, inside } of hosts) {
        writeFileSync(join(folder, 'builds.conf'), buildsConf(bad));
        execFileSync(
          inside[0] ?? '',
          [...inside.slice(1), '/usr/sbin/nginx', '-c', '/mnt/builds.conf', '-p', '/mnt', '-s', 'reload'],
          { stdio: 'pipe' },
        );
      }
    },
    served: () =>
      Promise.all(
        hosts.map(async ({ address }) => (await load(`http://${address}:8080/`, { count: 40, keepAlive: false })).byBuild),
      ),
    clients: (perSecond) => {
      const enough = new AbortController();
      const all = hosts.map(({ address }) =>
        load(`http://${address}:8080/`, { count: 1_000_000, perSecond, keepAlive: false, signal: enough.signal }),
      );
      return {
        end: async () => {
          enough.abort();
          await Promise.all(all);
        },
      };
    },
    close: async () => {
      for (const child of children) child.kill('SIGKILL');
      close();
    },
  };
}

async function answers(address: string): Promise<true | undefined> {
  const answer = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
  return answer?.headers.get('x-build-guid') === BUILDS.blue.guid ? true : undefined;
}

/** sshd on every host but the first, for one key, whose only command is break-glass.mjs at. */
async function openSsh(hosts: readonly Host[], background: (host: Host, ...argv: string[]) => void): Promise<void> {
  const [first, ...others] = hosts;
  const key = join(first?.folder ?? '', 'user');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  mkdirSync('/run/sshd', { recursive: true });
  const known: string[] = [];
  for (const host of others) {
    const at = (name: string) => join(host.folder, name);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('host')]);
    copyFileSync(join(DIST, 'break-glass.mjs'), at('break-glass.mjs'));
    writeFileSync(at('at'), `#!/bin/sh\nHOME=/mnt/home exec ${process.execPath} /mnt/break-glass.mjs at\n`, { mode: 0o755 });
    writeFileSync(at('authorized'), `command="/mnt/at",restrict ${readFileSync(`${key}.pub`, 'utf8')}`);
    known.push(`${host.address} ${readFileSync(at('host.pub'), 'utf8').trim()}`);
    const config = {
      ...{
        Port: 22,
        ListenAddress: host.address,
        HostKey: '/mnt/host',
        AuthorizedKeysFile: '/mnt/authorized',
        PidFile: '/mnt/sshd.pid',
      },
      ...{ StrictModes: 'no', UsePAM: 'no', PermitRootLogin: 'yes', PasswordAuthentication: 'no' },
    };
    writeFileSync(
      at('sshd_config'),
      Object.entries(config)
        .map(([name, value]) => `${name} ${value}\n`)
        .join(''),
    );
    background(host, '/usr/sbin/sshd', '-D', '-E', '/mnt/sshd.log', '-f', '/mnt/sshd_config');
    await until(`sshd of ${host.name}`, () =>
      existsSync(at('sshd.log')) && readFileSync(at('sshd.log'), 'utf8').includes('Server listening') ? true : undefined,
    );
  }
  writeFileSync(join(dirname(key), 'known'), `${known.join('\n')}\n`);
}

function writeFiles({ folder }: Host, kind: Kind, hosts: readonly Host[]): void {
  const at = (name: string) => join(folder, 'checkout', name);
  for (const dir of ['.git', 'releases/acme/production', 'releases/acme/staging']) mkdirSync(at(dir), { recursive: true });
  writeFileSync(at('releases/acme/production/gw.yaml'), manifestText('production', Object.values(BUILDS)));
  writeFileSync(at('releases/acme/staging/gw.yaml'), manifestText('staging', []));
  writeFileSync(
    at('kvdeploy.config.yaml'),
    [
      'apiVersion: kvdeploy.dev/v1',
      'kind: Config',
      'stateDir: /mnt/state-dir',
      'tenants:',
      '  acme:',
      '    environments:',
      '      staging: { services: { gw: {} } }',
      '      production:',
      '        protected: true',
      '        services:',
      '          gw:',
      `            router: ${JSON.stringify(routerOf(kind, hosts))}`,
      '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
      '            steps: [{ percent: 50, bake: 2s }, { percent: 100, bake: 1s }]',
      '            poll: 500ms',
      '            patience: 10s',
      '            gates: [{ name: errors, compare: { ruleOut: { plus: 0.5% }, clusters: 1 } }]',
      '            evidence: { dwell: 2s, block: 1s, watch: 1s }',
      '',
    ].join('\n'),
  );
}
