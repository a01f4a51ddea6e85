/** What `doctor` says of the other hosts of a target: whether each is reached, what runs there, and what it does not allow. Asks only. */
import { type SshWay, sshArgv } from '../../../base/at/at-way.ts';
import type { Change } from '../../../base/changes/change.ts';
import { shellWord } from '../../../base/text.ts';
import type { Target } from '../../../engine/target.ts';
import { lackingAt } from '../../../release/allowed-targets.ts';
import { version } from '../../../version.ts';
import { type DoctorCheck, fail, ok, warn } from './check.ts';
import type { Seen } from './state.ts';

/** `seen`: null where the router could not be read; then it is not known which changes would be made there. `target`: null where there is none. */
export async function locationChecks(target: Target | null, seen: Pick<Seen, 'reading'> | null): Promise<readonly DoctorCheck[]> {
  if (target === null) return [];
  const split = (seen?.reading.places ?? []).map(({ place, percent }) => ({ place, build: null, percent }));
  const changes = seen === null ? [] : target.changes(split, 'at-once');
  return Promise.all(
    Object.entries(target.hosts).map(([name, way]) => {
      const own = changes.filter(({ at }) => at === name);
      return locationCheck(name, way, own, target);
    }),
  );
}

async function locationCheck(at: string, way: SshWay, changes: readonly Change[], target: Target): Promise<DoctorCheck> {
  const name = `host ${at}`;
  const there = target.outside.elsewhere?.(at);
  if (there === undefined) return fail(name, 'it is not known how to reach it', 'See docs/hosts.md.');
  let found: string;
  try {
    found = (await there.ask({ do: 'hello' })).version;
  } catch (error) {
    const by = `Try it by hand: ${sshArgv(way).map(shellWord).join(' ')}   See docs/hosts.md.`;
    return fail(name, `not reached as ${way.ssh}: ${textOf(error)}`, by);
  }
  const lacking = await lackingAt(at, changes, target);
  const reached = `reached as ${way.ssh}; break-glass.mjs ${found} runs there`;
  if (lacking.length > 0)
    return fail(name, `${reached}; ${lacking.join('; ')}`, 'Add the lines to the machine file of that host: see docs/hosts.md.');
  if (found !== version)
    return warn(name, `${reached}, and this is ${version}`, 'Copy break-glass.mjs of this version there: see docs/hosts.md.');
  const allowed = changes.length === 0 ? '' : `; its machine file allows all ${changes.length} changes`;
  return ok(name, `${reached}${allowed}`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
