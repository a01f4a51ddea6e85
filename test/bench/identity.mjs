/** Measures what it costs to ask 60 members which build they are: CPU of this process, the members in another. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadTypeScript, report, rounded, spread, usageOf } from './measure.mjs';

const MEMBERS = [15, 60];
const ROUNDS = 40;

/** The most that asking all of them may take; and four times the members take at most six times the CPU. Other load only adds time. */
const MOST_MS = 100;
const MOST_RATIO = 6;

const SERVERS = `
  const { createServer } = require('node:http');
  const ports = [];
  for (let each = 0; each < ${MEMBERS.at(-1)}; each += 1) {
    const server = createServer((_request, response) => response.setHeader('x-build-guid', '7c9e6679-7425-40de-944b-e07fc1f90ae7').end('ok'));
    server.listen(0, '127.0.0.1', () => ports.push(server.address().port) === ${MEMBERS.at(-1)} && console.log(ports.join(' ')));
  }
  process.stdin.on('end', () => process.exit()).resume();
`;

const { askAll, askerOf } = await loadTypeScript('src/engine/asking/ask.ts');
const { nodeIo: io } = await loadTypeScript('src/io.ts');

const servers = spawn(process.execPath, ['-e', SERVERS], { stdio: ['pipe', 'pipe', 'inherit'] });
const [line] = await once(servers.stdout.setEncoding('utf8'), 'data');
const members = line
  .trim()
  .split(' ')
  .map((port, index) => ({
    key: `main s${index}`,
    location: 'main',
    words: `member s${index}`,
    member: { name: `s${index}`, place: 'green', up: true, ask: { address: `http://127.0.0.1:${port}` } },
  }));

/** CPU milliseconds of asking so many of them once. */
async function costOf(count) {
  const { cpuMs } = await usageOf(async () => {
    const answers = await askAll(
      { path: '/healthz', header: 'x-build-guid' },
      members.slice(0, count),
      false,
      askerOf(io, () => false),
    );
    const right = answers.filter(({ answer }) => answer.guid === '7c9e6679-7425-40de-944b-e07fc1f90ae7');
    if (right.length !== count) throw new Error(`only ${right.length} of ${count} members answered`);
  });
  return cpuMs;
}

const costs = MEMBERS.map(() => []);
for (let round = -3; round < ROUNDS; round += 1)
  for (const [index, count] of MEMBERS.entries()) {
    const cpuMs = await costOf(count);
    if (round >= 0) costs[index].push(cpuMs);
  }
servers.stdin.end();

const seen = costs.map((each) => spread(each));
const ratio = seen[1].least / seen[0].least;
report({
  name: 'identity',
  title: 'Asking every member which build it is, once in 5 s',
  columns: ['members', `CPU, vs ${MEMBERS[0]}`, 'CPU', 'fastest'],
  rows: MEMBERS.map((count, index) => [
    String(count),
    `×${rounded(seen[index].least / seen[0].least, 1)}`,
    `${rounded(seen[index].median, 1)} ms`,
    `${rounded(seen[index].least, 1)} ms`,
  ]),
  notes: ['Each is asked on a connection of its own, at most 32 at once. What the members take is not in it.'],
  missed: [
    ...(seen[1].least > MOST_MS ? [`asking ${MEMBERS[1]} members takes less than ${MOST_MS} ms of CPU`] : []),
    ...(ratio > MOST_RATIO ? [`the cost grows with the members, and not faster`] : []),
  ],
});
