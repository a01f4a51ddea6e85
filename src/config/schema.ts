/** The config's zod definition, composed from the registries of routers and metric sources. Must not read files. */
import * as z from 'zod';
import { durationSchema, fractionSchema, gateLimitsSchema } from '../core/gates/verdict/gate.ts';
import { type IdentityConfig, identitySchema, mergedIdentity, statedIdentitySchema } from '../core/identity.ts';
import { didYouMean } from '../core/nearest.ts';
import { nameSchema } from '../core/scope.ts';
import { metricSources } from '../metrics/index.ts';
import { routers } from '../routers/index.ts';

type Options = readonly [z.ZodObject, ...z.ZodObject[]];

/** Runs a rule even if part of its value is already invalid, so that all findings come at once. The rule must expect any value. */
const always = { when: () => true };

/** A share of 0% or 100% can be neither tolerated nor ruled out. */
const partSchema = fractionSchema.refine((value) => value > 0 && value < 1, 'a share above 0% and below 100%');

const above = (least: number) =>
  z
    .number()
    .min(least)
    .max(1000)
    .describe(`Multiple of the stable build's rate, such as ${least === 1 ? 1.2 : least}`);

const clusterSchema = z.number().min(1).max(1000);

/** How a gate without a fixed limit judges; every key is optional. */
const compareSchema = z
  .strictObject({
    tolerate: z
      .strictObject({ times: above(1).optional(), plus: fractionSchema.optional() })
      .optional()
      .describe('How much worse than the stable build is tolerated: { times: 1.2, plus: 0.05% }'),
    ruleOut: z
      .strictObject({ times: above(1).optional(), plus: partSchema.optional() })
      .optional()
      .describe(
        'The harm that must be ruled out before the next step: { times: 2, plus: 1% }; the default of plus depends on the step',
      ),
    limit: partSchema.optional().describe('The failure rate that neither build may exceed, such as 1% (the default)'),
    clusters: clusterSchema
      .optional()
      .describe('The average size of a cluster of failures, such as 4 (the default); `backtest --calibrate` measures it'),
    clumps: clusterSchema.optional().describe('The old name of clusters, such as 4'),
    traffic: z
      .boolean()
      .optional()
      .describe('false if clients stick to a build (cookies): then the split says nothing about its health; default true'),
  })
  .refine(({ clusters, clumps }) => clusters === undefined || clumps === undefined, {
    path: ['clumps'],
    error: 'clumps is the old name of clusters: keep one of the two',
  })
  .transform(({ clumps, ...rest }) => (clumps === undefined ? rest : { ...rest, clusters: clumps }))
  .describe('Compares with the stable build: { tolerate: { times: 1.2, plus: 0.05% }, limit: 1% }; {} for the defaults');

const gateSchema = z.discriminatedUnion(
  'source',
  metricSources.map((source) =>
    source.config.safeExtend({
      name: gateLimitsSchema.shape.name,
      max: gateLimitsSchema.shape.max
        .optional()
        .describe('A fixed limit for the share of failed requests, such as 1%; without it, the gate compares'),
      minRequests: gateLimitsSchema.shape.minRequests,
      compare: compareSchema.optional(),
      warmUp: durationSchema
        .refine((ms) => ms <= 3_600_000, 'a warm-up lasts at most 1h')
        .optional()
        .describe('How long after each raise only a build that fails nearly everything fails, such as 60s; default 0s'),
      // `routersOwn` fills it in where the router counts: an editor must not ask for it.
      source: (source.ofRouter ? z.literal(source.kind).default(source.kind) : z.literal(source.kind)).describe(source.summary),
    }),
  ) as unknown as Options,
);

/** `errors`: compares failed requests by the router's own counters, with all defaults. */
export const WORDS = ['errors'] as const;

/**
 * The value of a config in which every gate that is one of the words, has settings of its own and no source is given its source: the router of
 * its service, where that counts. Anything else stays as it was written.
 */
