/** What a scenario is as data: its cast, its rows, what is done to the local world, and how kvdeploy must answer. No I/O. */
import * as z from 'zod';

const castName = z.string().regex(/^[a-z][a-z-]*$/);

const environmentSchema = z.enum(['production', 'staging']);

const memberSchema = z.strictObject({
  guid: z.guid(),
  version: z.string(),
  sequence: z.int(),
  /** Where it was made for, which it reports; null: it reports nothing. */
  environment: environmentSchema.nullable(),
  /** Its place at the router. `nowhere`: production does not run it. */
  place: z.string(),
  /**
   * `fails`: every fifth request, once it has had a little real traffic; until then it looks healthy. `answers-500` and `answers-401`:
   * every request. `answers-nothing`: it reports its GUID, and leaves every other request open.
   */
  behaviour: z.enum(['works', 'fails', 'answers-500', 'answers-401', 'answers-nothing']),
});

const settingsSchema = z.strictObject({ steps: z.string(), gates: z.string(), patience: z.string().optional() });

/** A sentence about what happened. `@name` stands for that build's version and short GUID. */
const sentence = z.string().min(1);

const told = {
  happened: sentence.optional(),
  /** `all`, `some` or `none` of the next visitors, by the GUID that answered them. `live`: the build that `all` last named. */
  visitors: z.record(castName, z.enum(['all', 'some', 'none'])).optional(),
  /** Counted by the router since the act began: whether any request was sent to that build's place. */
  reached: z.record(castName, z.enum(['some', 'none'])).optional(),
  /** `before-routes`: it was on disk before the routes file changed. `is-routes`: its change is what the routes file contains. */
  pointer: z.enum(['before-routes', 'is-routes']).optional(),
};

const runSchema = z.strictObject({
  do: z.literal('run'),
  /** The words after `kvdeploy`; `@name` is a GUID of the cast. */
  args: z.string(),
  /** An empty folder without config, instead of the checkout. */
  from: z.literal('empty').optional(),
  exit: z.int(),
  /** Left out where the reader sees the output and no program reads it. */
  code: z.string().nullable().optional(),
  /** A regular expression that the result's message matches. */
  says: z.string().optional(),
  withinSeconds: z.number().optional(),
  /** Types of the ledger's events that must come in this order, of `history`. */
  ledger: z.array(z.string()).optional(),
  ...told,
});

const actSchema = z.discriminatedUnion('do', [
  runSchema,
  /** A runner in the background, until the router gives the build this percentage. */
  z.strictObject({ do: z.literal('begin'), args: z.string(), until: castName, percent: z.number(), ...told }),
  z.strictObject({ do: z.literal('look'), ...told }),
  /** Writes the manifest of an environment. */
  z.strictObject({ do: z.literal('list'), environment: environmentSchema, builds: z.array(castName), ...told }),
  z.strictObject({ do: z.literal('configure'), settings: z.string(), ...told }),
  /** Another binary at a build's place. */
  z.strictObject({
    do: z.literal('exchange'),
    at: castName,
    binary: castName,
    behaviour: memberSchema.shape.behaviour.optional(),
    when: z.enum(['now', 'with-traffic']),
    ...told,
  }),
  /** By hand: a text in a file of the checkout, or in the routes file, becomes another; `undo` restores the file. */
  z.strictObject({
    do: z.literal('edit'),
    file: z.enum(['config', 'manifest', 'routes']),
    from: z.string(),
    to: z.string(),
    ...told,
  }),
  /** Another split in the routes file, not written by kvdeploy. */
  z.strictObject({ do: z.literal('route'), split: z.record(castName, z.number()), ...told }),
  z.strictObject({
    do: z.enum(['undo', 'silence-metrics', 'restore-metrics', 'freeze', 'wake', 'lose-everything', 'bring-back']),
    ...told,
  }),
]);

const rowSchema = z.strictObject({
  /** A time of the incident, `control` for one control on its own, or the name of a part of the demo. */
  name: z.string(),
  /** The control that the row's last command shows at work, for the table of controls, and how the wrong build gets to it. */
  control: z.string().optional(),
  approach: z.string().optional(),
  happened: sentence,
  /** What kvdeploy must do. */
  must: sentence,
  /** Capabilities that the row needs and this release does not have. */
  notBuilt: z.array(z.string()).default([]),
  acts: z.array(actSchema).default([]),
});

export const scenarioSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  source: z.url().optional(),
  cast: z.record(castName, memberSchema),
  /** The manifests at the beginning; the first build of production serves everything. */
  listed: z.strictObject({ production: z.array(castName).min(1), staging: z.array(castName) }),
  /** The first is the one at the beginning. `@metrics` in gates is the address of the world's metrics. */
  settings: z.record(z.string(), settingsSchema),
  /** How many visitors a look at them counts. */
  sample: z.int().default(100),
  /** Done before the first row. */
  opening: z.array(actSchema),
  rows: z.array(rowSchema),
  /** Whether the checks of admission are shown one at a time too. */
  checks: z.boolean().default(false),
});

export type Scenario = z.infer<typeof scenarioSchema>;

export type Row = z.infer<typeof rowSchema>;

export type Act = z.infer<typeof actSchema>;

export type RunAct = z.infer<typeof runSchema>;

/** A build of the cast. */
export type Member = z.infer<typeof memberSchema>;

export type Settings = z.infer<typeof settingsSchema>;

export type Environment = z.infer<typeof environmentSchema>;

/** What may be expected of traffic and pointer after an act. */
export type Expected = Pick<RunAct, 'visitors' | 'reached' | 'pointer'>;
