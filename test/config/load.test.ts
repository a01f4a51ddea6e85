/** The config: where it is found, what it becomes, and that nothing of a repository is ever run to find it. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig, loadManifests } from '../../src/config/load.ts';
import { KvdeployError } from '../../src/core/errors.ts';
import { metricSources, openSource, sourceOf } from '../../src/metrics/index.ts';
import { openRouter, routerOf, routers } from '../../src/routers/index.ts';
import { freshFolder, manifest, put } from '../commands/release/validate-run.ts';

const good = fs.readFileSync(path.resolve(import.meta.dirname, '../../fixtures/validate/good/kvdeploy.config.yaml'), 'utf8');
const empty = 'apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants: {}\n';
const io = { fs };
const load = (cwd: string, file?: string) => loadConfig({ cwd, ...(file === undefined ? {} : { file }) }, io);

async function refusal(cwd: string, file?: string): Promise<KvdeployError> {
  const error = await load(cwd, file).catch((caught: unknown) => caught);
  if (error instanceof KvdeployError) return error;
  throw new Error(`loaded: ${JSON.stringify(error)}`);
}

describe('what it becomes', () => {
  test('the services of a config come with defaults filled in, paths absolute, and the hash of the bytes', async () => {
    const folder = freshFolder();
    put(folder, {
      'kvdeploy.config.yaml': `${good.replace('/mnt/other-disk/kvdeploy', 'copies/one')}stateDir: state\nstateGroup: ops\n`,
    });
    const config = await load(folder);
    expect(config).toMatchObject({
      file: path.join(folder, 'kvdeploy.config.yaml'),
      root: folder,
      manifestsDir: path.join(folder, 'releases'),
      stateDir: path.join(folder, 'state'),
      stateGroup: 'ops',
      sha256: createHash('sha256')
        .update(fs.readFileSync(path.join(folder, 'kvdeploy.config.yaml')))
        .digest('hex'),
      tenants: ['acme'],
    });
    expect(config.environments('acme')).toEqual(['staging', 'production']);
    expect(config.environments('nobody')).toEqual([]);
    const [staging, production] = config.services;
    expect(staging).toMatchObject({
      router: null,
      identity: null,
      gates: [],
      copies: [],
      protected: false,
      requires: null,
      pollMs: 1000,
      patienceMs: 300_000,
    });
    expect(staging?.steps.at(-1)?.percent).toBe(100);
    expect(production).toMatchObject({
      scope: { tenant: 'acme', environment: 'production', service: 'kv-gateway' },
      protected: true,
      requires: { environment: 'staging', soakMs: 1_800_000 },
      steps: [
        { percent: 1, bakeMs: 120_000 },
        { percent: 25, bakeMs: 300_000 },
        { percent: 100, bakeMs: 600_000 },
      ],
      gates: [{ name: 'errors', source: 'http-probe', max: 0.01, minRequests: 200, settings: { path: '/healthz' } }],
      copies: [path.join(folder, 'copies/one')],
    });
  });

  test('router and gate settings stay as written, so that a plan can be opened again', async () => {
    const folder = freshFolder();
    put(folder, { 'kvdeploy.config.yaml': good.replace('path: /healthz, max', 'path: /healthz, timeout: 500ms, max') });
    const production = (await load(folder)).services[1];
    const again = JSON.parse(JSON.stringify(production));
    expect(openRouter(again.router).router.kind).toBe('local');
    expect(openSource(again.gates[0])).toMatchObject({ source: { kind: 'http-probe' }, config: { timeout: 500 } });
    expect(() => openRouter({ kind: 'gone' })).toThrow(/there is no router "gone"/);
    expect(() => openSource({ source: 'gone', settings: {} })).toThrow(/there is no metric source "gone"/);
    expect([routerOf('gone'), sourceOf('gone')]).toEqual([undefined, undefined]);
  });

  test('every kind in a registry is there once', () => {
    for (const kinds of [routers.map((each) => each.kind), metricSources.map((each) => each.kind)]) {
      expect(new Set(kinds).size).toBe(kinds.length);
    }
  });
});

describe('where it is found', () => {
  for (const place of ['kvdeploy.config.yaml', 'kvdeploy.config.yml', '.config/kvdeploy.yaml']) {
    test(`a config is found at ${place}, from a folder below, up to the repository's root`, async () => {
      const folder = freshFolder();
      put(folder, { '.git/HEAD': 'x', [place]: empty, 'a/b/package.json': '{"name": "b"}' });
      expect(await load(path.join(folder, 'a/b'))).toMatchObject({ file: path.join(folder, place), root: folder });
    });
  }

  test('a config is found as JSON, and under a kvdeploy key in package.json', async () => {
    const config = { apiVersion: 'kvdeploy.dev/v1', kind: 'Config', manifests: 'deploys', tenants: {} };
    const folder = freshFolder();
    put(folder, { 'one/kvdeploy.config.json': JSON.stringify(config), 'two/package.json': JSON.stringify({ kvdeploy: config }) });
    expect((await load(path.join(folder, 'one'))).manifestsDir).toBe(path.join(folder, 'one/deploys'));
    expect((await load(path.join(folder, 'two'))).manifestsDir).toBe(path.join(folder, 'two/deploys'));
  });

  test('a config is never found above the repository, nor, outside of one, above the current folder', async () => {
    const folder = freshFolder();
    put(folder, { 'kvdeploy.config.yaml': empty, 'repo/.git/HEAD': 'x', 'repo/sub/x': '', 'plain/x': '' });
    for (const cwd of ['repo/sub', 'plain']) expect((await refusal(path.join(folder, cwd))).code).toBe('CONFIG_MISSING');
  });

  test('two configs in one folder are refused, in any pair of places', async () => {
    const pairs = [
      ['kvdeploy.config.yaml', '.config/kvdeploy.yaml'],
      ['kvdeploy.config.yml', 'package.json'],
      ['kvdeploy.config.yaml', 'kvdeploy.config.json'],
    ];
    for (const pair of pairs) {
      const folder = freshFolder();
      put(folder, Object.fromEntries(pair.map((name) => [name, name === 'package.json' ? '{"kvdeploy": {}}' : empty])));
      expect(await refusal(folder)).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('more than one config'),
      });
    }
  });

  test('an empty config, one that is too large, a folder or a pipe in its place are refused, not passed over', async () => {
    for (const [content, text] of [
      ['', 'empty'],
      ['a'.repeat(300_000), 'bytes'],
    ] as const) {
      const folder = freshFolder();
      put(folder, { '.git/HEAD': 'x', 'kvdeploy.config.yaml': empty, 'sub/kvdeploy.config.yaml': content });
      expect(await refusal(path.join(folder, 'sub'))).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(text),
      });
    }
    const folder = freshFolder();
    fs.mkdirSync(path.join(folder, 'kvdeploy.config.yaml'));
    expect((await refusal(folder)).findings[0]?.code).toBe('NOT_A_FILE');
  });

  test('a config that is named must be there, and every fault is in the error', async () => {
    const folder = freshFolder();
    put(folder, { 'other.yaml': `${empty}tenant: {}\nmanifest: x\n` });
    expect((await refusal(folder, 'missing.yaml')).code).toBe('CONFIG_MISSING');
    const error = await refusal(folder, 'other.yaml');
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2, places: [{ file: 'other.yaml', line: 4, column: 1 }] });
    expect(error.findings.map((each) => each.message)).toEqual([
      'Unknown key "tenant". Did you mean "tenants"?',
      'Unknown key "manifest". Did you mean "manifests"?',
    ]);
  });
});

describe('no code from the repository', () => {
  const run = (mark: string) =>
    `require('node:fs').writeFileSync(${JSON.stringify(mark)}, 'ran');\nmodule.exports = { kvdeploy: {} };\n`;

  test('a JavaScript or TypeScript config is refused by its name, unread', async () => {
    for (const name of [
      'kvdeploy.config.js',
      'kvdeploy.config.mjs',
      'kvdeploy.config.cts',
      '.kvdeployrc.ts',
      '.config/kvdeploy.js',
    ]) {
      const folder = freshFolder();
      put(folder, { [name]: run(path.join(folder, 'mark')), 'kvdeploy.config.yaml': empty });
      fs.chmodSync(path.join(folder, name), 0);
      expect((await refusal(folder)).code).toBe('CONFIG_RUNS_CODE');
      expect((await refusal(folder, name)).code).toBe('CONFIG_RUNS_CODE');
      expect(fs.existsSync(path.join(folder, 'mark'))).toBe(false);
    }
  });

  test('a config follows neither a meta config of the search library nor $import in package.json', async () => {
    const folder = freshFolder();
    const mark = path.join(folder, 'mark');
    put(folder, {
      '.config/config.js': run(mark),
      '.config/config.cjs': run(mark),
      'evil.cjs': run(mark),
      'package.json': JSON.stringify({
        cosmiconfig: { searchPlaces: ['evil.cjs'] },
        $import: './evil.cjs',
        kvdeploy: { $import: './evil.cjs' },
      }),
    });
    const before = process.cwd();
    // The library looks for its meta config where the process stands; the workers of these tests are processes of their own.
    process.chdir(folder);
    try {
      const error = await refusal(folder);
      expect(error.findings.map((each) => each.message)).toContain('Unknown key "$import".');
    } finally {
      process.chdir(before);
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(fs.existsSync(mark)).toBe(false);
  });
});

describe('loadManifests', () => {
  test('loaded manifests have their places and hashes, and a build stamped for elsewhere is a finding', async () => {
    const folder = freshFolder();
    const stamped = manifest('staging', '11111111-1111-4111-8111-111111111111').replace(
      '    ref:',
      '    environment: production\n    ref:',
    );
    put(folder, {
      'kvdeploy.config.yaml': good,
      'releases/production/kv-gateway.yaml': manifest('production'),
      'releases/staging/kv-gateway.yaml': stamped,
    });
    const config = await load(folder);
    const { manifests, findings } = await loadManifests(config, config.manifestsDir, io);
    expect(findings.map((each) => [each.code, each.kind, each.file, each.line])).toEqual([
      ['FOREIGN_BUILD', 'rule', 'releases/staging/kv-gateway.yaml', 12],
    ]);
    expect(manifests).toHaveLength(2);
    expect(manifests[0]).toMatchObject({
      file: 'releases/production/kv-gateway.yaml',
      sha256: createHash('sha256').update(manifest('production')).digest('hex'),
      builds: [
        {
          scope: { tenant: 'acme', environment: 'production', service: 'kv-gateway' },
          file: 'releases/production/kv-gateway.yaml',
          line: 7,
          column: 11,
        },
      ],
    });
  });

  test('a config without a manifest root has no manifests, and that is no fault', async () => {
    expect(await loadManifests(null, path.join(freshFolder(), 'releases'), io)).toEqual({ manifests: [], findings: [] });
  });
});
