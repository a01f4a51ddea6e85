/** The config as objects and as texts: whatever loads is one that a rollout can walk. */
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { parseConfig } from '../../../src/config/load.ts';
import { type Config, configSchema, withRouterSources } from '../../../src/config/schema.ts';
import type { ServiceSettings } from '../../../src/config/settings.ts';
import { comparisonOf, comparisonSchema } from '../../../src/core/gates/comparison.ts';
import type { GatePoll } from '../../../src/core/gates/counting/blocks.ts';
import { SLOWER } from '../../../src/core/gates/counting/metric-counters.ts';
import { feed, openEvidence } from '../../../src/core/gates/evidence/evidence.ts';
import { compactEvidence, storedEvidence, storedEvidenceSchema } from '../../../src/core/gates/evidence/evidence-store.ts';
import { WHOLE } from '../../../src/core/gates/gate-settings.ts';
import { judgeEvidence } from '../../../src/core/gates/verdict/evidence-verdict.ts';
import { openSource } from '../../../src/metrics/index.ts';
import { hostileText, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustShowSafely } from '../terminal.ts';
import { textOf } from '../text-forms.ts';
import { evidenceOf, gateOf } from './config-gates.ts';

/** The same addresses as lists or maps, some with more members, or one that belongs elsewhere too. */
function placesOf(luck: Luck, addresses: Readonly<Record<string, string>>): Record<string, unknown> {
  const places = Object.entries(addresses).map(([place, url], index) => {
    const more = luck.pick([[], [], [`http://127.0.0.1:902${index}`, `http://[::1]:902${index}`], ['http://h:1']]);
    const urls = [url, ...more];
    return [place, luck.chance(0.5) ? urls : { urls, ...(luck.chance(0.5) ? { minUp: luck.pick([1, 2, 3]) } : {}) }] as const;
  });
  return Object.fromEntries(places);
}

function routerOf(luck: Luck, number: number): Record<string, unknown> {
  if (luck.chance(0.5)) {
    const addresses = {
      blue: 'http://127.0.0.1:9001',
      green: 'http://127.0.0.1:9002',
      [luck.pick(['__proto', 'Blue', '1'])]: 'http://h:1',
    };
    return {
      kind: 'local',
      listen: `127.0.0.1:808${number}`,
      routes: `/r/${luck.pick(['', '', './', '/', 'x/../'])}${number}.json`,
      ...(luck.chance(0.5) ? { addresses } : { places: placesOf(luck, addresses) }),
    };
  }
  const router: Record<string, unknown> = {
    kind: 'haproxy',
    sockets: [`/run/${luck.pick(['', '', '/', 'x/../'])}${number}.sock`],
    backend: 'gw',
  };
  if (luck.chance(0.3)) router.serverStateFile = luck.pick(['/var/lib/state', ['/var/lib/state']]);
  if (luck.chance(0.2)) router.balance = 'static';
  return router;
}

function serviceOf(luck: Luck, number: number): Record<string, unknown> {
  const percents = luck.pick([[100], [1, 25, 100], [0.5, 100], [10, 50, 100]]);
  const router = routerOf(luck, luck.chance(0.9) ? number : 0);
  const service: Record<string, unknown> = {
    router,
    steps: percents.map((percent) => ({ percent, bake: luck.pick(['5m', '1h30m', '500ms', '90s']) })),
    gates: luck.some(3, (index) => gateOf(luck, index, router['kind'])),
  };
  if (luck.chance(0.5))
    service.identity = luck.pick([
      { path: '/', header: 'x-build' },
      { path: '/id', json: 'build.guid', environmentJson: 'env' },
    ]);
  if (luck.chance(0.4)) service.evidence = evidenceOf(luck);
  if (luck.chance(0.2)) service.pointer = { copies: ['/mnt/copy'] };
  if (luck.chance(0.2)) service.poll = luck.pick(['1s', '50ms', '5m']);
  if (luck.chance(0.2)) service.patience = '5m';
  return service;
}

export function configOf(luck: Luck): unknown {
  const environment = (number: number) => ({ protected: luck.chance(0.5), services: { web: serviceOf(luck, number) } });
  const requiring = (name: string) => (luck.chance(0.4) ? { requires: { environment: name, soak: '30m' } } : {});
  const production = { ...environment(1), ...requiring('staging') };
  const staging = { ...environment(2), ...requiring('test') };
  const config: Record<string, unknown> = {
    apiVersion: 'kvdeploy.dev/v1',
    kind: 'Config',
    tenants: { acme: { environments: { production, staging, test: luck.chance(0.5) ? {} : environment(3) } } },
  };
  if (luck.chance(0.2)) config.manifests = luck.chance(0.9) ? 'releases' : hostileText(luck);
  if (luck.chance(0.2)) config.stateGroup = luck.pick(['kvdeploy', '1000', '_x-1']);
  return config;
}

