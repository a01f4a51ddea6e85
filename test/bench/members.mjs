/** Measures polls of a place with sixty members: CPU time from the router's counters to the verdict, next to the same with one member. */
import { loadTypeScript, report, rounded } from './measure.mjs';

/** The most that a poll of sixty members shall take, and how many times as much as one of a single member. */
const MOST_MS = 100;
const MOST_TIMES = 60;
const MEMBERS = 60;
const POLLS = 300;

const { comparisonOf } = await loadTypeScript('src/core/gates/comparison.ts');
const { gatePollOf } = await loadTypeScript('src/core/gates/counting/blocks.ts');
const { countersSince, NO_COUNTERS } = await loadTypeScript('src/core/gates/counting/counters.ts');
const { STATUS_METRICS, statusCounters } = await loadTypeScript('src/core/gates/counting/statuses.ts');
const { feed, openEvidence } = await loadTypeScript('src/core/gates/evidence/evidence.ts');
const { judgeEvidence } = await loadTypeScript('src/core/gates/verdict/evidence-verdict.ts');
const { weigh } = await loadTypeScript('src/core/gates/verdict/judge.ts');

/** Milliseconds of CPU for each poll of a second, at 600 requests a second and a share of 10 %. */
function measure(members) {
  const names = Array.from({ length: members }, (_, index) => `green-${index + 1}`);
  const gate = { name: 'errors', source: 'local', settings: {}, compare: {} };
  const countable = {
    metrics: STATUS_METRICS.map(({ metric }) => metric),
    slices: {},
    members: names.map((name) => `member ${name}`),
    countsTraffic: true,
    lagMs: 0,
  };
  const { settings } = comparisonOf([gate], {}, new Map([['errors', countable]]));
  const arm = (build, poll, each) => ({
    targets: Object.fromEntries(
      names.map((name, index) => {
        const requests = Math.floor((poll * each) / members);
        const failed = Math.floor((requests + index * 17) / 1000);
        const counters = statusCounters({ 200: requests - failed, 503: failed }, STATUS_METRICS);
        const member = { name: `member ${name}`, location: 'main' };
        return [`main ${build} ${name}`, { startedMs: null, freshMs: poll * 1000, counters, member }];
      }),
    ),
  });
  let [memory, evidence] = [NO_COUNTERS, openEvidence(settings, { atMs: 0, share: 0.1 })];
  const polled = (poll) => {
    const delta = countersSince(memory, { candidate: arm('green', poll, 60), stable: arm('blue', poll, 540) }, 2000);
    memory = delta.memory;
    evidence = feed(settings, evidence, { atMs: poll * 1000, gates: { errors: gatePollOf(delta, STATUS_METRICS) } });
    const { bounds } = weigh(settings, evidence);
    judgeEvidence(settings, evidence, { nowMs: poll * 1000, nextShare: 0.25 }, bounds);
  };
  // What is measured is not the compiler, which a process pays once.
  for (let poll = 1; poll <= POLLS; poll += 1) polled(poll);
  const began = process.cpuUsage();
  for (let poll = POLLS + 1; poll <= 2 * POLLS; poll += 1) polled(poll);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000 / POLLS;
}

const [one, many] = [measure(1), measure(MEMBERS)];
report({
  name: 'members',
  title: `Polls of a place with ${MEMBERS} members`,
  columns: ['CPU per poll, vs one member', 'CPU per poll'],
  rows: [[`×${rounded(many / one, 1)}`, `${rounded(many, 1)} ms`]],
  notes: [
    `From the totals that a router reports to the verdict, for ${STATUS_METRICS.length} metrics. What the router takes to answer is not in it.`,
  ],
  missed: many <= MOST_MS && many / one <= MOST_TIMES ? [] : [`more than ${MOST_MS} ms, or than ${MOST_TIMES} times one member`],
});
