/** What the config says about each service, with defaults filled in and paths made absolute. No I/O. */
import path from 'node:path';
import type { ComparedGate } from '../core/comparison.ts';
import type { Finding } from '../core/finding.ts';
import type { PlannedGate } from '../core/plan.ts';
import { type Scope, scopeText } from '../core/scope.ts';
import { openRouter } from '../routers/index.ts';
import type { ServiceSettings } from './load.ts';
import type { PathPart } from './nodes.ts';
import type { Config } from './schema.ts';
import { valueAt } from './schema-walk.ts';
import type { StrictDocument } from './strict-parse.ts';

/** Used where a service says no steps of its own. */
export const DEFAULT_STEPS = [
  { percent: 5, bakeMs: 120_000 },
  { percent: 25, bakeMs: 300_000 },
  { percent: 50, bakeMs: 300_000 },
  { percent: 100, bakeMs: 600_000 },
] as const;
const DEFAULT_POLL_MS = 1000;
const DEFAULT_PATIENCE_MS = 300_000;

type ConfigEnvironment = Config['tenants'][string]['environments'][string];
type ConfigService = NonNullable<ConfigEnvironment['services']>[string];

interface Placed {
  readonly scope: Scope;
  readonly path: readonly PathPart[];
  readonly environment: ConfigEnvironment;
  readonly service: ConfigService;
}

function placedServices(config: Config): readonly Placed[] {
  return Object.entries(config.tenants).flatMap(([tenant, { environments }]) =>
    Object.entries(environments).flatMap(([name, environment]) =>
      Object.entries(environment.services ?? {}).map(([serviceName, service]) => ({
        scope: { tenant, environment: name, service: serviceName },
        path: ['tenants', tenant, 'environments', name, 'services', serviceName],
        environment,
        service,
      })),
    ),
  );
}

/** `written` is the config's plain value before zod: routers and sources read their settings themselves, and durations only once. */
export function serviceSettings(config: Config, written: unknown, root: string): readonly ServiceSettings[] {
  return placedServices(config).map(({ scope, path: at, environment, service }) => ({
    scope,
    protected: environment.protected ?? false,
    requires: environment.requires ? { environment: environment.requires.environment, soakMs: environment.requires.soak } : null,
    router: service.router === undefined ? null : (valueAt(written, [...at, 'router']) as { kind: string }),
    identity: service.identity ?? null,
    steps: service.steps?.map(({ percent, bake }) => ({ percent, bakeMs: bake })) ?? DEFAULT_STEPS,
    ...gatesOf(service, (index) => valueAt(written, [...at, 'gates', index])),
    evidence: evidenceOf(service.evidence),
    copies: (service.pointer?.copies ?? []).map((copy) => path.resolve(root, copy)),
    pollMs: service.poll ?? DEFAULT_POLL_MS,
    patienceMs: service.patience ?? DEFAULT_PATIENCE_MS,
  }));
}

/** A gate with `max` has a fixed limit; one with `compare`, or without either, compares. One may do both. */
function gatesOf(service: ConfigService, written: (index: number) => unknown): Pick<ServiceSettings, 'gates' | 'compared'> {
  const gates: PlannedGate[] = [];
  const compared: ComparedGate[] = [];
  (service.gates ?? []).forEach((gate, index) => {
    if (typeof gate === 'string') {
      compared.push({ name: gate, source: String(service.router?.['kind']), settings: {}, compare: {} });
      return;
    }
    const { name, source, max: _max, minRequests: _least, compare, ...settings } = written(index) as Record<string, unknown>;
    const asked = { name: String(name), source: String(source), settings };
    if (gate['max'] !== undefined) gates.push({ ...asked, max: Number(gate['max']), minRequests: Number(gate['minRequests']) });
    if (gate['max'] === undefined || compare !== undefined)
      compared.push({ ...asked, compare: (gate['compare'] ?? {}) as ComparedGate['compare'] });
  });
  return { gates, compared };
}

function evidenceOf(evidence: ConfigService['evidence']): ServiceSettings['evidence'] {
  const { alpha, confidence, dwell, block, threshold, unverified } = evidence ?? {};
  return {
    ...(alpha === undefined ? {} : { alpha }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(dwell === undefined ? {} : { dwellMs: dwell }),
    ...(block === undefined ? {} : { blockMs: block }),
    ...(threshold === undefined ? {} : { leastLogE: threshold, calibrated: true }),
    ...(unverified === undefined ? {} : { unverifiedShare: unverified }),
  };
}

/** Scopes that drive the same target: what one rollout does would move the other's traffic. */
export function sharedTargets(config: Config, document: StrictDocument, base: readonly PathPart[]): readonly Finding[] {
  const seen = new Map<string, Placed>();
  return placedServices(config).flatMap((placed) => {
    const at = [...base, ...placed.path, 'router'];
    const written = valueAt(document.value, at);
    if (placed.service.router === undefined) return [];
    const { router, config: settings } = openRouter(written as { kind: string });
    return router.targets(settings).flatMap((target) => {
      const key = `${router.kind} ${target}`;
      const first = seen.get(key);
      if (first === undefined) {
        seen.set(key, placed);
        return [];
      }
      const { file, line, column } = document.finding([...base, ...first.path, 'router'], {
        code: 'SHARED_TARGET',
        message: '',
        fix: '',
      });
      return [
        document.finding(at, {
          code: 'SHARED_TARGET',
          message: `${scopeText(placed.scope)} and ${scopeText(first.scope)} name one target: ${target}. A rollout of one would move the other's traffic.`,
          fix: 'Give each its own backend, routes file or service.',
          related: [{ file, line, column, note: `${scopeText(first.scope)} names it here` }],
        }),
      ];
    });
  });
}
