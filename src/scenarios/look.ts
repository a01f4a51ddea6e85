/** Looks at what really is: visitors' answers, the router's counters, the pointer on disk, the ledger. Must not believe what a command says. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { SERVICE, TENANT } from './files.ts';
import type { Expected } from './scenario.ts';
import { memberOf, type World } from './world.ts';

/** What was seen, in words, and where it differs from what is expected. */
export interface Look {
  readonly seen: readonly string[];
  readonly differences: readonly string[];
}

/** What is counted, when an act begins. */
export interface Counts {
  /** Requests sent to each place since the router started, by its own count. */
  readonly served: Readonly<Record<string, number>>;
  /** Requests of visitors that failed. */
  readonly failed: number;
}

export async function countsOf(world: World): Promise<Counts> {
  return { served: await world.edge.served(), failed: world.visitors.total().failed };
}

/** Looks at everything that `expected` names, since `before`. */
export async function look(expected: Expected, before: Counts, world: World): Promise<Look> {
  return both([
    ...(expected.visitors === undefined ? [] : [await lookAtVisitors(expected.visitors, world)]),
    ...(expected.reached === undefined ? [] : [await lookAtCounters(expected.reached, before, world)]),
    ...(expected.pointer === undefined ? [] : [lookAtPointer(expected.pointer, world)]),
  ]);
}

export function both(looks: readonly Look[]): Look {
  return { seen: looks.flatMap(({ seen }) => seen), differences: looks.flatMap(({ differences }) => differences) };
}

async function lookAtVisitors(wanted: NonNullable<Expected['visitors']>, world: World): Promise<Look> {
  const percents = await world.edge.percents();
  const { requests, failed, byGuid } = await world.visitors.sample(world.scenario.sample);
  const versionOf = (guid: string) => Object.values(world.scenario.cast).find((member) => member.guid === guid)?.version ?? guid;
  const shares = [...byGuid].map(([guid, count]) => `${count} answered by ${versionOf(guid)}`).join(', ');
  const differences = Object.entries(wanted).flatMap(([name, share]) => {
    const { guid, place, version } = memberOf(world, name);
    const count = byGuid.get(guid) ?? 0;
    const isAll = count === requests && failed === 0 && percents.get(place) === 100;
    const isRight = { all: isAll, some: count > 0, none: count === 0 }[share];
    return isRight ? [] : [`expected ${share} of the visitors to be served by ${version}`];
  });
  const [all] = Object.entries(wanted).find(([name, share]) => share === 'all' && name !== 'live') ?? [];
  if (all !== undefined && differences.length === 0) world.live = all;
  return { seen: [`visitors: ${requests} requests, ${shares}; ${failed} failed`], differences };
}

async function lookAtCounters(wanted: NonNullable<Expected['reached']>, before: Counts, world: World): Promise<Look> {
  const now = await countsOf(world);
  return both(
    Object.entries(wanted).map(([name, share]) => {
      const { place, version } = memberOf(world, name);
      const count = (now.served[place] ?? 0) - (before.served[place] ?? 0);
      const isRight = share === 'some' ? count > 0 : count === 0;
      const failed = share === 'some' ? `; failed for visitors: ${now.failed - before.failed}` : '';
      return {
        seen: [`router: ${count} requests sent to ${place}, the place of ${version}${failed}`],
        differences: isRight ? [] : [`expected ${share} to be sent to ${place}`],
      };
    }),
  );
}

const pointerSchema = z.object({
  generation: z.int(),
  knownGood: z.object({ changes: z.array(z.object({ kind: z.string(), path: z.string(), content: z.string() })) }),
});

function lookAtPointer(wanted: NonNullable<Expected['pointer']>, { place, routes }: World): Look {
  const dir = join(place.stateDir, TENANT, 'production', SERVICE, 'pointer');
  const newest = (existsSync(dir) ? readdirSync(dir) : [])
    .filter((name) => /^ptr\.\d{12}$/.test(name))
    .toSorted()
    .at(-1);
  if (newest === undefined) return { seen: ['pointer: there is none'], differences: ['expected a pointer on disk'] };
  const file = join(dir, newest);
  const { generation, knownGood } = pointerSchema.parse(JSON.parse(readFileSync(file, 'utf8').split('\n', 1)[0] ?? ''));
  if (wanted === 'before-routes') {
    const earlierMs = statSync(routes).mtimeMs - statSync(file).mtimeMs;
    return {
      seen: [`disk: pointer generation ${generation} was written ${Math.round(earlierMs)} ms before the routes file changed`],
      differences: earlierMs >= 0 ? [] : ['expected the pointer on disk before the routes file changed'],
    };
  }
  const [change] = knownGood.changes;
  const isRoutes = knownGood.changes.length === 1 && change?.path === routes && change.content === readFileSync(routes, 'utf8');
  const bytes = isRoutes ? 'have the same' : 'differ in their';
  return {
    seen: [`disk: pointer generation ${generation} and the routes file ${bytes} bytes`],
    differences: isRoutes ? [] : ['expected the pointer to contain exactly what the routes file contains'],
  };
}

const historySchema = z.object({
  entries: z.array(z.object({ actor: z.string(), event: z.looseObject({ type: z.string() }) })),
});

/** The ledger's last rollout, by `history`: whether its events come in this order. */
export function lookAtLedger(order: readonly string[], document: unknown): Look {
  const read = historySchema.safeParse(document);
  if (!read.success) return { seen: ['ledger: not shown'], differences: ['expected history to show the ledger'] };
  const { entries } = read.data;
  const last = entries.slice(entries.findLastIndex(({ event }) => event.type === 'planned'));
  let at = 0;
  for (const { event } of last) if (event.type === order[at]) at += 1;
  const words = last.filter(({ event }) => order.includes(event.type)).map(entryText);
  return {
    seen: [`ledger: ${words.join(' → ')}`],
    differences: at === order.length ? [] : [`expected the ledger to contain ${order.join(', ')} in this order`],
  };
}

function entryText({ actor, event }: { readonly actor: string; readonly event: Readonly<Record<string, unknown>> }): string {
  if (event['type'] === 'prepared') return `prepared (pointer generation ${String(event['generation'])})`;
  if (event['type'] === 'reconciled') return `reconciled by ${actor}: ${String(event['reason'])}`;
  return String(event['type']);
}
