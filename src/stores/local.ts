/** The local store: a directory of segments per scope, on one file system. Only who linked the newest segment appends to it. */
import * as z from 'zod';
import type { Code } from '../base/codes.ts';
import { createWhole, groupModes, OWNER_ONLY } from '../base/durable/durable-file.ts';
import { look } from '../base/durable/open-file.ts';
import { stateDirExists } from '../base/durable/state-dir.ts';
import { placeMark } from '../base/durable/state-marks.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { leaderOf, type NewEntry } from '../core/ledger/ledger.ts';
import { nameProblem, scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { appendOwn, claimNext, type Held, stands } from './ownership.ts';
import { type Loaded, ledgerDir, ledgerNames, loadLedger, newestSegment, pathOf, readState, type StateRoot } from './segments.ts';
import { stateError } from './state-error.ts';
import type { AbortRequest, Store, StoredLedger } from './store.ts';

/** A request that was overtaken by a new claim is made again, this often. */
const REQUEST_ATTEMPTS = 5;

/**
 * Keeps ledgers below `stateDir`, shared by `group` when given. Claims are compare-and-swap by `link(2)`; all else is
 * ownership. Rejects with LEDGER_DAMAGED, STATE_UNSAFE, STATE_UNWRITABLE, UNREACHABLE or IN_DOUBT. What it cannot close: the
 * claim is looked at before a change is made, not by the target while it changes.
 */
export function localStore(stateDir: string, io: Io, group?: { readonly gid: number }): Store {
  return new LocalStore({ dir: stateDir, modes: group === undefined ? OWNER_ONLY : groupModes(group.gid) }, io);
}

class LocalStore implements Store {
  readonly #root: StateRoot;
  readonly #io: Io;
  readonly #held = new Map<string, Held>();
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
      return { entries, head: head.hash, tornBytes, beatAtMs: led ? this.#io.fs.lstatSync(newest.file).mtimeMs : null };
    });
  }

  async append(scope: Scope, seq: number, entry: NewEntry): Promise<'ok' | 'conflict'> {
    return this.#try('STATE_UNWRITABLE', `cannot write the ledger of ${scopeText(scope)}`, () => {
      return entry.event.type === 'claimed' ? this.#claim(scope, seq, entry) : this.#append(scope, seq, entry);
    });
  }

  #claim(scope: Scope, seq: number, entry: NewEntry): 'ok' | 'conflict' {
    const held = claimNext(this.#io, this.#root, scope, () => this.#load(scope), seq, entry);
    if (held === undefined) return 'conflict';
    this.#drop(scope);
    this.#held.set(scopeText(scope), held);
    return 'ok';
  }

  #append(scope: Scope, seq: number, entry: NewEntry): 'ok' | 'conflict' {
    const before = this.#held.get(scopeText(scope));
    if (before === undefined) return 'conflict';
    const { held, accepted } = appendOwn(this.#io.fs, before, seq, entry);
    this.#held.set(scopeText(scope), held);
    if (held.doubt !== undefined) throw held.doubt;
    if (!accepted) return 'conflict';
    if (entry.event.type === 'released') this.#drop(scope);
    return 'ok';
  }

  /** Lets go of a claim. All that was acknowledged is synced, so nothing hangs on this close. */
  #drop(scope: Scope): void {
    const held = this.#held.get(scopeText(scope));
    if (held === undefined) return;
    this.#held.delete(scopeText(scope));
    this.#io.fs.closeSync(held.fd);
  }

  async fence(scope: Scope, claimSeq: number): Promise<void> {
    this.#try('STATE_UNWRITABLE', `cannot fence the claim of ${scopeText(scope)}`, () => {
      const { entries, newest } = this.#load(scope);
      const claim = entries.findLast(({ event }) => event.type === 'claimed');
      // Each claim opens one segment. One that has been succeeded needs no fence.
      if (claim?.seq !== claimSeq || newest === undefined) return;
      placeMark(pathOf(this.#dir(scope), newest.number, 'fenced'), '', this.#io.fs);
    });
  }

  owns(scope: Scope): boolean {
    const held = this.#held.get(scopeText(scope));
    if (held === undefined || held.doubt !== undefined) return false;
    try {
      return stands(this.#io.fs, held);
    } catch {
      // Whoever cannot see that the claim stands does not hold it.
      return false;
    }
  }

  async beat(scope: Scope): Promise<void> {
    const held = this.#held.get(scopeText(scope));
    if (held === undefined || !this.owns(scope)) return;
    const seconds = this.#io.now() / 1000;
    this.#try('STATE_UNWRITABLE', `cannot give a sign of life for ${scopeText(scope)}`, () => {
      this.#io.fs.futimesSync(held.fd, seconds, seconds);
    });
  }

  async requestAbort(scope: Scope, request: AbortRequest): Promise<void> {
    this.#try('STATE_UNWRITABLE', `cannot ask for an abort in ${scopeText(scope)}`, () => {
      for (let attempt = 0; attempt < REQUEST_ATTEMPTS; attempt += 1) {
        const newest = this.#newest(scope);
        if (newest === undefined) break;
        // A name that is taken is a wish that somebody had before: as good.
        createWhole(pathOf(this.#dir(scope), newest, 'abort'), requestBytes(request), this.#root.modes, this.#io.fs);
        if (this.#newest(scope) === newest) return;
      }
      const hint = 'Look with kvdeploy status who leads now, then ask again.';
      throw new KvdeployError('BUSY', { message: `nobody in ${scopeText(scope)} could be asked for an abort`, hint });
    });
  }

  async requestedAbort(scope: Scope): Promise<AbortRequest | undefined> {
    return this.#try('UNREACHABLE', `cannot look for an abort in ${scopeText(scope)}`, () => {
      const newest = this.#newest(scope);
      if (newest === undefined) return undefined;
      const path = pathOf(this.#dir(scope), newest, 'abort');
      if (look(path, this.#io.fs) === undefined) return undefined;
      return parseRequest(readState(this.#io.fs, this.#root, path, MAX_REQUEST_BYTES), this.#io.now());
    });
  }

  async scopes(): Promise<readonly Scope[]> {
    return this.#try('UNREACHABLE', `cannot list the scopes below ${this.#root.dir}`, () =>
      this.#names([]).flatMap((tenant) =>
        this.#names([tenant]).flatMap((environment) =>
          this.#names([tenant, environment]).flatMap((service) => {
            const scope = { tenant, environment, service };
            return this.#newest(scope) === undefined ? [] : [scope];
          }),
        ),
      ),
    );
  }

  /** Directories with a scope's name below these; files (the rescue program) and other names are not scopes. */
  #names(below: readonly string[]): string[] {
    const { fs } = this.#io;
    if (!stateDirExists(this.#root.dir, below, fs, this.#root.modes)) return [];
    const dir = [this.#root.dir, ...below].join('/');
    return fs
      .readdirSync(dir)
      .filter((name) => nameProblem(name) === undefined && look(`${dir}/${name}`, fs)?.isFile() === false);
  }

  #load(scope: Scope): Loaded {
    const loaded = loadLedger(this.#io, this.#root, scope, this.#loaded.get(scopeText(scope)));
    this.#loaded.set(scopeText(scope), loaded);
    return loaded;
  }

  #dir(scope: Scope): string {
    return ledgerDir(this.#root, scope);
  }

  #newest(scope: Scope): number | undefined {
    if (!stateDirExists(this.#root.dir, ledgerNames(scope), this.#io.fs, this.#root.modes)) return undefined;
    const known = this.#loaded.get(scopeText(scope))?.newest?.number ?? 0;
    const newest = newestSegment(this.#io.fs, this.#dir(scope), known);
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

// A wish to abort, as a file beside the owner's segment. Must not lose a wish because it cannot be read.

export const MAX_REQUEST_BYTES = 64 * 1024;

const requestSchema = z.strictObject({ actor: z.string(), reason: z.string(), atMs: z.number() });

export function requestBytes(request: AbortRequest): Buffer {
  return Buffer.from(`${JSON.stringify(requestSchema.parse(request))}\n`);
}

/** What the file says. One that cannot be read is still a wish to abort: aborting is the safe side. */
export function parseRequest(bytes: Buffer, nowMs: number): AbortRequest {
  try {
    return requestSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return { actor: 'unknown', reason: 'unreadable request', atMs: nowMs };
  }
}
