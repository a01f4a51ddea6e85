/** Both metric sources before real TLS servers, with certificates made here: who is believed, and why somebody is not. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runToEnd } from '../break-glass/scene.ts';
import { freshFolder } from '../fresh-folder.ts';
import { certificate } from '../servers/certificates.ts';

const folder = freshFolder();
const program = join(folder, 'tls-program.mjs');
const servers: { close(): void }[] = [];

/** Prometheus and a build in one: answers every query with 5, and every path with 200. */
async function served(name: string, options: Parameters<typeof createServer>[0] = {}): Promise<string> {
  const series = ['requests', 'errors'].map((counter) => ({
    metric: { kvdeploy_build: 'candidate', kvdeploy_counter: counter, instance: 'one' },
    value: [Date.now() / 1000, '5'],
  }));
  const data = { resultType: 'vector', result: series };
  const files = { key: readFileSync(join(folder, `${name}.key`)), cert: readFileSync(join(folder, `${name}.pem`)) };
  const server = createServer({ ...files, ...options }, (_request, response) =>
    response.end(JSON.stringify({ status: 'success', data })),
  );
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  servers.push(server);
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function asked(kind: string, address: string, trusting = 'ca', env: Record<string, string> = {}): Promise<string> {
  const trust = trusting === '' ? {} : { NODE_EXTRA_CA_CERTS: join(folder, `${trusting}.pem`) };
  const { stdout, stderr } = await runToEnd([process.execPath, program, kind, address], { env: { ...trust, ...env } });
  return `${stdout}${stderr}`;
}

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, 'tls-program.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'error',
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
  });
  certificate(folder, 'ca', {});
  certificate(folder, 'good', { by: 'ca' });
  certificate(folder, 'other-host', { by: 'ca', names: 'DNS:prometheus.example' });
  certificate(folder, 'expired', { by: 'ca', days: -1 });
  certificate(folder, 'self-signed', {});
});
afterAll(() => {
  for (const server of servers) server.close();
});

describe.each([
  ['prometheus', '{"requests":5,"errors":5,"counting":"total"}', (why: string) => `cannot be queried: ${why}`],
  ['http-probe', '{"requests":3,"errors":0,"counting":"sample","detail":"3 x 200"}', (why: string) => `3 x ${why}`],
])('%s over TLS', (kind, counted, refused) => {
  it('a source believes a certificate of a CA that NODE_EXTRA_CA_CERTS names', async () => {
    expect(await asked(kind, await served('good'))).toContain(counted);
  });

  it.each([
    [
      'a CA that was not named',
      'good',
      '',
      'unable to verify the first certificate (private CA: set ca, or NODE_EXTRA_CA_CERTS)',
    ],
    ['itself alone', 'self-signed', 'ca', 'self-signed certificate (private CA: set ca, or NODE_EXTRA_CA_CERTS)'],
    ['another host', 'other-host', 'ca', "Hostname/IP does not match certificate's altnames"],
    ['the past', 'expired', 'ca', 'certificate has expired'],
  ])('a source does not believe a certificate of %s, and says so', async (_whose, name, trusting, why) => {
    const said = await asked(kind, await served(name), trusting);
    expect(said).toContain(refused(why));
    expect(said).not.toContain('"errors":0');
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('a source speaks no %s, even where node is told to', async (version) => {
    const old = await served('good', { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
    const lax = { NODE_OPTIONS: '--tls-min-v1.0 --tls-cipher-list=DEFAULT@SECLEVEL=0' };
    for (const env of [{}, lax])
      expect(await asked(kind, old, 'ca', env)).toContain(refused('the server does not support TLS 1.2 or newer ('));
  });

  it('a source stays closed to all under NODE_TLS_REJECT_UNAUTHORIZED=0', async () => {
    const said = await asked(kind, await served('self-signed'), 'ca', { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    expect(said).toContain(refused('self-signed certificate'));
  });
});
