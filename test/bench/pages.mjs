/** Writes docs/figures.md, docs/gates-figures.md and docs/reliability.md from what the benchmarks and the sweeps wrote themselves. Must add no figure of its own. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, rounded } from './measure.mjs';

const MADE_BY = '<!-- Made by a script from what the runs wrote; do not edit. -->';

/** Benchmarks in the order of the page. */
const BENCHMARKS = ['start-up', 'break-glass', 'ledger', 'validate', 'engine', 'polls'];

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
  const aims = missed.length === 0 ? [] : [`**Missed:** ${missed.join('; ')}.`];
  return [`## ${title}`, made, table(columns, rows), ...notes, ...aims].join('\n\n');
}

function figuresPage() {
  const found = read('bench');
  const sections = BENCHMARKS.map((name) => {
    const figures = found.find((each) => each.name === name);
    if (figures === undefined) throw new Error(`run this first: npm run bench:${name}`);
    return section(figures);
  });
  const head = `# Figures

${MADE_BY}

Every table is the output of one command on one machine that also did other things. So the ratio comes first: it compares two things that were
measured in the same run, turn by turn, and hardly depends on the machine. Milliseconds and megabytes do. Aims and ratios are held against the fastest runs where a table has them: other work only adds. *Load* says how many programs wanted a CPU at the time; above the number of CPUs, times say little. \`npm run bench\` measures all
of it again, and \`npm run figures\` writes this page.`;
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
  const columns = ['sweep', 'what was attacked', 'points', 'failures', 'time', 'seed', 'date', 'versions'];
  return `# Reliability

${MADE_BY}

Each row was written by the run that it is about. A *point* is one place to kill, one fault, one schedule or one input, as the second column says; a
failure is a point after which something promised in [promises.md](promises.md) did not hold. Seed *all*: no point was chosen by chance.
What ends in \`-short\` is the form of \`npm test\`; the whole one is in \`npm run test:deep\`. \`npm run reliability\` writes this page from the last runs.

${table(columns, rows)}
`;
}

function gatesPage() {
  const found = read('bench').find((each) => each.name === 'gates');
  if (found === undefined) throw new Error('run this first: npm run bench:gates');
  const { date, seed, seconds, machine, tables, missed } = found;
  const sections = tables.map(({ title, columns, rows, notes }) => [`## ${title}`, table(columns, rows), ...notes].join('\n\n'));
  const aims = missed.length === 0 ? 'Every aim was reached.' : `**Missed:**\n\n${missed.map((aim) => `- ${aim}`).join('\n')}`;
  return `# Gates side by side

${MADE_BY}

\`npm run bench:gates\`, ${day(date)}, seed ${seed}, Node ${machine.node}, ${rounded(seconds / 60)} minutes in two processes on ${machine.cpus} × ${machine.cpu}. The same seed gives the same figures on any machine.

Simulated traffic, one chance for all gates of a table. Argo Rollouts, Flagger and Kayenta are re-implemented from their sources and documents; they are not the
programs themselves. Counters show a failure at once and a rollback takes no time: in life both add their wait times the rate of failure to every figure. *Limit* is Wald's
bound: what any rule that ends at most 1 % of healthy rollouts needs on average, with the stable build's rate known. It can be passed only by a rule that ends more healthy
ones (see its column), or by chance at a poll. The calibrated gate is the one that may use the sharper count test after replays of healthy rollouts; the default one may not.

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
  console.error(`Mend what failed, run it again, and write the page again: ${failed.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}
