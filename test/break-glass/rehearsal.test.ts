/** The rehearsal of the program as it is shipped: what it says of each thing that a rescue would meet, and that it makes none of it. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../src/base/changes/change.ts';
import type { Restore } from '../../src/base/pointer/pointer-format.ts';
import { fingerprint } from '../cli/fingerprint.ts';
import { BLUE, bundle, freshFolder, GREEN, httpServer, pointerOf, restoreOf, routesTo, runToEnd, stateWith } from './scene.ts';

let shipped: string;
let program: string;
let folder: string;
let routes: string;

beforeAll(async () => {
  shipped = freshFolder();
  program = await bundle(join(import.meta.dirname, '../../src/break-glass/main.ts'), shipped);
});
afterAll(() => fs.rmSync(shipped, { recursive: true, force: true }));
beforeEach(() => {
  folder = freshFolder();
  routes = join(folder, 'routes.json');
  fs.writeFileSync(routes, '{"serve":"bad"}\n');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Rehearses the way to GREEN; whatever it says, nothing may have been touched. */
async function rehearse(over: Partial<Restore>, env: Record<string, string> = {}) {
  const state = join(folder, 'state');
  const blue = restoreOf(BLUE, { ref: 'blue', knownGoodSince: '2026-11-18T00:00:00Z' });
  stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, { ...routesTo(routes, 'green'), ...over }), earlier: [blue] })]);
  const before = fingerprint(folder);
  const ran = await runToEnd([process.execPath, program, '--state-dir', state, '--env', 'production', '--rehearse'], { env });
  expect(fingerprint(folder)).toEqual(before);
  return ran;
}

/** A build that says which one it is. */
async function saying<T>(guid: string, work: (identity: Restore['identity']) => Promise<T>): Promise<T> {
  const build = await httpServer(() => ({ headers: { 'x-build-guid': guid } }));
  try {
    return await work([{ kind: 'http', url: build.url, header: 'x-build-guid', equals: GREEN, timeoutMs: 2000 }]);
  } finally {
    await build.close();
  }
}

describe('a rehearsal', () => {
  it('a rehearsal ends well when the build answers and everything can be read, although another build serves', async () => {
    const { code, stdout, stderr } = await saying(GREEN, (identity) => rehearse({ identity }));
    expect(code).toBe(0);
    expect(stdout).toContain('REHEARSED, nothing was written');
    expect(stdout).toContain('the router is not in exactly that state now (1 of 1 checks differ)');
    for (const said of ['REHEARSAL: nothing is written', `write ${routes}`, `--to ${BLUE}`, 'ready for the first change after'])
      expect(stderr).toContain(said);
  });

  it('a rehearsal says so where the build serves already', async () => {
    fs.writeFileSync(routes, '{"serve":"green"}\n');
    const { code, stdout } = await saying(GREEN, (identity) => rehearse({ identity }));
    expect([code, stdout]).toEqual([0, expect.stringContaining('already serves all traffic')]);
  });

  it('a rehearsal is refused as a rescue would be when another build runs at the place', async () => {
    const { code, stderr } = await saying(BLUE, (identity) => rehearse({ identity }));
    expect([code, stderr]).toEqual([3, expect.stringContaining('BUILD_GONE')]);
  });

  const token: Change = {
    kind: 'request',
    method: 'PUT',
    url: 'http://127.0.0.1:1/',
    bearerSecret: 'TOKEN',
    expect: [200],
    timeoutMs: 9,
  };

  it.each([
    ['a build that does not say which one it is', {}, 'the builds here do not report their GUID'],
    ['changes that cannot be read back', { checks: [] }, 'these changes cannot be read back'],
    ['a secret that is not set', { changes: [token] }, 'the secret TOKEN is not set in the environment'],
    [
      'a folder that is gone',
      { changes: [{ kind: 'write-file', path: '/nonexistent/routes.json', content: '' }] },
      '/nonexistent does not exist',
    ],
    ['a file that cannot be written', { changes: [{ kind: 'write-file', path: '/etc', content: '' }] }, '/etc cannot be written'],
  ] satisfies [string, Partial<Restore>, string][])('a rehearsal ends with 5 for %s', async (_what, over, said) => {
    const { code, stderr } = await rehearse(over);
    expect([code, stderr]).toEqual([5, expect.stringContaining(`! ${said}`)]);
    expect(stderr).toContain('NOT_VERIFIED');
    expect(stderr).toContain('traffic  unchanged');
  });

  it('a rehearsal sends no request of a change, and takes a secret that is set', async () => {
    const api = await httpServer(() => ({ status: 200 }));
    const { code, stderr } = await saying(GREEN, (identity) =>
      rehearse({ identity, changes: [{ ...token, url: api.url }] }, { TOKEN: 'secret-word' }),
    );
    await api.close();
    expect([code, api.requests]).toEqual([0, []]);
    expect(stderr).not.toContain('secret-word');
  });
});
