/** The builds that the demo releases: their names, their manifests, and how each behaves. Fixed, so that every demo tells the same story. */

export type Environment = 'production' | 'staging';

/**
 * `fails`: every fifth request, once it has had a little real traffic; before that it looks perfectly healthy. `answers-500` and
 * `answers-401`: every request. `answers-nothing`: it says who it is, and leaves every other request open.
 */
export type Behaviour = 'works' | 'fails' | 'answers-500' | 'answers-401' | 'answers-nothing';

/** What runs somewhere, and what it says of itself. */
export interface Binary {
  readonly guid: string;
  readonly version: string;
  /** Null: it does not say which environment it was made for. */
  readonly environment: Environment | null;
  readonly behaviour: Behaviour;
}

/** One build of the demo, and the little server that plays it. */
export interface DemoBuild extends Binary {
  readonly sequence: number;
  /** Its place at the router. */
  readonly place: string;
}

const production = { environment: 'production', behaviour: 'works' } as const;

export const KNOWN_GOOD: DemoBuild = {
  ...production,
  guid: '41d0a6c3-2f60-4c52-9a3e-5b1de0f74a01',
  version: '1.40.0',
  sequence: 40,
  place: 'blue',
};

export const GOOD: DemoBuild = {
  ...production,
  guid: '9f1c2b7e-8d34-4b0a-b7c1-33e6a2d95f02',
  version: '1.41.0',
  sequence: 41,
  place: 'green',
};

export const BAD: DemoBuild = {
  ...production,
  guid: 'bad0c0de-61f7-4e19-8c55-0a9f4d7be103',
  version: '1.42.0',
  sequence: 42,
  place: 'amber',
  behaviour: 'fails',
};

export const INTERRUPTED: DemoBuild = {
  ...production,
  guid: 'c3a5e871-0b92-4d6f-a1e4-7f28d90c6b04',
  version: '1.43.0',
  sequence: 43,
  place: 'violet',
};

export const STAGING: DemoBuild = {
  guid: '57a9e000-4c1b-42d8-9e73-d6058bf1a205',
  version: '1.44.0-rc.1',
  sequence: 7,
  environment: 'staging',
  place: 'sand',
  behaviour: 'works',
};

export const PRODUCTION_BUILDS: readonly DemoBuild[] = [KNOWN_GOOD, GOOD, BAD, INTERRUPTED];

/** A name that no real scope has, so that nothing here can be taken for one. */
export const TENANT = 'demo';

export const SERVICE = 'kv-gateway';

/** The release manifest that lists `builds` in one environment. */
export function manifestText(environment: Environment, builds: readonly DemoBuild[]): string {
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

/** What of the service's config differs from one scene to the next. */
export interface Settings {
  readonly steps: string;
  readonly gates: string;
  /** Left out: kvdeploy's own. */
  readonly patience?: string | undefined;
}

const gates = '[{ name: answers, source: http-probe, path: /kv/probe, probes: 20, max: 2%, minRequests: 60 }]';

/** The demo's few seconds. */
export const QUICK: Settings = {
  steps: '[{ percent: 5, bake: 2s }, { percent: 25, bake: 2s }, { percent: 100, bake: 3s }]',
  gates,
};

/** A rollout that will still be half way when everything else goes down. */
export const SLOW: Settings = { steps: '[{ percent: 50, bake: 10m }, { percent: 100, bake: 10m }]', gates };

export interface ConfigNeeds extends Settings {
  readonly listen: string;
  readonly routes: string;
  readonly addresses: Readonly<Record<string, string>>;
}

/** The config that a user would write for the same service. */
export function configText({ listen, routes, addresses, steps, gates, patience }: ConfigNeeds): string {
  const places = Object.entries(addresses).map(([place, address]) => `                ${place}: ${address}`);
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
    '              kind: local',
    `              listen: ${listen}`,
    `              routes: ${JSON.stringify(routes)}`,
    '              addresses:',
    ...places,
    '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
    `            steps: ${steps}`,
    '            poll: 250ms',
    `            gates: ${gates}`,
    ...(patience === undefined ? [] : [`            patience: ${patience}`]),
  ].join('\n')}\n`;
}
