import { afterEach, describe, expect, it } from 'vitest';
import { identitySchema } from '../../src/core/identity.ts';
import { nodeIo } from '../../src/io.ts';
import { type Answering, type Backend, startBackend } from '../serve/backend.ts';
import { askBuild } from './asking.ts';

const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

describe('asking a build who it is', () => {
  let backend: Backend | undefined;
  afterEach(async () => {
    await backend?.close();
    backend = undefined;
  });

  const ask = async (identity: object, answer?: Answering, guid = GUID) => {
    backend = await startBackend(guid, answer);
    return askBuild(identitySchema.parse({ path: '/healthz', ...identity }), backend.address, nodeIo);
  };

  it('a build’s GUID is read from a header, in its canonical form', async () => {
    expect(await ask({ header: 'X-Build-Guid' }, undefined, `{${GUID.toUpperCase()}}`)).toMatchObject({
      guid: GUID,
      environment: null,
    });
  });

  it('a build’s GUID and environment are read from JSON, at a path of keys', async () => {
    const answer: Answering = (_request, response) =>
      response.end(JSON.stringify({ build: { id: `urn:uuid:${GUID}`, env: 'staging' } }));
    expect(await ask({ json: 'build.id', environmentJson: 'build.env' }, answer)).toMatchObject({
      guid: GUID,
      environment: 'staging',
    });
  });

  it('a build’s environment is read from a header', async () => {
    const answer: Answering = (_request, response) => response.setHeader('x-environment', 'production').end();
    expect(await ask({ header: 'x-build-guid', environmentHeader: 'x-environment' }, answer)).toMatchObject({
      environment: 'production',
    });
  });

  it('a build’s GUID is unknown where there is none, or no GUID, and what came is shown', async () => {
    expect(await ask({ header: 'x-other' })).toEqual({ guid: null, environment: null, said: 'answered 200, x-other: nothing' });
    await backend?.close();
    expect(await ask({ header: 'x-build-guid' }, undefined, 'latest')).toMatchObject({
      guid: null,
      said: expect.stringMatching(/"latest"/),
    });
  });

  it('a build’s GUID is unknown where a header comes twice, since one of them lies', async () => {
    const answer: Answering = (_request, response) => response.setHeader('x-build-guid', [GUID, GUID.replace('7', '8')]).end();
    expect(await ask({ header: 'x-build-guid' }, answer)).toMatchObject({ guid: null });
  });

  it('a build is silent about its environment where the config says how it reports it, and it does not', async () => {
    const identity = { header: 'x-build-guid', environmentHeader: 'x-environment' };
    expect(await ask(identity)).toMatchObject({ guid: GUID, environment: null, unsaid: 'x-environment' });
  });

  it('a build that hangs up may expect TLS or the PROXY protocol, and the reason says what to give', async () => {
    expect(await ask({ header: 'x-build-guid' }, (request) => request.socket.destroy())).toEqual({
      unreachable: expect.stringContaining('identity: scheme, proxyProtocol'),
    });
  });

  it.each([300, 302, 308, 399])('a redirect (%i) is no identity, whatever it carries', async (status) => {
    const answer: Answering = (_request, response) => response.writeHead(status, { location: '/other' }).end();
    expect(await ask({ header: 'x-build-guid' }, answer)).toEqual({ unreachable: expect.stringContaining('a redirect') });
  });

  it.each(['{"build":', '[]', '{"build":{"id":7}}', '{"build":null}', '{"__proto__":{"build":{"id":"x"}}}'])(
    'a build’s GUID is unknown in the body %s',
    async (body) => {
      expect(await ask({ json: 'build.id' }, (_request, response) => response.end(body))).toMatchObject({ guid: null });
    },
  );

  it('a sick build is believed its name', async () => {
    expect(await ask({ header: 'x-build-guid' }, (_request, response) => response.writeHead(503).end())).toMatchObject({
      guid: GUID,
    });
  });

  it('a build is unreachable when no one listens, no one answers in time, or the answer does not end', async () => {
    const identity = identitySchema.parse({ path: '/healthz', header: 'x-build-guid' });
    backend = await startBackend(GUID);
    const { address } = backend;
    await backend.close();
    expect(await askBuild(identity, address, nodeIo)).toEqual({ unreachable: expect.stringContaining(address) });
    const startedAt = performance.now();
    expect(await ask({ header: 'x-build-guid' }, () => undefined)).toHaveProperty('unreachable');
    expect(performance.now() - startedAt).toBeLessThan(3000);
    await backend.close();
    expect(
      await ask({ json: 'guid' }, (_request, response) => response.end(JSON.stringify({ guid: GUID, rest: 'x'.repeat(70_000) }))),
    ).toHaveProperty('unreachable');
    expect(await askBuild(identity, 'not an address', nodeIo)).toHaveProperty('unreachable');
  });
});