export function withRouterSources(config: unknown, base: readonly (string | number)[] = []): unknown {
  return mapAt(config, [...base.map(String), 'tenants', '*', 'environments', '*', 'services', '*'], (service) => {
    const { kind } = (service['router'] ?? {}) as { readonly kind?: unknown };
    const counts = metricSources.some((source) => source.ofRouter && source.kind === kind);
    const { gates } = service;
    if (!counts || !Array.isArray(gates)) return service;
    const isOurs = (gate: unknown) => isMap(gate) && gate['source'] === undefined && WORDS.some((word) => word === gate['name']);
    return { ...service, gates: gates.map((gate) => (isOurs(gate) ? { ...gate, source: kind } : gate)) };
  });
}

type PlainMap = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is PlainMap => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Changes every map at a path, in which `*` is any key. */
function mapAt(value: unknown, [part, ...rest]: readonly string[], change: (map: PlainMap) => PlainMap): unknown {
  if (!isMap(value)) return value;
  if (part === undefined) return change(value);
  const changed: Record<string, unknown> = Object.create(null);
  for (const [key, each] of Object.entries(value)) changed[key] = part === '*' || part === key ? mapAt(each, rest, change) : each;
  return changed;
}

const entrySchema = z
  .union([z.enum(WORDS), gateSchema])
  .describe('errors, or a gate: { name: errors, source: prometheus, … } to compare; add max: 1% for a fixed limit');

export const gatesSchema = z
  .array(entrySchema)
  .max(50)
  .superRefine((gates, context) => {
    if (!Array.isArray(gates)) return;
    const names = gates.map((gate) => (typeof gate === 'string' ? gate : gate?.name));
    names.forEach((name, index) => {
      if (name === undefined || names.indexOf(name) === index) return;
      const path = typeof gates[index] === 'string' ? [index] : [index, 'name'];
      context.addIssue({ code: 'custom', path, message: `there is already a gate called ${name} above` });
    });
  }, always)
  .describe('The gates that must pass before the next step, such as [errors]; without a gate nothing can be promoted');

export const evidenceSchema = z
  .strictObject({
    alpha: fractionSchema
      .refine((value) => value > 0 && value <= 0.2, 'a probability above 0% and at most 20%')
      .optional()
      .describe('The maximum probability of rolling back a good build, over a whole rollout, such as 1% (the default)'),
    confidence: fractionSchema
      .refine((value) => value >= 0.5 && value < 1, 'at least 50% and below 100%')
      .optional()
      .describe('The confidence with which harm must be ruled out before the next step, such as 95% (the default)'),
    dwell: durationSchema.optional().describe('The minimum time at a step, such as 3m (the default)'),
    block: durationSchema
      .refine((ms) => ms >= 100, 'at least 100ms')
      .optional()
      .describe('The longest duration of a cluster of failures, such as 15s (the default); a step takes at least 8 blocks'),
    watch: durationSchema
      .refine((ms) => ms <= 3_600_000, 'the stable build is watched for at most 1h')
      .optional()
      .describe('How long the stable build is watched before the first step, such as 90s (the default); 0s for not at all'),
    threshold: z
      .number()
      .min(0)
      .max(1e9)
      .optional()
      .describe(
        'The ln E that triggers a rollback, as printed by `backtest --calibrate`, such as 5.3; at least ln(1/alpha) is used',
      ),
    unverified: fractionSchema
      .optional()
      .describe('The share of traffic that may be in slices too small to judge, such as 5% (the default)'),
  })
  .describe('Error rates of the comparing gates: { alpha: 1%, confidence: 95% }');

/** An unknown kind does not parse; the error lists the known ones. */
const routerSchema = z
  .discriminatedUnion(
    'kind',
    routers.map((router) =>
      router.config.safeExtend({ kind: z.literal(router.kind).describe(router.summary) }),
    ) as unknown as Options,
  )
  .describe('The router that splits the traffic, such as { kind: local, … }');

const stepSchema = z.strictObject({
  percent: z.number().gt(0).lte(100).describe('Percent of traffic for the candidate, above 0 and at most 100'),
  bake: durationSchema
    .refine((ms) => ms > 0, 'a bake must be longer than 0, such as 5m')
    .describe('How long the build is watched at this step, such as 5m'),
});

