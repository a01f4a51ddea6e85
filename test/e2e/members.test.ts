/** One bad replica of three behind a real `kvdeploy serve`: the rollout goes back and names it; three good ones are promoted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli, startCli } from '../cli/run-cli.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { load } from '../servers/load.ts';
import { freePort, tempFolder, until } from '../servers/program.ts';

const BLUE = '0b9f1c2d-1111-4aaa-8bbb-000000000040';
const GREEN = '7c9e6679-2222-4aaa-8bbb-000000000041';

const COMPARED = '[{ name: errors, source: local, compare: { ruleOut: { plus: 1% }, clusters: 1 } }]';

interface Scene {
  readonly greens: readonly Backend[];
  /** As `kvdeploy serve` calls it. */
  nameOf(backend: Backend): string;
  run(...args: readonly string[]): ReturnType<typeof runCli>;
  promote(): ReturnType<typeof runCli>;
}

/** A site with three replicas of each build and two hundred requests a second, blue adopted. */
async function inScene(gates: string, act: (scene: Scene) => Promise<void>): Promise<void> {
  const { folder, remove } = tempFolder();
  const start = (guid: string) => Promise.all([1, 2, 3].map(() => startBackend({ guid, environment: 'staging' })));
  const [blues, greens] = [await start(BLUE), await start(GREEN)];
  const port = await freePort();
  const [home, releases] = [join(folder, 'home'), join(folder, 'releases/acme/staging')];
  for (const dir of [home, releases, join(folder, '.git')]) mkdirSync(dir, { recursive: true });
  const urls = (backends: readonly Backend[]) => `[${backends.map(({ address }) => JSON.stringify(address)).join(', ')}]`;
  const configured = (asked: string) =>
    writeFileSync(
      join(folder, 'kvdeploy.config.yaml'),
      `apiVersion: kvdeploy.dev/v1
kind: Config
stateDir: ${JSON.stringify(join(folder, 'state'))}
tenants:
  acme:
    environments:
      staging:
        services:
          gw:
            router:
              kind: local
              listen: 127.0.0.1:${port}
              routes: ${JSON.stringify(join(folder, 'routes.json'))}
              places: { blue: ${urls(blues)}, green: ${urls(greens)} }
            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }
            steps: [{ percent: 50, bake: 1s }, { percent: 100, bake: 1s }]
            poll: 500ms
            patience: 30s
            evidence: { dwell: 2s, block: 1s, watch: 1s }
            gates: ${asked}
`,
    );
  configured('[{ name: errors, source: local, max: 20%, minRequests: 20 }]');
  const row = (guid: string, sequence: number, ref: string) =>
    `  - { guid: ${guid}, version: 1.${sequence}.0, digest: "sha256:${String(sequence).repeat(32)}", sequence: ${sequence}, createdAt: 2026-11-21T09:12:00Z, ref: ${ref}, source: { repository: https://example.com/acme/gw, commit: "${String(sequence).repeat(20)}" } }\n`;
  writeFileSync(
    join(releases, 'gw.yaml'),
    `apiVersion: kvdeploy.dev/v1\nkind: ReleaseManifest\ntenant: acme\nenvironment: staging\nservice: gw\nbuilds:\n${row(BLUE, 40, 'blue')}${row(GREEN, 41, 'green')}`,
  );
  const options = { cwd: folder, env: { HOME: home, USER: 'tess' }, timeoutMs: 120_000 };
  const scope = ['--tenant', 'acme', '--env', 'staging'];
  const run: Scene['run'] = (...args) => runCli([...args, ...scope, '--json'], options);
  const serving = startCli(['serve', ...scope, '--initially', 'blue'], options);
  const visitors = new AbortController();
  try {
    await serving.waitFor(/serving http/);
    const visits = load(`http://127.0.0.1:${port}/`, { count: 1_000_000, perSecond: 200, signal: visitors.signal });
    await until('visitors were counted', () => (blues.every((one) => one.requests() > 20) ? true : undefined));
    const adopted = await run('adopt', '--yes');
    expect(adopted.exitCode, `${adopted.stdout}${adopted.stderr}`).toBe(0);
    configured(gates);
    await act({
      greens,
      nameOf: ({ port: at }) => `127.0.0.1:${at}`,
      run,
      promote: () => run('promote', '--build', GREEN, '--yes'),
    });
    visitors.abort();
    await visits;
  } finally {
    visitors.abort();
    serving.signal('SIGKILL');
    await serving.ended;
    for (const backend of [...blues, ...greens]) await backend.close();
    remove();
  }
}

describe('three replicas of each build', () => {
  it('one bad replica of three ends a rollout that compares, and the message and status name it', {
    timeout: 120_000,
  }, async () => {
    await inScene(COMPARED, async ({ greens, nameOf, promote, run }) => {
      const [, bad] = greens;
      if (bad === undefined) throw new Error('there is no second replica');
      bad.setFailPercent(50);
      const { exitCode, stdout, stderr } = await promote();
      expect(exitCode, `${stdout}${stderr}`).toBe(4);
      expect(stdout).toMatch(new RegExp(`errors in member ${nameOf(bad)}: \\d+ of \\d+ \\(`));
      for (const good of greens.filter((one) => one !== bad)) expect(stdout).not.toContain(`errors in member ${nameOf(good)}`);
      expect((await run('status')).stdout).toContain(`member ${nameOf(bad)}`);
    });
  });

  it('one bad replica of three fails a fixed limit that all of them together keep, and is named', {
    timeout: 120_000,
  }, async () => {
    await inScene('[{ name: errors, source: local, max: 30%, minRequests: 50 }]', async ({ greens, nameOf, promote }) => {
      const [, , bad] = greens;
      if (bad === undefined) throw new Error('there is no third replica');
      bad.setFailPercent(75);
      const { exitCode, stdout, stderr } = await promote();
      expect(exitCode, `${stdout}${stderr}`).toBe(4);
      expect(stdout).toMatch(new RegExp(`member ${nameOf(bad)}: \\d+ of \\d+ .* failed \\(\\d+ x 500\\), limit 30 %`));
    });
  });

  it('three good replicas are promoted, and plan says that each is judged by itself', { timeout: 120_000 }, async () => {
    await inScene(COMPARED, async ({ promote, run }) => {
      const plan = await run('plan', '--build', GREEN);
      expect(plan.stdout).toContain('each of 3 members is judged by itself');
      const { exitCode, stdout, stderr } = await promote();
      expect(exitCode, `${stdout}${stderr}`).toBe(0);
    });
  });
});
