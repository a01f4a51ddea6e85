/**
 * Leading a scope, whatever the store: how the claim is taken, fenced, kept and given back, and how a leader is found lost. Must end a
 * paused leader before it takes its place.
 */
import { sameProcess } from '../base/changes/process-identity.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Claim, Event } from '../core/ledger/events.ts';
import { fold, type History, openRollout } from '../core/ledger/history.ts';
import { type Entry, leaderOf, type NewEntry } from '../core/ledger/ledger.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import type { Claimed, Io } from '../io.ts';
import type { AbortRequest, Store, StoredLedger } from '../stores/store.ts';

/** A leader without a sign of life for so long is taken for paused. */
export const LEASE_MS = 10_000;

/** A process that cannot be seen from here (in another container, of a hidden user) must be silent for longer. */
const UNSURE_LEASE_MS = 3 * LEASE_MS;

const BEAT_MS = 1_000;

/** A leader that looks paused is watched for so long on the monotonic clock: a wall clock that jumped must not cost a life. */
const WATCH_MS = 2.5 * BEAT_MS;

const WATCH_POLL_MS = 250;

/** Others may take the claim between reading and claiming, so often. */
const ATTEMPTS = 8;

interface Place {
  readonly io: Io;
  readonly store: Store;
  readonly scope: Scope;
}

export interface Claimant extends Place {
  readonly actor: string;
  readonly claims?: Readonly<Record<string, string>> | undefined;
}

export interface Taken {
  /** The whole ledger, with the new claim as its last entry. */
  readonly entries: readonly Entry[];
  /** Of the claim; the next append takes `seq + 1`. */
  readonly seq: number;
  /** Whom it was taken from; null when no one led. Where `ended` is false, it may still make the change it was about to make. */
  readonly from: Claim['from'];
  /** What someone had asked of the leader before, and may not have been written down by it. */
  readonly abort: AbortRequest | undefined;
  /** Bytes that a crash had torn off the ledger's end; they were put aside. */
  readonly tornBytes: number;
}

type Leader = NonNullable<ReturnType<typeof leaderOf>>;

/**
 * Makes this process the leader of the scope. Throws BUSY, saying who leads, while another leader lives. `takeOver` is for a
 * person's explicit wish: the leader is ended however lively it is.
 */
export async function takeClaim(by: Claimant, command: string, options: { readonly takeOver: boolean }): Promise<Taken> {
  const { store, scope } = by;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const ledger = await store.read(scope);
    const leader = leaderOf(ledger.entries);
    const abort = leader === undefined ? undefined : await store.requestedAbort(scope);
    const from = leader === undefined ? null : await succeed(by, leader, ledger, options.takeOver);
    // A leader that had to be ended may have written until then.
    const last = from === null ? ledger : await store.read(scope);
    const seq = await claimAfter(by, command, last.entries, from);
    if (seq !== undefined) return { entries: (await store.read(scope)).entries, seq, from, abort, tornBytes: last.tornBytes };
  }
  throw new KvdeployError('BUSY', {
    message: `other runners keep taking the claim of ${scopeText(scope)}`,
    hint: busyHint(scope),
  });
}

/** Throws BUSY, saying who leads, while another living leader is at work. Takes nothing. */
export async function assertNoOneLeads(place: Place): Promise<void> {
  const ledger = await place.store.read(place.scope);
  const leader = leaderOf(ledger.entries);
  if (leader !== undefined && !(await isLost(place, leader, ledger))) throw busy(place, leader, ledger);
}

/** Claims after what was read last. Undefined when others were faster. */
async function claimAfter(by: Claimant, command: string, entries: readonly Entry[], from: Claim['from']) {
  const { io, store, scope, actor } = by;
  const leader = leaderOf(entries);
  if (leader !== undefined && (from === null || !sameProcess(leader.claim.by, from.by))) return undefined;
  const seq = entries.length + 1;
  const claim: Claim = { by: io.self(), actor, ...(by.claims && { claims: { ...by.claims } }), command, from };
  const answer = await store.append(scope, seq, entryOf(by, { type: 'claimed', atMs: io.now(), claim }));
  return answer === 'ok' ? seq : undefined;
}

/** Fences the leader, then ends its process where it can. Throws BUSY where the leader must be left alone. */
async function succeed(place: Place, leader: Leader, ledger: StoredLedger, takeOver: boolean) {
  const { io, store, scope } = place;
  const { by, actor } = leader.claim;
  if (sameProcess(by, io.self()) || !(takeOver || (await isLost(place, leader, ledger)))) throw busy(place, leader, ledger);
  await store.fence(scope, leader.seq);
  return { by, actor, ended: (await io.end(claimedOf(leader.claim, ledger))).is === 'gone' };
}

/** A claim with what its store proves of it. */
export function claimedOf({ by }: Claim, { claimFile }: Pick<StoredLedger, 'claimFile'>): Claimed {
  return { by, ...(claimFile ?? { owner: null, shared: true }) };
}

