/** Processes that die and are replaced all the time, two that show their totals in turn, and members of a place: what is counted of them. */
import { type ArmCounters, countersSince, type Delta, NO_COUNTERS } from '../../src/core/gates/counting/counters.ts';

import { memberBlocks } from '../../src/core/gates/counting/members.ts';
import { emptyMemory, judgeGate } from '../../src/core/gates/verdict/gate.ts';

/** Readings of the candidate, a second apart: totals of requests and errors by process. */
function read(readings: readonly Readonly<Record<string, readonly [requests: number, errors: number]>>[]): Delta[] {
  let memory = NO_COUNTERS;
  return readings.map((pods, atS) => {
    const targets = Object.entries(pods).map(([name, [requests, errors]]) => {
      const counters = [
        { counter: 'requests', slice: '', value: requests },
        { counter: 'errors', slice: '', value: errors },
      ];
      return [name, { startedMs: null, freshMs: atS * 1000, counters }] as const;
    });
    const candidate: ArmCounters = { targets: Object.fromEntries(targets) };
    const delta = countersSince(memory, { candidate, stable: { absent: true } }, 2000);
    memory = delta.memory;
    return delta;
  });
}

export function churn(): readonly string[] {
  const dying = read(
    Array.from({ length: 60 }, (_, at) => Object.fromEntries([0, 1, 2, 3].map((pod) => [`p${at + pod}`, [9, 0]]))),
  );
  const restarts = dying.reduce((sum, { candidate }) => sum + candidate.restarts, 0);
  const turning = read(Array.from({ length: 30 }, (_, at) => ({ app: at % 2 === 0 ? [2500 + at, 1] : [5700 + at, 200] })));
  const failures = turning.slice(2).reduce((sum, { candidate }) => sum + (candidate.counts.get('errors')?.get('') ?? 0), 0);
  return [
    ...(restarts > 20 ? [] : ['a build whose processes die every few seconds passes for one that moves']),
    ...(failures === 0 ? [] : [`totals in turn are counted as ${failures} failures`]),
    ...ofMembers(),
  ];
}

const ERRORS = { metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' } as const;

function ofMembers(): readonly string[] {
  const member = (name: string, requests: number, errors: number) => {
    return { name, location: 'edge1', counts: new Map(Object.entries({ requests, errors })) };
  };
  const usual = memberBlocks([member('green', 9, 0)], [member('one', 900, 1), member('two', 100, 50)], ERRORS)['green']?.stable;
  const part = (requests: number, errors: number) => ({ requests, errors, failed: { '5xx': errors }, member: 'member green' });
  const total = (errors: number) => {
    const parts = { bad: part(200, errors), good: part(2000, 0) };
    return { requests: 2200, errors, counting: 'total' as const, parts };
  };
  const nothing = { bad: part(0, 0), good: part(0, 0) };
  const began = emptyMemory({ requests: 0, errors: 0, counting: 'total', parts: nothing });
  const limited = judgeGate({ max: 0.05, minRequests: 100 }, began, total(90)).judged;
  return [
    ...(usual?.requests === 1000 && usual.failures === 51 ? [] : ['one stable member decides what is usual for a member']),
    ...(limited.verdict === 'fail' ? [] : ['a fixed limit does not see that one member fails']),
  ];
}
