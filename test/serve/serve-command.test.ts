import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serveCommand } from '../../src/commands/setup/serve.ts';
import type { OutputLine } from '../../src/core/output.ts';
import { STATUS_PATH } from '../../src/routers/local/local-routes.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };

describe('the serve command', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvdeploy-serve-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('serve says where and for whom it serves, tells of trouble, and ends well at the first signal', async () => {
    const started = listener();
    const port = await freePort();
    const router = {
      kind: 'local',
      listen: `127.0.0.1:${port}`,
      routes: join(folder, 'routes.json'),
      addresses: { blue: 'http://127.0.0.1:9' },
    };
    const ended = serveCommand({ scope: SCOPE, router }, { initially: 'blue' }, started.deps);
    await expect
      .poll(() => started.printed, { timeout: 2000 })
      .toEqual([`serving http://127.0.0.1:${port} for acme/production/kv-gateway`]);
    rmSync(router.routes);
    await expect.poll(() => JSON.stringify(started.lines), { timeout: 2000 }).toMatch(/the last good split stays in force/);
    started.signal();
    expect(await ended).toMatchObject({ code: null });
    await expect(fetch(`http://127.0.0.1:${port}${STATUS_PATH}`)).rejects.toThrow();
    expect(started.listening()).toBe(false);
  });

  it.each([
    ['no router', null, 'NO_ROUTER'],
    ['another router', { kind: 'haproxy' }, 'NO_ROUTER'],
    ['settings that are wrong', { kind: 'local', listen: 'here' }, 'CONFIG_INVALID'],
  ])('serve refuses to start with %s', async (_what, router, code) => {
    const started = listener();
    await expect(serveCommand({ scope: SCOPE, router }, {}, started.deps)).rejects.toMatchObject({ code });
    expect(started.listening()).toBe(false);
  });
});

function listener() {
  const printed: string[] = [];
  const lines: OutputLine[] = [];
  let heard: (() => void) | undefined;
  return {
    printed,
    lines,
    signal: () => heard?.(),
    listening: () => heard !== undefined,
    deps: {
      print: (text: string) => void printed.push(text),
      line: (line: OutputLine) => void lines.push(line),
      onSignal: (callback: (signal: 'SIGTERM', times: number) => void) => {
        heard = () => callback('SIGTERM', 1);
        return () => {
          heard = undefined;
        };
      },
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
