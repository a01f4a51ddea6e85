/** Writes docs/figures.md, docs/gates-figures.md and docs/reliability.md from what the benchmarks and the sweeps wrote themselves. Must add no figure of its own. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, rounded } from './measure.mjs';

const MADE_BY = '<!-- Generated from the results of the runs; do not edit. -->';

/** Benchmarks in the order of the page. */
const BENCHMARKS = [
  'start-up',
  'break-glass',
  'ledger',
  'validate',
  'engine',
  'polls',
  'pods',
  'identity',
  'members',
  'reload',
  'failover',
];

/** Every JSON document in a folder below .cache, by file name. */
function read(folder) {
  const path = join(ROOT, '.cache', folder);
  const names = existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.json')) : [];
  return names.sort().map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')));
}

function cell(text) {
  return String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function table(columns, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function day(date) {
  return date.slice(0, 10);
}

function section({ name, title, date, machine, columns, rows, notes, missed }) {
  const { cpu, cpus, node, kernel, load } = machine;
  const made = `\`npm run bench:${name}\`, ${day(date)}, Node ${node}, Linux ${kernel}, ${cpus} × ${cpu}, load ${rounded(load, 1)}`;
  const aims = missed.length === 0 ? [] : [`**Missed targets:** ${missed.join('; ')}.`];
  return [`## ${title}`, made, table(columns, rows), ...notes, ...aims].join('\n\n');
}

function figuresPage() {
  const found = read('bench');
  const sections = BENCHMARKS.map((name) => {
    const figures = found.find((each) => each.name === name);
    if (figures === undefined) throw new Error(`run npm run bench:${name} first`);
    return section(figures);
  });
  const head = `# Figures

${MADE_BY}

Each table is the output of one command on one shared machine. The first column of numbers is a ratio: it compares two measurements from
the same run, taken alternately, and hardly depends on the machine. Milliseconds and megabytes do. Targets and ratios use the fastest runs if a table has them, because other load only adds time. *Load* is the number of programs that wanted a CPU at the time; if it exceeds the number of CPUs, times are unreliable. \`npm run bench\` repeats all
measurements, and \`npm run figures\` writes this page.`;
  return `${[head, ...sections].join('\n\n')}\n`;
}

function reliabilityPage() {
  const found = read('reliability');
  if (found.length === 0) throw new Error('run the sweeps first: npm test && npm run test:deep');
  const rows = found.map(({ name, what, points, failures, seconds, seed, date, versions }) => {
    const programs = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
    return [
      name,
      what,
      rounded(points),
      rounded(failures),
      `${rounded(seconds, 1)} s`,
      seed ?? 'all',
      day(date),
      programs.join(', '),
    ];
  });
  const columns = ['sweep', 'what was tested', 'points', 'failures', 'time', 'seed', 'date', 'versions'];
  return `# Reliability

${MADE_BY}

Each run wrote its own row. A *point* is one place to kill, one fault, one schedule or one input, as the second column says. A
*failure* is a point after which something promised in [promises.md](promises.md) was broken. Seed *all* means that every point was tested, none chosen at random.
A name ending in \`-short\` is the short form in \`npm test\`; the full form is in \`npm run test:deep\`. \`npm run reliability\` writes this page from the last runs.

${table(columns, rows)}
`;
}

function gatesPage() {
  const found = read('bench').find((each) => each.name === 'gates');
  if (found === undefined) throw new Error('run npm run bench:gates first');
  const { date, seed, scale, before, seconds, machine, tables, missed } = found;
  const [commit, ...subject] = before.split(' ');
  const sections = tables.map(({ title, columns, rows, notes }) => [`## ${title}`, table(columns, rows), ...notes].join('\n\n'));
  const aims =
    missed.length === 0 ? 'All targets were met.' : `**Missed targets:**\n\n${missed.map((aim) => `- ${aim}`).join('\n')}`;
  return `# Gates compared

${MADE_BY}

\`npm run bench:gates\`, ${day(date)}, seed ${seed}, Node ${machine.node}, ${rounded(seconds / 60)} minutes in two processes on ${machine.cpus} × ${machine.cpu}. The same seed gives the same results on any machine.${scale === 1 ? '' : ` This was a run with ${scale} times the usual number of rollouts in each cell.`}

The traffic is simulated; all gates of a table see the same random traffic. Argo Rollouts, Flagger and Kayenta are re-implemented from their source code and documentation; they are not the
programs themselves. The *ECS canary* is re-implemented from the documentation of AWS: [canary deployments](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/canary-deployment.html) of Amazon
ECS with [the defaults](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html) of 5 % for 10 minutes, which a
[CloudWatch alarm rolls back](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html). The alarm is
[in ALARM](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html) when so many of the last datapoints breach, each of them the 60 seconds
for which [a load balancer reports](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html) the candidate's target group;
[missing data](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html) do not breach. AWS names no threshold: 1 % of the requests is the one of Flagger's documentation.

In the simulation, counters show a failure immediately and a rollback takes no time. In production, each delay adds (delay × failure rate) to every figure. *Limit* is Wald's
bound: the average number that any rule needs that ends at most 1 % of healthy rollouts and knows the stable build's rate. Only a rule that ends more healthy
rollouts can beat it (see its column), or chance at a poll. The calibrated gate may use the more sensitive count test, after replays of healthy rollouts.

*Version before* is commit \`${commit}\` (${subject.join(' ')}) with the same seed, recorded in \`test/bench/gates/field/before.json\`. To record it again, check that commit out in a
folder of its own with \`test/bench\` of commit \`6c05ca9\` (Record the version before in the comparison of gates), and run \`npm ci\` and \`node test/bench/gates.mjs --record before.json\` there. The lines in which
kvdeploy counts by itself (answers, pods) were recorded with the code of that commit and today's worlds; for gRPC it counts the HTTP status, which is 200, since it reads no gRPC codes.

${aims}

${sections.join('\n\n')}
`;
}

const PAGES = { figures: figuresPage, gates: gatesPage, reliability: reliabilityPage };
const FILES = { figures: 'figures', gates: 'gates-figures', reliability: 'reliability' };

const wanted = process.argv[2] ?? '';
if (!Object.hasOwn(PAGES, wanted)) throw new Error(`name a page: ${Object.keys(PAGES).join(' or ')}`);
writeFileSync(join(ROOT, 'docs', `${FILES[wanted]}.md`), PAGES[wanted]());
console.log(`docs/${FILES[wanted]}.md is written`);

// The page says what was, and a test refuses it while it says this.
const failed = wanted === 'reliability' ? read('reliability').filter(({ failures }) => failures > 0) : [];
if (failed.length > 0) {
  console.error(`Fix what failed, run it again, and regenerate the page: ${failed.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}
