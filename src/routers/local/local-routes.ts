/** The formats of the local router: its routes file, and the status of `kvdeploy serve`. Must not read or write a file. */
import * as z from 'zod';
import { guidSchema } from '../../core/manifest/manifest.ts';
import type { Split } from '../../core/rollout/split.ts';
import { scopeSchema } from '../../core/scope.ts';
import { placeNameSchema } from '../places-config.ts';

/** The path of the status of `kvdeploy serve`; only loopback clients get an answer. */
export const STATUS_PATH = '/.well-known/kvdeploy/status';

/** Set in every answer that passes the proxy: the GUID of the build that answered, or its place if the GUID is unknown. */
export const BUILD_HEADER = 'x-kvdeploy-build';

/** Percentages are kept in hundredths; finer ones are refused. */
const HUNDREDTHS = 100;

const shareSchema = z.strictObject({ place: placeNameSchema, build: guidSchema.nullable(), percent: z.number().min(0).max(100) });

const splitSchema = z
  .array(shareSchema)
  .refine((split) => new Set(split.map((share) => share.place)).size === split.length, 'a place is listed twice');

const routesSchema = z
  .strictObject({ formatVersion: z.literal(1), split: splitSchema.min(1).max(1000) })
  .refine(({ split }) => split.every((share) => !tooFine(share.percent)), 'a percentage has more than two decimals')
  .refine(
    ({ split }) => split.reduce((sum, share) => sum + hundredths(share.percent), 0) === 10_000,
    'the percentages do not sum to 100',
  );

const answeredSchema = z.record(z.string(), z.int());

const memberSchema = z.object({
  name: z.string(),
  place: placeNameSchema,
  url: z.string(),
  /** False while it is out of rotation: it refused or reset a connection, and none was accepted since. */
  up: z.boolean(),
  /** As `served` and `answered` of its place. */
  served: z.int(),
  answered: answeredSchema,
});

/** The answer of `kvdeploy serve` at STATUS_PATH. */
export const statusSchema = z.object({
  formatVersion: z.literal(1),
  scope: scopeSchema,
  /** The routes file that it uses, absolute. */
  routes: z.string(),
  /** The URL of each place. Where it has several, their list, which no version takes for a URL: `http://127.0.0.1:9001, http://127.0.0.1:9011`. */
  addresses: z.record(z.string(), z.string()),
  /** Every member of every place. Absent in the answer of earlier versions, which have one for each place. */
  members: z
    .array(memberSchema)
    .refine((members) => new Set(members.map(({ name }) => name)).size === members.length, 'a member is listed twice')
    .optional(),
  /** `appliedText` of the split that it uses; empty if there is none yet. */
  applied: z.string(),
  /** In hundredths, as it takes them: anything finer is not its own. */
  split: splitSchema.refine(
    (split) => split.every(({ percent }) => !tooFine(percent)),
    'a percentage has more than two decimals',
  ),
  /** Requests per place since it started, counted when a request begins. */
  served: z.record(z.string(), z.int()),
  /** The same per build, for the places with a known build. */
  servedByBuild: z.record(z.string(), z.int()),
  /** How requests ended since it started, by place and status; `none` if the place gave no answer. */
  answered: z.record(z.string(), answeredSchema).default({}),
  /** Why it does not apply the routes file; null if it does. */
  problem: z.string().nullable(),
});

export type ServeStatus = z.infer<typeof statusSchema>;

export function hundredths(percent: number): number {
  return Math.round(percent * HUNDREDTHS);
}

/** True for 12.345 %. Ignores floating-point noise. */
export function tooFine(percent: number): boolean {
  return Math.abs(percent * HUNDREDTHS - hundredths(percent)) > 1e-6;
}

/** `blue=75,green=25`: one text per split, in any order; omits places at 0 %. */
export function appliedText(split: readonly { place: string; percent: number }[]): string {
  return sorted(split)
    .filter((share) => share.percent > 0)
    .map((share) => `${share.place}=${hundredths(share.percent) / HUNDREDTHS}`)
    .join(',');
}

/**
 * The complete text of the routes file, one share per line so that people can read and paste it. Equal splits give equal bytes: a place
 * without traffic has no build there, whoever wrote it, since nothing is counted for it.
 */
export function routesText(split: Split): string {
  const shares = sorted(split).map(({ place, build, percent }) => ({
    place,
    build: percent === 0 ? null : build,
    percent: hundredths(percent) / HUNDREDTHS,
  }));
  return `{"formatVersion":1,"split":[\n${shares.map((share) => JSON.stringify(share)).join(',\n')}\n]}\n`;
}

/** Reads a routes file: the split, or one sentence that says why it is not one. */
export function parseRoutes(text: string): { readonly split: Split } | { readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: 'it is not complete JSON' };
  }
  const parsed = routesSchema.safeParse(json);
  if (parsed.success) return { split: parsed.data.split };
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  return { problem: `it is not a split${where}: ${issue?.message ?? 'unknown reason'}` };
}

function sorted<Share extends { place: string }>(split: readonly Share[]): Share[] {
  return [...split].sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
}
