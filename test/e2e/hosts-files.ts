/** What lies on each of the three hosts: the builds, the router and what it allows, the same on each. */
import type { Allowance } from '../../src/base/owners/machine-format.ts';
import { confText } from '../servers/nginx.ts';
import { BUILDS } from './nginx-scene.ts';

export type Kind = 'nginx' | 'haproxy';

export const PORTS = { blue: 9001, green: 9002 } as const;

/** The service and environment of every file here. */
export const SCOPE = 'acme/production/gw';

const nginxWith = (...words: string[]) => ['/usr/sbin/nginx', '-c', '/mnt/nginx.conf', '-p', '/mnt', ...words];

/** The router in the config, on hosts that are reached as `locations` says. */
export function routerSettings(kind: Kind, locations: object): object {
  if (kind === 'haproxy') return { kind, sockets: ['/mnt/admin.sock'], backend: 'gw', serverStateFile: '/mnt/state', locations };
  return {
    kind,
    ...{ include: '/mnt/kvdeploy/web.conf', probe: 'http://127.0.0.1:8080/.kvdeploy', log: '/mnt/kv.log', pid: '/mnt/nginx.pid' },
    ...{ test: nginxWith('-t'), reload: nginxWith('-s', 'reload'), dump: nginxWith('-T') },
    places: Object.fromEntries(
      Object.entries(PORTS).map(([place, port]) => [place, { upstream: `${place}_pool`, members: [`127.0.0.1:${port}`] }]),
    ),
    locations,
  };
}

/** What the machine file of each host lists for the service. */
export function allowance(kind: Kind): Allowance {
  const checks = Object.values(PORTS).map((port) => `http://127.0.0.1:${port}/healthz`);
  if (kind === 'haproxy') return { sockets: ['/mnt/admin.sock'], files: ['/mnt/state'], checks };
  return {
    files: ['/mnt/kvdeploy/web.conf', '/mnt/kv.log', '/mnt/nginx.pid'],
    programs: [nginxWith('-T'), nginxWith('-t'), nginxWith('-s', 'reload')],
    checks: [...checks, 'http://127.0.0.1:8080/.kvdeploy'],
  };
}

/** The configuration of the router. */
export function routerText(kind: Kind): string {
  if (kind === 'haproxy') return HAPROXY;
  const places = Object.fromEntries(Object.entries(PORTS).map(([place, port]) => [place, [port]]));
  return confText('/mnt', 8080, '/mnt/kvdeploy/web.conf', { places, listen: '0.0.0.0' });
}

/** How the router is started, in the foreground. */
export function routerArgv(kind: Kind): readonly string[] {
  return kind === 'haproxy' ? ['/usr/sbin/haproxy', '-db', '-f', '/mnt/haproxy.conf'] : nginxWith();
}

const HAPROXY = `global
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

/** The builds: an nginx whose servers say which build they are, and answer 500 to clients where they are `bad`. */
export function buildsText(bad: ReadonlySet<string>): string {
  const servers = Object.entries(PORTS).map(([place, port]) => {
    const { guid } = BUILDS[place as keyof typeof BUILDS];
    return `  server {
    listen 127.0.0.1:${port};
    add_header x-build-guid ${guid} always;
    add_header x-build-environment production always;
    location = /healthz { return 200 ok; }
    location / { return ${bad.has(place) ? 500 : 200} ok; }
  }`;
  });
  return `daemon off;
user root;
worker_processes 1;
pid /mnt/builds/nginx.pid;
error_log /mnt/builds/error.log;
events { }
http {
  access_log off;
${servers.join('\n')}
}
`;
}

/** The forced command of the key. A change waits there while /mnt/wait exists, so that a cable can be cut in the middle. */
export function forcedText(): string {
  return `#!/bin/sh
while IFS= read -r line; do
  case $line in *'"do":"make"'*) while [ -e /mnt/wait ]; do : >/mnt/waits; sleep 0.05; done ;; esac
  printf '%s\\n' "$line"
done | HOME=/mnt/home ${process.execPath} /mnt/break-glass.mjs at
`;
}

/** sshd for one key, whose only command is /mnt/at. */
export function sshdText(address: string): string {
  return `ListenAddress ${address}
HostKey /mnt/host
AuthorizedKeysFile /mnt/authorized
PidFile /mnt/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
`;
}
