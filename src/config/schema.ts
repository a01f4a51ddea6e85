/** The config's zod definition, composed from the registries of routers and metric sources. Must not read files. */
import * as z from 'zod';
import { durationSchema, fractionSchema, gateLimitsSchema } from '../core/gates/verdict/gate.ts';
import { identitySchema } from '../core/identity.ts';
import { didYouMean } from '../core/nearest.ts';
import { nameSchema } from '../core/scope.ts';
import { metricSources } from '../metrics/index.ts';
import { routers } from '../routers/index.ts';

type Options = readonly [z.ZodObject, ...z.ZodObject[]];

/** Runs a rule even where a part of its value is wrong already: all findings come at once. The rule must expect anything. */
const always = { when: () => true };

// The gates of a service as the config writes them: a word, limits, or comparisons with the build beside it. Must not read files.

/** A share of everything, or of nothing, can be neither tolerated nor ruled out. */
const partSchema = fractionSchema.refine((value) => value > 0 && value < 1, 'a share above 0% and below 100%');

const above = (least: number) =>
  z
    .number()
    .min(least)
    .max(1000)
    .describe(`How many times the stable build's rate, such as ${least === 1 ? 1.2 : least}`);

/** How a gate without a fixed limit judges; every key may be left out. */
const compareSchema = z
  .strictObject({
    tolerate: z
      .strictObject({ times: above(1).optional(), plus: fractionSchema.optional() })
      .optional()
      .describe('How much worse than the stable build is no reason to go back: { times: 1.2, plus: 0.05% }'),
    ruleOut: z
      .strictObject({ times: above(1).optional(), plus: partSchema.optional() })
      .optional()
      .describe('What must be ruled out before the next step: { times: 2, plus: 1% }; plus follows the step when left out'),
    limit: partSchema.optional().describe('What neither build may fail, whatever the other does, such as 1% (the default)'),
    clumps: z
      .number()
      .min(1)
      .max(1000)
      .optional()
      .describe('How many failures come together on average, such as 4 (the default); `backtest --calibrate` measures it'),
    traffic: z
      .boolean()
      .optional()
      .describe(
        'false where clients stay with a build (cookies): then the split says nothing about its health; true when left out',
      ),
  })
  .describe('Compares with the stable build: { tolerate: { times: 1.2, plus: 0.05% }, limit: 1% }; {} for the defaults');

const gateSchema = z.discriminatedUnion(
  'source',
  metricSources.map((source) =>
    source.config.safeExtend({
      name: gateLimitsSchema.shape.name,
      max: gateLimitsSchema.shape.max
        .optional()
        .describe('A fixed limit for the share of requests that may fail, such as 1%; without it the gate compares'),
      minRequests: gateLimitsSchema.shape.minRequests,
      compare: compareSchema.optional(),
      source: z.literal(source.kind).describe(source.summary),
    }),
  ) as unknown as Options,
);

/** `errors`: compares failed requests by the router's own counters, with every default. */
export const WORDS = ['errors'] as const;

const entrySchema = z
  .union([z.enum(WORDS), gateSchema])
  .describe('errors, or a question: { name: errors, source: prometheus, … } to compare, with max: 1% for a fixed limit');

export const gatesSchema = z
  .array(entrySchema)
  .max(50)
  .superRefine((gates, context) => {
    if (!Array.isArray(gates)) return;
    const names = gates.map((gate) => (typeof gate === 'string' ? gate : gate?.name));
    names.forEach((name, index) => {
      if (name === undefined || names.indexOf(name) === index) return;
      const path = typeof gates[index] === 'string' ? [index] : [index, 'name'];
      context.addIssue({ code: 'custom', path, message: `a gate called ${name} stands above already` });
    });
  }, always)
  .describe('What must hold before traffic moves on, such as [errors]; without a gate nothing is promoted');

export const evidenceSchema = z
  .strictObject({
    alpha: fractionSchema
      .refine((value) => value > 0 && value <= 0.2, 'a chance above 0% and at most 20%')
      .optional()
      .describe('The chance of calling a good build bad, over a whole rollout, such as 1% (the default)'),
    confidence: fractionSchema
      .refine((value) => value >= 0.5 && value < 1, 'at least 50% and below 100%')
      .optional()
      .describe('How sure it must be that harm is ruled out before the next step, such as 95% (the default)'),
    dwell: durationSchema
      .optional()
      .describe('The least time at one step, such as 3m (the default; 2m are enough once calibrated)'),
    block: durationSchema
      .refine((ms) => ms >= 100, 'at least 100ms')
      .optional()
      .describe(
        'Failures that come together must fall into so long a time, such as 15s (the default); 8 of them are the least step',
      ),
    threshold: z
      .number()
      .min(0)
      .max(1e9)
      .optional()
      .describe('ln E that goes back, as `backtest --calibrate` prints it, such as 5.3; at least ln(1/alpha) is used'),
    unverified: fractionSchema
      .optional()
      .describe('The share of traffic in slices too small to be certified that may move on, such as 5% (the default)'),
  })
  .describe('How sure the comparing gates must be: { alpha: 1%, confidence: 95% }');

