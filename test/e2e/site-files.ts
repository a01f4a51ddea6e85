/** The files of the small production: its config and its release manifests, as a user would write them. */
import type { Haproxy } from '../servers/haproxy.ts';
import type { E2eBuild, SiteOptions } from './site.ts';

const QUICK_STEPS = '[{ percent: 50, bake: 400ms }, { percent: 100, bake: 400ms }]';
const PROBE = '[{ name: answers, source: http-probe, path: /healthz, probes: 5, max: 2%, minRequests: 10 }]';
const SAYS = { header: 'x-build-guid', environmentHeader: 'x-build-environment' } as const;

/** kvdeploy.config.yaml. */
export function configText(haproxy: Haproxy, stateDir: string, options: SiteOptions): string {
  const sockets = options.configSockets?.(haproxy.sockets) ?? haproxy.sockets;
  const router = {
    kind: 'haproxy',
    sockets,
    backend: haproxy.backend,
    serverStateFile: options.configStateFiles?.(haproxy.stateFiles) ?? haproxy.stateFiles,
    ...(options.places === undefined ? {} : { places: options.places }),
  };
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
    `            identity: ${JSON.stringify({ path: '/healthz', ...SAYS })}`,
    `            steps: ${options.steps ?? QUICK_STEPS}`,
    '            poll: 200ms',
    `            patience: ${options.patience ?? '10s'}`,
    '            probesOnly: true',
    `            gates: ${options.gates ?? PROBE}`,
    ...(options.evidence === undefined ? [] : [`            evidence: ${options.evidence}`]),
    '',
  ].join('\n');
}

/** The manifest of one environment. */
export function manifestText(environment: string, builds: readonly Pick<E2eBuild, 'guid' | 'place' | 'sequence'>[]): string {
  const rows = builds.map(
    ({ guid, place, sequence }) =>
      `  - { guid: ${guid}, version: 1.${sequence}.0, digest: "sha256:${'ab'.repeat(32)}", sequence: ${sequence}, createdAt: 2026-11-21T09:12:00Z, ref: ${place} }`,
  );
  const head = [
    'apiVersion: kvdeploy.dev/v1',
    'kind: ReleaseManifest',
    'tenant: acme',
    `environment: ${environment}`,
    'service: gw',
  ];
  return [...head, rows.length === 0 ? 'builds: []' : 'builds:', ...rows, ''].join('\n');
}
