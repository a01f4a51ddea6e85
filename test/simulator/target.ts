/** The simulation's router as the engine drives it, with members that are asked as in every rollout. */

import type { Plan } from '../../src/core/rollout/plan.ts';
import { type Split, splitText } from '../../src/core/rollout/split.ts';
import { askAll, askerOf } from '../../src/engine/asking/ask.ts';
import { questionsAt } from '../../src/engine/asking/questions.ts';
import type { Target } from '../../src/engine/target.ts';
import type { Io } from '../../src/io.ts';
import { layoutOf, membersAt, placesOf } from '../../src/routers/places.ts';
import type { Layout, Location, Member, Reading } from '../../src/routers/router.ts';
import { SCOPE, type Simulation } from './simulation.ts';

export const IDLE_MS = 5000;

const TIMEOUT_MS = 2000;
const URL_OF_SPLIT = 'http://router/split';

/** The split as the members of each location have it: evenly, whoever is down. */
export function locationsIn(sim: Simulation, split: Readonly<Record<string, number>>): readonly Location[] {
  const { shape, elsewhere, down, downs, builds } = sim;
  const shapes = shape.length > 0 ? shape : [{ location: 'router', members: {} }];
  const all = elsewhere.size === 0 ? shapes : [...shapes, { location: 'second', members: {} }];
  return all.map(({ location, members: named }: (typeof shape)[number]) => ({
    name: location,
    members: Object.entries(split).flatMap(([place, percent]) => {
      const names = named[place] ?? [place];
      return names.map((name): Member => {
        const weight = percent / names.length;
        const up = !down.has(`${location} ${name}`);
        const calm = { weight, percent: up ? weight : 0, up, draining: false, parked: false };
        const counters = { served: null, downs: (builds.get(place)?.downs ?? 0) + (downs.get(name) ?? 0) };
        const host = location === 'second' && elsewhere.has(`${name}.elsewhere`) ? `${name}.elsewhere` : name;
        return { name, place, ...calm, ask: { address: `http://${host}` }, counters };
      });
    }),
  }));
}

/** Names every member that the reading showed, as every router's changes do; nothing where each place has the one of its name. */
export function membersOf(layout: Layout): { readonly headers?: Readonly<Record<string, string>> } {
  if (layout.every(({ members }) => members.every(({ name, place }) => name === place))) return {};
  const names = layout.map(({ location, members }) => `${location}: ${members.map(({ name }) => name).join(' ')}`);
  return { headers: { 'x-members': names.join('; ') } };
}

/** As a router says it of a place of which nothing is left. */
function downIn({ down }: Simulation, locations: readonly Location[]): readonly string[] {
  if (down.size === 0) return [];
  return locations.flatMap(({ name, members }) => {
    const places = new Set(members.filter(({ weight }) => weight > 0).map(({ place }) => place));
    const gone = [...places].filter((place) => members.every((member) => member.place !== place || !member.up));
    return gone.map((place) => `${name}: no member of ${place} is up`);
  });
}

/** The simulation's router as the engine drives it. */
export function targetIn(sim: Simulation, io: Io, plan: Plan): Target {
  const { identity } = plan;
  const asker = askerOf(io, () => false);
  let layout: Layout = plan.layout ?? [];
  const bodyOf = (split: readonly { place: string; percent: number }[]) =>
    JSON.stringify(Object.fromEntries(split.map(({ place, percent }) => [place, percent])));
  const inOrder = (split: Split) => split.toSorted((a, b) => (a.place < b.place ? -1 : 1));
  const isSeveral = () => layout.length > 1;
  return {
    kind: 'scripted',
    outside: io,
    hosts: {},
    idleTimeoutMs: IDLE_MS,
    homeOf: (ref) => ref,
    marks: [],
    changes: (split) => {
      const sent = { url: URL_OF_SPLIT, body: bodyOf(split), expect: [200], timeoutMs: TIMEOUT_MS };
      return [{ kind: 'request', method: 'PUT', ...sent, ...membersOf(layout) }];
    },
    checks: (split) => [
      { kind: 'http', url: 'http://router/text', json: ['text'], equals: splitText(inOrder(split)), timeoutMs: TIMEOUT_MS },
    ],
    impossible: () => undefined,
    minUp: (place) => sim.minUp.get(place),
    read: async (): Promise<Reading> => {
      const { body } = await io.http({ method: 'GET', url: URL_OF_SPLIT, timeoutMs: TIMEOUT_MS }, () => undefined);
      const locations = locationsIn(sim, JSON.parse(body) as Record<string, number>);
      layout = layoutOf({ locations });
      sim.looked.set(io.self().pid, { atMs: sim.monotonicMs, locations });
      const trouble = [...sim.trouble, ...downIn(sim, locations), ...sim.unseen.map(({ why }) => why)];
      const unseen = sim.unseen.length === 0 ? {} : { unseen: sim.unseen };
      return { locations, places: placesOf(locations), certainty: 'configured', trouble, ...unseen };
    },
    identify: async () => [SCOPE.environment],
    questions: [],
    ask: async (place, reading) => askAll(identity, membersAt(reading, place), isSeveral(), asker),
    identityOf: () => identity,
    identityQuestions: (place, reading) =>
      identity === null || identity === 'none' ? [] : questionsAt(identity, membersAt(reading, place), isSeveral()),
  };
}
