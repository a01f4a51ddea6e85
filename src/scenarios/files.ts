/** The manifests and the config of the local world, as a user would write them. Pure; must not touch a file. */
import type { Environment, Member, Settings } from './scenario.ts';

/** A name that no real scope has, so that nothing here can be taken for one. */
export const TENANT = 'demo';

export const SERVICE = 'kv-gateway';

export const SCOPE_NAME = `${TENANT}/production/${SERVICE}`;

/** The release manifest that lists `builds` in one environment. */
export function manifestText(environment: Environment, builds: readonly Member[]): string {
  const head = [
    'apiVersion: kvdeploy.dev/v1',
    'kind: ReleaseManifest',
    `tenant: ${TENANT}`,
    `environment: ${environment}`,
    `service: ${SERVICE}`,
  ];
  const rows = builds.flatMap((build) => [
    `  - guid: ${build.guid}`,
    `    version: ${build.version}`,
    `    digest: sha256:${build.guid.replaceAll('-', '').repeat(2)}`,
    `    sequence: ${build.sequence}`,
    '    createdAt: 2026-11-21T09:12:00Z',
    `    ref: ${build.place}`,
  ]);
  return `${[...head, rows.length === 0 ? 'builds: []' : 'builds:', ...rows].join('\n')}\n`;
}

export interface ConfigNeeds extends Settings {
  /** The lines below `router:`. */
  readonly router: readonly string[];
}

/** The config that a user would write for the same service. */
export function configText({ router, steps, gates, patience }: ConfigNeeds): string {
  return `${[
    'apiVersion: kvdeploy.dev/v1',
    'kind: Config',
    'manifests: releases',
    'tenants:',
    `  ${TENANT}:`,
    '    environments:',
    '      staging:',
    `        services: { ${SERVICE}: {} }`,
    '      production:',
    '        protected: true',
    '        services:',
    `          ${SERVICE}:`,
    '            router:',
    ...router.map((line) => `              ${line}`),
    '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
    `            steps: ${steps}`,
    '            poll: 250ms',
    `            gates: ${gates}`,
    ...(patience === undefined ? [] : [`            patience: ${patience}`]),
  ].join('\n')}\n`;
}
