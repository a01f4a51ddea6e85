/** Servers that HAProxy reaches in another way than plain HTTP: each is adopted and promoted without a word about it in the config. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { certificate } from '../servers/certificates.ts';
import { tempFolder } from '../servers/program.ts';
import { proxied } from '../servers/proxied.ts';
import { openSite, PRODUCTION, startBuilds } from './site.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

function folder(): string {
  const made = tempFolder();
  open.push(() => made.remove());
  return made.folder;
}

/** Listens on a free port, or at a path. */
async function listening(server: Server, path?: string): Promise<string> {
  await new Promise<void>((done) => (path === undefined ? server.listen(0, '127.0.0.1', done) : server.listen(path, done)));
  open.push(() => new Promise((closed) => server.close(closed)));
  return path ?? `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const saying =
  (guid: string): RequestListener =>
  (_request, response) =>
    response.writeHead(200, { 'x-build-guid': guid, 'x-build-environment': 'production', connection: 'close' }).end(`${guid}\n`);

/** Starts a build in some way; gives the words after its name in haproxy.cfg. */
type Start = (guid: string, name: string, at: string) => Promise<string>;

const WAYS: readonly (readonly [way: string, start: Start])[] = [
  [
    'TLS that HAProxy does not verify',
    async (guid, name, at) => {
      certificate(at, name, { names: 'DNS:elsewhere' });
      const secure = { key: readFileSync(join(at, `${name}.key`)), cert: readFileSync(join(at, `${name}.pem`)) };
      return `${await listening(createSecure(secure, saying(guid)))} ssl verify none`;
    },
  ],
  [
    'TLS with a CA and a name of its own',
    async (guid, name, at) => {
      certificate(at, name, { names: 'DNS:gateway.internal' });
      const secure = { key: readFileSync(join(at, `${name}.key`)), cert: readFileSync(join(at, `${name}.pem`)) };
      const address = await listening(createSecure(secure, saying(guid)));
      return `${address} ssl verify required ca-file ${at}/${name}.pem verifyhost gateway.internal sni str(gateway.internal)`;
    },
  ],
  [
    'the PROXY protocol',
    async (guid) => {
      const server = await proxied(saying(guid));
      open.push(() => server.close());
      return `127.0.0.1:${server.port} send-proxy-v2 check-send-proxy`;
    },
  ],
  ['a UNIX socket', async (guid, name, at) => `unix@${await listening(createServer(saying(guid)), join(at, `${name}.sock`))}`],
];

it.each(WAYS)(
  'servers behind %s are adopted, promoted and rescued as HAProxy reaches them',
  { timeout: 60_000 },
  async (_way, start) => {
    const at = folder();
    mkdirSync(join(at, 'certificates'));
    const builds = await startBuilds();
    const lines = await Promise.all(
      (['blue', 'green'] as const).map(async (name) => {
        const words = await start(builds[name].guid, name, join(at, 'certificates'));
        return `server ${name} ${words} check weight 100${name === 'green' ? ' disabled' : ''}`;
      }),
    );
    const site = await openSite({ builds, backendLines: lines, proxy: { servers: [] } });
    open.push(() => site.close());
    expect((await site.run(`promote --build ${builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
    expect(await site.split()).toEqual({ green: 100 });
    const rescue = `rollback --break-glass --reason sign-in-is-down --to ${builds.blue.guid} ${PRODUCTION}`;
    expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
    expect(await site.split()).toEqual({ blue: 100 });
  },
);
