/** Measures polls of a Prometheus with many pods that come and go: CPU for each, and what is remembered of them after an hour. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadTypeScript, report, rounded, spread } from './measure.mjs';

if (globalThis.gc === undefined) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

const PODS = 10;
const SERIES_EACH = 1000;
const REPLACED_S = 90;
const POLL_S = 15;
const POLLS = 3600 / POLL_S;

/** The most that a poll may take, and how much more may be remembered after an hour than after ten minutes. Other load only adds time. */
const MOST_MS = 20;
const MOST_GROWTH = 1.25;

const { prometheus } = await loadTypeScript('src/metrics/prometheus/prometheus.ts');
const { countersSince, NO_COUNTERS } = await loadTypeScript('src/core/gates/counting/counters.ts');
const { gatePollOf } = await loadTypeScript('src/core/gates/counting/blocks.ts');

const settings = prometheus.config.parse({
  url: 'http://127.0.0.1:9090',
  requests: 'http_requests_total{build="${build}"}',
  status: 'code',
});
const question = (place) => ({ scope: {}, build: place, place, address: null });
const pair = { candidate: question('green'), stable: question('blue') };
const CODES = ['200', '204', '302', '404', '500'];

/** The series of one pod: `SERIES_EACH` of them, each with a path and a status. */
function seriesOf(arm, pod, seconds) {
  const labels = { kvdeploy_build: arm, job: 'app', instance: pod.name };
  const counted = pod.counts.map((count, index) => {
    const metric = { __name__: 'http_requests_total', ...labels, kvdeploy_counter: 'requests' };
    return {
      metric: { ...metric, path: `/path/${index >> 2}`, code: CODES[index % CODES.length] },
      value: [seconds, String(count)],
    };
  });
  return [...counted, { metric: { ...labels, kvdeploy_counter: 'seen' }, value: [seconds, String(seconds - 3)] }];
}

const newPod = (name) => ({ name, counts: Array.from({ length: SERIES_EACH }, () => 0) });

/** An hour of polls; milliseconds of CPU of each, without what makes up the answers, and the bytes remembered early and late. */
async function measure() {
  const pods = { candidate: [], stable: [] };
  for (const arm of ['candidate', 'stable']) for (let id = 0; id < PODS / 2; id += 1) pods[arm].push(newPod(`${arm}-${id}:8080`));
  let [memory, next, body, early, heap] = [NO_COUNTERS, PODS, '', 0, 0];
  const io = { now: () => 0, monotonic: () => 0, http: async () => ({ status: 200, headers: {}, body }) };
  const times = [];
  for (let poll = 1; poll <= POLLS; poll += 1) {
    const seconds = 1_700_000_000 + poll * POLL_S;
    if ((poll * POLL_S) % REPLACED_S === 0) {
      pods.candidate.shift();
      next += 1;
      pods.candidate.push(newPod(`candidate-${next}:8080`));
    }
    for (const { counts } of [...pods.candidate, ...pods.stable])
      for (let index = 0; index < counts.length; index += 1) counts[index] += (index * 7 + poll) % 3;
    const result = ['candidate', 'stable'].flatMap((arm) => pods[arm].flatMap((pod) => seriesOf(arm, pod, seconds)));
    body = JSON.stringify({ status: 'success', data: { resultType: 'vector', result } });
    const began = process.cpuUsage();
    const reading = await prometheus.count(settings, pair, { ...io, now: () => seconds * 1000 });
    const delta = countersSince(memory, reading, POLL_S * 1000);
    gatePollOf(delta, prometheus.metrics(settings, reading));
    const { user, system } = process.cpuUsage(began);
    memory = delta.memory;
    times.push((user + system) / 1000);
    if (poll === 40) [early, heap] = [JSON.stringify(memory).length, heapAfterCollecting()];
  }
  const late = JSON.stringify(memory).length;
  return { times, early, late, heap, lateHeap: heapAfterCollecting() };
}

function heapAfterCollecting() {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

const { times, early, late, heap, lateHeap } = await measure();
const { median, least } = spread(times);
const missed = [
  ...(least > MOST_MS ? [`a poll takes less than ${MOST_MS} ms of CPU`] : []),
  ...(late > MOST_GROWTH * early || lateHeap > MOST_GROWTH * heap ? ['memory is flat'] : []),
];
report({
  name: 'pods',
  title: `Polls of ${PODS} pods with ${rounded(SERIES_EACH)} series each, one replaced every ${REPLACED_S} s`,
  columns: ['an hour of polls', 'memory, vs 10 minutes', 'remembered, vs 10 minutes', 'CPU per poll', 'fastest', 'remembered'],
  rows: [
    [
      `${POLLS} polls`,
      `×${rounded(lateHeap / heap, 2)}`,
      `×${rounded(late / early, 2)}`,
      `${rounded(median, 1)} ms`,
      `${rounded(least, 1)} ms`,
      `${rounded(late / 1024, 1)} kB`,
    ],
  ],
  notes: [
    'One poll reads the answer of Prometheus, checks it, and counts what is new in it. What the server takes is not in it.',
  ],
  missed,
});