/** True when the leader is gone, or has been silent for longer than its lease and stays so while it is watched. */
async function isLost(place: Place, { claim }: Leader, ledger: StoredLedger): Promise<boolean> {
  const { io } = place;
  const seen = io.lookFor(claimedOf(claim, ledger));
  if (seen.is === 'gone') return true;
  // A beat from the future is as odd as an old one: a clock was set, so only watching tells.
  const silentMs = ledger.beatAtMs === null ? Number.POSITIVE_INFINITY : Math.abs(io.now() - ledger.beatAtMs);
  return silentMs >= (seen.is === 'running' ? LEASE_MS : UNSURE_LEASE_MS) && staysSilent(place, ledger);
}

async function staysSilent({ io, store, scope }: Place, before: StoredLedger): Promise<boolean> {
  const until = io.monotonic() + WATCH_MS;
  while (io.monotonic() < until) {
    await io.sleep(WATCH_POLL_MS);
    const now = await store.read(scope);
    if (now.beatAtMs !== before.beatAtMs || now.entries.length !== before.entries.length) return false;
  }
  return true;
}

function busy({ io, scope }: Place, { atMs, claim }: Leader, { beatAtMs }: StoredLedger): KvdeployError {
  const { by, actor, command } = claim;
  const since = new Date(atMs).toISOString();
  const sign =
    beatAtMs === null ? 'no heartbeat' : `last heartbeat ${Math.max(0, Math.round((io.now() - beatAtMs) / 1000))} s ago`;
  const message = `${actor} leads ${scopeText(scope)} with ${command} on ${by.host} (pid ${by.pid}) since ${since}, ${sign}`;
  return new KvdeployError('BUSY', { message, hint: busyHint(scope) });
}

function busyHint(scope: Scope): string {
  return `Look with kvdeploy status ${scopeFlags(scope)}, or stop it with kvdeploy abort ${scopeFlags(scope)}`;
}

/** One entry of this process, now. */
function entryOf({ io, actor }: Claimant, event: Event): NewEntry {
  const { host, boot } = io.self();
  return { at: new Date(io.now()).toISOString(), actor, host, boot, event };
}

/**
 * Gives the claim back. `seq` is the last sequence this process knows. A `conflict` needs nothing more: either the release
 * was accepted by whoever came next, or the claim had been lost before.
 */
export async function releaseClaim(by: Claimant, seq: number): Promise<void> {
  await by.store.append(by.scope, seq + 1, entryOf(by, { type: 'released', atMs: by.io.now() }));
}

/** Gives a sign of life every second until the returned function is called; it never keeps the process alive by itself. */
export function keepBeating({ io, store, scope }: Place): () => void {
  // A beat that fails shows as silence, and silence leads to a takeover, which is what should happen then.
  return io.every(BEAT_MS, () => void store.beat(scope).catch(() => undefined));
}

/** The ledger under this process's claim. Nothing else appends to it, and nothing else says what it means now. */
export class LedgerWriter {
  readonly #by: Claimant;
  #history: History;
  #hasAbort = false;

  constructor(by: Claimant, history: History) {
    this.#by = by;
    this.#history = history;
  }

  /** What the ledger means, with everything that was appended. */
  get history(): History {
    return this.#history;
  }

  /** This process has written down that someone asked for an abort. */
  get hasAbort(): boolean {
    return this.#hasAbort;
  }

  /** Appends one event. False when another process leads now. */
  async append(event: Event): Promise<boolean> {
    const entry = entryOf(this.#by, event);
    const seq = this.#history.nextSeq;
    if ((await this.#by.store.append(this.#by.scope, seq, entry)) === 'conflict') return false;
    this.#history = fold([{ ...entry, seq, prev: '' }], this.#history);
    if (event.type === 'abort-requested') this.#hasAbort = true;
    return true;
  }

  /** Hash of the ledger's last line. */
  async head(): Promise<string> {
    return (await this.#by.store.read(this.#by.scope)).head;
  }
}

/**
 * True if a leader that could not be ended may still have a change in flight: whoever took its claim, or a leader after that one, has not yet
 * recorded a shift, which waits for what may still arrive.
 */
function hasUnended(entries: readonly Entry[]): boolean {
  const last = entries.findLast(
    ({ event }) => event.type === 'shifted' || (event.type === 'claimed' && event.claim.from?.ended === false),
  );
  return last?.event.type === 'claimed';
}

export interface Led extends Pick<Taken, 'tornBytes'> {
  readonly ledger: LedgerWriter;
  /** A process could not be ended when its claim was taken: what it has in flight may still arrive. */
  readonly unended: boolean;
  /** An abort that was asked of the leader before, which had not written it down. */
  readonly inherited: AbortRequest | undefined;
  /** Gives the claim back. Never rejects: a claim whose process is gone can be taken over without this. */
  end(): Promise<void>;
}

/** Takes the claim and gives signs of life until `end`. Throws BUSY and what the store throws. */
export async function takeLead(by: Claimant, command: string, options: { readonly takeOver: boolean }): Promise<Led> {
  const { entries, abort, tornBytes } = await takeClaim(by, command, options);
  const stopBeating = keepBeating(by);
  const ledger = new LedgerWriter(by, fold(entries));
  return {
    ledger,
    unended: hasUnended(entries),
    // A wish that the leader before did not live to write down is still a wish, but only about the rollout that it led.
    inherited: openRollout(ledger.history)?.abort === null ? abort : undefined,
    tornBytes,
    end: async () => {
      stopBeating();
      await releaseClaim(by, ledger.history.nextSeq - 1).catch(() => undefined);
    },
  };
}
