/**
 * What must hold in every simulation, whatever happens in it. Looks at the simulation itself, never at what a runner believes.
 *
 * I1 Nothing gives traffic to a build of another environment, or to a place that the plan does not name; nothing raises it, or makes it
 *    known-good, without having asked again who it is, at every location, nor where that or its files cannot be seen.
 * I2 Nothing is changed by a process whose claim is not the one in force, or at a target that another state drives, nor anything but
 *    what the ledger wants next, or, where it could not be written, a way to the stable build. Nothing rises without a state.
 * I3 Whatever was acknowledged, a ledger entry or a generation of the pointer, is still there after crashes and power cuts.
 * I4 At most one process leads: no two are ever told that the same entry is theirs.
 * I5 Under a hold nothing moves traffic but another rescue; after a rescue nothing of a rollout arrives any more; no hold gets lost.
 * I6 The ledger is a whole chain and no generation of the pointer is damaged.
 * I7 The percentage never rises unless whoever leads saw every gate pass, on real counts, since the step before began; a build that
 *    fails from the beginning never gets beyond the first step; nothing is known-good before its last bake is over.
 * I8 Once faults stop, every rollout ends in a named state, and traffic is where that state says.
 * I9 Where a plan asks for a watch, one process counted the stable build for as long as that before the candidate gets anything, and what
 *    was aborted or rescued before that never gives it anything. No step is left before its warm-up and its bake are over.
 * I10 Nothing is raised, and nothing becomes known-good, unless the process saw enough members up, asked each that is up since, and none was
 *    another build, nor, in a protected environment, silent. What it sends and what the pointer restores name every member that it saw.
 * I11 A promotion that one process walks without a mishap ends as its members must have it. No generation lies next to a rescue program that
 *    cannot read it, whenever a process dies.
 */
import { pointerDir, readPointers } from '../../src/base/pointer/pointer.ts';
import type { Event } from '../../src/core/ledger/events.ts';
import type { History } from '../../src/core/ledger/history.ts';
import type { Entry, NewEntry } from '../../src/core/ledger/ledger.ts';
import { type Plan, stableSplit, warmUpMsOf, watchMsOf } from '../../src/core/rollout/plan.ts';
import { isOver, next, type State } from '../../src/core/rollout/rollout.ts';
import { splitsAgree, splitText } from '../../src/core/rollout/split.ts';
import { OLD_PROGRAM } from './members.ts';
import { CANDIDATE, historyIn, ledgerIn, STABLE } from './rollouts.ts';
import type { Schedule } from './schedule.ts';
import { endOf, notAllRight, tooFewSeen, unnamed } from './seen-members.ts';
import { COPY_DIR, POINTER_DIR, SCOPE, type Simulation, STATE_DIR, sharesOf } from './simulation.ts';

/** Between two polls no one watched, if there is more than this between them beyond their interval. */
const GAP_MS = 5000;

/** Asking takes at most this long before a change is sent. */
const ASKED_BEFORE_MS = 10_000;

export class Invariants {
  readonly problems: string[] = [];
  readonly #sim: Simulation;
  readonly #schedule: Schedule;
  readonly #checks: Promise<void>[] = [];
  /** Processes that break glass, and when they began. */
  readonly #rescuers = new Map<number, number>();
  #reviewedMs = 0;
  readonly #acknowledged = new Map<number, { readonly by: number; readonly entry: NewEntry }>();
  readonly #generations: number[] = [];
  #shiftedMs = 0;
  #convergedMs = 0;
  #rescuedMs: number | undefined;
  #mustHold = false;
  foreignSinceMs: number | undefined;
  /** Since when the candidate, or its manifest, cannot be seen; undefined while both can. */
  unseenSinceMs: number | undefined;
  #enteredMs = 0;
  /** When each process did anything in the newest rollout while the stable build served everything, and when it had counts of that. */
  readonly #looks = new Map<number, number[]>();
  readonly #counts = new Map<number, number[]>();
  /** The rollout that each rescue met in its watch, and rollouts that were ended there. */
  readonly #metWatching = new Map<number, string>();
  readonly #ended = new Set<string>();

