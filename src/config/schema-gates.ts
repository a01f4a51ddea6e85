/** The gates of a service as the config writes them: a word, limits, or comparisons with the build beside it. Must not read files. */
import * as z from 'zod';
import { durationSchema, fractionSchema, gateLimitsSchema } from '../core/gate.ts';
import { metricSources } from '../metrics/index.ts';

type Options = readonly [z.ZodObject, ...z.ZodObject[]];

/** Runs a rule even where a part of its value is wrong already: all findings come at once. The rule must expect anything. */
const always = { when: () => true };

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
