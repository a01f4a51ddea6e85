/** Waiting for an answer that may take long, such as a slow metric query. Must not keep a moved split or a foreign build waiting for it. */
import type { Event } from '../../core/ledger/events.ts';
import type { State } from '../../core/rollout/rollout.ts';
import type { Split } from '../../core/rollout/split.ts';
import { unfitOf } from '../condition.ts';
import { drifted } from '../read-back.ts';
import type { Runner } from '../runner.ts';

const LOOK_MS = 1000;

/** What came first: the answer, or what a look up meanwhile found. */
export type Came<T> = { readonly answer: T } | { readonly met: Event | 'look again' };

/** Waits for the answer, and calls `look` every second until it is there or a look finds something. The answer may still come after that. */
export function whileAsked<T>(
  { io }: Pick<Runner, 'io'>,
  answer: Promise<T>,
  look: () => ReturnType<typeof lookUp>,
): Promise<Came<T>> {
  return new Promise((resolve, reject) => {
    let isLooking = false;
    const stop = io.every(LOOK_MS, () => {
      if (isLooking) return;
      isLooking = true;
      look().then((met) => {
        isLooking = false;
        if (met === undefined) return;
        stop();
        resolve({ met });
      }, failed);
    });
    const failed = (error: unknown) => {
      stop();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    answer.then((found) => {
      stop();
      resolve({ answer: found });
    }, failed);
  });
}

/** Reads the split back and asks the builds who they are, as each poll does. Undefined: go on waiting. */
export async function lookUp(split: Split, state: State, runner: Runner): Promise<Event | 'look again' | undefined> {
  const { io, ledger, readBack, condition, watch } = runner;
  if ((await watch.look()) !== undefined) return 'look again';
  const found = await readBack.read();
  if ('why' in found) return undefined;
  if (!readBack.agrees(found.reading, split)) return drifted(split, found.reading, io.now());
  condition.look(state, ledger.history, found.reading);
  return unfitOf(condition.seen, io.now());
}
