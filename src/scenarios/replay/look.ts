/** Looks at what really is: visitors' answers, the router's counters, the pointer on disk, the ledger. Must believe no command's word. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { SERVICE, TENANT } from '../demo/builds.ts';
import type { Expected } from './scenario.ts';
import { memberOf, type Scene } from './scene.ts';

const SAMPLE = 100;

/** What was seen, in words, and where it is not what must be. */
export interface Look {
  readonly seen: readonly string[];
  readonly differences: readonly string[];
}

/** Requests sent to each place since the router was started, by its own count. */
export async function servedCounts({ world }: Scene): Promise<Readonly<Record<string, number>>> {
  return (await world.status()).served;
}

/** Looks at everything that `expected` names. `before`: the router's counts when the act began. */
export async function look(expected: Expected, before: Readonly<Record<string, number>>, scene: Scene): Promise<Look> {
  const looks = [
    ...(expected.visitors === undefined ? [] : [await lookAtVisitors(expected.visitors, scene)]),
    ...(expected.reached === undefined ? [] : [await lookAtCounters(expected.reached, before, scene)]),
    ...(expected.pointer === undefined ? [] : [lookAtPointer(expected.pointer, scene)]),
  ];
  return { seen: looks.flatMap(({ seen }) => seen), differences: looks.flatMap(({ differences }) => differences) };
}

async function lookAtVisitors(wanted: NonNullable<Expected['visitors']>, { world, scenario }: Scene): Promise<Look> {
  const { requests, failed, byGuid } = await world.load.sample(SAMPLE);
  const versionOf = (guid: string) => Object.values(scenario.cast).find((member) => member.guid === guid)?.version ?? guid;
  const shares = [...byGuid].map(([guid, count]) => `${count} by ${versionOf(guid)}`).join(', ');
  const differences = Object.entries(wanted).flatMap(([name, share]) => {
    const count = byGuid.get(memberOf(scenario, name).guid) ?? 0;
    const isRight = { all: count === requests && failed === 0, some: count > 0, none: count === 0 }[share];
    return isRight ? [] : [`${share} of the visitors must be served by ${versionOf(memberOf(scenario, name).guid)}`];
  });
  return { seen: [`visitors: of the next ${requests}, ${shares}; ${failed} failed`], differences };
}

async function lookAtCounters(
  wanted: NonNullable<Expected['reached']>,
  before: Readonly<Record<string, number>>,
  scene: Scene,
): Promise<Look> {
  const now = await servedCounts(scene);
  const looks = Object.entries(wanted).map(([name, share]) => {
    const { place, version } = memberOf(scene.scenario, name);
    const count = (now[place] ?? 0) - (before[place] ?? 0);
    const isRight = share === 'some' ? count > 0 : count === 0;
    return {
      seen: `router: ${count} requests sent to ${place}, the place of ${version}`,
      differences: isRight ? [] : [`${share} must be sent to ${place}`],
    };
  });
  return { seen: looks.map(({ seen }) => seen), differences: looks.flatMap(({ differences }) => differences) };
}

const pointerSchema = z.object({
  generation: z.int(),
  knownGood: z.object({ changes: z.array(z.object({ kind: z.string(), path: z.string(), content: z.string() })) }),
});

function lookAtPointer(wanted: NonNullable<Expected['pointer']>, { world }: Scene): Look {
  const dir = join(world.place.stateDir, TENANT, 'production', SERVICE, 'pointer');
  const newest = (existsSync(dir) ? readdirSync(dir) : [])
    .filter((name) => /^ptr\.\d{12}$/.test(name))
    .toSorted()
    .at(-1);
  if (newest === undefined) return { seen: ['pointer: there is none'], differences: ['a pointer must be on disk'] };
  const file = join(dir, newest);
  const { generation, knownGood } = pointerSchema.parse(JSON.parse(readFileSync(file, 'utf8').split('\n', 1)[0] ?? ''));
  if (wanted === 'before-routes') {
    const earlierMs = statSync(world.routes).mtimeMs - statSync(file).mtimeMs;
    const seen = [`disk: pointer generation ${generation} was written ${Math.round(earlierMs)} ms before the routes file moved`];
    return { seen, differences: earlierMs >= 0 ? [] : ['the pointer must be on disk before the routes file moves'] };
  }
  const [change] = knownGood.changes;
  const routes = readFileSync(world.routes, 'utf8');
  const isRoutes = knownGood.changes.length === 1 && change?.path === world.routes && change.content === routes;
  const seen = [
    `disk: pointer generation ${generation} and the routes file ${isRoutes ? 'hold the same' : 'differ in their'} bytes`,
  ];
  return { seen, differences: isRoutes ? [] : ['the pointer must hold exactly what the routes file says'] };
}

const historySchema = z.object({
  entries: z.array(z.object({ actor: z.string(), event: z.looseObject({ type: z.string() }) })),
});

/** The ledger's last rollout, by `history`: whether its events come in this order. */
export function lookAtLedger(order: readonly string[], document: unknown): Look {
  const read = historySchema.safeParse(document);
  if (!read.success) return { seen: ['ledger: not shown'], differences: ['history must show the ledger'] };
  const { entries } = read.data;
  const last = entries.slice(entries.findLastIndex(({ event }) => event.type === 'planned'));
  let at = 0;
  for (const { event } of last) if (event.type === order[at]) at += 1;
  const words = last.filter(({ event }) => order.includes(event.type)).map(entryText);
  return {
    seen: [`ledger: ${words.join(' → ')}`],
    differences: at === order.length ? [] : [`the ledger must say ${order.join(', ')} in this order`],
  };
}

function entryText({ actor, event }: { readonly actor: string; readonly event: Readonly<Record<string, unknown>> }): string {
  if (event['type'] === 'prepared') return `prepared (pointer generation ${String(event['generation'])})`;
  if (event['type'] === 'reconciled') return `reconciled by ${actor}: ${String(event['reason'])}`;
  return String(event['type']);
}
