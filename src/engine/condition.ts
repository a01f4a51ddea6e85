/**
 * Admission is a condition, not a moment: looks again, while a rollout walks, at what its candidate was admitted on. Must not decide what
 * follows from it, and must never take silence for a yes.
 */
import type { Code } from '../base/codes.ts';
import { type Heard, heard } from '../core/admission/answers.ts';
import { targetHeard } from '../core/admission/target-checks.ts';
import type { Event } from '../core/ledger/events.ts';
import type { History } from '../core/ledger/history.ts';
import type { Plan } from '../core/rollout/plan.ts';
import type { State } from '../core/rollout/rollout.ts';
import type { Io } from '../io.ts';
import { membersAt } from '../routers/places.ts';
import type { Reading } from '../routers/router.ts';
import type { Target } from './target.ts';

/** What was seen of it. `wrong`: admission would refuse. `silent`: it could not be seen. */
export type Standing =
  | { readonly is: 'right' }
  | { readonly is: 'wrong'; readonly code: Code; readonly why: string }
  | { readonly is: 'silent'; readonly what: 'identity' | 'manifests' | 'target'; readonly why: string; readonly code?: Code };

/** Judges the files again that a candidate was admitted on. */
export interface FilesAgain {
  /** `whole`: even where they look untouched since the last time. Never rejects. */
  judge(plan: Plan, history: History, whole: boolean): Promise<Standing>;
}

/** Every member of the candidate's place is asked this often. */
export const ASK_EVERY_MS = 5000;

/** An answer counts for so long: whoever slept since must ask again. Longer than asking and sending can take. */
export const ASKED_WITHIN_MS = 10_000;

const RIGHT: Standing = { is: 'right' };

interface Doors {
  readonly io: Io;
  readonly target: Target;
  readonly files: FilesAgain;
  readonly places: { readonly environments: readonly string[] };
}

/** The condition of one rollout, for one runner. */
export class Condition {
  readonly #ports: Doors;
  #askedMs = Number.NEGATIVE_INFINITY;
  #last: Standing = RIGHT;
  #heard: { readonly members: string; readonly standing: Standing } | undefined;
  #looking: Promise<Standing> | undefined;

  constructor(ports: Doors) {
    this.#ports = ports;
  }

  /** How long until the members are asked again. */
  get restMs(): number {
    return Math.max(0, this.#askedMs + ASK_EVERY_MS - this.#ports.io.monotonic());
  }

  /** What the members of the candidate's place say, at every location. */
  async identity({ plan: { candidate, scope, kind, unprotected } }: Pick<State, 'plan'>, reading: Reading): Promise<Standing> {
    this.#askedMs = this.#ports.io.monotonic();
    this.#heard = undefined;
    const where = `at ${candidate.ref}`;
    const answers = await this.#ports.target.ask(candidate.ref, reading);
    const said = heard(answers, { build: candidate, scope, where, isProtected: unprotected !== true });
    // What a location that cannot be read sends its traffic to cannot be asked. A rollback leads the others away from a bad build all the same.
    const gone = kind === 'rollback' ? undefined : reading.unseen?.[0];
    const standing = standingOf(said, gone?.why);
    this.#heard = { members: membersText(candidate.ref, reading), standing };
    return standing;
  }

  /** The same, but where the same members said nothing just now: each is asked once in five seconds. */
  async identityLately(state: Pick<State, 'plan'>, reading: Reading): Promise<Standing> {
    const last = this.#heard;
    const isSame = this.restMs > 0 && last?.members === membersText(state.plan.candidate.ref, reading);
    return isSame && last?.standing.is === 'silent' ? last.standing : this.identity(state, reading);
  }

  /** What was seen last. */
  get seen(): Standing {
    return this.#last;
  }

  /**
   * While it bakes, once in five seconds: asks the members, and judges the files where they changed. Waits for no answer, since a build that
   * hangs must not keep a gate that fails waiting: what was seen last counts until then.
   */
  look(state: State, history: History, reading: Reading): void {
    if (this.restMs > 0 || this.#looking !== undefined) return;
    const looking = Promise.all([this.identity(state, reading), this.#ports.files.judge(state.plan, history, false)]).then(worst);
    this.#looking = looking;
    void looking.then((standing) => {
      if (this.#looking !== looking) return;
      this.#looking = undefined;
      this.#last = standing;
    });
  }

  /** Right before more traffic goes to the candidate, or before it becomes known-good: everything again. */
  async whole(state: State, history: History, reading: Reading): Promise<Standing> {
    const { files } = this.#ports;
    const first = state.phase !== 'shifting' || state.step === 0;
    this.#looking = undefined;
    this.#last = worst(
      await Promise.all([
        this.identity(state, reading),
        files.judge(state.plan, history, true),
        first ? this.#targetIsOurs(state) : RIGHT,
      ]),
    );
    return this.#last;
  }

  async #targetIsOurs({ plan: { scope } }: State): Promise<Standing> {
    const { target, places } = this.#ports;
    try {
      const said = targetHeard(scope, places.environments, await target.identify());
      return said.is === 'silent' ? { ...said, what: 'target' } : said;
    } catch (error) {
      return { is: 'silent', what: 'target', why: error instanceof Error ? error.message : String(error) };
    }
  }
}

function standingOf(said: Heard, gone: string | undefined): Standing {
  if (said.is === 'right') return gone === undefined ? RIGHT : { is: 'silent', what: 'identity', why: gone };
  return said.is === 'silent' ? { ...said, what: 'identity' } : said;
}

/** Who is asked at a place, as far as a reading tells. */
function membersText(place: string, reading: Reading): string {
  const unseen = (reading.unseen ?? []).map(({ why }) => why);
  const members = membersAt(reading, place).map(({ key, member: { up, ask } }) => [key, up, ask.address]);
  return JSON.stringify([place, members, unseen]);
}

function worst(seen: readonly Standing[]): Standing {
  return seen.find(({ is }) => is === 'wrong') ?? seen.find(({ is }) => is === 'silent') ?? RIGHT;
}

/** The event of what is wrong; undefined where nothing is. */
export function unfitOf(standing: Standing, atMs: number): Extract<Event, { type: 'unfit' }> | undefined {
  return standing.is === 'wrong' ? { type: 'unfit', atMs, code: standing.code, why: standing.why } : undefined;
}
