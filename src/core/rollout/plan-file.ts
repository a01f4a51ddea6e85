/** The file of `plan --out`: a plan with everything that it was made from, so that it can be known to be stale. No I/O, no secrets. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Hazard } from '../admission/hazard.ts';
import { scopeSchema } from '../scope.ts';
import { type Plan, planSchema } from './plan.ts';
import { splitsAgree, splitText } from './split.ts';

const FORMAT_VERSION = 1;

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const readSchema = z.strictObject({
  /** The config, and every manifest. */
  files: z.array(z.strictObject({ file: z.string(), sha256: sha256Schema })),
  ledger: z.strictObject({ nextSeq: z.int().min(1), head: sha256Schema }),
  pointer: z.strictObject({ generation: z.int().nullable() }),
  /** Every member of the target, as the router gave it. */
  router: z.array(z.strictObject({ place: z.string(), percent: z.number(), address: z.string().nullable() })),
});

const controlSchema = z.strictObject({ control: z.string(), level: z.string(), status: z.string(), detail: z.string() });

const bodySchema = z.strictObject({
  kind: z.literal('PlanFile'),
  formatVersion: z.literal(FORMAT_VERSION),
  madeAt: z.string(),
  scope: scopeSchema,
  plan: planSchema,
  /** For the reader of the file; they are judged again before anything begins. */
  hazards: z.array(
    z.strictObject({ id: z.string(), hazard: z.string(), controlled: z.boolean(), controls: z.array(controlSchema) }),
  ),
  read: readSchema,
});

/** Everything that a plan was made from. */
export type PlanRead = z.infer<typeof readSchema>;

export type PlanFile = z.infer<typeof bodySchema>;

/** A plan file's one text form. Its own SHA-256 shows an edit by hand; it is no signature. */
export function planFileText(made: Pick<PlanFile, 'madeAt' | 'plan' | 'read'> & { readonly hazards: readonly Hazard[] }): string {
  const hazards = made.hazards.map(({ id, hazard, controlled, controls }) => ({ id, hazard, controlled, controls }));
  return textOf(bodySchema.parse({ kind: 'PlanFile', formatVersion: FORMAT_VERSION, ...made, scope: made.plan.scope, hazards }));
}

/** Of what is written there, and not of what is read from it: a version that knows more keys reads their defaults too. */
function textOf(plain: object): string {
  const sha256 = createHash('sha256').update(JSON.stringify(plain)).digest('hex');
  return `${JSON.stringify({ ...plain, sha256 }, null, 2)}\n`;
}

/** Reads a plan file. Throws an Error that says why it cannot be used. */
export function parsePlanFile(text: string): PlanFile {
  const { sha256: _, ...body } = plainObject(text);
  if (body['kind'] !== 'PlanFile') throw new Error('it is not a file written by plan --out');
  if (body['formatVersion'] !== FORMAT_VERSION) {
    throw new Error(`its format is ${JSON.stringify(body['formatVersion'])}, but this version reads format ${FORMAT_VERSION}`);
  }
  const parsed = bodySchema.safeParse(body);
  // One spelling only: a repeated key, of which JSON.parse takes the last, shows here as well as any other edit.
  if (!parsed.success || textOf(body) !== text) throw new Error('it was changed after plan --out wrote it');
  return parsed.data;
}

function plainObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return z.record(z.string(), z.unknown()).catch({}).parse(JSON.parse(text));
  } catch {
    throw new Error('it is not JSON');
  }
}

/** What is different now from what a plan was made from, in words; empty when nothing is. A null was not read. */
export function whatMoved(
  then: PlanRead,
  now: Omit<PlanRead, 'router'> & { readonly router: PlanRead['router'] | null },
): string[] {
  const [was, is] = [then.pointer.generation ?? 'none', now.pointer.generation ?? 'none'];
  const pointer = was === is ? [] : [`the pointer is at generation ${is}, and was at ${was}`];
  const members = now.router === null ? [] : movedMembers(then.router, now.router);
  return [...movedFiles(then.files, now.files), ...movedLedger(then.ledger, now.ledger), ...pointer, ...members];
}

function movedLedger(then: PlanRead['ledger'], now: PlanRead['ledger']): string[] {
  if (then.nextSeq !== now.nextSeq) return [`the ledger now has ${now.nextSeq - 1} entries, had ${then.nextSeq - 1}`];
  return then.head === now.head ? [] : ['the last ledger entry has changed'];
}

function movedFiles(then: PlanRead['files'], now: PlanRead['files']): string[] {
  const hashes = (files: PlanRead['files']) => new Map(files.map(({ file, sha256 }) => [file, sha256]));
  const [before, after] = [hashes(then), hashes(now)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((file) => {
    if (before.get(file) === after.get(file)) return [];
    return [`${file} ${!after.has(file) ? 'is gone' : before.has(file) ? 'has changed' : 'is new'}`];
  });
}

function movedMembers(then: PlanRead['router'], now: PlanRead['router']): string[] {
  const addresses = (members: PlanRead['router']) => new Map(members.map(({ place, address }) => [place, address]));
  const [before, after] = [addresses(then), addresses(now)];
  const places = [...new Set([...before.keys(), ...after.keys()])].flatMap((place) => {
    if (!after.has(place)) return [`the target no longer has the place ${place}`];
    if (!before.has(place)) return [`the target has a new place ${place}`];
    return before.get(place) === after.get(place) ? [] : [`${place} is at ${after.get(place) ?? 'no address'} now`];
  });
  if (splitsAgree(then, now, 0)) return places;
  return [`the target serves ${splitText(now)}, and served ${splitText(then)}`, ...places];
}

/** The parts in which two plans differ; which rollout it is, who plans and why are no part of what is done. */
export function planDifference(a: Plan, b: Plan): readonly string[] {
  const keys = Object.keys(planSchema.shape) as (keyof Plan)[];
  const parts = keys.filter((key) => !['id', 'actor', 'reason'].includes(key));
  const text = (plan: Plan, key: keyof Plan) => JSON.stringify(withoutOuts(withoutTraffic(planSchema.parse(plan)))[key]);
  return parts.filter((key) => text(a, key) !== text(b, key));
}

/** Which members were up is of the moment too; `promote` counts them again. */
function withoutOuts({ layout, ...plan }: Plan): Plan {
  if (layout === undefined) return plan;
  return {
    ...plan,
    layout: layout.map(({ location, members }) => ({ location, members: members.map(({ out: _, ...member }) => member) })),
  };
}

/**
 * Slices, their weights and what is usual are those of the moment: another minute's traffic makes no other plan. Nor does the watch before the
 * first step, which shifts nothing and which a plan of an older version does not have.
 */
function withoutTraffic(plan: Plan): Plan {
  if (plan.comparison === undefined) return plan;
  const { gates, settings } = plan.comparison;
  const metrics = settings.metrics.map((metric) => ({ ...metric, weight: 1, limit: null, slices: [] }));
  return { ...plan, comparison: { gates, settings: { ...settings, watchMs: 0, metrics } } };
}
