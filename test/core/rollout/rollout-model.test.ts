/**
 * The rollout model walked exhaustively: from the start of each plan every event, fitting or late, in every reachable state,
 * with a crash and resume possible everywhere. Over all plans below that is 1300 states and 50 000 transitions;
 * the clocks tick coarsely (half a bake, 12 s of converging, 60 % of the patience), so that no count is left out.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparisonOf } from '../../../src/core/gates/comparison.ts';
import type { Event } from '../../../src/core/ledger/events.ts';
import { fold } from '../../../src/core/ledger/history.ts';
import { encodeLine, parseEntry } from '../../../src/core/ledger/ledger.ts';
import { type Plan, planSchema, watchMsOf } from '../../../src/core/rollout/plan.ts';
import { apply, isDurable, isOver, next, type State, start } from '../../../src/core/rollout/rollout.ts';
import { adoption, CANDIDATE, entriesOf, promotion, rollbackTo, STABLE } from '../manifest/builds.ts';
import { everyEvent, faults, goodAnswers, ownAnswers, standing } from './rollout-walk.ts';

function comparison(watchMs: number) {
  const gate = { name: 'errors', source: 'local', settings: {}, compare: {} };
  const countable = { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs: 0 };
  return comparisonOf([gate], { watchMs }, new Map([['errors', countable]]));
}

const PLANS: Readonly<Record<string, Plan>> = {
  'a promotion of one step': promotion([100]),
  'a promotion of two steps': promotion([10, 100]),
  'a promotion of three steps': promotion([10, 50, 100]),
  'a promotion without a bake': promotion([10, 100], 0),
  'a promotion that watches the stable build first': { ...promotion([10, 100]), comparison: comparison(90_000) },
  'a rollback': rollbackTo(STABLE, CANDIDATE),
  'a rollback from an unknown build': rollbackTo(STABLE, null),
  'an adoption': adoption(STABLE),
};

const keyOf = (state: State) => JSON.stringify({ ...state, plan: null });

/** The state as a process sees it, and as the ledger alone gives it. */
interface Pair {
  readonly live: State;
  readonly folded: State;
}

interface Walked {
  readonly states: ReadonlyMap<string, State>;
  /** Successors by the answers of the state's own effect alone. */
  readonly onward: ReadonlyMap<string, ReadonlySet<string>>;
  readonly transitions: number;
  readonly wrong: readonly string[];
}

