/** What a rehearsal on real HAProxy must find before the emergency does: a socket that may only look, and a rollback path that needs DNS. */
import { readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { documentOf, openSite, PRODUCTION, type Site } from './site.ts';

let site: Site | undefined;
let front: Server | undefined;

afterEach(async () => {
  await site?.close();
  await new Promise((resolve) => (front === undefined ? resolve(undefined) : front.close(resolve)));
  [site, front] = [undefined, undefined];
});

/** Passes each connection's line on to HAProxy's own socket, behind `prefix`. */
function passTo(real: string, prefix = ''): Server {
  const server = createServer((client) => {
    client.on('error', () => {});
    client.once('data', (line) => {
      const behind = connect(real, () => behind.write(`${prefix}${line}`));
      behind.on('error', () => client.destroy());
      behind.pipe(client);
    });
  });
  return server;
}

const newestPointer = ({ scopeDir }: Site) => {
  const dir = join(scopeDir, 'pointer');
  const names = readdirSync(dir).filter((name) => name.startsWith('ptr.'));
  return JSON.parse(readFileSync(join(dir, names.toSorted().at(-1) ?? ''), 'utf8').split('\n')[0] ?? '');
};

it('doctor --break-glass finds a socket of level operator, through which every change would be refused', {
  timeout: 60_000,
}, async () => {
  let real = '';
  let socket = '';
  const opened = await openSite({
    configSockets: ([own = '']) => {
      real = own;
      socket = `${own}.link`;
      rmSync(socket, { force: true });
      symlinkSync(own, socket);
      return [socket];
    },
  });
  site = opened;
  expect((await opened.run('doctor --env production --break-glass')).exitCode).toBe(0);
  front = passTo(real, 'operator; ').listen(`${real}.operator`);
  rmSync(socket);
  symlinkSync(`${real}.operator`, socket);
  const { exitCode, stdout } = await opened.run('doctor --env production --break-glass');
  expect([exitCode, stdout]).toEqual([
    3,
    expect.stringMatching(/FAIL {2}read back .*answers "operator" to "show cli level", not "admin"/),
  ]);
});

it('plan and doctor name a rollback path that needs a host name, and the pointer keeps its addresses', {
  timeout: 60_000,
}, async () => {
  const name = hostname().toLowerCase();
  const opened = await openSite({ adopted: false });
  site = opened;
  front = passTo(opened.haproxy.sockets[0] ?? '').listen(0);
  const { port } = front.address() as AddressInfo;
  opened.writeConfig({ configSockets: () => [`${name}:${port}`] });
  const adopted = await opened.run(`adopt ${PRODUCTION}`);
  expect(adopted.exitCode, adopted.stderr).toBe(0);
  expect(newestPointer(opened)).toMatchObject({
    formatVersion: 2,
    addresses: { [name]: expect.arrayContaining([expect.stringMatching(/^[0-9a-f.:]+$/)]) },
    target: { questions: [{ address: `${name}:${port}`, command: 'show info' }], others: ['staging'] },
  });
  const planned = await opened.run(`plan --env production --build ${opened.builds.green.guid} --json`);
  expect(planned.exitCode, planned.stderr).toBe(0);
  const { hazards } = documentOf(planned) as unknown as { readonly hazards: readonly Record<string, unknown>[] };
  expect(hazards).toContainEqual(
    expect.objectContaining({
      id: 'way-back-names',
      controlled: true,
      controls: expect.arrayContaining([expect.objectContaining({ status: 'not-verified', detail: `${name} must resolve` })]),
    }),
  );
  for (const words of ['doctor --env production', 'doctor --env production --break-glass']) {
    const { stdout } = await opened.run(words);
    expect(stdout).toMatch(new RegExp(`warn {2}names +the rollback path needs a host name .*: ${name} \\(the pointer keeps `));
  }
});