const stepsSchema = z
  .array(stepSchema)
  .min(1)
  .max(20)
  .superRefine((steps, context) => {
    if (!Array.isArray(steps)) return;
    // A value that is not a number has its own finding; a map without a prototype cannot be converted to one.
    const percents = steps.map((step) => (typeof step?.percent === 'number' ? step.percent : Number.NaN));
    percents.forEach((percent, index) => {
      const before = percents[index - 1];
      if (before === undefined || !(percent <= before)) return;
      const message = `step ${index + 1} (${percent} %) is not above step ${index} (${before} %); percentages must increase`;
      context.addIssue({ code: 'custom', path: [index, 'percent'], message });
    });
    const last = percents.at(-1);
    if (last === undefined || Number.isNaN(last) || last === 100) return;
    context.addIssue({
      code: 'custom',
      path: [steps.length - 1, 'percent'],
      message: `the last step has ${last} %; it must be 100`,
    });
  }, always)
  .describe('The steps of a rollout, such as [{ percent: 10, bake: 5m }, { percent: 100, bake: 10m }]');

const pathSchema = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[^~]/, 'no ~ is expanded here: write the whole path, or ./~ for a folder that is really called so');

/** The first gate that is only a word, if the router does not count requests itself. */
function wordsProblem(service: unknown): { readonly index: number; readonly message: string } | undefined {
  const { router, gates } = (service ?? {}) as { readonly router?: { readonly kind?: unknown }; readonly gates?: unknown };
  const kind = router?.kind;
  if (!Array.isArray(gates)) return undefined;
  const index = gates.findIndex((gate) => typeof gate === 'string');
  const kinds = metricSources.filter(({ ofRouter }) => ofRouter).map(({ kind }) => kind);
  if (index === -1 || kinds.some((counting) => counting === kind)) return undefined;
  // An unknown kind of router has its own finding.
  if (kind !== undefined && !routers.some((router) => router.kind === kind)) return undefined;
  const shown = kinds.join(', ').replace(/, ([^,]*)$/, ' or $1');
  const message = `only a router of the kind ${shown} counts failures itself; give name and source for this gate`;
  return { index, message };
}

const serviceSchema = z.strictObject({
  manifest: z
    .literal('none')
    .optional()
    .describe('none if its manifest is not below the manifest folder: whether it has a build is then never verified'),
  router: routerSchema.optional(),
  identity: statedIdentitySchema
    .optional()
    .describe('Where a build says which one it is: { path: /healthz, header: x-build-guid }; none where no one can ask'),
  steps: stepsSchema.optional(),
  gates: gatesSchema.optional(),
  probesOnly: z
    .boolean()
    .optional()
    .describe('true if probes are enough to judge this service by: no gate counts the requests of its clients'),
  evidence: evidenceSchema.optional(),
  pointer: z
    .strictObject({ copies: z.array(pathSchema).max(8).describe('Folders, such as [/mnt/other-disk/kvdeploy]') })
    .optional()
    .describe('Additional locations for the known-good pointer: { copies: [/mnt/other-disk/kvdeploy] }'),
  poll: durationSchema
    .refine((ms) => ms >= 50 && ms <= 300_000, 'the poll interval is 50ms to 5m')
    .optional()
    .describe('How often gates are polled, such as 1s (the default)'),
  patience: durationSchema
    .refine((ms) => ms > 0, 'patience must be longer than 0, such as 5m')
    .optional()
    .describe('How long health may be unknown at a step before the rollout reverts, such as 5m (the default)'),
});

const checkedServiceSchema = serviceSchema.superRefine((service, context) => {
  const problem = wordsProblem(service);
  if (problem !== undefined) context.addIssue({ code: 'custom', path: ['gates', problem.index], message: problem.message });
  for (const { path, message } of placeProblems(service)) context.addIssue({ code: 'custom', path, message });
}, always);

