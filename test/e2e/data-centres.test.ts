/** Two data centres with one service: each HAProxy has backends of its own, and the build behind every one of them counts. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Builds, openSite, PRODUCTION, type Site, startBuilds, startElsewhere } from './site.ts';

const STAGING_GUID = 'bbbb2222-0000-4000-8000-000000000099';

let site: Site;
let elsewhere: Builds;

beforeAll(async () => {
  const builds = await startBuilds();
  elsewhere = await startElsewhere();
  site = await openSite({ builds, elsewhere, sockets: 2 });
});
afterAll(() => site.close());
beforeEach(() => {
  elsewhere.green.backend.setGuid(site.builds.green.guid);
  elsewhere.green.backend.setEnvironment('production');
});

const both = async () => [await site.split(0), await site.split(1)];

describe('two data centres', () => {
  it.each(['plan', 'promote'])(
    'two data centres: %s names the member of the second one that runs another build, before anything moves',
    async (command) => {
      elsewhere.green.backend.setGuid(STAGING_GUID);
      elsewhere.green.backend.setEnvironment('staging');
      const flags = command === 'plan' ? '--env production --json' : PRODUCTION;
      const ran = await site.run(`${command} --build ${site.builds.green.guid} ${flags}`);
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'BUILD_GONE']);
      expect(ran.result.message).toContain(STAGING_GUID);
      expect(ran.result.message).toContain(`:${elsewhere.green.backend.port} of ${site.haproxy.sockets[1]}`);
      expect(await both()).toEqual([{ blue: 100 }, { blue: 100 }]);
    },
  );

  it('two data centres: a member of the second one that reports staging refuses the promotion', async () => {
    elsewhere.green.backend.setEnvironment('staging');
    const ran = await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
    expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'WRONG_SCOPE']);
    expect(await both()).toEqual([{ blue: 100 }, { blue: 100 }]);
  });

  it('two data centres: another build at the second one while it bakes rolls both back, and is never known-good', async () => {
    site.writeConfig({ steps: '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]' });
    const running = site.start(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
    await running.waitFor(/"type":"poll"[^\n]*"percent":50/);
    elsewhere.green.backend.setGuid(STAGING_GUID);
    const ran = await running.ended;
    site.writeConfig();
    expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
    expect(ran.result.message).toContain(STAGING_GUID);
    expect(await both()).toEqual([{ blue: 100 }, { blue: 100 }]);
    const known = await site.run('status --env production --json');
    expect(known.stdout).toContain(`"knownGood":{"guid":"${site.builds.blue.guid}"`);
  });

  it('two data centres: a rollback is refused where the second one has another build at its place, and names it', async () => {
    elsewhere.blue.backend.setGuid(STAGING_GUID);
    const ran = await site.run(`rollback --to ${site.builds.blue.guid} ${PRODUCTION}`);
    elsewhere.blue.backend.setGuid(site.builds.blue.guid);
    expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'BUILD_GONE']);
    expect(ran.result.message).toContain(STAGING_GUID);
  });

  it('two data centres with backends of their own are adopted, promoted and rolled back together', async () => {
    const promoted = await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
    expect([promoted.exitCode, promoted.result.code], promoted.stderr).toEqual([0, null]);
    expect(await site.answers(20, 1)).toEqual({ green: 20 });
    const back = await site.run(`rollback --to ${site.builds.blue.guid} ${PRODUCTION}`);
    expect([back.exitCode, back.result.code], back.stderr).toEqual([0, null]);
    expect(await both()).toEqual([{ blue: 100 }, { blue: 100 }]);
  });
});
