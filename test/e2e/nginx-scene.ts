/** The small production behind a real nginx, on a machine whose machine file lists what kvdeploy runs. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN } from '../cli/run-cli.ts';
import { etcWith, onMachine } from '../crash/machine.ts';
import { freshFolder } from '../fresh-folder.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { load } from '../servers/load.ts';
import { type Nginx, startNginx } from '../servers/nginx.ts';
import { manifestText } from './site-files.ts';

export const BUILDS = {
  blue: { guid: '0b9f1c2d-1111-4aaa-8bbb-000000000040', place: 'blue', sequence: 40 },
  green: { guid: '7c9e6679-2222-4aaa-8bbb-000000000041', place: 'green', sequence: 41 },
} as const;

export const SURE = ['--env', 'production', '--confirm', 'production'];

const GATES = '[{ name: errors, compare: { ruleOut: { plus: 0.5% }, clusters: 1 } }]';

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NginxSite {
  readonly nginx: Nginx;
  readonly builds: Readonly<Record<'blue' | 'green', readonly Backend[]>>;
  run(args: readonly string[]): Promise<Answer>;
  /** Clients until it is ended; resolves with what they saw. */
  clients(perSecond: number): { end(): ReturnType<typeof load> };
  close(): Promise<void>;
}

/** Two replicas a place. blue serves; nothing is adopted. `ports`: further servers of green that are no builds. */
export async function openNginxSite(ports: readonly number[] = [], gates = GATES): Promise<NginxSite> {
  const startAll = ({ guid }: { readonly guid: string }) =>
    Promise.all([1, 2].map(() => startBackend({ guid, environment: 'production' })));
  const builds = { blue: await startAll(BUILDS.blue), green: await startAll(BUILDS.green) };
  const portsOf = (all: readonly Backend[]) => all.map(({ port }) => port);
  const nginx = await startNginx({ places: { blue: portsOf(builds.blue), green: [...portsOf(builds.green), ...ports] } });
  const folder = freshFolder();
  const checkout = join(folder, 'checkout');
  mkdirSync(join(folder, 'home'));
  writeCheckout(checkout, configText(nginx.settings, join(folder, 'state'), { gates }));
  const { test, reload, dump } = nginx.config;
  const machine = { targets: { 'acme/production/gw': { programs: [test, reload, dump] } } };
  const env = { PATH: process.env['PATH'], HOME: join(folder, 'home'), USER: 'tess' };
  return {
    nginx,
    builds,
    run: (args) =>
      new Promise((resolve) => {
        const [program = '', ...words] = [...onMachine(etcWith(machine)), process.execPath, BIN, ...args];
        execFile(program, words, { cwd: checkout, encoding: 'utf8', env, timeout: 120_000 }, (error, stdout, stderr) =>
          resolve({ exitCode: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
        );
      }),
    clients: (perSecond) => {
      const enough = new AbortController();
      const sent = load(nginx.url, { count: 1_000_000, perSecond, keepAlive: false, signal: enough.signal });
      return {
        end: () => {
          enough.abort();
          return sent;
        },
      };
    },
    close: async () => {
      await nginx.close();
      await Promise.all([...builds.blue, ...builds.green].map((backend) => backend.close()));
    },
  };
}

/** The files of a repository whose manifest lists both builds. */
export function writeCheckout(checkout: string, config: string): void {
  const at = (name: string) => join(checkout, name);
  for (const dir of ['.git', 'releases/acme/production', 'releases/acme/staging']) mkdirSync(at(dir), { recursive: true });
  writeFileSync(at('releases/acme/production/gw.yaml'), manifestText('production', Object.values(BUILDS)));
  writeFileSync(at('releases/acme/staging/gw.yaml'), manifestText('staging', []));
  writeFileSync(at('kvdeploy.config.yaml'), config);
}

/** Two steps with short bakes. */
export function configText(router: object, stateDir: string, { gates = GATES, patience = '20s' } = {}): string {
  return [
    'apiVersion: kvdeploy.dev/v1',
    'kind: Config',
    `stateDir: ${JSON.stringify(stateDir)}`,
    'tenants:',
    '  acme:',
    '    environments:',
    '      staging: { services: { gw: {} } }',
    '      production:',
    '        protected: true',
    '        services:',
    '          gw:',
    `            router: ${JSON.stringify(router)}`,
    '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
    '            steps: [{ percent: 50, bake: 2s }, { percent: 100, bake: 1s }]',
    '            poll: 500ms',
    `            patience: ${patience}`,
    `            gates: ${gates}`,
    '            evidence: { dwell: 2s, block: 1s, watch: 1s }',
    '',
  ].join('\n');
}
