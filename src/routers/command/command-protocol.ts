/**
 * What the program of the `command` router is told on standard input, and what it prints: JSON, one document each. Must not run it.
 * Versions: a program gets `formatVersion`, and refuses one that it does not know.
 */
import * as z from 'zod';
import { repeatedKey } from '../../base/owners/machine-format.ts';
import { placeNameSchema } from '../places-config.ts';

const FORMAT = z.literal(1);

const percentSchema = z.number().min(0).max(100);

/** Percentages are told and compared to four decimals. */
const NEAR = 1e-4;

const percentsSchema = z
  .record(placeNameSchema, percentSchema)
  .refine(
    (percents) => Math.abs(Object.values(percents).reduce((sum, one) => sum + one, 0) - 100) < NEAR,
    'the percentages do not sum to 100',
  )
  .describe('What each place gets of new requests, percent; every place of the target, those at 0 too; together 100');

const lineSchema = z.string().min(1).max(300);

const targetSchema = z.string().describe('What to split: the `target` of the config, or `scratch` from kvdeploy conformance');

/** What `read` and `identify` get on standard input. */
export const askedSchema = z.strictObject({ formatVersion: FORMAT, target: targetSchema });

/** What `set` gets on standard input. Absolute: the same again changes nothing more. It prints nothing that counts, and exits 0 when it is done. */
export const setSchema = z.strictObject({
  formatVersion: FORMAT,
  target: targetSchema,
  percent: percentsSchema,
  leaving: z
    .enum(['at-once', 'drain'])
    .describe('How places at 0 % are left: `at-once`: clients that stay are moved too; `drain`: they may finish there'),
});

const memberSchema = z.strictObject({
  name: z.string().regex(/^[\x21-\x7e]{1,128}$/, 'a name without spaces'),
  address: z
    .string()
    .regex(/^https?:\/\/[^/?#@\s]+$/, 'a URL like http://10.0.0.1:8080')
    .exactOptional()
    .describe('Where this server itself answers, past the router'),
  up: z.boolean().default(true).describe('false if the target itself considers it down'),
});

/** What `read` prints. */
export const readSchema = z.strictObject({
  formatVersion: FORMAT,
  percent: percentsSchema,
  smallestPercent: z
    .number()
    .gt(0)
    .max(100)
    .default(1)
    .describe('The smallest step that `set` can make, percent; every percentage is a multiple of it. Default: 1'),
  members: z
    .record(
      placeNameSchema,
      z.array(memberSchema).min(1, 'a place that is named has a server; name one that is not there with "up": false').max(4096),
    )
    .default({})
    .describe('The servers of each place, if the target knows them; a place that is not named has one, of its own name'),
  sticky: lineSchema
    .exactOptional()
    .describe('What keeps clients at a place whatever the percentages say, such as `cookie AWSALBTG`'),
  unusable: lineSchema
    .exactOptional()
    .describe(
      'Why nothing may be released by the target as it is set up: adoptions and promotions are refused, rollbacks are not',
    ),
  trouble: z.array(lineSchema).max(20).default([]).describe('Why traffic may differ from the percentages'),
});

/** What `identify` prints. */
export const identifySchema = z.strictObject({
  formatVersion: FORMAT,
  environment: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/, 'the name of an environment')
    .describe('The environment of the target, by what the platform itself says, never by the config of kvdeploy'),
});

export type ReadAnswer = z.infer<typeof readSchema>;

/** The input of `read` and `identify`: always the same bytes for a target. */
export function askedText(target: string): string {
  return `${JSON.stringify({ formatVersion: 1, target } satisfies z.infer<typeof askedSchema>)}\n`;
}

/** The input of `set`: always the same bytes for a split, in whatever order its shares come. */
export function setText(target: string, percent: Readonly<Record<string, number>>, leaving: 'at-once' | 'drain'): string {
  const sorted = Object.fromEntries(Object.entries(percent).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  return `${JSON.stringify({ formatVersion: 1, target, percent: sorted, leaving } satisfies z.infer<typeof setSchema>)}\n`;
}

/** What the program printed, or one sentence that says why it is not that. */
export function parsePrinted<T>(schema: z.ZodType<T>, text: string): { readonly answer: T } | { readonly problem: string } {
  let json: unknown;
  let isUnsafe = false;
  try {
    json = JSON.parse(text, (key, value: unknown) => {
      isUnsafe ||= key === '__proto__';
      return value;
    });
  } catch {
    return { problem: text.trim() === '' ? 'it printed nothing' : 'it did not print one JSON document' };
  }
  // A record is read without a key of this name, so a place would be silently left out.
  if (isUnsafe) return { problem: 'it uses the name __proto__' };
  const twice = repeatedKey(text);
  if (twice !== undefined) return { problem: `it says ${JSON.stringify(twice.key)} twice` };
  const parsed = schema.safeParse(json);
  if (parsed.success) return { answer: parsed.data };
  const [issue] = parsed.error.issues;
  const at = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  return { problem: `it printed something else${at}: ${issue?.message ?? 'no reason given'}` };
}

/** Whether `percent` is a multiple of the smallest step, but for the last digits. */
export function isMultiple(percent: number, smallest: number): boolean {
  const steps = percent / smallest;
  return Math.abs(steps - Math.round(steps)) * smallest < NEAR;
}
