/** Measures what reloads of nginx cost its clients: requests without an answer, on kept-alive connections and on fresh ones, with and without reloads. */
import http from 'node:http';
import { loadTypeScript, report, rounded } from './measure.mjs';

const RELOADS = 20;
const CLIENTS = 16;

const { startNginx } = await loadTypeScript('test/servers/nginx.ts');
const { startBackend } = await loadTypeScript('test/servers/backend.ts');

/** One request; true if it was answered with 200. No agent: a connection of its own. */
function ask(url, agent) {
  return new Promise((resolve) => {
    const request = http.get(url, { agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', () => resolve(false));
    });
    request.once('error', () => resolve(false));
  });
}

/** Clients as fast as their connections carry it, while `act` runs. */
async function under(url, keepAlive, act) {
  const sent = { total: 0, lost: 0 };
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async () => {
    const agent = keepAlive ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : false;
    while (!isOver) {
      const isAnswered = await ask(url, agent);
      sent.total += 1;
      if (!isAnswered) sent.lost += 1;
    }
    if (agent !== false) agent.destroy();
  });
  await act();
  isOver = true;
  await Promise.all(clients);
  return sent;
}

const backend = await startBackend({ guid: '0b9f5bd2-1111-4111-8111-111111111111' });
const nginx = await startNginx({ places: { blue: [backend.port] } });
const rows = [];
const lost = {};
try {
  for (const [name, keepAlive] of [
    ['kept alive', true],
    ['fresh', false],
  ]) {
    let tookMs = 0;
    const during = await under(nginx.url, keepAlive, async () => {
      const began = performance.now();
      for (let reload = 0; reload < RELOADS; reload += 1) await nginx.reload();
      tookMs = performance.now() - began;
    });
    const without = await under(nginx.url, keepAlive, () => new Promise((resolve) => setTimeout(resolve, tookMs)));
    lost[name] = [during.lost, without.lost];
    const of = ({ total, lost: failed }) => `${rounded(failed)} of ${rounded(total)}`;
    rows.push([name, rounded(during.lost / RELOADS, 1), of(during), of(without)]);
  }
} finally {
  await nginx.close();
  await backend.close();
}
report({
  name: 'reload',
  title: `Requests without an answer in ${RELOADS} reloads of nginx`,
  columns: ['connections', 'per reload', 'with reloads', 'in the same time without'],
  rows,
  notes: [
    `${CLIENTS} connections without pauses, the worst case. A client that repeats a request on a new connection sees nothing of it.`,
  ],
  missed:
    lost.fresh[0] + lost.fresh[1] + lost['kept alive'][1] === 0 ? [] : ['an error on fresh connections, or without a reload'],
});
