/** Detectors for what HAProxy shows and counts: clients that are refused, a dead socket, slots and bits that say nothing. */
import { check } from '../../src/base/changes/checks.ts';
import { STATUS_METRICS, statusCounters } from '../../src/core/gates/counting/statuses.ts';
import { emptyMemory, judgeGate } from '../../src/core/gates/verdict/gate.ts';
import type { Io } from '../../src/io.ts';
import { localCounters } from '../../src/metrics/router-counters.ts';
import { command } from '../../src/routers/command/command.ts';
import type { CommandConfig } from '../../src/routers/command/command-config.ts';
import { haproxy } from '../../src/routers/haproxy/haproxy.ts';
import { parseLocation } from '../../src/routers/haproxy/haproxy-answer.ts';
import type { HaproxyConfig } from '../../src/routers/haproxy/haproxy-config.ts';
import { CANDIDATE, SCOPE, STABLE } from '../core/manifest/builds.ts';
import { checksOf, readingOf } from '../routers/readings.ts';
import { replicas } from './detect-replicas.ts';

type Complaints = readonly string[];

/** Every way in which clients are refused counts against a fixed limit. */
export async function counters(): Promise<Complaints> {
  const router = readingOf([{ place: 'green', percent: 1, byClass: { 200: 1, 401: 1, 404: 1, 500: 1, none: 1 } }]);
  const question = { scope: SCOPE, build: CANDIDATE.guid, place: 'green', router };
  const measurement = await localCounters.measure({ expect: ['404'] }, question, {} as Io);
  const counted = 'missing' in measurement ? 'nothing' : `${measurement.errors} of ${measurement.requests}`;
  const shown = counted === '3 of 5' ? [] : [`counts ${counted} as failed`];
  return [...shown, ...outcomes(), ...silences()];
}

/** A redirect for everybody is judged, and so is what a retry sent to another server. */
function outcomes(): Complaints {
  const redirects = statusCounters({ 302: 4 }, STATUS_METRICS).find(({ counter }) => counter === 'other 3xx')?.value;
  const columns = 'hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,econ,eresp,wredis,wretr';
  const counted = STATES.replace('status,bck', `status,bck,${columns}`).replace('UP,0', 'UP,0,0,2,0,0,0,0,0,0,7,14');
  const location = parseLocation(counted, 'gw');
  const hidden = typeof location === 'string' ? 0 : location.servers.find(({ name }) => name === 'blue')?.answers?.['none'];
  return [
    ...(redirects === 4 ? [] : [`judges ${redirects ?? 'none'} of 4 redirects`]),
    ...(hidden === 7 ? [] : [`counts ${hidden ?? 'none'} of 7 failures that were retried`]),
  ];
}

/** One location of two is silent for a while: what it counted before the bake is nothing of this build's, when it is back. */
function silences(): Complaints {
  const limits = { max: 0.01, minRequests: 20 };
  const part = (requests: number, errors: number) => ({ requests, errors, failed: { '5xx': errors } });
  const reading = (parts: Readonly<Record<string, ReturnType<typeof part>>>) => ({
    requests: 0,
    errors: 0,
    counting: 'total' as const,
    parts,
  });
  const polls = [
    reading({ one: part(100, 0) }),
    reading({ one: part(150, 0), two: part(900, 90) }),
    reading({ one: part(200, 0) }),
  ];
  let memory = emptyMemory(null);
  const verdicts = polls.map((poll) => {
    const judged = judgeGate(limits, memory, poll);
    memory = judged.memory;
    return judged.judged.verdict;
  });
  return verdicts.join(' ') === 'hold pass pass' ? [] : [`says ${verdicts.join(' ')} of a build that never failed here`];
}

const STATES = `admin

1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_agent_state srv_fqdn srv_port
3 gw 1 blue 10.0.0.1 2 64 100 100 0 - 80
3 gw 2 green 10.0.0.2 0 5 0 100 0 - 80
3 gw 3 spare - 0 32 1 1 0 app.test 80

# pxname,svname,stot,status,bck
gw,blue,9,UP,0
gw,green,0,MAINT,0
gw,spare,0,MAINT,0
gw,BACKEND,9,UP,0
`;

/** Two HAProxys, of which one is dead: nothing of the other may be lost, and the dead one may not be taken for fine. */
export async function sockets(): Promise<Complaints> {
  const config = haproxy.config.parse({ sockets: ['/a.sock', '/b.sock'], backend: 'gw' }) as HaproxyConfig;
  const socket = async (address: string) => (address === '/a.sock' ? STATES : Promise.reject(new Error('refused')));
  const io = { socket, fs: {} } as unknown as Io;
  const since = readingOf([], { certainty: 'configured' });
  const reading = await haproxy.read(config, io, since).catch(() => null);
  if (reading === null) return ['one dead socket hides the other'];
  const places = reading.places.map(({ place, percent }) => `${place} ${percent}`).join(', ');
  const split = [
    { place: 'blue', build: STABLE.guid, percent: 100 },
    { place: 'green', build: CANDIDATE.guid, percent: 0 },
  ];
  const [ofA] = checksOf(haproxy, { ...config, sockets: ['/a.sock'] }, split);
  const answer = ofA === undefined ? null : await check(ofA, io);
  return [
    ...(places === 'blue 100, green 0' ? [] : [`reads ${places}`]),
    ...(reading.unseen?.length === 1 && reading.trouble.length === 1 ? [] : ['takes a dead socket for fine']),
    ...(answer !== null && 'ok' in answer && answer.ok ? [] : ['takes a bit that says nothing for something']),
    ...(await replicas()),
    ...(await programs()),
  ];
}

/** A program says that nothing may be released by its target. */
async function programs(): Promise<Complaints> {
  const argv = ['/bin/split'];
  const config = command.config.parse({
    target: 'web',
    read: argv,
    set: argv,
    identify: argv,
    places: ['blue'],
  }) as CommandConfig;
  const stdout = JSON.stringify({ formatVersion: 1, percent: { blue: 100 }, unusable: 'clients stay' });
  const io = { run: async () => ({ exitCode: 0, stdout, stderr: '' }) } as unknown as Io;
  const { unusable } = await command.read(config, io);
  return unusable?.why === 'clients stay' ? [] : ['releases by a target that cannot be used'];
}