/** What no rollout could be walked by must not load. */
function mustBeWalkable(config: Config): void {
  for (const { environments } of Object.values(config.tenants)) {
    for (const { services = {}, requires } of Object.values(environments)) {
      if (requires !== undefined)
        must(Object.hasOwn(environments, requires.environment), 'it requires an environment that is not there');
      let [steps, at] = [0, requires?.environment];
      for (; at !== undefined && steps <= 20; steps += 1) at = environments[at]?.requires?.environment;
      must(steps <= 20, 'its environments require each other in a circle');
      for (const { steps, gates = [] } of Object.values(services)) {
        const percents = steps?.map((step) => step.percent) ?? [100];
        must(percents.at(-1) === 100, 'the last step is not 100 %');
        must(
          percents.every((percent, index) => percent > (percents[index - 1] ?? 0)),
          'the percentages do not increase',
        );
        must(
          (steps ?? []).every((step) => step.bake > 0),
          'a bake takes no time',
        );
        const nameOf = (gate: (typeof gates)[number]) => (typeof gate === 'string' ? gate : gate['name']);
        must(new Set(gates.map(nameOf)).size === gates.length, 'two gates have one name');
        const limits = gates.filter((gate) => typeof gate === 'object' && gate['max'] !== undefined) as readonly {
          readonly max?: unknown;
          readonly minRequests?: unknown;
        }[];
        must(
          limits.every(({ max }) => typeof max === 'number' && max >= 0 && max <= 1),
          'a limit is no share',
        );
        must(
          limits.every(({ minRequests }) => Number(minRequests) >= 1),
          'a gate passes on no requests',
        );
      }
    }
  }
}

export const configObjects: Sweep<unknown> = {
  name: 'config-objects',
  what: 'configs',
  kind: 'objects',
  share: 0.06,
  make: (luck) => mutated(luck, configOf(luck)),
  judge: (document) => {
    const parsed = configSchema.safeParse(document);
    if (parsed.success) mustBeWalkable(parsed.data);
    return parsed.success ? 'read' : 'refused';
  },
  must: ['read', 'refused'],
};

const SEEN = { requests: 1000, failures: 10 };
const POLL: GatePoll = { candidate: { state: 'counted' }, stable: { state: 'counted' }, blocks: {} };

/** Its comparing gates fit into a plan, and count, judge and are written down by whatever margins they have. */
function mustBeJudged({ compared, evidence }: ServiceSettings): void {
  if (compared.length === 0) return;
  const metrics = ['errors', '401', `${SLOWER}0.5s`];
  const countable = compared.map((gate) => {
    const { source, config } = openSource({ source: gate.source, settings: gate.settings });
    const countsTraffic = source.countsTraffic(config);
    return [gate.name, { metrics, slices: { eu: 10 }, countsTraffic, seesCrashes: true, lagMs: source.lagMs(config) }] as const;
  });
  const comparison = comparisonOf(compared, evidence, new Map(countable));
  must(comparisonSchema.safeParse(comparison).success, 'no plan can hold its gates');
  const { settings } = comparison;
  const slices = { [WHOLE]: { candidate: SEEN, stable: SEEN }, eu: { candidate: SEEN, stable: SEEN } };
  const blocks = Object.fromEntries(settings.metrics.map(({ metric }) => [metric, slices]));
  const gates = Object.fromEntries(compared.map(({ name }) => [name, { ...POLL, blocks }]));
  for (const share of [0.01, 1]) {
    const atMs = settings.blockMs + 1;
    const fedOnce = feed(settings, openEvidence(settings, { atMs: 0, share }), { atMs, gates });
    const fedTwice = compactEvidence(feed(settings, fedOnce, { atMs: 2 * atMs, gates }));
    const { logE, why } = judgeEvidence(settings, fedTwice, { nowMs: 2 * atMs, nextShare: null });
    must(Number.isFinite(logE) && !why.includes('NaN'), `it judges by ${logE}: ${why}`);
    const written = JSON.parse(JSON.stringify(storedEvidence(fedTwice)));
    must(storedEvidenceSchema.safeParse(written).success, 'the ledger cannot hold its evidence');
  }
}

export const configTexts: Sweep<{ readonly file: string; readonly bytes: string }> = {
  name: 'config-texts',
  what: 'texts of configs',
  kind: 'texts',
  share: 0.12,
  make: (luck) => textOf(luck, mutated(luck, configOf(luck)), 'kvdeploy.config'),
  judge: ({ file, bytes }) => {
    const raw = Buffer.from(bytes, 'latin1');
    const { config, findings } = parseConfig(`/w/${file}`, file, raw);
    mustShowSafely(findings);
    if (config === undefined) {
      must(findings.length > 0, 'refused without a finding');
      return 'refused';
    }
    const targets = config.services.flatMap(({ router }) => targetsOf(router));
    must(new Set(targets).size === targets.length, 'two scopes share a target');
    for (const service of config.services) mustBeJudged(service);
    const text = raw.toString('utf8');
    const written: unknown = file.endsWith('.json') ? JSON.parse(text) : parse(text, { maxAliasCount: 0 });
    mustBeWalkable(configSchema.parse(withRouterSources(written, [])));
    return 'read';
  },
  must: ['read', 'refused'],
};

function targetsOf(router: Readonly<Record<string, unknown>> | null): readonly string[] {
  if (router === null) return [];
  if (router.kind === 'local') return [`routes ${resolve(String(router.routes))}`];
  return [...new Set(router.sockets as readonly string[])].map((socket) => `socket ${resolve(socket)} ${String(router.backend)}`);
}
