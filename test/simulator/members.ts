/** What becomes of members of the simulated places: they fall, fall silent, turn out to be another build, come and go. */
import type { Running } from './counters.ts';
import type { Odd } from './replicas.ts';
import type { Fault } from './schedule.ts';
import { placeOf, type Simulation } from './simulation.ts';

export const FOREIGN = 'dead0000-0000-4000-8000-000000000009';

/** The rescue program of a version that cannot read the pointers of this one. */
export const OLD_PROGRAM = 'the rescue program of an earlier version';

type MembersFault = Extract<Fault['what'], { readonly kind: `${string}member${string}` }>;

export function turnMembers(sim: Simulation, what: MembersFault, lastsMs: number): void {
  switch (what.kind) {
    case 'members go down': {
      sim.met('member down');
      for (const key of what.keys) sim.down.add(key);
      sim.after(lastsMs, () => {
        for (const key of what.keys) sim.down.delete(key);
      });
      return;
    }
    case 'a member turns':
      beOdd(sim, what.name, what.odd);
      // Another build, and one that fails, stay what they are.
      sim.after(lastsMs, () => sim.silent.delete(what.name));
      return;
    case 'a member arrives': {
      const { location, name, odd } = what;
      sim.met('member arrives');
      if (odd !== null) beOdd(sim, name, odd);
      changeAt(sim, location, placeOf(name), (names) => [...names.filter((one) => one !== name), name]);
      return;
    }
    case 'a member leaves':
      sim.met('member leaves');
      changeAt(sim, what.location, placeOf(what.name), (names) =>
        // A place without any member is another world: no router has one.
        names.length > 1 ? names.filter((name) => name !== what.name) : names,
      );
  }
}

function changeAt(sim: Simulation, at: string, place: string, change: (names: readonly string[]) => readonly string[]): void {
  sim.shape = sim.shape.map(({ location, members }) => ({
    location,
    members: location === at ? { ...members, [place]: change(members[place] ?? []) } : members,
  }));
}

/** From now on this member is not as the others of its place. */
export function beOdd(sim: Simulation, name: string, odd: Odd): void {
  const own = sim.runs(name);
  if (own === undefined) return;
  switch (odd) {
    case 'foreign':
      sim.met('foreign member of several');
      sim.place(name, FOREIGN);
      return;
    case 'staging':
      sim.met('foreign member of several');
      sim.place(name, own.guid ?? FOREIGN, { ...own, environment: 'staging' });
      return;
    case 'broken':
      sim.met('member begins to fail');
      sim.place(name, own.guid ?? FOREIGN, { ...own, failing: 1 });
      return;
    case 'refuses':
    case 'hangs':
      sim.silent.set(name, odd);
  }
}

/** Whatever is at a member of this place by itself. */
export function* ownOf(sim: Simulation, place: string): Iterable<readonly [string, Running]> {
  for (const [name, running] of sim.builds) if (placeOf(name) === place) yield [name, running];
}
