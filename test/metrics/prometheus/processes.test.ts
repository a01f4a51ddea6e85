/** Which series are one process: duplicates are named, and a process that is scraped no more takes no other with it. */
import { describe, expect, it } from 'vitest';
import { armOf, BUILD_LABEL, COUNTER_LABEL } from '../../../src/metrics/prometheus/prometheus-counters.ts';

const AT_MS = 1_700_000_000_000;
const HOW = { url: 'http://prometheus', status: 'code', ownErrors: false, oldestMs: 31_000, sent: { requests: 'req_total' } };

type Labels = Readonly<Record<string, string>>;

/** Requests of one process as one scrape of it shows them, and when that was. */
function scraped(labels: Labels, requests: number, failed = 0, agoS = 3) {
  const of = (counter: string, more: Labels, value: number) => ({
    labels: { ...labels, ...more, [BUILD_LABEL]: 'candidate', [COUNTER_LABEL]: counter },
    value: String(value),
  });
  const { job = '', instance = '' } = labels;
  return [
    of('requests', { code: '200' }, requests),
    of('requests', { code: '500' }, failed),
    {
      labels: { job, instance, [BUILD_LABEL]: 'candidate', [COUNTER_LABEL]: 'seen' },
      value: String(AT_MS / 1000 - agoS),
    },
  ];
}

const read = (...series: readonly ReturnType<typeof scraped>[]) => armOf('candidate', series.flat(), AT_MS, HOW);
const namesOf = (arm: ReturnType<typeof read>) => ('targets' in arm ? Object.keys(arm.targets) : arm);

describe('one process', () => {
  it.each([
    ['two jobs', { job: 'a', instance: 'h:1' }, { job: 'b', instance: 'h:1' }, 'h:1', 'job="a"', 'job="b"'],
    [
      'two names of one machine',
      { job: 'a', instance: 'localhost:1' },
      { job: 'a', instance: '127.0.0.1:1' },
      'localhost:1',
      'instance="localhost:1"',
      'instance="127.0.0.1:1"',
    ],
    [
      'two ports of one pod',
      { job: 'a', instance: 'h:1', pod: 'app-0' },
      { job: 'a', instance: 'h:2', pod: 'app-0' },
      'app-0',
      'instance="h:1"',
      'instance="h:2"',
    ],
    [
      'two servers of a pair',
      { job: 'a', instance: 'h:1', prometheus_replica: 'x' },
      { job: 'a', instance: 'h:1', prometheus_replica: 'y' },
      'h:1',
      'prometheus_replica="x"',
      'prometheus_replica="y"',
    ],
  ] as const)('a process that %s scrape is named, since every request would count twice', (_, one, other, who, first, second) => {
    const why = `${who} is counted twice, with ${first} and ${second}: one process must have one series; select one of them in the query, such as ${first}`;
    expect(read(scraped(one, 5000, 7), scraped(other, 5000, 7))).toEqual({ missing: why });
    // The two are never read at the same moment.
    expect(read(scraped(one, 5000, 7), scraped(other, 5040, 7))).toEqual({ missing: why });
  });

  it('processes that count alike are no duplicates, as long as each has its own instance', () => {
    const pods = [1, 2, 3].map((pod) => scraped({ job: 'a', instance: `h:${pod}` }, 5000, 5));
    expect(namesOf(read(...pods))).toEqual(['a h:1', 'a h:2', 'a h:3']);
  });

  it('jobs of one instance that count something else, or nothing yet, are no duplicates', () => {
    const both = (one: number, other: number) =>
      read(scraped({ job: 'a', instance: 'node' }, one), scraped({ job: 'b', instance: 'node' }, other));
    expect(namesOf(both(5000, 900))).toEqual(['a node', 'b node']);
    expect(namesOf(both(0, 0))).toEqual(['a node', 'b node']);
    expect(namesOf(both(12, 13))).toEqual(['a node', 'b node']);
  });

  it('a process that is scraped no more counts as not there, and takes no other with it', () => {
    const old = scraped({ job: 'a', instance: 'h:1' }, 100, 0, 45);
    expect(namesOf(read(old, scraped({ job: 'a', instance: 'h:2' }, 200)))).toEqual(['a h:2']);
    expect(read(old)).toEqual({ missing: 'http://prometheus scraped a h:1 45s ago, which is too long' });
  });
});
