/** A HAProxy of the local world, set up as docs/haproxy.md says. Must touch nothing outside its own folder. */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Edge, type Installed, type Site, settingLines } from './edge.ts';

const BACKEND = 'gw';

/** Writes its files into its folder. */
export function haproxyEdge({ folder, listen, addresses }: Site, { file }: Installed): Edge {
  const [socket, stateFile, cfg] = [join(folder, 'admin.sock'), join(folder, 'state'), join(folder, 'haproxy.cfg')];
  const servers = Object.entries(addresses).map(([name, address]) => ({ name, address: new URL(address).host }));
  writeFileSync(cfg, haproxyCfg({ socket, stateFile, listen, servers }));
  const rows = async () => (await command(socket, `show stat`)).split('\n').flatMap(rowOf);
  return {
    kind: 'haproxy',
    url: `http://${listen}`,
    settings: settingLines({ kind: 'haproxy', sockets: [socket], backend: BACKEND, serverStateFile: stateFile }),
    told: [],
    argv: [file, '-db', '-f', cfg],
    percents: async () => {
      const found = await rows();
      const sum = found.reduce((all, { weight }) => all + weight, 0);
      return new Map(found.map(({ name, weight }) => [name, sum === 0 ? 0 : (100 * weight) / sum]));
    },
    served: async () => Object.fromEntries((await rows()).map(({ name, requests }) => [name, requests])),
  };
}

/** The file of docs/haproxy.md, for these paths and servers; the first one serves. */
export function haproxyCfg(of: {
  readonly socket: string;
  readonly stateFile: string;
  readonly listen: string;
  readonly servers: readonly { readonly name: string; readonly address: string }[];
}): string {
  const servers = of.servers.map(({ name, address }, at) => `  server ${name} ${address}${at === 0 ? '' : ' disabled'}\n`);
  return `global
  # kvdeploy needs \`level admin\`. Anyone who can open this socket can shift traffic: give it to a small group.
  stats socket ${of.socket} mode 660 level admin
  stats timeout 10s
  # What HAProxy loads when it starts or reloads. kvdeploy writes it after every change.
  server-state-file ${of.stateFile}
  # The environment of this HAProxy. kvdeploy refuses if it names another one.
  description "gateway environment=production"

defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  load-server-state-from-file global

frontend edge
  bind ${of.listen}
  default_backend ${BACKEND}

backend ${BACKEND}
  balance roundrobin
  option httpchk GET /healthz
  # Give every server the same weight; mark a server \`disabled\` if it must not serve before its first rollout.
  default-server check inter 1s fall 2 rise 1 weight 100
${servers.join('')}`;
}

/** One server of the backend, by the statistics in CSV (HAProxy 2.6 management guide, section 9.1). */
function rowOf(line: string): readonly { readonly name: string; readonly weight: number; readonly requests: number }[] {
  const cells = line.split(',');
  const [proxy, name = ''] = cells;
  if (proxy !== BACKEND || name === 'BACKEND') return [];
  const takes = /^(?:UP|no check)/.test(cells[17] ?? '');
  return [{ name, weight: takes ? Number(cells[18]) : 0, requests: Number(cells[7]) }];
}

/** One line to the runtime API, and its whole answer. */
function command(socket: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const connection = connect(socket, () => connection.end(`${line}\n`));
    connection.setTimeout(2000, () => connection.destroy(new Error('no answer within 2 s')));
    connection.on('data', (data) => {
      answer += data.toString();
    });
    connection.on('error', reject).on('close', () => resolve(answer));
  });
}
