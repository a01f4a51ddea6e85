/** The command router through the command line: what runs only by the machine file, a rollout, and a rescue by the program alone. */
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { etcWith, onMachine } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import { freshFolder } from '../fresh-folder.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { BLUE, GREEN, manifestText, PRODUCTION, SURE } from './local-builds.ts';
import { BIN } from './run-cli.ts';

const SCRIPT = join(import.meta.dirname, '../../docs/examples/split-file.sh');

interface Site {
  readonly folder: string;
  readonly file: string;
  readonly argvs: readonly (readonly string[])[];
  readonly backends: readonly Backend[];
  /** On a machine with this machine file; the right one if it is left out. */
  run(
    args: readonly string[],
    machine?: object,
  ): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;
  percents(): unknown;
}

async function openSite(): Promise<Site> {
  const folder = freshFolder();
  const checkout = join(folder, 'checkout');
  const manifests = join(checkout, 'releases/acme/production');
  for (const dir of [manifests, join(checkout, '.git'), join(folder, 'home')]) mkdirSync(dir, { recursive: true });
  const script = join(folder, 'split-file.sh');
  copyFileSync(SCRIPT, script);
  chmodSync(script, 0o755);
  const backends = await Promise.all([BLUE, GREEN].map(({ guid }) => startBackend({ guid, environment: 'production' })));
  onTestFinished(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
  });
  const file = join(folder, 'web.json');
  const members = Object.fromEntries(
    ['blue', 'green'].map((place, at) => [place, [{ name: `${place}-1`, address: backends[at]?.address }]]),
  );
  writeFileSync(file, JSON.stringify({ environment: 'production', percent: { blue: 100, green: 0 }, members }));
  const argvs = ['read', 'set', 'identify'].map((verb) => [script, folder, verb]);
  const [read, set, identify] = argvs.map((argv) => JSON.stringify(argv));
  writeFileSync(join(manifests, 'kv-gateway.yaml'), manifestText('production', [BLUE, GREEN]));
  writeFileSync(
    join(checkout, 'kvdeploy.config.yaml'),
    [
      'apiVersion: kvdeploy.dev/v1',
      'kind: Config',
      `stateDir: ${join(folder, 'state')}`,
      'tenants:',
      '  acme:',
      '    environments:',
      '      production:',
      '        protected: true',
      '        services:',
      '          kv-gateway:',
      '            router:',
      '              kind: command',
      '              target: web',
      `              read: ${read}`,
      `              set: ${set}`,
      `              identify: ${identify}`,
      '              places: [blue, green]',
      '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
      '            steps: [{ percent: 25, bake: 300ms }, { percent: 100, bake: 200ms }]',
      '            poll: 100ms',
      '            patience: 20s',
      '            probesOnly: true',
      '            gates: [{ name: answers, source: http-probe, path: /probe, probes: 5, max: 10%, minRequests: 5 }]',
    ].join('\n'),
  );
  const right = { targets: { 'acme/production/kv-gateway': { programs: argvs } } };
  const run: Site['run'] = (args, machine = right) =>
    new Promise((resolve) => {
      const [program = '', ...words] = [...onMachine(etcWith(machine)), process.execPath, BIN, ...args];
      const env = { PATH: process.env.PATH, HOME: join(folder, 'home'), USER: 'tess' };
      execFile(program, words, { cwd: checkout, encoding: 'utf8', env, timeout: 120_000 }, (error, stdout, stderr) =>
        resolve({ exitCode: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
      );
    });
  return {
    folder,
    file,
    argvs,
    backends,
    run,
    percents: () => (JSON.parse(readFileSync(file, 'utf8')) as { percent: unknown }).percent,
  };
}

const may = mayMount('the machine file');

describe('the command router at the command line', () => {
  let site: Site;
  beforeEach(async () => {
    site = await openSite();
  });

  test.each(['plan', 'promote', 'adopt'])('%s runs no program that the machine file does not list', async (verb) => {
    if (!may) return;
    writeFileSync(join(site.folder, 'split-file.sh'), `#!/bin/sh\ntouch ${site.folder}/ran\n`);
    const words = verb === 'plan' || verb === 'promote' ? ['--build', GREEN.guid] : [];
    const sure = verb === 'plan' ? [] : SURE;
    const { exitCode, stderr } = await site.run([verb, ...words, ...PRODUCTION, ...sure, '--run-programs'], {});
    expect(stderr).toMatch(/TARGET_NOT_ALLOWED .*runs programs that the machine file does not list/);
    expect(stderr).toContain(`"acme/production/kv-gateway": { "programs": [${JSON.stringify(site.argvs[0])}`);
    expect(exitCode).toBe(3);
    expect(existsSync(join(site.folder, 'ran'))).toBe(false);
  });

  test('one argument that differs is another program, and is not run', async () => {
    if (!may) return;
    const [read = [], set = [], identify = []] = site.argvs;
    const machine = { targets: { 'acme/production/kv-gateway': { programs: [read, [...set, '--force'], identify] } } };
    const { exitCode, stderr } = await site.run(['plan', '--build', GREEN.guid, ...PRODUCTION], machine);
    expect(stderr).toContain(`does not list: ${set.join(' ')}.`);
    expect(exitCode).toBe(3);
  });

  test('doctor prints the stanza that the machine file lacks', async () => {
    if (!may) return;
    const { stdout } = await site.run(['doctor', ...PRODUCTION], {});
    expect(stdout).toMatch(
      /FAIL +router +The router of acme\/production\/kv-gateway runs programs that the machine file does not list/,
    );
    expect(stdout).toContain('try: Add to /etc/kvdeploy/machine.json');
  });

  test('a build is adopted and promoted by the program alone, and break-glass brings the old one back', async () => {
    if (!may) return;
    const adopted = await site.run(['adopt', ...PRODUCTION, ...SURE]);
    expect(adopted, adopted.stderr).toMatchObject({ exitCode: 0 });
    const promoted = await site.run(['promote', '--build', GREEN.guid, ...PRODUCTION, ...SURE]);
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 });
    expect(site.percents()).toEqual({ blue: 0, green: 100 });
    writeFileSync(site.file, readFileSync(site.file, 'utf8').replace(/"percent":\{[^}]*\}/, '"percent":{"blue":100,"green":0}'));
    const rescue = ['rollback', '--break-glass', ...PRODUCTION, ...SURE, '--reason', 'SSO is down'];
    const refused = await site.run(rescue, {});
    expect(refused.stderr).toMatch(/TARGET_NOT_ALLOWED .*The machine file does not allow/);
    expect(refused.exitCode).toBe(3);
    expect(site.percents()).toEqual({ blue: 100, green: 0 });
    const rescued = await site.run(rescue);
    expect(rescued, rescued.stderr).toMatchObject({ exitCode: 0 });
    expect(site.percents()).toEqual({ blue: 0, green: 100 });
  }, 120_000);

  test('a target that is another environment is refused, by the word of the program', async () => {
    if (!may) return;
    writeFileSync(site.file, readFileSync(site.file, 'utf8').replace('"production"', '"staging"'));
    const { exitCode, stderr } = await site.run(['adopt', ...PRODUCTION, ...SURE]);
    expect(stderr).toContain('WRONG_TARGET');
    expect(exitCode).toBe(3);
  });

  test('a program that is gone is unreachable, and nothing changes', async () => {
    if (!may) return;
    await site.run(['adopt', ...PRODUCTION, ...SURE]);
    rmSync(join(site.folder, 'split-file.sh'));
    const { exitCode, stderr } = await site.run(['promote', '--build', GREEN.guid, ...PRODUCTION, ...SURE]);
    expect(stderr).toContain('UNREACHABLE');
    expect(exitCode).toBe(7);
    expect(site.percents()).toEqual({ blue: 100, green: 0 });
  });
});