/** Places whose identity does not fit that of the service. Any value is expected: a wrong one has its own finding. */
function placeProblems(service: unknown): readonly { readonly path: string[]; readonly message: string }[] {
  const { router, identity } = (service ?? {}) as { readonly router?: PlainMap; readonly identity?: PlainMap | 'none' };
  const places = isMap(router) ? router['places'] : undefined;
  if (!isMap(places)) return [];
  return Object.entries(places).flatMap(([place, said]) => {
    const own = isMap(said) ? said['identity'] : undefined;
    const path = ['router', 'places', place, 'identity'];
    if (!isMap(own)) return [];
    if (identity === 'none') return [{ path, message: 'the service says identity: none, so no build is asked' }];
    const merged = identitySchema.safeParse(mergedIdentity(isMap(identity) ? (identity as IdentityConfig) : null, own));
    const [issue] = merged.success ? [] : merged.error.issues;
    return issue === undefined ? [] : [{ path, message: `with that of the service: ${issue.message}` }];
  });
}

const environmentSchema = z
  .strictObject({
    protected: z.boolean().optional().describe("Requires the environment's name as confirmation: protected: true"),
    requires: z
      .strictObject({
        environment: nameSchema.describe('The environment in which the source must first be known-good, such as staging'),
        soak: durationSchema.describe('The minimum time there, such as 30m'),
      })
      .optional()
      .describe('Where the source must first be known-good: { environment: staging, soak: 30m }'),
    services: z.record(nameSchema, checkedServiceSchema).optional().describe('By name, such as kv-gateway: { router: … }'),
  })
  .superRefine((environment, context) => {
    if (!isMap(environment) || environment.protected !== true || !isMap(environment.services)) return;
    for (const [name, service] of Object.entries(environment.services)) {
      if (!isMap(service) || service['identity'] !== 'none') continue;
      const message = 'a protected environment needs builds that say which one they are: identity: none is for others';
      context.addIssue({ code: 'custom', path: ['services', name, 'identity'], message });
    }
  }, always);

const tenantSchema = z.strictObject({
  environments: z
    .record(nameSchema, environmentSchema)
    .superRefine((environments, context) => {
      if (environments === null || typeof environments !== 'object') return;
      for (const [name, environment] of Object.entries(environments)) {
        const required = environment?.requires?.environment;
        const problem = typeof required === 'string' ? requirementProblem(name, required, environments) : undefined;
        if (problem !== undefined)
          context.addIssue({ code: 'custom', path: [name, 'requires', 'environment'], message: problem });
      }
    }, always)
    .describe('By name, such as production: { protected: true, services: … }'),
});

/** What an environment requires; it may have any value, because a wrong one has its own finding. */
type Requirements = Readonly<
  Record<string, { readonly requires?: { readonly environment?: unknown } | null | undefined } | null>
>;

function requirementProblem(name: string, required: string, environments: Requirements): string | undefined {
  const names = Object.keys(environments);
  if (!names.includes(required)) return `this tenant has no environment "${required}".${didYouMean(required, names)}`;
  const seen = new Set([name]);
  for (let at: unknown = required; typeof at === 'string'; at = environments[at]?.requires?.environment) {
    if (at === name) return `${name} requires itself, so nothing could ever be promoted there`;
    if (seen.has(at)) return undefined;
    seen.add(at);
  }
  return undefined;
}

export const configSchema = z
  .strictObject({
    apiVersion: z.literal('kvdeploy.dev/v1').describe('Always kvdeploy.dev/v1'),
    kind: z.literal('Config').describe('Always Config'),
    manifests: pathSchema
      .optional()
      .describe('Folder of the release manifests, relative to this file, such as releases (the default)'),
    stateDir: pathSchema.optional().describe('Folder of ledger, pointer and hold, such as /var/lib/kvdeploy'),
    stateGroup: z
      .string()
      .regex(/^(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,9})$/, 'a group is a name or a number')
      .optional()
      .describe('Unix group that can read and write the state, such as kvdeploy'),
    tenants: z.record(nameSchema, tenantSchema).describe('By name, such as acme: { environments: … }'),
  })
  .meta({ title: 'kvdeploy config', description: 'Tenants, environments and services; how traffic is split and judged.' });

export type Config = z.infer<typeof configSchema>;
