/** Writes docs/figures.md and docs/reliability.md from what the benchmarks and the sweeps wrote themselves. Must add no figure of its own. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, rounded } from './measure.mjs';

const MADE_BY = '<!-- Made by a script from what the runs wrote; do not edit. -->';

/** Benchmarks in the order of the page. */
const BENCHMARKS = ['start-up', 'break-glass', 'ledger', 'validate', 'engine'];

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

const PAGES = { figures: figuresPage, reliability: reliabilityPage };

const wanted = process.argv[2] ?? '';
if (!Object.hasOwn(PAGES, wanted)) throw new Error(`name a page: ${Object.keys(PAGES).join(' or ')}`);
writeFileSync(join(ROOT, 'docs', `${wanted}.md`), PAGES[wanted]());
console.log(`docs/${wanted}.md is written`);

// The page says what was, and a test refuses it while it says this.
const failed = wanted === 'reliability' ? read('reliability').filter(({ failures }) => failures > 0) : [];
if (failed.length > 0) {
  console.error(`Mend what failed, run it again, and write the page again: ${failed.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}
