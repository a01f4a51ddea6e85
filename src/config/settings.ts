/** The settings of each service, with defaults filled in and paths made absolute. No I/O. */
import path from 'node:path';
import type { Scope } from '../base/scope.ts';
import type { Finding } from '../core/errors.ts';
import type { ComparedGate, EvidenceLimits } from '../core/gates/comparison.ts';
import type { Identity } from '../core/identity.ts';
import type { KnownNames } from '../core/manifest/manifest-rules.ts';
import type { PlannedGate } from '../core/rollout/plan.ts';
import { scopeText } from '../core/scope.ts';
import { openRouter } from '../routers/index.ts';
import { valueAt } from './check.ts';
import type { PathPart } from './parse/nodes.ts';
import type { StrictDocument } from './parse/strict-parse.ts';
import type { Config } from './schema.ts';

export interface LoadedConfig {
  /** Absolute. */
  readonly file: string;
  /** The folder to which its paths are relative. */
  readonly root: string;
  /** Absolute. */
  readonly manifestsDir: string;
  /** Absolute; null if the config names none. */
  readonly stateDir: string | null;
  readonly stateGroup: string | null;
  /** SHA-256, hex, of the bytes that were parsed. */
  readonly sha256: string;
  readonly tenants: readonly string[];
  /** Names of a tenant's environments; none for an unknown tenant. */
  environments(tenant: string): readonly string[];
  readonly services: readonly ServiceSettings[];
  /** Tenants, their environments and services, for checks and suggestions. */
  readonly names: KnownNames;
}

export interface ServiceSettings {
  readonly scope: Scope;
  /** Where the config declares it. */
  readonly declaredAt: { readonly line: number; readonly column: number };
  /** False for `manifest: none`: what it lists is not seen here. */
  readonly hasManifest: boolean;
  readonly protected: boolean;
  readonly requires: { readonly environment: string; readonly soakMs: number } | null;
  /** As the config wrote it; `openRouter` reads it. */
  readonly router: ({ readonly kind: string } & Readonly<Record<string, unknown>>) | null;
  readonly identity: Identity | null;
  readonly steps: readonly { readonly percent: number; readonly bakeMs: number }[];
  /** Their settings as the config wrote them; `openSource` reads them. */
  readonly gates: readonly PlannedGate[];
  readonly compared: readonly ComparedGate[];
  /** Someone decided that probes are enough to judge it by. */
  readonly probesOnly: boolean;
  readonly evidence: EvidenceLimits;
  /** Absolute. */
  readonly copies: readonly string[];
  readonly pollMs: number;
  readonly patienceMs: number;
}

/** Used if a service has no steps. */
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

/** Where the value at a path of the config stands in its file. */
export type PlaceOf = (at: readonly PathPart[]) => { readonly line: number; readonly column: number };

/** `written` is the config's plain value before zod: routers and sources parse their settings themselves, and durations only once. */
export function serviceSettings(config: Config, written: unknown, root: string, placeOf: PlaceOf): readonly ServiceSettings[] {
  return placedServices(config).map(({ scope, path: at, environment, service }) => ({
    scope,
    declaredAt: placeOf(at),
    hasManifest: service.manifest === undefined,
    protected: environment.protected ?? false,
    requires: environment.requires ? { environment: environment.requires.environment, soakMs: environment.requires.soak } : null,
    router: service.router === undefined ? null : (valueAt(written, [...at, 'router']) as { kind: string }),
    identity: service.identity ?? null,
    steps: service.steps?.map(({ percent, bake }) => ({ percent, bakeMs: bake })) ?? DEFAULT_STEPS,
    ...gatesOf(service, (index) => valueAt(written, [...at, 'gates', index])),
    probesOnly: service.probesOnly ?? false,
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
    const {
      name,
      source,
      max: _max,
      minRequests: _least,
      warmUp: _warm,
      compare,
      ...settings
    } = written(index) as Record<string, unknown>;
    const warmUp = gate['warmUp'] === undefined ? {} : { warmUpMs: Number(gate['warmUp']) };
    const asked = { name: String(name), source: String(source), settings, ...warmUp };
    if (gate['max'] !== undefined) gates.push({ ...asked, max: Number(gate['max']), minRequests: Number(gate['minRequests']) });
    if (gate['max'] === undefined || compare !== undefined)
      compared.push({ ...asked, compare: (gate['compare'] ?? {}) as ComparedGate['compare'] });
  });
  return { gates, compared };
}

function evidenceOf(evidence: ConfigService['evidence']): ServiceSettings['evidence'] {
  const { alpha, confidence, dwell, block, watch, threshold, unverified } = evidence ?? {};
  return {
    ...(alpha === undefined ? {} : { alpha }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(dwell === undefined ? {} : { dwellMs: dwell }),
    ...(block === undefined ? {} : { blockMs: block }),
    ...(watch === undefined ? {} : { watchMs: watch }),
    ...(threshold === undefined ? {} : { leastLogE: threshold }),
    ...(unverified === undefined ? {} : { unverifiedShare: unverified }),
  };
}

/** Scopes with the same router target: a rollout of one would shift the other's traffic. */
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
      const other = document.place([...base, ...first.path, 'router']);
      return document.finding(at, {
        code: 'SHARED_TARGET',
        message: `${scopeText(placed.scope)} and ${scopeText(first.scope)} use the same target: ${target}. A rollout of one would shift the other's traffic.`,
        fix: 'Give each scope its own backend, routes file or service.',
        related: [{ ...other, note: `${scopeText(first.scope)} names it here` }],
      });
    });
  });
}