/** An unknown kind does not parse; the error lists the known ones. */
const routerSchema = z
  .discriminatedUnion(
    'kind',
    routers.map((router) =>
      router.config.safeExtend({ kind: z.literal(router.kind).describe(router.summary) }),
    ) as unknown as Options,
  )
  .describe('What splits the traffic, such as { kind: local, … }');

const stepSchema = z.strictObject({
  percent: z.number().gt(0).lte(100).describe('Percent of traffic for the candidate, above 0 and at most 100'),
  bake: durationSchema
    .refine((ms) => ms > 0, 'a bake takes time, such as 5m')
    .describe('How long it is watched there, such as 5m'),
});

const stepsSchema = z
  .array(stepSchema)
  .min(1)
  .max(20)
  .superRefine((steps, context) => {
    if (!Array.isArray(steps)) return;
    // What is no number is its own finding; a map without a prototype cannot even be asked.
    const percents = steps.map((step) => (typeof step?.percent === 'number' ? step.percent : Number.NaN));
    percents.forEach((percent, index) => {
      const before = percents[index - 1];
      if (before === undefined || !(percent <= before)) return;
      const message = `step ${index + 1} (${percent} %) is not above step ${index} (${before} %); percentages must rise`;
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

const pathSchema = z.string().min(1).max(1024);

/** Which gates are only a word, and so judged by the router's own counters. */
function wordsProblem(service: unknown): { readonly index: number; readonly message: string } | undefined {
  const { router, gates } = (service ?? {}) as { readonly router?: { readonly kind?: unknown }; readonly gates?: unknown };
  const kind = router?.kind;
  if (!Array.isArray(gates)) return undefined;
  const index = gates.findIndex((gate) => typeof gate === 'string');
  const kinds = metricSources.filter(({ ofRouter }) => ofRouter).map(({ kind }) => kind);
  if (index === -1 || kinds.some((counting) => counting === kind)) return undefined;
  // A router of no known kind has a finding of its own.
  if (kind !== undefined && !routers.some((router) => router.kind === kind)) return undefined;
  const message = `only a router of the kind ${kinds.join(' or ')} counts failures itself; say name and source of this gate`;
  return { index, message };
}

const serviceSchema = z.strictObject({
  router: routerSchema.optional(),
  identity: identitySchema.optional().describe('Where a build says which one it is: { path: /healthz, header: x-build-guid }'),
  steps: stepsSchema.optional(),
  gates: gatesSchema.optional(),
  evidence: evidenceSchema.optional(),
  pointer: z
    .strictObject({ copies: z.array(pathSchema).max(8).describe('Folders, such as [/mnt/other-disk/kvdeploy]') })
    .optional()
    .describe('Further places for the known-good pointer: { copies: [/mnt/other-disk/kvdeploy] }'),
  poll: durationSchema
    .refine((ms) => ms >= 50 && ms <= 300_000, 'a poll comes every 50ms to 5m')
    .optional()
    .describe('How often gates are asked, such as 1s (the default)'),
  patience: durationSchema
    .refine((ms) => ms > 0, 'patience takes time, such as 5m')
    .optional()
    .describe('How long health may be missing at one step before the rollout reverts, such as 5m (the default)'),
});

const checkedServiceSchema = serviceSchema.superRefine((service, context) => {
  const problem = wordsProblem(service);
  if (problem !== undefined) context.addIssue({ code: 'custom', path: ['gates', problem.index], message: problem.message });
}, always);

const environmentSchema = z.strictObject({
  protected: z.boolean().optional().describe('Wants its name as confirmation: protected: true'),
  requires: z
    .strictObject({
      environment: nameSchema.describe('The environment that must have it known-good first, such as staging'),
      soak: durationSchema.describe('For how long, such as 30m'),
    })
    .optional()
    .describe('What must be known-good elsewhere first: { environment: staging, soak: 30m }'),
  services: z.record(nameSchema, checkedServiceSchema).optional().describe('By name, such as kv-gateway: { router: … }'),
});

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

/** What an environment requires; anything may stand there, for its own finding says what is wrong with it. */
type Requirements = Readonly<
  Record<string, { readonly requires?: { readonly environment?: unknown } | null | undefined } | null>
>;

function requirementProblem(name: string, required: string, environments: Requirements): string | undefined {
  const names = Object.keys(environments);
  if (!names.includes(required)) return `this tenant has no environment "${required}".${didYouMean(required, names)}`;
  const seen = new Set([name]);
  for (let at: unknown = required; typeof at === 'string'; at = environments[at]?.requires?.environment) {
    if (at === name) return `${name} would require itself, so nothing could ever enter it`;
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
      .describe('Folder of the release manifests, such as releases (the default), from this file on'),
    stateDir: pathSchema.optional().describe('Folder of ledger, pointer and hold, such as /var/lib/kvdeploy'),
    stateGroup: z
      .string()
      .regex(/^(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,9})$/, 'a group is a name or a number')
      .optional()
      .describe('Unix group that may read and write the state, such as kvdeploy'),
    tenants: z.record(nameSchema, tenantSchema).describe('By name, such as acme: { environments: … }'),
  })
  .meta({ title: 'kvdeploy config', description: 'Who releases what to where, how traffic is split and judged.' });

export type Config = z.infer<typeof configSchema>;
