/** What an incident is as data: its cast, its minutes, what is done to the local world, and how kvdeploy must answer. No I/O. */
import * as z from 'zod';

const castName = z.string().regex(/^[a-z][a-z-]*$/);

const memberSchema = z.strictObject({
  guid: z.guid(),
  version: z.string(),
  sequence: z.int(),
  /** Where it was made for, and says so; null: it does not say. */
  environment: z.enum(['production', 'staging']).nullable(),
  /** `nowhere`: no place of production runs it. */
  place: z.string(),
  behaviour: z.enum(['works', 'fails', 'answers-500', 'answers-401', 'answers-nothing']),
});

/** `all`, `some` or `none` of the next visitors, by the GUID that answered them; `nobody` stands for no answer. */
const visitorsSchema = z.record(castName, z.enum(['all', 'some', 'none']));

const settingsSchema = z.strictObject({ steps: z.string(), gates: z.string(), patience: z.string().optional() });

/** Words for the left column. */
const happened = z.string().min(1);

const seenSchema = {
  visitors: visitorsSchema.optional(),
  /** Counted by the router since the act began: whether any request was sent to that build's place. */
  reached: z.record(castName, z.enum(['some', 'none'])).optional(),
  /** `before-routes`: the way back was on disk before the routes file moved. `is-routes`: its change is what the routes file says. */
  pointer: z.enum(['before-routes', 'is-routes']).optional(),
};

const runSchema = z.strictObject({
  do: z.literal('run'),
  happened: happened.optional(),
  /** The words after `kvdeploy`; `@name` is a GUID of the cast. */
  args: z.string(),
  /** An empty folder without config, instead of the checkout. */
  from: z.literal('empty').optional(),
  exit: z.int(),
  code: z.string().nullable(),
  /** A regular expression that the result's message matches. */
  says: z.string().optional(),
  withinSeconds: z.number().optional(),
  /** Types of the ledger's events that must come in this order, of `history`. */
  ledger: z.array(z.string()).optional(),
  ...seenSchema,
});

const actSchema = z.discriminatedUnion('do', [
  runSchema,
  /** A runner in the background, until the router gives the build so much. */
  z.strictObject({
    do: z.literal('begin'),
    happened: happened.optional(),
    args: z.string(),
    until: castName,
    percent: z.number(),
  }),
  z.strictObject({ do: z.literal('look'), happened: happened.optional(), ...seenSchema }),
  /** The manifest of an environment, anew. */
  z.strictObject({ do: z.literal('list'), happened, environment: z.enum(['production', 'staging']), builds: z.array(castName) }),
  z.strictObject({ do: z.literal('configure'), happened, settings: z.string() }),
  /** Another binary at a build's place. */
  z.strictObject({
    do: z.literal('exchange'),
    happened,
    at: castName,
    binary: castName,
    behaviour: memberSchema.shape.behaviour.optional(),
    when: z.enum(['now', 'with-traffic']),
  }),
  /** By hand: a text in a file of the checkout, or in the routes file, becomes another; `undo` puts the file back. */
  z.strictObject({
    do: z.literal('edit'),
    happened,
    file: z.enum(['config', 'manifest', 'routes']),
    from: z.string(),
    to: z.string(),
  }),
  z.strictObject({ do: z.literal('undo'), happened }),
  /** The routes file says something that kvdeploy did not write. */
  z.strictObject({ do: z.literal('route'), happened, split: z.record(castName, z.number()) }),
  z.strictObject({
    do: z.enum(['silence-metrics', 'restore-metrics', 'freeze', 'wake', 'lose-everything', 'bring-back']),
    happened,
  }),
]);

const rowSchema = z.strictObject({
  /** `alone`: no minute of the incident, but one control that stops it in a world that blinds every one before it. */
  time: z.string(),
  /** The control that the row's last command shows at work, for the table of controls, and how the wrong build came to it. */
  control: z.string().optional(),
  approach: z.string().optional(),
  happened,
  /** What kvdeploy must do, in words. */
  must: z.string(),
  /** Capabilities that the row needs and this release has not. */
  notBuilt: z.array(z.string()).default([]),
  acts: z.array(actSchema).default([]),
});

export const scenarioSchema = z.strictObject({
  incident: z.string(),
  title: z.string(),
  source: z.url(),
  cast: z.record(castName, memberSchema),
  /** Who is listed at the beginning; the first of production serves everything. */
  listed: z.strictObject({ production: z.array(castName).min(1), staging: z.array(castName) }),
  /** The first is the one at the beginning. `@metrics` in gates is the address of the world's metrics. */
  settings: z.record(z.string(), settingsSchema),
  rows: z.array(rowSchema),
  /** Whether the locks of admission are to be shown alone too. */
  locks: z.boolean(),
});

export type Scenario = z.infer<typeof scenarioSchema>;

export type Row = z.infer<typeof rowSchema>;

export type Act = z.infer<typeof actSchema>;

export type RunAct = z.infer<typeof runSchema>;

export type Member = z.infer<typeof memberSchema>;

/** What may be expected of traffic and pointer after an act. */
export type Expected = Pick<RunAct, 'visitors' | 'reached' | 'pointer'>;
