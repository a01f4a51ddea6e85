/** Detectors for places with replicas: members that are out or not asked, a stranger that serves, an agent that sets weights. */
import type { Io } from '../../src/io.ts';
import { httpProbe } from '../../src/metrics/http-probe.ts';
import { haproxy } from '../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../src/routers/haproxy/haproxy-config.ts';
import { local } from '../../src/routers/local/local.ts';
import type { LocalConfig } from '../../src/routers/local/local-config.ts';
import { CANDIDATE, SCOPE } from '../core/manifest/builds.ts';
import { readingOf } from '../routers/readings.ts';

/** Two of blue, of which one is in maintenance, one of green, and one of no place that takes traffic; blue's first has an agent. */
const ANSWER = `admin

1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_agent_state srv_port
3 gw 1 b1 10.0.0.1 2 0 30 100 22 80
3 gw 2 b2 10.0.0.2 0 1 30 100 0 80
3 gw 3 green 10.0.0.3 2 0 20 100 0 80
3 gw 4 other 10.0.0.4 2 0 20 100 0 80

# pxname,svname,stot,status,bck,algo
gw,b1,9,UP,0,
gw,b2,9,MAINT,0,
gw,green,9,UP,0,
gw,other,9,UP,0,
gw,BACKEND,9,UP,0,roundrobin
`;

/** What each fault would hide. */
export async function replicas(): Promise<readonly string[]> {
  const read = async (more: object, answer = ANSWER) => {
    const places = { blue: ['b1', 'b2'], green: ['green'] };
    const config = haproxy.config.parse({ sockets: ['/a.sock'], backend: 'gw', places, ...more }) as HaproxyConfig;
    const io = { socket: async () => answer, fs: {} } as unknown as Io;
    return haproxy.read(config, io, readingOf([], { certainty: 'configured' }));
  };
  const allowed = await read({ agentCheck: 'upDown' });
  const shares = allowed.places.map(({ place, percent }) => `${place} ${percent}`).join(', ');
  const refused = await read({}, ANSWER.replace(/^3 gw 4.*\n/m, ''));
  const silent = await read({ agentCheck: 'upDown' }, ANSWER.replace(' 22 80', ' - 80')).catch(() => null);
  return [
    ...(silent === null ? [] : ['takes an agent that HAProxy does not tell of for none']),
    ...(shares === 'blue 60, green 20' ? [] : [`reads ${shares}`]),
    ...(allowed.unusable === undefined ? ['splits traffic of a server that belongs to no place'] : []),
    ...(allowed.trouble.some((one) => one.includes('belongs to no place')) ? [] : ['does not name a stranger']),
    ...(refused.unusable?.why.includes('agent-check') ? [] : ['lets an agent set the weights of a split']),
    ...(await behindServe()),
    ...(await probed()),
  ];
}

/** `kvdeploy serve` has one member up, one down, and one of the config not at all. */
async function behindServe(): Promise<readonly string[]> {
  const urls = [1, 2, 3].map((number) => `http://127.0.0.1:900${number}`);
  const config = local.config.parse({ listen: '127.0.0.1:1', routes: '/r', places: { blue: urls } }) as LocalConfig;
  const members = urls.slice(0, 2).map((url, index) => {
    return { name: new URL(url).host, place: 'blue', url, up: index === 0, served: 0, answered: {} };
  });
  const split = [{ place: 'blue', build: null, percent: 100 }];
  const status = { formatVersion: 1, scope: SCOPE, routes: '/r', addresses: {}, members, applied: 'blue=100', split };
  const body = JSON.stringify({ ...status, served: {}, servedByBuild: {}, problem: null });
  const io = { http: async () => ({ status: 200, headers: {}, body }), fs: { readFileSync: () => '' } } as unknown as Io;
  const { locations } = await local.read(config, io);
  const shown = locations.flatMap((one) => one.members.map(({ up, percent }) => `${up ? 'up' : 'down'} ${percent}`)).join(', ');
  return shown === 'up 100, down 0, down 0' ? [] : [`reads members of kvdeploy serve as ${shown}`];
}

/** Fewer probes than members: each is asked all the same. */
async function probed(): Promise<readonly string[]> {
  const asked = new Set<string>();
  const http: Io['http'] = async ({ url }) => {
    asked.add(url);
    return { status: 200, headers: {}, body: '' };
  };
  const told = [1, 2, 3].map((number) => {
    return { place: 'green', name: `green-${number}`, percent: 10, address: `http://10.0.0.${number}` };
  });
  const question = { scope: SCOPE, build: CANDIDATE.guid, place: 'green', router: readingOf(told) };
  const io = { http, now: () => 1, monotonic: () => 1 } as unknown as Io;
  await httpProbe.measure(httpProbe.config.parse({ probes: 1 }) as never, question, io);
  return asked.size === 3 ? [] : [`probes ${asked.size} of 3 members`];
}
