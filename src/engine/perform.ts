/** One effect in, one event out. Never throws for what the outside does; undefined means: look again first. */
import { giveBack } from '../base/durable/reserve.ts';
import type { Event } from '../core/ledger/events.ts';
import { stepSplit } from '../core/rollout/plan.ts';
import { type Effect, type State, toBePointed } from '../core/rollout/rollout.ts';
import { type Split, splitsAgree, splitText } from '../core/rollout/split.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Reading } from '../routers/router.ts';
import { Bake } from './bake.ts';
import { Comparing } from './compare.ts';
import { ASKED_WITHIN_MS, type Standing, unfitOf } from './condition.ts';
import { measureBaseline, measureStable, silentGate } from './measure.ts';
import { draftRollout, ledgerReserve, publishPointer, redirected } from './pointer-writer.ts';
import { drifted, driftText, type Found } from './read-back.ts';
import type { Runner } from './runner.ts';
import { othersText, RETRY_MS, shifter, textOf, UNREACHED_MS } from './shift.ts';
import { tooFewToRaise } from './watching/capacity.ts';
import { StableWatch } from './watching/stable-watch.ts';
import { lookUp, whileAsked } from './watching/while-asked.ts';

const CONVERGE_POLL_MS = 300;

const CODE_OF_SILENCE = { identity: 'BUILD_GONE', manifests: 'MANIFEST_INVALID', target: 'WRONG_TARGET' } as const;

