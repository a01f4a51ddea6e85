/** The builds and the texts of the small site: manifests and a config as a user would write them. Must not touch a file. */
import { createHash } from 'node:crypto';

export interface SiteBuild {
  readonly guid: string;
  readonly version: string;
  readonly sequence: number;
  readonly ref: string;
  readonly commit: string;
}

const build = (guid: string, sequence: number, ref: string, commit: string): SiteBuild => ({
  guid,
  version: `1.${sequence}.0`,
  sequence,
  ref,
  commit: commit.repeat(40),
});

/** The builds of acme/production; AMBER and VIOLET share their first eight characters, and their source. */
export const BLUE = build('0b9f1c2d-1111-4aaa-8bbb-000000000040', 40, 'blue', 'a');
export const GREEN = build('7c9e6679-2222-4aaa-8bbb-000000000041', 41, 'green', 'b');
export const AMBER = build('abad1dea-3333-4aaa-8bbb-000000000042', 42, 'amber', 'd');
export const VIOLET = build('abad1dea-4444-4aaa-8bbb-000000000043', 43, 'violet', 'd');
/** Wants the place where BLUE runs. */
export const SQUATTER = build('5c0a77e4-5555-4aaa-8bbb-000000000044', 44, 'blue', 'e');

/** acme/staging: of GREEN's source, of no source that production knows, and of the source that two of production's builds have. */
export const STAGING = {
  blue: build('57a9e000-6666-4aaa-8bbb-000000000005', 5, 'blue', 'b'),
  green: build('57a9e111-7777-4aaa-8bbb-000000000006', 6, 'green', 'c'),
  amber: build('57a9e222-8888-4aaa-8bbb-000000000007', 7, 'amber', 'd'),
};

/** globex/production: another tenant with a service of the same name. It is not protected. */
export const GLOBEX = {
  blue: build('610be000-9999-4aaa-8bbb-000000000010', 10, 'blue', 'a'),
  green: build('610be111-aaaa-4aaa-8bbb-000000000011', 11, 'green', 'b'),
};

export type Name = 'production' | 'staging' | 'globex';

export const SCOPES: Readonly<
  Record<Name, { readonly tenant: string; readonly environment: string; readonly builds: readonly SiteBuild[] }>
> = {
  production: { tenant: 'acme', environment: 'production', builds: [BLUE, GREEN, AMBER, VIOLET, SQUATTER] },
  staging: { tenant: 'acme', environment: 'staging', builds: Object.values(STAGING) },
  globex: { tenant: 'globex', environment: 'production', builds: Object.values(GLOBEX) },
};

/** What to type for each scope, and what a protected one wants. */
export const PRODUCTION = ['--tenant', 'acme', '--env', 'production'];
export const SURE = ['--confirm', 'production'];
export const IN_STAGING = ['--tenant', 'acme', '--env', 'staging'];
export const IN_GLOBEX = ['--tenant', 'globex', '--env', 'production'];

/** What a test may want to be otherwise in the config. */
export interface Wishes {
  readonly bakeMs?: number;
  readonly lastBakeMs?: number;
  readonly requires?: { readonly soak: string };
  readonly copies?: readonly string[];
  readonly stateGroup?: string;
  readonly patience?: string;
  /** The one probing gate that the site has otherwise. */
  readonly gates?: string;
  /** How the builds of every scope say which one they are. */
  readonly identity?: string;
  /** More members of a place, by scope and `ref`: `production/blue`. With it, every place is written as a list of its members. */
  readonly members?: Readonly<Record<string, readonly string[]>>;
  /** No environment is protected. */
  readonly open?: boolean;
  /** False: no service says that probes are enough. */
  readonly probesOnly?: boolean;
}

/** What the config says of one scope. */
export interface Placed {
  readonly name: Name;
  readonly port: number;
  readonly routes: string;
  readonly backends: ReadonlyMap<string, { readonly address: string }>;
}

export function manifestText(name: Name, builds: readonly SiteBuild[]): string {
  const { tenant, environment } = SCOPES[name];
  const head = [
    'apiVersion: kvdeploy.dev/v1',
    'kind: ReleaseManifest',
    `tenant: ${tenant}`,
    `environment: ${environment}`,
    'service: kv-gateway',
  ];
  const rows = builds.flatMap((each) => [
    `  - guid: ${each.guid}`,
    `    version: ${each.version}`,
    `    digest: sha256:${createHash('sha256').update(each.guid).digest('hex')}`,
    `    sequence: ${each.sequence}`,
    '    createdAt: 2026-11-21T09:12:00Z',
    `    ref: ${each.ref}`,
    `    source: { repository: https://example.com/${tenant}/gateway, commit: ${each.commit} }`,
  ]);
  return `${[...head, 'builds:', ...rows].join('\n')}\n`;
}

export function configText(places: readonly Placed[], stateDir: string, wishes: Wishes): string {
  const text = (name: Name) => serviceText(places.find((each) => each.name === name) as Placed, wishes);
  const requires =
    wishes.requires === undefined ? [] : [`        requires: { environment: staging, soak: ${wishes.requires.soak} }`];
  return `${[
    'apiVersion: kvdeploy.dev/v1',
    'kind: Config',
    `stateDir: ${JSON.stringify(stateDir)}`,
    ...(wishes.stateGroup === undefined ? [] : [`stateGroup: ${wishes.stateGroup}`]),
    'tenants:',
    '  acme:',
    '    environments:',
    '      staging:',
    text('staging'),
    '      production:',
    `        protected: ${wishes.open !== true}`,
    ...requires,
    text('production'),
    '  globex:',
    '    environments:',
    '      production:',
    text('globex'),
  ].join('\n')}\n`;
}

const GUID_AND_ENVIRONMENT = '{ path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }';

const PROBES = '[{ name: answers, source: http-probe, path: /probe, probes: 5, max: 10%, minRequests: 5 }]';

function serviceText({ port, routes, backends, name }: Placed, wishes: Wishes): string {
  const { bakeMs = 300, lastBakeMs = 200, copies, patience = '20s', gates = PROBES, probesOnly = true } = wishes;
  const addresses = [...backends].map(([ref, { address }]) => `${ref}: ${JSON.stringify(address)}`).join(', ');
  const places = [...backends].map(
    ([ref, { address }]) => `${ref}: [${[address, ...(wishes.members?.[`${name}/${ref}`] ?? [])].join(', ')}]`,
  );
  const where = wishes.members === undefined ? `addresses: { ${addresses} }` : `places: { ${places.join(', ')} }`;
  return [
    '        services:',
    '          kv-gateway:',
    `            router: { kind: local, listen: "127.0.0.1:${port}", routes: ${JSON.stringify(routes)}, ${where} }`,
    `            identity: ${wishes.identity ?? GUID_AND_ENVIRONMENT}`,
    `            steps: [{ percent: 25, bake: ${bakeMs}ms }, { percent: 100, bake: ${lastBakeMs}ms }]`,
    '            poll: 100ms',
    `            patience: ${patience}`,
    ...(probesOnly ? ['            probesOnly: true'] : []),
    `            gates: ${gates}`,
    ...(copies === undefined || name !== 'production' ? [] : [`            pointer: { copies: ${JSON.stringify(copies)} }`]),
  ].join('\n');
}
