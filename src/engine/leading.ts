/** Takes the lead of a scope and gives it back: claim, signs of life, runner. Must not decide what is done with it. */
import { fold, openRollout } from '../core/history.ts';
import { keepBeating, releaseClaim, takeClaim } from './claim.ts';
import { Runner, type RunnerParts } from './runner.ts';

/** A lead that this process has. */
export interface Leading {
  readonly runner: Runner;
  /** Bytes that a crash had left half written at the ledger's end; they were put aside. */
  readonly tornBytes: number;
  /** Gives the claim back. Never rejects: a claim whose process is gone can be taken over without this. */
  end(): Promise<void>;
}

/**
 * Makes this process the leader, with a runner that knows the ledger as it is under the claim. `takeOver` ends a lively leader
 * too. Throws BUSY and what the store throws.
 */
export async function takeLead(
  parts: Omit<RunnerParts, 'unended' | 'inherited'>,
  command: string,
  options: { readonly takeOver: boolean },
): Promise<Leading> {
  const { io, store, scope, actor } = parts;
  const claim = await takeClaim(store, scope, { actor, command }, io, options);
  const stopBeating = keepBeating(store, scope, io);
  const history = fold(claim.entries);
  // A wish that the leader before did not live to write down is still a wish, but only about the rollout that it led.
  const inherited = openRollout(history)?.abort === null ? claim.abort : undefined;
  const runner = new Runner({ ...parts, unended: claim.from !== null && !claim.from.ended, inherited }, history);
  return {
    runner,
    tornBytes: claim.tornBytes,
    end: async () => {
      stopBeating();
      await releaseClaim(store, scope, actor, runner.history.nextSeq - 1, io).catch(() => undefined);
    },
  };
}