/** Does what an effect says and returns what happened; remembers between two effects what one process needs to. */
export function performer(runner: Runner): (effect: Exclude<Effect, { do: 'stop' }>, state: State) => Promise<Event | undefined> {
  const comparing = new Comparing(runner.io);
  const bake = new Bake(runner, comparing);
  const shift = shifter(runner, comparing);
  const stableWatch = new StableWatch(runner);
  return async (effect, state) => {
    switch (effect.do) {
      case 'prepare':
        return prepare(state, runner);
      case 'watch':
        return stableWatch.poll(effect.split, state);
      case 'shift': {
        const event = await shift(effect, state);
        if (event?.type === 'shifted') bake.beginsAgain();
        return event;
      }
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
  const { io, ledger, watch, readBack, condition } = runner;
  const refuse = (code: string, message: string, hint: string): Event => {
    return { type: 'refused', atMs: io.now(), code, message, hint };
  };
  const before = await readBack.read();
  if (state.plan.kind === 'rollback' && 'why' in before) return prepareRollback(state, before, runner);
  if ('why' in before) return refuse('UNREACHABLE', before.why, 'Nothing was changed. Try again when the router answers.');
  const isBack = state.plan.kind === 'rollback';
  const [unseen] = before.reading.unseen ?? [];
  if (unseen !== undefined && !isBack) return refuse('UNREACHABLE', `${unseen.why}.`, `Nothing was changed. ${unseen.cure}`);
  const standing = await (isBack
    ? condition.identity(state, before.reading)
    : condition.whole(state, ledger.history, before.reading));
  if (standing.is !== 'right') {
    const code = standing.is === 'wrong' ? standing.code : (standing.code ?? CODE_OF_SILENCE[standing.what]);
    return refuse(code, standing.why, 'Nothing was changed.');
  }
  if (isBack) return prepareRollback(state, before, runner);
  const serving = state.plan.stable ?? state.plan.candidate;
  if (!state.plan.moves && !splitsAgree(before.reading.places, [{ place: serving.ref, percent: 100 }])) {
    const message = `The target serves ${splitText(before.reading.places)}, not only ${serving.ref}.`;
    return refuse('UNEXPECTED_SPLIT', message, 'Someone moved traffic after the plan was made: see kvdeploy status.');
  }
  const few = tooFewToRaise(state, before.reading, runner.target);
  if (few !== undefined)
    return refuse(
      'TOO_FEW_UP',
      `Too few members are up: ${few}.`,
      'Nothing was changed. Start the members that are down, then try again.',
    );
  readBack.countFrom(before.reading);
  if (state.plan.kind === 'adopt') return { type: 'prepared', atMs: io.now(), generation: null };
  const silent = silentGate(state.plan, await measureStable(state.plan, before.reading, io));
  if (silent !== undefined) {
    const plan = `kvdeploy plan ${scopeFlags(state.plan.scope)} --build ${state.plan.candidate.guid}`;
    return refuse('GATE_NOT_READY', silent, `Nothing was changed. See: ${plan}`);
  }
  try {
    const seen = { history: ledger.history, reading: before.reading, ledgerHead: await ledger.head() };
    const draft = await draftRollout({ why: 'before-rollout' }, state.plan, seen, runner);
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

/**
 * The rollback's target in the pointer, so that a rescue in its middle cannot return to the build that it leaves. Nothing may stand in
 * the way of a rollback: where this cannot be written, or the router not be read, that is a warning.
 */
async function prepareRollback({ plan }: State, found: Found, runner: Runner): Promise<Event | undefined> {
  const { io, ledger, watch, places } = runner;
  const prepared = (generation: number | null): Event => ({ type: 'prepared', atMs: io.now(), generation });
  const warn = (message: string) => runner.report({ type: 'note', level: 'warning', message });
  try {
    const ledgerHead = await ledger.head();
    const draft =
      'why' in found
        ? redirected(plan, ledgerHead, runner)
        : await draftRollout(
            { why: 'before-rollback' },
            plan,
            { history: ledger.history, reading: found.reading, ledgerHead },
            runner,
          );
    if (watch.forbidden() !== undefined) return undefined;
    const { generation, warnings } = publishPointer(places, draft, io);
    for (const message of warnings) warn(message);
    return prepared(generation);
  } catch (error) {
    warn(
      `THE POINTER still names another build (${textOf(error)}). If this rollback is interrupted: --to ${plan.candidate.guid}`,
    );
    return prepared(null);
  }
}

/** Matching percentages, no trouble, and the very build that was admitted behind the candidate's place. */
async function converge(split: Split, state: State, runner: Runner): Promise<Event | undefined> {
  const { io, watch, readBack } = runner;
  const beganMs = io.monotonic();
  const found = await readBack.read();
  if ('reading' in found && !readBack.agrees(found.reading, split)) return drifted(split, found.reading, io.now());
  const unreached = 'why' in found ? undefined : unreachedIn(found.reading, state);
  const ready = 'why' in found ? { why: found.why } : await notReady(found.reading, state, runner, unreached);
  if (ready !== undefined && 'type' in ready) return ready;
  if ('reading' in found && ready === undefined) {
    const asked = measureBaseline(state.plan, found.reading, io);
    const came = await whileAsked(runner, asked, () => lookUp(split, state, runner));
    if ('met' in came) return came.met === 'look again' ? undefined : came.met;
    const { answer: baseline } = came;
    const { certainty } = found.reading;
    return { type: 'converged', atMs: io.now(), baseline, certainty, ...(unreached === undefined ? {} : { unreached }) };
  }
  if (!(await watch.wait(CONVERGE_POLL_MS))) return undefined;
  const waitedMs = state.waitedMs + io.monotonic() - beganMs;
  return { type: 'not-converged', atMs: io.now(), why: ready?.why ?? '', waitedMs, final: false };
}

/** Which locations a rollback goes on without, since they did not answer for long enough, and why. */
function unreachedIn({ unseen = [], places }: Reading, { plan, unreached, waitedMs }: State): string | undefined {
  if (plan.kind !== 'rollback' || unseen.length === 0 || (unreached === null && waitedMs < UNREACHED_MS)) return undefined;
  return othersText(unseen.map(({ why }) => why).join('; '), places);
}

/**
 * Why the candidate cannot bake yet, or the event of a rollout that must not go on. What only rises is for the bake: there the gates watch it, and
 * patience limits it.
 */
async function notReady(reading: Reading, state: State, { condition, io }: Runner, unreached: string | undefined) {
  const gone = unreached === undefined ? [] : (reading.unseen ?? []).map(({ why }) => why);
  const lasting = reading.trouble.filter((one) => reading.rising?.includes(one) !== true && !gone.includes(one));
  if (lasting.length > 0) return { why: lasting.join('; ') };
  const standing = await condition.identityLately(state, reading);
  return standing.is === 'silent' ? { why: standing.why } : unfitOf(standing, io.now());
}

/** What becomes known-good is what admission would let in now; a rollback's build was admitted when it first became so. */
function stillAdmitted(state: State, reading: Reading, { condition, ledger }: Runner): Promise<Standing> {
  if (state.plan.kind === 'rollback') return condition.identity(state, reading);
  return condition.whole(state, ledger.history, reading);
}

/** Writes the generation that names the new known-good build. Reading the layout first: it is rendered over every member. */
async function point(state: State, runner: Runner): Promise<Event | undefined> {
  const { io, ledger, watch, readBack } = runner;
  const failed = (why: string): Event => ({ type: 'point-failed', atMs: io.now(), why, attempt: state.attempts + 1 });
  const build = toBePointed(state);
  if (build === null || (state.attempts > 0 && !(await watch.wait(RETRY_MS)))) return undefined;
  // On a full disk what was put by is of more use to the pointer: nothing is raised after this.
  if (state.attempts > 0) giveBack(ledgerReserve(runner.places).file, io.fs);
  const found = await readBack.read();
  const missing = (why: string): Event => {
    if (state.plan.kind === 'rollback') return failed(why);
    return { type: 'unseen', atMs: io.now(), why, missingMs: 0, tried: false };
  };
  if ('why' in found) return missing(found.why);
  // Known-good is what serves everything now, not what did when the last gate passed.
  const served = stepSplit(state.plan, state.step);
  if (!splitsAgree(found.reading.places, served)) return failed(driftText(served, found.reading));
  const askedMs = io.monotonic();
  const standing = await stillAdmitted(state, found.reading, runner);
  if (standing.is !== 'right') return unfitOf(standing, io.now()) ?? missing(standing.why);
  try {
    const why = state.plan.kind === 'adopt' ? 'adopted' : state.plan.kind === 'rollback' ? 'rolled-back' : 'promoted';
    const seen = { history: ledger.history, reading: found.reading, ledgerHead: await ledger.head() };
    const draft = await draftRollout({ why, build }, state.plan, seen, runner);
    // Whoever slept since must look again: another build may have come to the place.
    if (watch.forbidden() !== undefined || io.monotonic() - askedMs > ASKED_WITHIN_MS) return undefined;
    const { generation, warnings } = publishPointer(runner.places, draft, io);
    return { type: 'pointed', atMs: io.now(), generation, warnings: [...warnings] };
  } catch (error) {
    return failed(`the known-good pointer could not be written: ${textOf(error)}`);
  }
}
