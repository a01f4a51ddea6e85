/** The ALB example through the command line: real builds as targets, the real aws CLI, and moto, which keeps weights and routes nothing. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { etcWith, onMachine } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import { type Alb, startAlb } from '../routers/command/alb-world.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { type Moto, startMoto } from '../servers/moto.ts';
import { BLUE, GREEN, manifestText, PRODUCTION, SURE } from './local-builds.ts';
import { BIN } from './run-cli.ts';

let moto: Moto;
beforeAll(async () => {
  moto = await startMoto();
}, 90_000);
afterAll(() => moto.close());

const COGNITO = {
  Type: 'authenticate-cognito',
  AuthenticateCognitoConfig: {
    ...{ UserPoolArn: 'arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu_1', UserPoolClientId: 'kv', UserPoolDomain: 'kv' },
  },
};

interface Site {
  readonly alb: Alb;
  readonly state: string;
  readonly green: Backend;
  run(args: readonly string[]): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;
}

async function openSite(patience = '60s'): Promise<Site> {
  const backends = await Promise.all([BLUE, GREEN].map(({ guid }) => startBackend({ guid, environment: 'production' })));
  onTestFinished(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
  });
  const [blue, green] = backends as [Backend, Backend];
  const alb = await startAlb(moto, { places: { blue: [blue.address], green: [green.address] }, before: [COGNITO] });
  const checkout = join(alb.folder, 'checkout');
  const state = join(alb.folder, 'state');
  const manifests = join(checkout, 'releases/acme/production');
  for (const dir of [manifests, join(checkout, '.git')]) mkdirSync(dir, { recursive: true });
  writeFileSync(join(manifests, 'kv-gateway.yaml'), manifestText('production', [BLUE, GREEN]));
  writeFileSync(join(checkout, 'kvdeploy.config.yaml'), configText(alb, state, patience));
  const machine = {
    targets: { 'acme/production/kv-gateway': { programs: ['read', 'set', 'identify'].map(alb.verb) } },
  };
  return {
    ...{ alb, state, green },
    run: (args) =>
      new Promise((resolve) => {
        const [program = '', ...words] = [...onMachine(etcWith(machine)), process.execPath, BIN, ...args];
        const env = { PATH: moto.quickPath, HOME: moto.home, USER: 'tess' };
        execFile(program, words, { cwd: checkout, encoding: 'utf8', env, timeout: 200_000 }, (error, stdout, stderr) =>
          resolve({ exitCode: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
        );
      }),
  };
}

function configText(alb: Alb, state: string, patience: string): string {
  const [read, set, identify] = ['read', 'set', 'identify'].map((word) => JSON.stringify(alb.verb(word)));
  return [
    'apiVersion: kvdeploy.dev/v1',
    'kind: Config',
    `stateDir: ${state}`,
    'tenants:',
    '  acme:',
    '    environments:',
    '      production:',
    '        protected: true',
    '        services:',
    '          kv-gateway:',
    `            router: { kind: command, target: web, read: ${read}, set: ${set}, identify: ${identify}, places: [blue, green], timeout: 30s }`,
    '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
    '            steps: [{ percent: 33.3, bake: 300ms }, { percent: 100, bake: 200ms }]',
    '            poll: 100ms',
    `            patience: ${patience}`,
    '            probesOnly: true',
    '            gates: [{ name: answers, source: http-probe, path: /probe, probes: 5, max: 10%, minRequests: 5 }]',
  ].join('\n');
}

const may = mayMount('the machine file');

describe('the ALB example at the command line', () => {
  test('a build is promoted behind an ALB and rolled back, and break-glass undoes what a person did, with the sign-in kept', async () => {
    if (!may) return;
    const site = await openSite();
    const { alb, run } = site;
    const said: string[] = [];
    const must = async (...args: readonly string[]) => {
      const { exitCode, stdout, stderr } = await run([...args, ...PRODUCTION, ...SURE]);
      said.push(stdout, stderr);
      expect(exitCode, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
    };
    await must('adopt');
    await must('promote', '--build', GREEN.guid);
    expect(await alb.weights()).toEqual({ blue: 0, green: 999 });
    await must('rollback', '--to', BLUE.guid, '--reason', 'as a test');
    expect(await alb.weights()).toEqual({ blue: 999, green: 0 });
    await alb.write([COGNITO, alb.forward({ blue: 500, green: 500 })]);
    await must('rollback', '--break-glass', '--reason', 'SSO is down');
    expect(await alb.weights()).toEqual({ blue: 999, green: 0 });
    expect(await alb.actions()).toContain('<UserPoolClientId>kv</UserPoolClientId>');
    const kept = execFileSync('bash', ['-c', 'find "$0" -type f -exec cat {} +', site.state], { encoding: 'utf8' });
    expect(kept).toContain('alb.sh');
    expect(`${kept}${said.join('')}`).not.toContain(moto.secret);
  }, 240_000);

  test('a bad build behind an ALB loses its traffic again', async () => {
    if (!may) return;
    const { alb, green, run } = await openSite();
    await run(['adopt', ...PRODUCTION, ...SURE]);
    green.setFailPercent(100);
    const { exitCode, stdout, stderr } = await run(['promote', '--build', GREEN.guid, ...PRODUCTION, ...SURE]);
    expect(exitCode, `${stdout}${stderr}`).toBe(4);
    expect(await alb.weights()).toEqual({ blue: 999, green: 0 });
  }, 240_000);

  test('a rollback under stickiness moves new clients and does not say that it is done, and no promotion begins', async () => {
    if (!may) return;
    const { alb, run } = await openSite('2s');
    await run(['adopt', ...PRODUCTION, ...SURE]);
    const stickiness = { TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 3600 } };
    await alb.write([COGNITO, alb.forward({ blue: 500, green: 500 }, stickiness)]);
    const rolledBack = await run(['rollback', '--reason', 'as a test', ...PRODUCTION, ...SURE]);
    expect(rolledBack.stderr).toContain('at weight 0 too, and no rollback moves them');
    expect(rolledBack.exitCode).toBe(5);
    expect(await alb.weights()).toEqual({ blue: 999, green: 0 });
    const promoted = await run(['promote', '--build', GREEN.guid, ...PRODUCTION, ...SURE]);
    expect(promoted.stderr).toMatch(/SPLIT_IMPOSSIBLE .*stickiness of the target groups is on/i);
    expect(promoted.exitCode).toBe(3);
    expect(await alb.weights()).toEqual({ blue: 999, green: 0 });
    const { stdout } = await run(['doctor', ...PRODUCTION]);
    expect(stdout).toMatch(/FAIL +router +stickiness of the target groups is on/);
    expect(stdout).toContain('they are bound to a server (cookie AWSALBTG)');
  }, 240_000);
});
