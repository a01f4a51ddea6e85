/** A candidate whose refused connections HAProxy hides by retries, read as the product reads HAProxy. Must not count anything for it. */

import type { ArmCounters } from '../../../../src/core/gates/counting/counters.ts';
import { CLASS_METRICS, statusCounters } from '../../../../src/core/gates/counting/statuses.ts';
import { parseLocation } from '../../../../src/routers/haproxy/haproxy-answer.ts';
import type { Random } from '../random.ts';
import { type Draw, HOUR_S, type Workload } from '../workloads.ts';

/** What HAProxy 2.6 counts of a server, by the columns of `show stat` that matter here. */
interface ServerCounts {
  stot: number;
  hrsp_2xx: number;
  hrsp_5xx: number;
  wretr: number;
  wredis: number;
}

const COLUMNS =
  'pxname,svname,stot,status,bck,mode,algo,chkdown,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,econ,eresp,wretr,wredis';

function statLine(name: string, { stot, hrsp_2xx, hrsp_5xx, wretr, wredis }: ServerCounts): string {
  return `gw,${name},${stot},UP,0,http,roundrobin,0,0,${hrsp_2xx},0,0,${hrsp_5xx},0,0,0,${wretr},${wredis}`;
}

function answerOf(blue: ServerCounts, green: ServerCounts): string {
  const all = { stot: blue.stot + green.stot, hrsp_2xx: blue.hrsp_2xx + green.hrsp_2xx, hrsp_5xx: 0, wretr: 0, wredis: 0 };
  return `admin

1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_agent_state srv_port
3 gw 1 blue 10.0.0.1 2 64 100 100 0 80
3 gw 2 green 10.0.0.2 2 64 100 100 0 80

# ${COLUMNS}
${statLine('blue', blue)}
${statLine('green', green)}
${statLine('BACKEND', all)}
`;
}

function armOf(answer: string, name: string, tS: number): ArmCounters {
  const location = parseLocation(answer, 'gw');
  const byClass = typeof location === 'string' ? null : location.servers.find((server) => server.name === name)?.answers;
  if (byClass === null || byClass === undefined) return { missing: 'HAProxy does not say' };
  const counters = statusCounters(byClass, CLASS_METRICS);
  return { targets: { haproxy: { startedMs: null, freshMs: 1000 * tS, counters } } };
}

/**
 * `refused` of the candidate's connections fail; `retries 3` and `option redispatch` send them to the stable build, which answers well. What is
 * bad are the requests that only came through so; whoever counts answers sees none of them. Of both builds `p0` answer 500.
 */
export function redispatched(percent: number, refused: number, p0: number, rps = 1000): Workload {
  const begin = (random: Random): Draw => {
    const [green, blue] = [0, 1].map(() => ({ stot: 0, hrsp_2xx: 0, hrsp_5xx: 0, wretr: 0, wredis: 0 })) as [
      ServerCounts,
      ServerCounts,
    ];
    return (tS, candidateRequests, stableRequests) => {
      const bad = random.binomial(candidateRequests, refused);
      const [answered, more] = [candidateRequests - bad, stableRequests + bad];
      const [ours, theirs] = [random.binomial(answered, p0), random.binomial(more, p0)];
      green.stot += candidateRequests;
      green.hrsp_2xx += answered - ours;
      green.hrsp_5xx += ours;
      green.wretr += 3 * bad;
      green.wredis += bad;
      blue.stot += more;
      blue.hrsp_2xx += more - theirs;
      blue.hrsp_5xx += theirs;
      const answer = answerOf(blue, green);
      return {
        candidate: { requests: answered, failures: ours },
        stable: { requests: more, failures: theirs },
        parts: { reading: { candidate: armOf(answer, 'green', tS), stable: armOf(answer, 'blue', tS) } },
        bad: bad + ours,
      };
    };
  };
  return { rps, pollS: 15, percents: [percent], untilS: HOUR_S, bakeS: 0, p0, p1: refused, slices: [], hasCounters: true, begin };
}
