/** Gathers the facts that admission judges. Must not judge, and must not change anything. */
import { diskProblem, filesystemOf } from '../base/durable/state-dir.ts';
import { readPointers } from '../base/pointer/pointer.ts';
import type { Pointer } from '../base/pointer/pointer-format.ts';
import type { Scope } from '../base/scope.ts';
import type { Facts, PointerFact, Unseen } from '../core/admission/facts.ts';
import { type Identity, identityAt } from '../core/identity.ts';
import { currentKnownGood, fold } from '../core/ledger/history.ts';
import type { Entry } from '../core/ledger/ledger.ts';
import { type Guid, sameScope, scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { Store } from '../stores/store.ts';
import type { Target } from './target.ts';

export interface FactSources
  extends Pick<Facts, 'scope' | 'guid' | 'listed' | 'atPlace' | 'listing' | 'environments' | 'history' | 'unseen'> {
  readonly settings: { readonly protected: boolean; readonly identity?: Identity | null; readonly router?: unknown } | null;
  readonly config: { readonly services: readonly { readonly scope: Scope }[] } | null;
  readonly stateDir: string;
  readonly store: Store;
  readonly entries: readonly Entry[];
  readonly ledgerHead: string;
  /** The first is the one that admission judges. */
  readonly pointerDirs: readonly string[];
}

/** Facts from files alone; everything about the target is still unknown, and therefore not fine. */
export async function fileFacts(from: FactSources, io: Io): Promise<Facts> {
  const others = await otherLedgers(from);
  const { scope, guid, listed, atPlace, listing, environments, history } = from;
  return {
    ...{ scope, guid, listed, atPlace, listing, environments, history },
    otherLedgers: others.seen,
    unseen: [...from.unseen, ...others.unseen],
    identity: identityOf(from),
    // Without settings the ledger's last plan says whether it is.
    protected: from.settings?.protected ?? history.rollout?.plan.unprotected !== true,
    gathered: ['files'],
    pointer: pointerFact(from, io),
    targetSays: [],
    places: [],
    candidateAnswers: [],
    knownGoodAnswers: [],
    required: null,
    unusable: undefined,
    silentLocations: [],
    impossible: undefined,
    silent: undefined,
    tooFewUp: undefined,
    unfit: undefined,
    clients: null,
    diskProblem: volatileDisk(from.stateDir, io),
  };
}

/** How the build's place is asked: as today's config says, else as the ledger's last plan does. */
function identityOf({ settings, history, listed, scope, guid }: FactSources): Identity | null {
  const own = listed.find((row) => row.build.guid === guid && sameScope(row.scope, scope))?.build;
  const ref = own?.ref ?? history.knownGood.find(({ build }) => build.guid === guid)?.build.ref ?? '';
  const said = settings ?? history.rollout?.plan;
  return identityAt(said?.identity ?? null, said?.router, ref);
}

/** Adds what the target says. `candidatePlace` is where the build to be judged should run. Rejects UNREACHABLE. */
export async function targetFacts(facts: Facts, target: Target, candidatePlace: string) {
  const [reading, targetSays] = await Promise.all([target.read(), target.identify()]);
  const known = currentKnownGood(facts.history)?.build;
  const [candidateAnswers, knownGoodAnswers] = await Promise.all([
    target.ask(candidatePlace, reading),
    known === undefined ? [] : target.ask(known.ref, reading),
  ]);
  // A disk that a reboot empties needs no probe to be refused.
  const gathered: Facts['gathered'] = facts.diskProblem === null ? ['files', 'target'] : ['files', 'target', 'write'];
  const { places, unusable, unseen: silentLocations = [] } = reading;
  const answers = { targetSays, candidateAnswers, knownGoodAnswers };
  const seen: Facts = { ...facts, ...answers, gathered, places, unusable, silentLocations };
  return { facts: seen, reading };
}

/** Facts of what shows only by writing: whether the state directory keeps its word. */
export function diskFacts(facts: Facts, stateDir: string, io: Io): Facts {
  return { ...facts, gathered: ['write'], diskProblem: diskFact(stateDir, io) };
}

/** Whether the state directory keeps what it acknowledges, by a probe that is removed again. Why not, or null. */
export function diskFact(stateDir: string, io: Io): string | null {
  return volatileDisk(stateDir, io) ?? diskProblem(nearestFolder(stateDir, io), io.fs) ?? null;
}

/** Why a reboot empties the filesystem under the state directory, or null. Only looks. */
function volatileDisk(stateDir: string, io: Io): string | null {
  const folder = nearestFolder(stateDir, io);
  const { kind, name } = filesystemOf(folder, io.fs);
  return kind === 'volatile' ? `${folder} is on ${name}, which a reboot empties` : null;
}

/** What is not known of the state directory's filesystem, for a warning; undefined where it keeps its word as far as is known. */
export function diskDoubt(stateDir: string, io: Io): string | undefined {
  const { kind, name } = filesystemOf(nearestFolder(stateDir, io), io.fs);
  if (kind !== 'unsure') return undefined;
  return `${stateDir} is on ${name}: whether a power cut can lose acknowledged state is not known`;
}

/** The state directory, or before it is first made the folder that it will be made in. */
export function nearestFolder(dir: string, io: Io): string {
  if (io.fs.existsSync(dir)) return dir;
  const parent = dir.replace(/\/+[^/]*\/*$/, '');
  return parent === '' ? '/' : nearestFolder(parent, io);
}

/** The ledgers of all other scopes, and those that could not be read. One that was read before must stay in sight. */
async function otherLedgers({ scope, store, history, config }: FactSources) {
  const seen: { scope: Scope; guids: ReadonlySet<Guid> }[] = [];
  const unseen: Unseen[] = (await store.unlisted()).map((why) => ({ why, fix: LEDGER_FIX, expected: false }));
  const wasSeen = (config?.services ?? []).map((service) => service.scope).filter((other) => history.seen.has(scopeText(other)));
  const known = (await store.scopes()).filter((other) => !sameScope(other, scope));
  for (const other of known) {
    try {
      seen.push({ scope: other, guids: fold((await store.read(other)).entries).guids });
    } catch (error) {
      const expected = wasSeen.some((before) => sameScope(before, other));
      unseen.push({ why: sentence(error), fix: expected ? SEEN_FIX : LEDGER_FIX, expected });
    }
  }
  const gone = wasSeen.filter((before) => !known.some((other) => sameScope(before, other)));
  for (const other of gone)
    unseen.push({ why: `the ledger of ${scopeText(other)}, which was read before, is not there`, fix: SEEN_FIX, expected: true });
  return { seen, unseen };
}

const LEDGER_FIX = 'Let this account read it, if it should be checked.';

const SEEN_FIX =
  'Restore that ledger from a backup, or let this account read it again. If the scope is given up, remove it from the config.';

const sentence = (error: unknown) => (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');

function pointerFact(from: FactSources, io: Io): PointerFact {
  const { newest, damaged } = readPointers(from.pointerDirs[0] ?? '', io.fs, from.scope);
  return { knownGood: (newest?.knownGood.build.guid ?? null) as Guid | null, damaged, ledgerCut: ledgerCut(from, newest) };
}

/** A chain cannot show that its own end was cut off; the pointer, which knows an entry of it by its hash, can. */
export function ledgerCut(from: Pick<FactSources, 'entries' | 'ledgerHead'>, pointer: Pointer | null): string | null {
  const anchor = pointer?.ledgerHead ?? null;
  if (pointer === null || anchor === null || anchor === from.ledgerHead || from.entries.some((entry) => entry.prev === anchor))
    return null;
  return `pointer generation ${pointer.generation}, written ${pointer.writtenAt}, refers to an entry that the ledger does not have`;
}
