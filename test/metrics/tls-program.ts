/** Asks one metric source once and prints what it says: a process of its own, since node reads NODE_EXTRA_CA_CERTS when it starts. */
import type { Guid } from '../../src/core/scope.ts';
import { nodeIo } from '../../src/io.ts';
import { openSource } from '../../src/metrics/index.ts';
import { readingOf } from '../routers/readings.ts';

const [kind = '', address = ''] = process.argv.slice(2);
const query = 'sum(http_requests_total{build="${build}"})';
const settings = kind === 'prometheus' ? { url: address, requests: query, errors: query } : { path: '/', probes: 3 };
const { source, config } = openSource({ source: kind, settings });
const scope = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const build = '7c9e6679-7425-40de-944b-e07fc1f90ae7' as Guid;
const router = readingOf([{ place: 'green', percent: 100, address }]);
console.log(JSON.stringify(await source.measure(config, { scope, build, place: 'green', router }, nodeIo)));
