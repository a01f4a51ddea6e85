/** What a process saw and heard of the members before it acted: whether that allows what it did. Judges by itself, with nothing of the engine. */
import { type Plan, warmUpMsOf } from '../../src/core/rollout/plan.ts';
import type { Location, Member } from '../../src/routers/router.ts';
import type { Schedule } from './schedule.ts';
import { SCOPE, type Simulation } from './simulation.ts';

/** Asking and sending take at most this long. */
const LOOKED_WITHIN_MS = 10_000;

/** Why what this process knows of the members of the candidate's place does not allow more traffic there, or to call it known-good. */
export function notAllRight(
  sim: Simulation,
  by: number,
  { candidate, unprotected }: Plan,
  isSetAgain: boolean,
): readonly string[] {
  const looked = sim.looked.get(by);
  if (looked === undefined) return ['members that it never looked at'];
  const oldMs = sim.monotonicMs - looked.atMs;
  const old = oldMs > LOOKED_WITHIN_MS ? [`members that it looked at ${oldMs} ms ago`] : [];
  const asked = membersOf(looked.locations, candidate.ref).filter(({ up }) => up);
  const said = asked.map((member) => {
    const host = new URL(member.ask.address ?? '').host;
    const heard = sim.heard.get(`${by} ${host}`);
    if (heard === undefined || heard.atMs < looked.atMs) return { host, is: 'not asked' };
    if (heard.build === undefined) return { host, is: 'silent' };
    const { guid, environment } = heard.build;
    return { host, is: guid === candidate.guid && environment === SCOPE.environment ? 'right' : 'another build' };
  });
  const isProven = said.some(({ is }) => is === 'right');
  const mayBeSilent = isSetAgain || (unprotected === true && isProven);
  if (mayBeSilent && said.some(({ is }) => is === 'silent')) sim.met('raise without a member that is silent');
  const wrong = said.filter(({ is }) => is !== 'right' && !(is === 'silent' && mayBeSilent));
  return [...old, ...wrong.map(({ host, is }) => `a member that is ${is} (${host})`)];
}

/** Why too few members were up, as far as this process saw, for the candidate to have this percentage. */
export function tooFewSeen(sim: Simulation, by: number, { candidate, stable }: Plan, percent: number): readonly string[] {
  const upAt = (location: Location, place: string) => membersOf([location], place).filter(({ up }) => up).length;
  return (sim.looked.get(by)?.locations ?? []).flatMap((location) =>
    enough(percent, upAt(location, stable?.ref ?? ''), upAt(location, candidate.ref), sim.minUp) ? [] : [location.name],
  );
}

/** So many members of both places are enough for the candidate to have this percentage. */
function enough(percent: number, blue: number, green: number, minUp: ReadonlyMap<string, number>): boolean {
  const needed = minUp.get('green') ?? Math.max(1, Math.ceil((blue * percent) / 100));
  return green >= needed && blue >= (minUp.get('blue') ?? 1);
}

/** Members of the target that this process saw, and that what it wrote or sent does not name. */
export function unnamed(sim: Simulation, by: number, text: string): readonly string[] {
  const locations = sim.looked.get(by)?.locations ?? [];
  return locations.flatMap(({ name, members }) => {
    const own = new RegExp(`\\b${name}: ([^;"]*)`).exec(text)?.[1]?.split(' ') ?? [];
    return members.flatMap((member) => (own.includes(member.name) ? [] : [`${member.name} at ${name}`]));
  });
}

function membersOf(locations: readonly Location[], place: string): readonly Member[] {
  return locations.flatMap(({ members }) => members.filter((member) => member.place === place));
}

/** How a promotion must end that one process walks without a mishap; undefined where that depends on when things happen. */
export function endOf(schedule: Schedule): 'done' | 'refused' | 'not done' | undefined {
  const end = endBySizes(schedule);
  const { plan } = schedule;
  // One request a second is too few for the gates of a short patience, and so is one poll after a warm-up.
  const isFast = plan.steps.every(({ percent }) => percent >= 10) && (warmUpMsOf(plan) === 0 || plan.patienceMs > plan.pollMs);
  return end === 'done' && !isFast ? undefined : end;
}

function endBySizes({ replicas, plan, faults, actors }: Schedule): ReturnType<typeof endOf> {
  if (replicas === undefined || !replicas.isCalm || actors.length === 0) return undefined;
  const { minUp } = replicas;
  const least = new Map(Object.entries(minUp));
  const [odd] = Object.entries(replicas.odd);
  const own = new Set(replicas.shapes.flatMap(({ members }) => members['green'] ?? []));
  if (odd?.[0].startsWith('blue') && (odd[1] === 'foreign' || odd[1] === 'broken')) return undefined;
  if (odd?.[0].startsWith('green')) {
    if (odd[1] === 'foreign' || odd[1] === 'staging') return 'refused';
    if (odd[1] === 'broken') return plan.gates.length > 0 && plan.steps.length > 1 ? 'not done' : undefined;
    if (plan.unprotected !== true || own.size === 1) return 'refused';
  }
  let sizes = replicas.shapes.map(({ location, members }) => ({
    location,
    blue: members['blue'] ?? [],
    green: members['green'] ?? [],
  }));
  const suffice = (percent: number) => sizes.every(({ blue, green }) => enough(percent, blue.length, green.length, least));
  if (!suffice(plan.steps[0]?.percent ?? 100)) return faults.length === 0 ? 'refused' : undefined;
  if (!suffice(100)) return faults.length === 0 ? 'not done' : undefined;
  for (const { what } of faults.toSorted((a, b) => a.atMs - b.atMs)) {
    const arrives = what.kind === 'a member arrives' && what.odd === null;
    const place = 'name' in what && what.name.startsWith('blue') ? 'blue' : 'green';
    // What the stable place loses, it may need to keep its share.
    if (!arrives && (what.kind !== 'a member leaves' || place === 'blue')) return undefined;
    sizes = sizes.map((size) => {
      if (size.location !== what.location) return size;
      const others = size[place].filter((name) => name !== what.name);
      const left = others.length === 0 ? size[place] : others;
      return { ...size, [place]: arrives ? [...others, what.name] : left };
    });
    if (!suffice(100) || !plan.steps.every(({ percent }) => suffice(percent))) return undefined;
  }
  return 'done';
}