/** Walks every state. The wrongs are collected with the way that they were reached. */
function walk(plan: Plan): Walked {
  const first = start(plan);
  const states = new Map<string, State>();
  const onward = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const queue: Pair[] = [{ live: first, folded: first }];
  const wrong: string[] = [];
  let transitions = 0;
  for (let pair = queue.pop(); pair !== undefined; pair = queue.pop()) {
    const { live, folded } = pair;
    const key = `${keyOf(live)} ${keyOf(folded)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    states.set(keyOf(live), live);
    if (JSON.stringify(standing(live)) !== JSON.stringify(standing(folded))) wrong.push(`the ledger says another: ${key}`);
    // A crash: the next process begins with what the ledger gives.
    queue.push({ live: folded, folded });
    const own = new Set(ownAnswers(live).map((event) => keyOf(apply(live, event))));
    onward.set(keyOf(live), own);
    for (const event of everyEvent(live)) {
      transitions += 1;
      const after = apply(live, event);
      wrong.push(...faults(live, event, after).map((fault) => `${fault}: ${keyOf(live)} ${JSON.stringify(event)}`));
      queue.push({ live: after, folded: isDurable(live, event, after) ? apply(folded, event) : folded });
    }
  }
  return { states, onward, transitions, wrong };
}

/** The states from which no end can be reached by the answers that their own effects get. */
function deadEnds({ states, onward }: Walked): string[] {
  const ending = new Set([...states].filter(([, state]) => isOver(state)).map(([key]) => key));
  for (let grown = true; grown; ) {
    grown = false;
    for (const [key, successors] of onward) {
      if (ending.has(key) || ![...successors].some((successor) => ending.has(successor))) continue;
      ending.add(key);
      grown = true;
    }
  }
  return [...states.keys()].filter((key) => !ending.has(key));
}

describe.each(Object.entries(PLANS))('the model of %s', (_what, plan) => {
  const walked = walk(plan);

  it('the rollout model begins with a plan that a ledger takes', () => {
    expect(planSchema.parse(plan)).toEqual(plan);
  });

  it('the rollout model keeps every invariant in every state, whatever comes', () => {
    expect(walked.states.size).toBeGreaterThan(0);
    expect(walked.transitions).toBeGreaterThan(0);
    expect(walked.wrong.slice(0, 5)).toEqual([]);
  });

  it('the rollout model has one thing to do in every state, over every member, and only for its own builds', () => {
    const own = [plan.candidate.ref, plan.stable?.ref];
    for (const state of walked.states.values()) {
      const effect = next(state);
      if (!('split' in effect)) continue;
      expect(effect.split.reduce((sum, share) => sum + share.percent, 0)).toBe(100);
      expect(effect.split.map((share) => share.place).sort()).toEqual(['blue', 'green', 'old']);
      expect(effect.split.every((share) => share.percent === 0 || own.includes(share.place))).toBe(true);
    }
  });

  it('the rollout model reaches an end from every state', () => {
    expect(deadEnds(walked)).toEqual([]);
  });

  it('the rollout model reaches every phase of its kind, and no other', () => {
    const phases = new Set([...walked.states.values()].map((state) => state.phase));
    const always = ['checking', 'refused', 'converging', 'stuck', 'pointing', 'done', 'rescued'];
    const more = {
      promote: ['shifting', 'baking', 'reverting', 'reverted', ...(watchMsOf(plan) > 0 ? ['watching'] : [])],
      rollback: ['shifting'],
      adopt: ['baking'],
    }[plan.kind];
    expect([...phases].sort()).toEqual([...always, ...more].sort());
  });
});

it('the rollout model walks random rollouts of many steps, whose ledger, read again, says the same', () => {
  const seed = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
  const plans = fc.oneof(
    fc
      .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 9 })
      .map((percents) => promotion([...percents.toSorted((a, b) => a - b), 100])),
    fc.constantFrom(...Object.values(PLANS)),
  );
  // Mostly what a healthy target answers, else what the effect at hand can answer, sometimes anything at all.
  const sorts = [everyEvent, ownAnswers, ownAnswers, ...Array.from({ length: 17 }, () => goodAnswers)];
  const choices = fc.array(fc.record({ sort: fc.constantFrom(...sorts), pick: fc.nat() }), { maxLength: 120, size: 'max' });
  let furthest = 0;
  fc.assert(
    fc.property(plans, choices, (plan, picks) => {
      let live = start(plan);
      const durable: Event[] = [{ type: 'planned', atMs: 1, plan }];
      for (const { sort, pick } of picks) {
        const events = sort(live);
        const event = events[pick % events.length];
        if (event === undefined) continue;
        const after = apply(live, event);
        expect(faults(live, event, after)).toEqual([]);
        if (isDurable(live, event, after)) durable.push(event);
        live = after;
        furthest = Math.max(furthest, live.step);
      }
      const read = entriesOf(durable).map((entry) => parseEntry(encodeLine(entry).subarray(0, -1)));
      const folded = fold(read.filter((entry) => entry !== undefined)).rollout;
      expect(folded).not.toBeNull();
      if (folded !== null) expect(standing(folded)).toEqual(standing(live));
    }),
    { seed, numRuns: 600 },
  );
  console.log(`random rollouts with seed ${seed} got as far as step ${furthest + 1}`);
  expect(furthest).toBeGreaterThan(2);
});
