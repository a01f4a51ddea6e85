/** Stands in for the router behind the program of the command router: reads the split before each request. `node failover-proxy.mjs PORT FILE`. */
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';

const [port, file] = process.argv.slice(2);

createServer((asked, answer) => {
  const { percent, members } = JSON.parse(readFileSync(file, 'utf8'));
  let chance = Math.random() * 100;
  const place = Object.keys(percent).find((name) => {
    chance -= percent[name];
    return chance < 0;
  });
  const url = new URL(asked.url, members[place][0].address);
  request(url, { method: asked.method, headers: asked.headers, agent: false }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  })
    .on('error', () => answer.writeHead(502).end())
    .end();
}).listen(Number(port), '127.0.0.1');