  constructor(sim: Simulation, schedule: Schedule) {
    this.#sim = sim;
    this.#schedule = schedule;
    sim.onShift = (by, split, members) => {
      if (this.#rescuers.has(by)) return;
      this.#checks.push(this.#mayShift(by, split));
      // A look of the bake may come back while the connection of a revert is made.
      const isLate =
        (sim.looked.get(by)?.atMs ?? 0) > sim.monotonicMs - 1000 && (split['green'] ?? 0) <= (sim.split['green'] ?? 0);
      const left = sim.shape.length === 0 || isLate ? [] : unnamed(sim, by, members);
      for (const member of left) this.fail('I10', `process ${by} changed the traffic without naming ${member}`);
    };
    sim.onMove = (by, sentMs) => this.#mayArrive(by, sentMs);
    sim.onAppended = (by, seq, entry) => this.#appended(by, seq, entry);
    sim.onPointed = (generation) => void this.#generations.push(generation);
    if (schedule.isOld) sim.onDeath = () => this.#programs();
    if (watchMsOf(schedule.plan) > 0) sim.onAsked = (by, counted) => this.#asked(by, counted);
    if (schedule.green === 'foreign' || schedule.green === 'staging') this.foreignSinceMs = Number.NEGATIVE_INFINITY;
  }

  fail(invariant: `I${number}`, what: string): void {
    const problem = `${invariant} ${what}`;
    this.problems.push(problem);
    this.#sim.tell?.('BROKEN', problem);
  }

  breaksGlass(pid: number): void {
    this.#rescuers.set(pid, this.#sim.monotonicMs);
  }

  /** A rescue begins in the middle of this rollout's watch. */
  meetsWatch(pid: number, id: string): void {
    this.#metWatching.set(pid, id);
  }

  /** What a rescue says while it is at work. */
  said(line: string): void {
    if (line === `hold set in ${POINTER_DIR}`) this.#mustHold = true;
  }

  /** A rescue has said its last word. */
  rescued(pid: number, code: string | null, message: string): void {
    // A review that came in between has lifted the hold already.
    if (code !== null || message.includes('HOLD NOT WRITTEN') || this.#reviewedMs > (this.#rescuers.get(pid) ?? 0)) return;
    this.#mustHold = true;
    this.#rescuedMs = this.#sim.monotonicMs;
    const id = this.#metWatching.get(pid);
    if (id !== undefined) this.#ended.add(id);
  }

  reviewed(): void {
    this.#reviewedMs = this.#sim.monotonicMs;
    this.#mustHold = false;
    this.#rescuedMs = undefined;
  }

  /** Whether a hold lies where a rescue put one. */
  holdStands(): void {
    if (this.#mustHold && !this.#sim.disk.existsSync(`${POINTER_DIR}/hold`)) this.fail('I5', 'a hold was set and is gone');
  }

  #appended(by: number, seq: number, entry: NewEntry): void {
    const before = this.#acknowledged.get(seq);
    if (before !== undefined) this.fail('I4', `processes ${before.by} and ${by} were both told that entry ${seq} is theirs`);
    this.#acknowledged.set(seq, { by, entry });
    if (entry.event.type === 'claimed' && entry.event.claim.from !== null) this.#sim.met('takeover');
    if (entry.event.type === 'pointed') this.#checks.push(this.#mayPoint(by, this.#enteredMs));
    this.#enteredMs = this.#sim.monotonicMs;
    if (watchMsOf(this.#schedule.plan) > 0) this.#checks.push(this.#inWatch(by, entry.event));
    if (entry.event.type === 'shifted') this.#shiftedMs = this.#sim.monotonicMs;
    if (entry.event.type === 'converged') this.#convergedMs = this.#sim.monotonicMs;
  }

  async #inWatch(by: number, event: Event): Promise<void> {
    if (event.type === 'planned') for (const times of [this.#looks, this.#counts]) times.clear();
    this.#asked(by);
    const { rollout } = await historyIn(this.#sim);
    if (rollout === null) return;
    if (event.type === 'claimed' && event.claim.from !== null && rollout.phase === 'watching')
      this.#sim.met('takeover in mid-watch');
    if (event.type === 'abort-requested' && rollout.phase === 'refused') this.#ended.add(rollout.plan.id);
  }

  #asked(by: number, counted?: string): void {
    if (this.#sim.split.blue !== 100 || (counted !== undefined && counted !== STABLE)) return;
    // Whoever is given an answer is looking.
    for (const times of counted === undefined ? [this.#looks] : [this.#looks, this.#counts]) {
      const own = times.get(by);
      if (own === undefined) times.set(by, [this.#sim.monotonicMs]);
      else own.push(this.#sim.monotonicMs);
    }
  }

  /** What a promotion names known-good has served everything for its whole last bake. */
  async #mayPoint(by: number, enteredMs: number): Promise<void> {
    const sim = this.#sim;
    const restores = JSON.stringify(readPointers(POINTER_DIR, sim.disk, SCOPE).newest?.knownGood.changes ?? []);
    const doubts = [
      ...this.#notAdmitted(by, enteredMs),
      ...(sim.shape.length === 0 ? [] : notAllRight(sim, by, this.#schedule.plan, false)),
      ...(sim.shape.length === 0 ? [] : unnamed(sim, by, restores).map((member) => `a place without naming ${member}`)),
    ];
    const servedMs = this.#sim.monotonicMs - this.#shiftedMs;
    const { rollout } = await historyIn(this.#sim);
    if (rollout?.plan.kind === 'promote') for (const doubt of doubts) this.fail('I1', `process ${by} named ${doubt} known-good`);
    if (rollout?.plan.kind === 'promote' && servedMs < (rollout.plan.steps.at(-1)?.bakeMs ?? 0))
      this.fail('I7', `process ${by} named a build known-good after ${servedMs} ms`);
  }

  #mayArrive(by: number, sentMs: number): void {
    const { monotonicMs } = this.#sim;
    if (by === 0 || this.#rescuers.has(by) || this.#rescuedMs === undefined || sentMs > this.#rescuedMs) return;
    if (monotonicMs > this.#rescuedMs)
      this.fail('I5', `what process ${by} sent ${monotonicMs - sentMs} ms ago arrived after the rescue was over`);
  }

  /** Reading is synchronous underneath, so this looks at the ledger as it is when the change is sent. */
  async #mayShift(by: number, asked: Readonly<Record<string, number>>): Promise<void> {
    const held = this.#sim.disk.existsSync(`${POINTER_DIR}/hold`);
    const rises = (asked.green ?? 0) > (this.#sim.split.green ?? 0);
    const { countedMs } = this.#sim;
    const before = { green: this.#sim.split.green ?? 0, sinceMs: this.#sinceRaisedMs() };
    const counted = countedMs.get(CANDIDATE) ?? Number.NEGATIVE_INFINITY;
    if (this.#sim.others !== undefined) this.fail('I2', `process ${by} changed traffic that is another state's to move`);
    if (held) this.fail('I5', `process ${by} changed traffic under a hold`);
    const stray = sharesOf(asked).find(({ place, percent }) => percent > 0 && place !== 'blue' && place !== 'green');
    if (stray !== undefined) this.fail('I1', `process ${by} gave traffic to ${stray.place}`);
    if (rises && this.#schedule.plan.kind === 'promote')
      for (const doubt of this.#notAdmitted(by, this.#enteredMs)) this.fail('I1', `process ${by} sent more traffic to ${doubt}`);
    if (!this.#sim.disk.existsSync(STATE_DIR)) {
      if (rises && this.#schedule.plan.kind === 'promote') this.fail('I2', `process ${by} raised the percentage without a state`);
      return;
    }
    const convergedMs = this.#convergedMs;
    const { entries, history } = await ledgerIn(this.#sim);
    this.#leads(by, asked, history);
    if (rises && history.rollout?.plan.kind === 'promote') this.#members(by, asked, history.rollout);
    if (rises && history.rollout?.plan.kind === 'promote') this.#waited(by, history.rollout, before);
    const step = history.rollout?.step ?? 0;
    if (!rises || step === 0 || history.rollout?.phase !== 'shifting' || history.rollout.plan.kind !== 'promote') return;
    // The gates of the step before passed when it was first reached; now it bakes again.
    if (history.rollout.again) return;
    if (!passedSince(entries)) this.fail('I7', `process ${by} raised the percentage without a gate that passed`);
    if (counted <= convergedMs)
      this.fail('I7', `process ${by} raised the percentage, and nothing was counted since the step before began to bake`);
  }

  /** By what the process itself saw of the members, and heard from them. */
  #members(by: number, asked: Readonly<Record<string, number>>, { plan, again }: State): void {
    const sim = this.#sim;
    if (sim.shape.length === 0) return;
    sim.met('raise to several members');
    if (new Set(sim.shape.map(({ members }) => members['green']?.length)).size > 1) sim.met('raise to locations of unequal size');
    const identity = plan.identity === 'none' ? null : plan.identity;
    if (identity?.json !== undefined) sim.met('identity in JSON');
    if (identity?.is === 'commit') sim.met('identity by commit');
    for (const what of notAllRight(sim, by, plan, again)) this.fail('I10', `process ${by} raised the percentage of ${what}`);
    if (again) return;
    for (const at of tooFewSeen(sim, by, plan, asked['green'] ?? 0))
      this.fail('I10', `process ${by} raised the percentage with too few members up at ${at}`);
    const restores = JSON.stringify(readPointers(POINTER_DIR, sim.disk, SCOPE).newest?.knownGood.changes ?? []);
    for (const member of unnamed(sim, by, restores))
      this.fail('I10', `process ${by} raised the percentage, and the pointer does not restore ${member}`);
  }

  /** For how long traffic has been as it is. */
  #sinceRaisedMs(): number {
    const { monotonicMs, moved, split } = this.#sim;
    const raised = moved[moved.findLastIndex((one) => one.split.green !== split.green) + 1];
    return monotonicMs - (raised?.sentMs ?? 0);
  }

  /** `green` and `sinceMs`: what the candidate had before this change, and for how long. */
  #waited(by: number, { plan, step }: State, { green, sinceMs }: { readonly green: number; readonly sinceMs: number }): void {
    const { troubles } = this.#sim;
    if (this.#ended.has(plan.id)) this.fail('I9', `process ${by} goes on with ${plan.id}, which was ended in its watch`);
    const watchMs = watchMsOf(plan);
    const lookedMs = longest(this.#looks, plan);
    // An answer counts as watched until it comes, and may take as long as a look.
    const countedMs = longest(this.#counts, plan) + plan.pollMs + GAP_MS;
    if (Math.min(lookedMs, countedMs) < watchMs || (watchMs > 0 && this.#counts.size === 0))
      this.fail('I9', `process ${by} gave the candidate traffic ${lookedMs} ms into a watch of ${watchMs} ms`);
    const before = plan.steps[step - 1];
    // A clock that jumps may end a warm-up, so that none lasts for ever.
    if (green !== before?.percent || troubles.has('clock jumps ahead')) return;
    const { bakeMs } = before;
    if (sinceMs < bakeMs) this.fail('I9', `process ${by} raised the percentage ${sinceMs} ms after the last time, not ${bakeMs}`);
    const { monotonicMs, moved } = this.#sim;
    // A step that bakes again is warm already.
    const warmMs = monotonicMs - (moved.find(({ split }) => (split.green ?? 0) >= green)?.sentMs ?? 0);
    const waitMs = warmUpMsOf(plan) + bakeMs;
    if (warmMs < waitMs) this.fail('I9', `process ${by} raised the percentage ${warmMs} ms into a step of ${waitMs} ms`);
  }

  /** Why it is not certain now that the candidate may get more: what was seen too long ago counts no more. */
  #notAdmitted(by: number, enteredMs: number): readonly string[] {
    const { monotonicMs, heard, shape } = this.#sim;
    const long = (since: number | undefined) => since !== undefined && since < monotonicMs - ASKED_BEFORE_MS;
    return [
      ...(long(this.foreignSinceMs) ? ['a build of somewhere else'] : []),
      ...(long(this.unseenSinceMs) ? ['a build that cannot be seen'] : []),
      ...(shape.length === 0 && (heard.get(`${by} green`)?.atMs ?? 0) < enteredMs ? ['a build that was not asked again'] : []),
    ];
  }

  #leads(by: number, asked: Readonly<Record<string, number>>, { rollout, leader }: History): void {
    const split = sharesOf(asked);
    const effect = rollout === null ? undefined : next(rollout);
    if (leader?.claim.by.pid !== by)
      this.fail('I2', `process ${by} changed traffic while ${leader?.claim.by.pid ?? 'nobody'} led`);
    const back = rollout?.plan.kind === 'promote' && splitsAgree(split, stableSplit(rollout.plan));
    if (back && this.#sim.unwritten.has(by)) return;
    if (effect?.do !== 'shift')
      this.fail('I2', `process ${by} set ${splitText(split)} while the ledger says ${rollout?.phase ?? 'nothing'}`);
    else if (!splitsAgree(effect.split, split))
      this.fail('I2', `process ${by} set ${splitText(split)}, the ledger wants ${splitText(effect.split)}`);
  }

  /** Wherever a generation lies, the rescue program that was there before is gone. */
  #programs(): void {
    const { disk } = this.#sim;
    for (const dir of [POINTER_DIR, pointerDir(COPY_DIR, SCOPE)]) {
      const names = disk.existsSync(dir) ? disk.readdirSync(dir).map(String) : [];
      if (!names.some((name) => /^ptr\.\d+$/.test(name))) continue;
      if (String(disk.readFileSync(`${dir}/break-glass.mjs`)) === OLD_PROGRAM)
        this.fail('I11', `a rescue program of an earlier version lies next to a generation in ${dir}`);
      else this.#sim.met('rescue program of an earlier version');
    }
  }

  /** Where nothing but the members decides, they decide. */
  #asMembersHaveIt(rollout: State | null): void {
    const wanted = endOf(this.#schedule);
    if (wanted === undefined) return;
    const { phase = 'none', why = '' } = rollout ?? {};
    const isWanted = wanted === 'not done' ? phase !== 'done' : phase === wanted;
    if (!isWanted) this.fail('I11', `it ended ${phase}, not ${wanted}: ${why}`);
    if (wanted === 'refused' && this.#sim.moved.length > 0) this.fail('I11', 'traffic moved in a rollout that was refused');
    const [odd] = Object.keys(this.#schedule.replicas?.odd ?? {});
    const isAlone = new Set(this.#schedule.replicas?.shapes.flatMap(({ members }) => members['green'] ?? [])).size === 1;
    if (wanted === 'refused' && odd?.startsWith('green') && !isAlone && !why.includes(odd) && !/needs \d member/.test(why))
      this.fail('I11', `the refusal does not name ${odd}: ${why}`);
  }

  async atEnd(): Promise<string> {
    await Promise.all(this.#checks);
    if (this.#schedule.isOld) this.#programs();
    const { entries, history } = await ledgerIn(this.#sim);
    const { rollout, knownGood } = history;
    this.#kept(entries);
    this.#pointers(entries.map(({ event }) => event));
    this.#asMembersHaveIt(rollout);
    if (rollout !== null && !isOver(rollout)) this.fail('I8', `it ended while still ${rollout.phase}`);
    this.#neverFar(knownGood.map(({ build }) => build.guid));
    const pointed = readPointers(POINTER_DIR, this.#sim.disk, SCOPE).newest?.knownGood.build.guid;
    if (rollout !== null) this.#traffic(rollout, pointed);
    return rollout?.phase ?? 'none';
  }

  /** A leader that lost its state says how far it came back: nothing else will. */
  lost(state: State): void {
    if (state.phase === 'reverted') this.#traffic(state, null);
  }

  /** A build that fails from the start never gets beyond the first step, and is never known-good. */
  #neverFar(knownGood: readonly string[]): void {
    const { green, plan } = this.#schedule;
    if ((green !== 'sick' && green !== 'broken') || plan.kind !== 'promote') return;
    const most = plan.steps[0]?.percent ?? 0;
    const far = this.#sim.moved.find(({ by, split }) => by > 0 && (split.green ?? 0) > most);
    if (far !== undefined) this.fail('I7', `a build that fails got ${far.split.green} %`);
    if (most < 100 && knownGood.includes(CANDIDATE)) this.fail('I7', 'a build that fails became known-good');
  }

  #kept(entries: readonly Entry[]): void {
    for (const [seq, { by, entry }] of this.#acknowledged) {
      const there = entries[seq - 1];
      const same =
        there !== undefined && there.at === entry.at && there.event.type === entry.event.type && there.actor === entry.actor;
      if (!same) this.fail('I3', `entry ${seq} (${entry.event.type}) that process ${by} was promised is gone`);
    }
  }

  #pointers(events: readonly Event[]): void {
    const told = events.flatMap((event) =>
      event.type === 'pointed' || (event.type === 'prepared' && event.generation !== null) ? [event.generation ?? 0] : [],
    );
    const promised = [...this.#generations, ...told].sort((a, b) => a - b);
    const { all, damaged, newest } = readPointers(pointerDir(STATE_DIR, SCOPE), this.#sim.disk, SCOPE);
    if (damaged.length > 0 && promised.length > 0) this.fail('I6', `damaged generations: ${JSON.stringify(damaged)}`);
    const lost = promised.slice(-10).find((generation) => !all.some((pointer) => pointer.generation === generation));
    if (lost !== undefined) this.fail('I3', `generation ${lost} of the pointer was promised and is gone`);
    if ((newest?.generation ?? 0) < (promised.at(-1) ?? 0)) this.fail('I3', 'the newest generation is not the newest');
  }

  /** Where traffic is, by the router's word, is where the ledger says; stuck states say that it is not. `pointed`: null where no pointer can be. */
  #traffic({ plan: { candidate, stable }, phase }: State, pointed: string | null | undefined): void {
    const { moved, says, split } = this.#sim;
    if (phase === 'done' && pointed !== candidate.guid) this.fail('I8', `done, but the pointer names ${pointed}`);
    if (phase === 'reverted' && pointed !== null && pointed !== (stable?.guid ?? STABLE))
      this.fail('I8', `reverted, but the pointer names ${pointed}`);
    if (phase === 'rescued' && this.#rescuers.size === 0) this.fail('I8', 'rescued by nobody');
    // Somebody else, or a rescue, had the last word: nobody watches after the end.
    const last = moved.at(-1)?.by ?? -1;
    if (last === 0 || this.#rescuers.has(last)) return;
    const there = sharesOf(says ?? split);
    const only = (place: string) => splitsAgree(there, [{ place, percent: 100 }]);
    if (phase === 'done' && !only(candidate.ref)) this.fail('I8', `done, but traffic is ${splitText(there)}`);
    if (phase === 'reverted' && !only(stable?.ref ?? '')) this.fail('I8', `reverted, but traffic is ${splitText(there)}`);
  }
}

/** For how long at most one of the processes was at it, at these times. */
function longest(times: ReadonlyMap<number, readonly number[]>, { pollMs }: Plan): number {
  const spans = [...times.values()].map((own) =>
    // Whoever slept over an answer watched again from then on.
    own.slice(1).map((atMs, index) => (atMs - (own[index] ?? 0) <= pollMs + GAP_MS ? atMs - (own[index] ?? 0) : pollMs)),
  );
  return Math.max(0, ...spans.map((gaps) => gaps.reduce((all, ms) => all + ms, 0)));
}

/** True when whoever leads now saw a poll that passed at the last step that was reached, with enough requests at each gate. */
function passedSince(entries: readonly Entry[]): boolean {
  const from = entries.findLastIndex(({ event }) => event.type === 'shifted' || event.type === 'claimed');
  return entries.slice(from + 1).some(({ event }) => {
    if (event.type !== 'polled' || event.verdict !== 'pass') return false;
    return event.gates.length > 0 && event.gates.every((gate) => gate.verdict === 'pass' && gate.requests >= 10);
  });
}
