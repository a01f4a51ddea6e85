/** What `doctor` says about the known-good pointer and each of its copies. Reads only. */
import { readPointers } from '../../../base/pointer/pointer.ts';
import { currentKnownGood } from '../../../core/ledger/history.ts';
import { shortGuid } from '../../../core/scope.ts';
import { msText } from '../../../core/text.ts';
import type { Target } from '../../../engine/target.ts';
import { pointerProblems, renderIdle, rescueProblem } from '../../../lead/idle-pointer.ts';
import type { Deps } from '../../../release/deps.ts';
import type { Opened } from '../../../release/open.ts';
import type { Reading } from '../../../routers/router.ts';
import { type DoctorCheck, fail, ok, warn } from './doctor-check.ts';

/** The target as far as it answered. */
export interface Seen {
  readonly target: Target;
  readonly reading: Reading;
}

/** `seen` null: the way back is not rendered again, and that is said. */
export function pointerChecks(opened: Opened, seen: Seen | null, deps: Deps): readonly DoctorCheck[] {
  const { history, ledgerHead, scope, flags } = opened;
  const knownGood = currentKnownGood(history);
  const fresh =
    knownGood === null || seen === null
      ? null
      : renderIdle(opened, { ...seen, history, knownGood, ledgerHead, why: 'rendered-again' }, deps);
  const renew = knownGood === null ? `kvdeploy adopt ${flags}` : `kvdeploy pointer verify --renew ${flags}`;
  const uncompared = knownGood === null ? 'the ledger names no known-good build' : 'the router did not answer';
  return opened.pointerDirs.flatMap((dir, index) => {
    const name = index === 0 ? 'pointer' : `pointer copy ${index}`;
    const [problem] = pointerProblems(dir, fresh, scope, deps.io);
    const { newest } = readPointers(dir, deps.io.fs, scope);
    if (problem !== undefined || newest === null) return [fail(name, `${dir}: ${problem?.why ?? 'there is none'}`, renew)];
    const age = msText(Math.max(0, deps.io.now() - Date.parse(newest.writtenAt)));
    const text = `generation ${newest.generation} in ${dir} verifies, ${age} old, and leads to ${shortGuid(newest.knownGood.build.guid)}`;
    const pointer =
      fresh === null
        ? warn(name, `${text}; not compared with the target of now: ${uncompared}`, 'Mend that, then run doctor again.')
        : ok(name, `${text}; rendered again over the target of now, it is the same`);
    const rescue = rescueProblem(dir, deps.io);
    return [pointer, rescue === undefined ? ok(name, 'break-glass.mjs lies beside it, as installed') : warn(name, rescue, renew)];
  });
}
