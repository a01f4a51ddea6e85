/** One check of `doctor`: its shape and its time limit. Must not inspect anything itself. */
import type { Deps } from '../../../release/deps.ts';

/** `warn`: not as it should be, or not known; `FAIL`: an emergency, or the next promotion, would fail on it. */
export interface DoctorCheck {
  readonly name: string;
  readonly level: 'ok' | 'warn' | 'FAIL';
  /** True where this is about production now, and nothing is being done about it: exit 9. */
  readonly attention?: true;
  /** What was tried, and what came of it. */
  readonly found: string;
  /** The one thing to do; null if there is nothing to do. */
  readonly fix: string | null;
}

export const ok = (name: string, found: string): DoctorCheck => ({ name, level: 'ok', found, fix: null });

export const warn = (name: string, found: string, fix: string): DoctorCheck => ({ name, level: 'warn', found, fix });

export const fail = (name: string, found: string, fix: string): DoctorCheck => ({ name, level: 'FAIL', found, fix });

/** Not as it should be, and nothing is being done about it. */
export const attend = (name: string, found: string, fix: string): DoctorCheck => ({ ...fail(name, found, fix), attention: true });

/** The checks that `work` makes; when it throws or takes longer than `ms`, one FAIL in their place. Never rejects. */
export async function within(
  name: string,
  ms: number,
  deps: Deps,
  work: () => Promise<readonly DoctorCheck[]> | readonly DoctorCheck[],
): Promise<readonly DoctorCheck[]> {
  const enough = new AbortController();
  const late = deps.io.sleep(ms, enough.signal).then(() => [fail(name, `no answer within ${ms} ms`, 'Find out why it hangs.')]);
  const made = (async () => work())().catch((error: Error & { readonly hint?: string }) => [
    fail(name, error.message, error.hint ?? 'Fix what the message names.'),
  ]);
  return Promise.race([made, late]).finally(() => enough.abort());
}
