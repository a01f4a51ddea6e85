/** Admission as a condition: what changes between the checks, the confirmation and known-good, and what is imported. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLUE, GREEN, PRODUCTION, SCOPES, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { RunningCli } from './run-cli.ts';

let site: LocalSite;

const ALL = SCOPES.production.builds;
const result = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  resultOf(await site.run([...args, '--json'], { env }));
const listing = (environment: string) => join(site.checkout, 'releases/acme', environment, 'kv-gateway.yaml');
const promoting = () => site.start(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json'], { timeoutMs: 60_000 });
const bakes = async (running: RunningCli, percent: number) => {
  await running.waitFor(new RegExp(`"type":"poll"[^\\n]*"percent":${percent},`));
  return running;
};

beforeAll(async () => {
  site = await openLocalSite();
  site.keep('empty');
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig({ bakeMs: 60_000, patience: '1s' });
  site.writeManifest('production', ALL);
  site.writeManifest('staging', SCOPES.staging.builds);
  site.backend('production', 'green').setGuid(GREEN.guid);
  site.backend('production', 'green').setEnvironment('production');
  await site.restore('adopted');
});

describe('between the checks and known-good', () => {
  test('promote judges the files again after the confirmation: a row that turned foreign meanwhile refuses', async () => {
    const before = () => site.writeManifest('staging', [...SCOPES.staging.builds, GREEN]);
    const { exitCode, screen } = await site.atTerminal(['promote', ...PRODUCTION, '--build', GREEN.guid], {
      keys: [{ waitFor: /Type production/, type: 'production\r', before }],
    });
    expect([exitCode, screen]).toEqual([3, expect.stringContaining('FOREIGN_BUILD')]);
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a rollout rolls back when its own row turns foreign while it bakes, and marks nothing bad', async () => {
    const running = await bakes(promoting(), 25);
    site.writeManifest('staging', [...SCOPES.staging.builds, GREEN]);
    const ended = resultOf(await running.ended);
    expect(ended).toMatchObject({ code: 'REVERTED', exitCode: 4 });
    expect(ended.message).toContain('belongs to staging');
    expect(await site.percent('production', 'blue')).toBe(100);
    site.writeManifest('staging', SCOPES.staging.builds);
    expect((await site.run(['builds', ...PRODUCTION])).stdout).not.toContain('marked bad');
  });

  test.each([
    ['a manifest that cannot be read', () => writeFileSync(listing('production'), 'builds: [\n')],
    ['a row that is gone from its manifest', () => site.writeManifest('production', [BLUE])],
  ])('%s stops every further step, rolls back when patience ends, and marks nothing bad', async (_what, act) => {
    const running = await bakes(promoting(), 25);
    act();
    const ended = resultOf(await running.ended);
    expect(ended).toMatchObject({ code: 'REVERTED', exitCode: 4 });
    expect(ended.message).toContain('gate manifests');
    site.writeManifest('production', ALL);
    expect((await site.run(['builds', ...PRODUCTION])).stdout).not.toContain('marked bad');
  });

  test("a fault in another scope's file is a warning, and the rollout goes on to its end", async () => {
    site.writeConfig({ bakeMs: 300 });
    const running = await bakes(promoting(), 25);
    writeFileSync(listing('staging'), 'builds: [\n');
    const answer = await running.ended;
    expect(resultOf(answer)).toMatchObject({ ok: true });
    expect(answer.stdout).toMatch(/"level":"warning"[^\n]*staging\/kv-gateway\.yaml/);
  });

  test('a build that another one replaces during the last bake is rolled back, and never known-good', async () => {
    site.writeConfig({ bakeMs: 100, lastBakeMs: 60_000 });
    const running = await bakes(promoting(), 100);
    site.backend('production', 'green').setGuid(STAGING.green.guid);
    site.backend('production', 'green').setEnvironment('staging');
    const ended = resultOf(await running.ended);
    expect(ended).toMatchObject({ code: 'REVERTED', exitCode: 4 });
    expect(ended.message).toContain(STAGING.green.guid);
    const history = await site.run(['history', ...PRODUCTION]);
    expect(history.stdout).toContain('no longer admitted (BUILD_GONE): another build answers at green');
    expect((await site.run(['status', ...PRODUCTION])).stdout).toMatch(new RegExp(`known-good +${BLUE.guid.slice(0, 8)}`));
  });

  test('resume without a checkout says that the files are not seen, and goes on by ledgers and identity', async () => {
    site.writeConfig({ bakeMs: 300 });
    const left = await result(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--until', '25']);
    expect(left).toMatchObject({ ok: true });
    const answer = await site.run(['resume', ...PRODUCTION, '--json'], {
      cwd: site.folder,
      env: { KVDEPLOY_STATE_DIR: site.stateDir },
    });
    expect(answer.stdout).toContain('files not seen');
    expect(resultOf(answer)).toMatchObject({ ok: true });
  });
});

describe('pointer import', () => {
  const importing = (text: string, env: Readonly<Record<string, string>>) => {
    writeFileSync(join(site.checkout, 'pointer.json'), text);
    return result(['pointer', 'import', 'pointer.json', ...PRODUCTION, ...SURE], env);
  };
  const exported = async () => (await site.run(['pointer', 'export', ...PRODUCTION])).stdout;

  /** The export, with the state that it came from gone. */
  async function movedAway() {
    const text = await exported();
    rmSync(site.stateDir, { recursive: true });
    return { text, env: { KVDEPLOY_STATE_DIR: join(site.folder, `second-${Date.now()}`) } };
  }

  test('pointer import refuses a build that staging lists, whatever environment the file names', async () => {
    const { text, env } = await movedAway();
    site.writeManifest('staging', [...SCOPES.staging.builds, BLUE]);
    expect(await importing(text, env)).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
  });

  test('pointer import refuses a build that no manifest of this scope lists', async () => {
    const { text, env } = await movedAway();
    site.writeManifest('production', [GREEN]);
    expect(await importing(text, env)).toMatchObject({ code: 'UNLISTED_BUILD', exitCode: 3 });
  });

  test('pointer import refuses a build that the exporting machine marked bad', async () => {
    const { text, env } = await movedAway();
    const edited = JSON.stringify({ ...JSON.parse(text), bad: [BLUE.guid] });
    expect(await importing(edited, env)).toMatchObject({ code: 'BAD_BUILD', exitCode: 3 });
  });

  test('what was imported is marked so in the pointer, in status and in break-glass', async () => {
    const { text, env } = await movedAway();
    expect(await importing(text, env)).toMatchObject({ ok: true });
    const shown = async (args: readonly string[]) => {
      const { stdout, stderr } = await site.run(args, { env });
      return `${stdout}${stderr}`;
    };
    expect(await shown(['status', ...PRODUCTION])).toMatch(/known-good .*imported .* by /);
    expect(await shown(['pointer', 'show', ...PRODUCTION])).toMatch(/\(imported .* by /);
    const rescue = ['rollback', '--break-glass', ...PRODUCTION, ...SURE, '--reason', 'login is down, gateway answers 401'];
    expect(await shown([...rescue, '--state-dir', env.KVDEPLOY_STATE_DIR])).toContain('imported from another machine');
  });
});
