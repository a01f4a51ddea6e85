/** A secret as the config names it, and never holds it: a file, an environment variable or a program. No I/O. */
import * as z from 'zod';
import { durationSchema } from '../../core/gates/verdict/gate.ts';

const HOW = 'a secret does not stand in the config: write { file: /path }, { env: NAME } or { program: [/path, argument] }';

export const fileSchema = z.string().regex(/^\/[^\0]{1,1023}$/, 'the whole path of a file, from /');

export const secretSchema = z
  .strictObject(
    {
      file: fileSchema.optional().describe('The whole path of the file that contains it, such as /etc/kvdeploy/prometheus.token'),
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'the name of an environment variable, such as PROMETHEUS_TOKEN')
        .optional()
        .describe('The environment variable that contains it, such as PROMETHEUS_TOKEN'),
      program: z
        .array(z.string().min(1).max(4096))
        .min(1)
        .max(100)
        .optional()
        .describe('A program that prints it, and its arguments; no shell: [/usr/bin/gcloud, auth, print-access-token]'),
      lifetime: durationSchema
        .refine((ms) => ms >= 1000 && ms <= 86_400_000, 'from 1s to 24h')
        .optional()
        .describe('How long what the program printed is used, such as 1m (the default)'),
    },
    HOW,
  )
  .refine(({ file, env, program }) => [file, env, program].filter((one) => one !== undefined).length === 1, {
    error: 'name one of file, env and program',
  })
  .refine(({ program, lifetime }) => lifetime === undefined || program !== undefined, {
    path: ['lifetime'],
    error: 'only what a program prints has a lifetime; files and variables are read each time',
  });

export type Secret = z.infer<typeof secretSchema>;
