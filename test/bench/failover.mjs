/** Measures what a bad build still gets once its gate has failed: from the poll in the ledger to the last request that reached it, per router. */
import { BIN, loadTypeScript, ROOT, report, rounded, spread } from './measure.mjs';

const ROUTERS = ['local', 'haproxy', 'nginx', 'command'];
/** Each router gets its turn in each pass, so that a busy machine harms all of them alike. */
const PASSES = 2;
const rounds = Number(process.argv[2] ?? 5);

const { failovers } = await loadTypeScript('test/bench/failover.ts');

const values = ROUTERS.map(() => []);
for (let pass = 0; pass < PASSES; pass += 1)
  for (const [at, router] of ROUTERS.entries()) {
    values[at].push(...(await failovers({ router, rounds, program: BIN, root: ROOT })));
    console.error(`${router}: ${values[at].map((ms) => `${rounded(ms)} ms`).join(', ')}`);
  }

const spreads = values.map(spread);
const [reference] = spreads;
report({
  name: 'failover',
  title: `From the failed gate to the stable build alone: ${PASSES * rounds} bad builds at 50 % behind each router`,
  columns: ['router', 'to local, medians', 'median', 'fastest'],
  rows: ROUTERS.map((router, at) => {
    const { median, least } = spreads[at];
    return [router, `×${rounded(median / reference.median, 1)}`, `${rounded(median)} ms`, `${rounded(least)} ms`];
  }),
  notes: [
    'From the poll that failed, as the ledger has it, to the begin of the last request that the stable build did not answer. Every request that is looked at comes over a connection of its own, 250 a second besides as many of the visitors; so differences of a few milliseconds are chance.',
    'It has the write of the verdict, the revert and what the router takes to serve it. What comes before, until a gate has failed, is up to its polls and limits.',
    'Behind `command` it is docs/examples/split-file.sh, and a stand-in that reads its file before each request.',
  ],
});
