/**
 * The local store: a directory of segments per scope, on one file system. Taking a claim links the next segment, and only who linked the
 * newest one appends to it. Must never answer for another's.
 */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { Code } from '../base/codes.ts';
import { createWhole, groupModes, OWNER_ONLY, placeMark, sweepTemporaries } from '../base/durable/durable-file.ts';
import { flush, look, READ_ONLY, withFile } from '../base/durable/open-file.ts';
import { mayBeShared, openStateDir, stateDirExists, whyOf } from '../base/durable/state-dir.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { type Accepted, encodeLine, FORMAT_VERSION, leaderOf, type NewEntry } from '../core/ledger/ledger.ts';
import { nameProblem, scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { headOf, OwnSegment } from './own-segment.ts';
import {
  type Loaded,
  ledgerDir,
  ledgerNames,
  listSegments,
  loadLedger,
  newestSegment,
  pathOf,
  readState,
  type StateRoot,
} from './segments.ts';
import { stateError } from './state-error.ts';
import type { AbortRequest, Standing, Store, StoredLedger } from './store.ts';

/** A request that was overtaken by a new claim is made again, this often. */
const REQUEST_ATTEMPTS = 5;

const MAX_REQUEST_BYTES = 64 * 1024;

/**
 * Keeps ledgers below `stateDir`, shared by `group` when given. Claims are compare-and-swap by `link(2)`. Rejects with LEDGER_DAMAGED,
 * STATE_UNSAFE, STATE_UNWRITABLE, UNREACHABLE or IN_DOUBT. What it cannot close: the claim is looked at before a change is made, not by
 * the target while it changes.
 */
export function localStore(stateDir: string, io: Io, group?: { readonly gid: number }): Store {
  return new LocalStore({ dir: stateDir, modes: group === undefined ? OWNER_ONLY : groupModes(group.gid) }, io);
}

class LocalStore implements Store {
  readonly #root: StateRoot;
  readonly #io: Io;
  readonly #own = new Map<string, OwnSegment>();
  /** What was read and verified before: long ledgers are read only once. */
  readonly #loaded = new Map<string, Loaded>();

  constructor(root: StateRoot, io: Io) {
    this.#root = root;
    this.#io = io;
  }

  async read(scope: Scope): Promise<StoredLedger> {
    return this.#try('UNREACHABLE', `cannot read the ledger of ${scopeText(scope)}`, () => {
      const { entries, head, tornBytes, newest } = this.#load(scope);
      const led = newest !== undefined && leaderOf(entries) !== undefined;
      if (!led) return { entries, head: head.hash, tornBytes, beatAtMs: null, claimFile: null };
      const { fs } = this.#io;
      const { mtimeMs, uid } = fs.lstatSync(newest.file);
      const claimFile = { owner: uid, shared: mayBeShared(this.#root.dir, fs) };
      return { entries, head: head.hash, tornBytes, beatAtMs: mtimeMs, claimFile };
    });
  }

  async append(scope: Scope, seq: number, entry: NewEntry): Promise<'ok' | 'conflict'> {
    return this.#try('STATE_UNWRITABLE', `cannot write the ledger of ${scopeText(scope)}`, () => {
      if (entry.event.type === 'claimed') return this.#claim(scope, seq, entry) ? 'ok' : 'conflict';
      if (this.#own.get(scopeText(scope))?.append(seq, entry) !== true) return 'conflict';
      if (entry.event.type === 'released') this.#drop(scope);
      return 'ok';
    });
  }

  /**
   * Links the next segment, which begins with this claim. False when another process was faster, or when the current owner was neither
   * fenced nor gave its claim back.
   */
  #claim(scope: Scope, seq: number, entry: NewEntry): boolean {
    const { fs } = this.#io;
    const dir = openStateDir(this.#root.dir, ledgerNames(scope), fs, this.#root.modes);
    const newest = listSegments(fs, dir).at(-1) ?? 0;
    // The fence first, then the length: the other way round an append could be acknowledged in between and be cut off.
    const fenced = newest > 0 && look(pathOf(dir, newest, 'fenced'), fs) !== undefined;
    const ledger = this.#load(scope);
    if (seq !== ledger.head.seq + 1 || (ledger.newest?.number ?? 0) !== newest) return false;
    if (leaderOf(ledger.entries) !== undefined && !fenced) return false;
    const after = newest === 0 ? null : this.#accept(dir, newest, ledger);
    const first = { ...entry, seq, prev: ledger.head.hash, after, formatVersion: FORMAT_VERSION };
    const line = encodeLine(first);
    const path = pathOf(dir, newest + 1, 'jsonl');
    if (!createWhole(path, line, { ...this.#root.modes, keepsOwner: true }, fs)) return false;
    sweepTemporaries(dir, this.#io.now(), fs);
    const own = new OwnSegment(fs, dir, newest + 1, headOf(first, line), line.length, ledger.entries[0] ?? first, first);
    this.#drop(scope);
    this.#own.set(scopeText(scope), own);
    return true;
  }

  /** Makes durable what the claim is about to accept, and puts a torn tail aside. */
  #accept(dir: string, segment: number, { newest, acceptedBytes, head }: Loaded): Accepted {
    const { fs } = this.#io;
    const path = pathOf(dir, segment, 'jsonl');
    withFile(path, READ_ONLY, fs, (fd) => flush(fd, path, fs));
    const torn = newest?.bytes.subarray(acceptedBytes) ?? Buffer.alloc(0);
    if (torn.length > 0) createWhole(pathOf(dir, segment, 'torn'), torn, this.#root.modes, fs);
    return { segment, bytes: acceptedBytes, sha256: head.hash, torn: torn.length };
  }

  #drop(scope: Scope): void {
    this.#own.get(scopeText(scope))?.close();
    this.#own.delete(scopeText(scope));
  }

  async fence(scope: Scope, claimSeq: number): Promise<void> {
    this.#try('STATE_UNWRITABLE', `cannot fence the claim of ${scopeText(scope)}`, () => {
      const { entries, newest } = this.#load(scope);
      const claim = entries.findLast(({ event }) => event.type === 'claimed');
      // Each claim opens one segment. One that has been succeeded needs no fence.
      if (claim?.seq !== claimSeq || newest === undefined) return;
      placeMark(pathOf(ledgerDir(this.#root, scope), newest.number, 'fenced'), '', this.#io.fs);
    });
  }

  owns(scope: Scope): boolean {
    return this.standing(scope) === 'ours';
  }

  standing(scope: Scope): Standing {
    const own = this.#own.get(scopeText(scope));
    if (own === undefined) return 'taken';
    const standing = own.standing();
    return typeof standing === 'object' && this.#isSucceeded(scope, own) ? 'taken' : standing;
  }

  /** True where another state, or a ledger that went on without this process, lies where its claim was. */
  #isSucceeded(scope: Scope, { first, claim }: OwnSegment): boolean {
    try {
      const { entries } = loadLedger(this.#io, this.#root, scope);
      const [begin] = entries;
      if (begin === undefined) return false;
      if (!isDeepStrictEqual(begin.event, first.event)) return true;
      // An older copy of the same ledger, brought back: no one leads there who came after this process.
      if (entries.length < claim.seq) return false;
      const since = entries.slice(claim.seq - 1);
      return !isDeepStrictEqual(since[0]?.event, claim.event) || since.slice(1).some(({ event }) => event.type === 'claimed');
    } catch {
      return false;
    }
  }

  async beat(scope: Scope): Promise<void> {
    const own = this.#own.get(scopeText(scope));
    if (own?.standing() !== 'ours') return;
    this.#try('STATE_UNWRITABLE', `cannot write the heartbeat of ${scopeText(scope)}`, () => own.beat(this.#io.now() / 1000));
  }

  async requestAbort(scope: Scope, request: AbortRequest): Promise<void> {
    this.#try('STATE_UNWRITABLE', `cannot request an abort in ${scopeText(scope)}`, () => {
      const dir = ledgerDir(this.#root, scope);
      const wish = Buffer.from(`${JSON.stringify(requestSchema.parse(request))}\n`);
      for (let attempt = 0; attempt < REQUEST_ATTEMPTS; attempt += 1) {
        const newest = this.#newest(scope);
        if (newest === undefined) break;
        // A name that is taken is a wish that someone had before: as good.
        createWhole(pathOf(dir, newest, 'abort'), wish, this.#root.modes, this.#io.fs);
        if (this.#newest(scope) === newest) return;
      }
      const hint = 'See who leads with kvdeploy status, then try again.';
      throw new KvdeployError('BUSY', { message: `no leader of ${scopeText(scope)} could be asked for an abort`, hint });
    });
  }

  async requestedAbort(scope: Scope): Promise<AbortRequest | undefined> {
    return this.#try('UNREACHABLE', `cannot check for an abort request in ${scopeText(scope)}`, () => {
      const newest = this.#newest(scope);
      if (newest === undefined) return undefined;
      const path = pathOf(ledgerDir(this.#root, scope), newest, 'abort');
      if (look(path, this.#io.fs) === undefined) return undefined;
      return parseRequest(readState(this.#io.fs, this.#root, path, MAX_REQUEST_BYTES), this.#io.now());
    });
  }

  async scopes(): Promise<readonly Scope[]> {
    return this.#survey().scopes;
  }

  async unlisted(): Promise<readonly string[]> {
    return this.#survey().unlisted;
  }

  /** One folder that cannot be looked into, such as another account's, hides only what is in it. */
  #survey(): { readonly scopes: readonly Scope[]; readonly unlisted: readonly string[] } {
    const unlisted: string[] = [];
    const within = (names: string[]) => this.#names(names).map((name) => [...names, name]);
    const withinIfSeen = (names: string[]) => {
      try {
        return within(names);
      } catch (error) {
        unlisted.push(`${names.join('/')} cannot be looked into: ${whyOf(error)}`);
        return [];
      }
    };
    const tops = this.#try('UNREACHABLE', `cannot list the scopes below ${this.#root.dir}`, () => within([]));
    const scopes = tops
      .flatMap(withinIfSeen)
      .flatMap(withinIfSeen)
      .map(([tenant = '', environment = '', service = '']) => ({ tenant, environment, service }));
    return { scopes: scopes.filter((scope) => this.#mayHaveLedger(scope)), unlisted };
  }

  /** Where that cannot be seen, reading the ledger says why. */
  #mayHaveLedger(scope: Scope): boolean {
    try {
      return this.#newest(scope) !== undefined;
    } catch {
      return true;
    }
  }

  /** Directories with a scope's name below these; files (the rescue program) and other names are not scopes. */
  #names(below: readonly string[]): string[] {
    const { fs } = this.#io;
    if (!stateDirExists(this.#root.dir, below, fs, this.#root.modes)) return [];
    const dir = [this.#root.dir, ...below].join('/');
    const isFolder = (name: string) => look(`${dir}/${name}`, fs)?.isFile() === false;
    return fs.readdirSync(dir).filter((name) => nameProblem(name) === undefined && isFolder(name));
  }

  #load(scope: Scope): Loaded {
    const loaded = loadLedger(this.#io, this.#root, scope, this.#loaded.get(scopeText(scope)));
    this.#loaded.set(scopeText(scope), loaded);
    return loaded;
  }

  #newest(scope: Scope): number | undefined {
    if (!stateDirExists(this.#root.dir, ledgerNames(scope), this.#io.fs, this.#root.modes)) return undefined;
    const known = this.#loaded.get(scopeText(scope))?.newest?.number ?? 0;
    const newest = newestSegment(this.#io.fs, ledgerDir(this.#root, scope), known);
    return newest === 0 ? undefined : newest;
  }

  #try<T>(code: Code, what: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw stateError(code, what, error);
    }
  }
}

const requestSchema = z.strictObject({ actor: z.string(), reason: z.string(), atMs: z.number() });

/** What the file of a wish to abort says. One that cannot be read is still a wish to abort: aborting is the safe side. */
export function parseRequest(bytes: Buffer, nowMs: number): AbortRequest {
  try {
    return requestSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return { actor: 'unknown', reason: 'unreadable request', atMs: nowMs };
  }
}
