/** An nginx of the local world, set up as docs/nginx.md says. Must touch nothing outside its own folder and the home of the local world. */
import nodeFs, { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolders } from '../../base/durable/durable-file.ts';
import { nginxConfig } from '../../routers/nginx/nginx-config.ts';
import { includeText } from '../../routers/nginx/nginx-include.ts';
import { type Edge, type Installed, type Site, settingLines } from './edge.ts';
import { allowPrograms } from './installed.ts';

/** Writes its files into its folder, and the machine file, without which kvdeploy runs none of its programs. */
export function nginxEdge({ folder, listen, addresses, place }: Site, { file }: Installed): Edge {
  const at = (name: string) => join(folder, name);
  const [conf, errorLog] = [at('nginx.conf'), at('error.log')];
  const run = (...words: string[]) => [file, '-e', errorLog, '-p', folder, '-c', conf, ...words];
  const settings = {
    include: at('kvdeploy/web.conf'),
    probe: `http://${listen}/.kvdeploy`,
    log: at('kvdeploy-web.log'),
    pid: at('nginx.pid'),
    test: run('-t'),
    reload: run('-s', 'reload'),
    dump: run('-T'),
    places: Object.fromEntries(
      Object.entries(addresses).map(([name, address]) => [name, { upstream: `${name}_pool`, members: [new URL(address).host] }]),
    ),
  };
  const { pid, include, log, places, test, reload, dump } = settings;
  const config = nginxConfig.parse(settings);
  const [first = ''] = Object.keys(places);
  makeFolders(dirname(include), nodeFs);
  writeFileSync(include, includeText(config, [{ place: first, build: null, percent: 100 }]));
  writeFileSync(
    conf,
    nginxConf({ pid, errorLog, include, log, listen, upstreams: Object.values(places), http: temporary(folder) }),
  );
  allowPrograms(place.home, [test, reload, dump]);
  return {
    kind: 'nginx',
    url: `http://${listen}`,
    settings: settingLines({ kind: 'nginx', ...settings }),
    told: ['The machine file in the home folder of the demo lists what kvdeploy may run: nginx -t, -s reload, -T.'],
    argv: run('-g', 'daemon off;'),
    percents: () => percentsAt(settings.probe),
    served: async () => servedIn(readFileSync(log, 'utf8')),
  };
}

/** The file of docs/nginx.md, for these paths and upstream blocks. `http`: further lines of that block. */
export function nginxConf(of: {
  readonly pid: string;
  readonly errorLog: string;
  readonly include: string;
  readonly log: string;
  readonly listen: string;
  readonly upstreams: readonly { readonly upstream: string; readonly members: readonly string[] }[];
  readonly http: readonly string[];
}): string {
  const servers = (members: readonly string[]) => members.map((member) => `server ${member};`).join(' ');
  const blocks = of.upstreams.map(({ upstream, members }) => `  upstream ${upstream} { ${servers(members)} }\n`);
  return `worker_processes auto;
pid ${of.pid};
error_log ${of.errorLog};
# After a reload, clients with open connections follow the old split for at most this long. kvdeploy refuses without it.
worker_shutdown_timeout 10s;

events { worker_connections 1024; }

http {
${of.http.map((line) => `  ${line}\n`).join('')}  # The include that kvdeploy writes: $kv_place, $kv_upstream and $kv_generation.
  include ${of.include};

  # What kvdeploy counts: each try at each server. Without this log there are no gates on nginx's own counters.
  log_format kv escape=json '{"t":$msec,"g":"$kv_generation","p":"$kv_place","s":$status,"us":"$upstream_status","ua":"$upstream_addr","rt":$request_time}';

${blocks.join('')}
  server {
    listen ${of.listen};
    access_log ${of.log} kv;

    # Which split the workers use, and which environment this is. It is logged too, so that a log which stops is noticed.
    location = /.kvdeploy {
      allow 127.0.0.1;
      deny all;
      default_type application/json;
      return 200 '{"generation":"$kv_generation","pid":$pid,"environment":"production"}';
    }

    location / {
      proxy_pass http://$kv_upstream;
      proxy_set_header Host $host;
    }
  }
}
`;
}

/** Where the package of nginx has them, only root may write. */
function temporary(folder: string): readonly string[] {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`);
}

/** What the worker says that takes a fresh connection: `blue=95,green=5` and a hash. */
async function percentsAt(probe: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(probe, { headers: { connection: 'close' }, signal: AbortSignal.timeout(2000) });
  const { generation } = (await response.json()) as { readonly generation: string };
  const [split = ''] = generation.split(' ');
  return new Map(
    split.split(',').map((share) => {
      const [name = '', percent] = share.split('=');
      return [name, Number(percent)];
    }),
  );
}

/** Requests that reached a server; the probe is none of them. */
function servedIn(log: string): Readonly<Record<string, number>> {
  const served: Record<string, number> = {};
  for (const [, name = ''] of log.matchAll(/"p":"([^"]*)".*"ua":"[^"-]/g)) served[name] = (served[name] ?? 0) + 1;
  return served;
}
