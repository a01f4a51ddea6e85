/** Reaches hosts whose names do not resolve now, at the addresses in the pointer. Must use an address only if what is there answers. */
import type { Outside } from '../base/changes/change.ts';
import { identify } from '../base/changes/identity.ts';
import { askTarget } from '../base/changes/target-question.ts';
import { limited } from '../base/limited.ts';
import { addressOf, hostNameIn, hostsOfRestore } from '../base/pointer/host-names.ts';
import { firstOf } from '../base/text.ts';
import { type Asked, othersOf } from './ask.ts';

const RESOLVE_MS = 2000;

/** Hosts whose addresses are tried at once, and the time after which none is tried any more: an emergency does not wait for thousands. */
const [AT_ONCE, TRY_WITHIN_MS] = [128, 8000];

/** An outside that reaches every name it can, and what to say about the names that do not resolve. */
export interface Reached {
  readonly outside: Outside;
  readonly notes: readonly string[];
}

/** Without host names this asks nothing and takes no time. */
export async function reachNames(asked: Asked, outside: Outside): Promise<Reached> {
  const { restore, pointer } = asked.choice;
  const hosts = hostsOfRestore(restore, pointer.target.questions);
  const named = await Promise.all(hosts.map(async (host) => ({ host, why: await unresolved(host, outside) })));
  const until = outside.monotonic() + TRY_WITHIN_MS;
  const instead = new Map<string, string>();
  const lost = named.filter(({ why }) => why !== undefined);
  const inTurn = limited(AT_ONCE);
  const note = async ({ host, why }: (typeof lost)[number]) => {
    const kept = pointer.addresses[host] ?? [];
    const address = await answering(host, asked, outside, until);
    if (address !== undefined) {
      instead.set(host, address);
      return `${host} does not resolve (${why}): the pointer's address ${address} is used, which answers as expected`;
    }
    const tried = kept.length === 0 ? 'the pointer has no address for it' : `nothing at ${kept.join(', ')} answers as expected`;
    return `${host} does not resolve (${why}), and ${tried}`;
  };
  const notes = await Promise.all(lost.map((one) => inTurn(() => note(one))));
  return { outside: instead.size === 0 ? outside : at(instead, outside), notes: firstOf(notes) };
}

/** Why the name does not resolve; undefined if it does. */
async function unresolved(host: string, outside: Outside): Promise<string | undefined> {
  try {
    await outside.resolve(host, RESOLVE_MS);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The first address at which the target says that it is this environment, or the build says that it is the one. */
async function answering(host: string, asked: Asked, outside: Outside, until: number): Promise<string | undefined> {
  const { restore, pointer } = asked.choice;
  const question = pointer.target.questions.find((one) => hostNameIn(addressOf(one) ?? '') === host);
  const member = restore.identity.find((one) => hostNameIn(addressOf(one) ?? '') === host);
  for (const address of pointer.addresses[host] ?? []) {
    if (outside.monotonic() > until) return undefined;
    const there = at(new Map([[host, address]]), outside);
    if (question !== undefined) {
      const answer = await askTarget(question, asked.scope.environment, othersOf(asked), there);
      if (answer.kind === 'own') return address;
    } else if (member !== undefined && (await identify(member, there)).kind === 'right') return address;
  }
  return undefined;
}

/** Connects to these addresses instead of the names; TLS still verifies the name. */
function at(instead: ReadonlyMap<string, string>, outside: Outside): Outside {
  const addressFor = (where: string) => instead.get(hostNameIn(where) ?? '');
  return {
    ...outside,
    http: (request, allowed) => {
      const connectTo = addressFor(request.url);
      return outside.http(connectTo === undefined ? request : { ...request, connectTo }, allowed);
    },
    socket: (where, line, timeoutMs, allowed) => {
      const address = addressFor(where);
      const port = where.slice(where.lastIndexOf(':'));
      const host = address?.includes(':') ? `[${address}]` : address;
      return outside.socket(host === undefined ? where : `${host}${port}`, line, timeoutMs, allowed);
    },
  };
}
