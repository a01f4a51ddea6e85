/** The settings of the `command` router. Must not run anything. */
import * as z from 'zod';
import { durationSchema } from '../../core/gates/verdict/gate.ts';
import { argvSchema } from '../argv-schema.ts';
import { locationsSchema } from '../locations-config.ts';
import { placeNameSchema, placeSettingsShape } from '../places-config.ts';

/** The target that `kvdeploy conformance` names. */
export const SCRATCH = 'scratch';

const argv = argvSchema('/usr/local/bin/split');

/** The router's settings in a config, without `kind`. */
export const commandConfig = z.strictObject({
  target: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/, 'a name without spaces, such as alb/web')
    .refine((name) => name !== SCRATCH, `${SCRATCH} is the target of kvdeploy conformance`)
    .describe('What the program splits, in its own words, such as a listener; each scope has its own. The program is told'),
  read: argv.describe('The program and its arguments that print the split: [/usr/local/bin/split, read]; no shell'),
  set: argv.describe('The program and its arguments that set the split that they read on standard input'),
  identify: argv.describe('The program and its arguments that print which environment the target is'),
  places: z
    .union(
      [
        z.array(placeNameSchema).min(1).max(100).describe('The names of all places: [blue, green]'),
        z
          .record(placeNameSchema, z.strictObject(placeSettingsShape))
          .refine((places) => Object.keys(places).length > 0, 'at least one place')
          .describe('The same with settings of each place: { blue: {}, green: { minUp: 2 } }'),
      ],
      { error: 'a list of names, such as [blue, green]' },
    )
    .describe('The places that the program knows; their names are the `ref` of builds'),
  locations: locationsSchema,
  timeout: durationSchema
    .refine((ms) => ms >= 100 && ms <= 60_000, 'from 100ms to 60s')
    .prefault('10s')
    .describe('How long each run of the program may take, such as 10s (the default), at most 60s'),
});

export type CommandConfig = z.infer<typeof commandConfig>;

/** Each place once, in the order of the config. */
export function placeNames({ places }: Pick<CommandConfig, 'places'>): readonly string[] {
  return Array.isArray(places) ? [...new Set(places)] : Object.keys(places);
}
