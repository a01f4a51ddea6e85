/** One effect in, one event out. Never throws for what the outside does; undefined means: look again first. */
import type { Event } from '../core/ledger/events.ts';
import { stepSplit } from '../core/rollout/plan.ts';
import type { Effect, State } from '../core/rollout/rollout.ts';
import { type Split, splitsAgree, splitText } from '../core/rollout/split.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Reading } from '../routers/router.ts';
import { Bake } from './bake.ts';
import { Comparing } from './compare.ts';
import { measureBaseline, measureStable, silentGate } from './measure.ts';
import { draftRollout, publishPointer } from './pointer-writer.ts';
import { drifted, driftText } from './read-back.ts';
import type { Runner } from './runner.ts';
import { hearCandidate, RETRY_MS, shifter, textOf } from './shift.ts';

const CONVERGE_POLL_MS = 300;

/** Does what an effect says and returns what happened; remembers between two effects what one process needs to. */
export function performer(runner: Runner): (effect: Exclude<Effect, { do: 'stop' }>, state: State) => Promise<Event | undefined> {
  const comparing = new Comparing(runner.io);
  const bake = new Bake(runner, comparing);
  const shift = shifter(runner, comparing);
  return async (effect, state) => {
    switch (effect.do) {
      case 'prepare':
        return prepare(state, runner);
      case 'shift':
        return shift(effect, state);
      case 'converge':
        return converge(effect.split, state, runner);
      case 'poll':
        return bake.poll(effect.split, state);
      case 'point':
        return point(state, runner);
    }
  };
}

/** The last look before the first shift, and the rollback path made durable for {stable 100, candidate 0}. */
async function prepare(state: State, runner: Runner): Promise<Event | undefined> {
  const { io, ledger, watch, readBack } = runner;
  const refuse = (code: string, message: string, hint: string): Event => {
    return { type: 'refused', atMs: io.now(), code, message, hint };
  };
  // A rollback needs no new pointer: the one there is names a known-good build already, and nothing may stand in its way.
  if (state.plan.kind === 'rollback') return { type: 'prepared', atMs: io.now(), generation: null };
  const before = await readBack.read();
  if ('why' in before) return refuse('UNREACHABLE', before.why, 'Nothing was changed. Try again when the router answers.');
  const serving = state.plan.stable ?? state.plan.candidate;
  if (!splitsAgree(before.reading.members, [{ place: serving.ref, percent: 100 }])) {
    const message = `The target serves ${splitText(before.reading.members)}, not only ${serving.ref}.`;
    return refuse('UNEXPECTED_SPLIT', message, 'Someone moved traffic after the plan was made: see kvdeploy status.');
  }
  readBack.countFrom(before.reading);
  if (state.plan.kind === 'adopt') return { type: 'prepared', atMs: io.now(), generation: null };
  const silent = silentGate(state.plan, await measureStable(state.plan, before.reading, io));
  if (silent !== undefined) {
    const plan = `kvdeploy plan ${scopeFlags(state.plan.scope)} --build ${state.plan.candidate.guid}`;
    return refuse('GATE_NOT_READY', silent, `Nothing was changed. See: ${plan}`);
  }
  try {
    const seen = { history: ledger.history, reading: before.reading, ledgerHead: await ledger.head() };
    const draft = await draftRollout('before-rollout', state.plan, seen, runner);
    // A runner that slept until here would put its old pointer over the generation of whoever leads by now.
    if (watch.forbidden() !== undefined) return undefined;
    const { generation, warnings } = publishPointer(runner.places, draft, io);
    for (const message of warnings) runner.report({ type: 'note', level: 'warning', message });
    return { type: 'prepared', atMs: io.now(), generation };
  } catch (error) {
    const message = `The rollback path could not be made durable: ${textOf(error)}.`;
    return refuse('STATE_UNWRITABLE', message, 'Nothing was changed. Free space in the state directory, then try again.');
  }
}

/** Matching percentages, no trouble, and the very build that was admitted behind the candidate's place. */
async function converge(split: Split, state: State, runner: Runner): Promise<Event | undefined> {
  const { io, watch, readBack } = runner;
  const beganMs = io.monotonic();
  const found = await readBack.read();
  if ('reading' in found && !splitsAgree(found.reading.members, split)) return drifted(split, found.reading, io.now());
  const problem = 'why' in found ? { why: found.why, final: false } : await notReady(found.reading, state, runner);
  if ('reading' in found && problem === undefined) {
    const baseline = await measureBaseline(state.plan, found.reading, io);
    return { type: 'converged', atMs: io.now(), baseline, certainty: found.reading.certainty };
  }
  const { why, final } = problem ?? { why: '', final: false };
  if (!final && !(await watch.wait(CONVERGE_POLL_MS))) return undefined;
  return { type: 'not-converged', atMs: io.now(), why, waitedMs: state.waitedMs + io.monotonic() - beganMs, final };
}

/** Why the candidate cannot bake yet, and whether it never will. */
async function notReady(reading: Reading, state: State, runner: Runner) {
  if (reading.trouble.length > 0) return { why: reading.trouble.join('; '), final: false };
  const said = await hearCandidate(state, runner, reading);
  return said.is === 'right' ? undefined : { why: said.why, final: said.is === 'wrong' };
}

/** Writes the generation that names the new known-good build. Reading the layout first: it is rendered over every member. */
async function point(state: State, runner: Runner): Promise<Event | undefined> {
  const { io, ledger, watch, readBack } = runner;
  const failed = (why: string): Event => ({ type: 'point-failed', atMs: io.now(), why, attempt: state.attempts + 1 });
  if (state.attempts > 0 && !(await watch.wait(RETRY_MS))) return undefined;
  const found = await readBack.read();
  if ('why' in found) return failed(found.why);
  // Known-good is what serves everything now, not what did when the last gate passed.
  const served = stepSplit(state.plan, state.step);
  if (!splitsAgree(found.reading.members, served)) return failed(driftText(served, found.reading));
  try {
    const why = state.plan.kind === 'adopt' ? 'adopted' : state.plan.kind === 'rollback' ? 'rolled-back' : 'promoted';
    const seen = { history: ledger.history, reading: found.reading, ledgerHead: await ledger.head() };
    const draft = await draftRollout(why, state.plan, seen, runner);
    if (watch.forbidden() !== undefined) return undefined;
    const { generation, warnings } = publishPointer(runner.places, draft, io);
    return { type: 'pointed', atMs: io.now(), generation, warnings: [...warnings] };
  } catch (error) {
    return failed(`the known-good pointer could not be written: ${textOf(error)}`);
  }
}
