/** Measures polls of the gates with many slices: CPU time for each, and the size of the state. As many as a number says, or with `--full` a million of one form. */
import { loadTypeScript, report, rounded } from './measure.mjs';

/** The most that a poll of as many slices as there may be shall take. */
const MOST_MS = 5;
/** Counts get more digits, nothing else. */
const MOST_GROWTH = 1.25;
/** While the late half of the evidence begins there is more to work out: the first hour. */
const BEGINNING = 240;
const asked = process.argv.slice(2).find((word) => /^\d+$/.test(word));
const full = process.argv.includes('--full');
const polls = full ? 1_000_000 : Math.max(BEGINNING, Number(asked ?? 2000));

/** So many different polls, one after the other and again: in them every slice fails 0.1 % of its requests, of both builds. */
const ROUND = 200;

const { feed, openEvidence } = await loadTypeScript('src/core/gates/evidence/evidence.ts');
const { compactEvidence, storedEvidence } = await loadTypeScript('src/core/gates/evidence/evidence-store.ts');
const { METRIC_DEFAULTS, SETTINGS_DEFAULTS, weighted } = await loadTypeScript('src/core/gates/gate-settings.ts');
const { judgeEvidence } = await loadTypeScript('src/core/gates/verdict/evidence-verdict.ts');

/** A healthy poll: some slices had a failure somewhere, so that no stream is spared its work. */
function gatePoll(number, slices) {
  const blocks = {};
  const whole = { candidate: { requests: 0, failures: 0 }, stable: { requests: 0, failures: 0 } };
  for (let slice = 0; slice < slices; slice += 1) {
    const mixed = ((slice + number * 5) * 619) % 1000;
    const block = {
      candidate: { requests: 15, failures: mixed < 15 ? 1 : 0 },
      stable: { requests: 285, failures: mixed < 285 ? 1 : 0 },
    };
    blocks[`slice-${slice}`] = block;
    for (const arm of ['candidate', 'stable']) {
      whole[arm].requests += block[arm].requests;
      whole[arm].failures += block[arm].failures;
    }
  }
  blocks[''] = whole;
  return { candidate: { state: 'counted' }, stable: { state: 'counted' }, blocks: { errors: blocks } };
}

function settingsOf(count, calibrated) {
  const slices = Array.from({ length: count }, (_, slice) => ({ name: `slice-${slice}`, part: 1 }));
  const metrics = weighted([{ ...METRIC_DEFAULTS, gate: 'errors', metric: 'errors', family: 'errors', slices }]);
  return { ...SETTINGS_DEFAULTS, calibrated, metrics };
}

/** Polls one rollout; milliseconds of CPU for each poll, of all and of the first hour, milliseconds by the clock, and the state early and late. */
function measure(count, calibrated) {
  const settings = settingsOf(count, calibrated);
  const made = Array.from({ length: ROUND }, (_, number) => gatePoll(number, count));
  const polled = (evidence, poll) => {
    const next = feed(settings, evidence, { atMs: poll * 15_000, gates: { errors: made[poll % ROUND] } });
    judgeEvidence(settings, next, { nowMs: poll * 15_000, nextShare: 0.25 });
    return next;
  };
  const opened = openEvidence(settings, { atMs: 0, share: 0.05 });
  // What is measured is not the compiler, which a process pays once.
  for (let poll = 1, evidence = opened; poll <= ROUND; poll += 1) evidence = polled(evidence, poll);
  const times = new Float64Array(polls);
  const began = process.cpuUsage();
  const cpuMs = () => {
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
  let evidence = opened;
  let early = opened;
  let beginningMs = 0;
  for (let poll = 1; poll <= polls; poll += 1) {
    const from = performance.now();
    evidence = polled(evidence, poll);
    times[poll - 1] = performance.now() - from;
    if (poll === 100) early = evidence;
    if (poll === BEGINNING) beginningMs = cpuMs() / poll;
  }
  const eachMs = cpuMs() / polls;
  times.sort();
  const at = (part) => times[Math.min(polls - 1, Math.floor(part * polls))];
  const [was, is] = [early, evidence].map((state) => JSON.stringify(compactEvidence(state)).length);
  const lineBytes = JSON.stringify(storedEvidence(compactEvidence(evidence))).length;
  return { count, calibrated, eachMs, beginningMs, at, was, is, lineBytes };
}

const forms = full
  ? [measure(1000, false)]
  : [false, true].flatMap((calibrated) => [100, 1000].map((count) => measure(count, calibrated)));
const formText = ({ count, calibrated }) => `${rounded(count)} slices${calibrated ? ', calibrated' : ''}`;
const rows = forms.map((form) => {
  const fewer = forms.find(({ count, calibrated }) => count === 100 && calibrated === form.calibrated);
  return [
    formText(form),
    form === fewer || fewer === undefined ? '' : `×${rounded(form.eachMs / form.count / (fewer.eachMs / fewer.count), 2)}`,
    `×${rounded(form.is / form.was, 2)}`,
    `${rounded(form.eachMs, 2)} ms`,
    `${rounded(form.beginningMs, 2)} ms`,
    ...[0.5, 0.99, 1].map((part) => `${rounded(form.at(part), 1)} ms`),
    `${rounded(form.lineBytes / 1024)} kB`,
  ];
});
const missed = forms.flatMap((form) => [
  ...(Math.max(form.eachMs, form.beginningMs) > MOST_MS
    ? [`${formText(form)}: a poll takes less than ${MOST_MS} ms of CPU`]
    : []),
  ...(form.is > MOST_GROWTH * form.was ? [`${formText(form)}: the state is constant, but for digits`] : []),
]);
report({
  name: full ? 'polls-full' : 'polls',
  title: `Polls of gates with many slices: ${rounded(polls)} of each kind`,
  columns: [
    'gate',
    'per slice, vs 100',
    'state, vs 100 polls',
    'CPU per poll',
    'in the first hour',
    'wall time',
    '99 %',
    'slowest',
    'state in the ledger',
  ],
  rows,
  notes: [
    'One metric, polled every 15 s; each poll is counted and judged. Wall time includes garbage-collection pauses and other load on the machine.',
  ],
  missed,
});
