/** The host names that a restore depends on: what cannot be reached while no name resolves. No I/O. */
import { isIP } from 'node:net';
import type { Change, Check, TargetQuestion } from '../changes/change.ts';
import type { IdentityCheck } from '../changes/identity.ts';
import type { Pointer, Restore } from './pointer-format.ts';

/** The host name in an address (a path, `host:port` or a URL); undefined for a path, an IP address, or this machine itself. */
export function hostNameIn(address: string): string | undefined {
  if (address.startsWith('/')) return undefined;
  const host = hostOf(address)?.toLowerCase() ?? '';
  const needsNoName = host === '' || isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost');
  return needsNoName ? undefined : host;
}

function hostOf(address: string): string | undefined {
  if (!address.includes('://')) return /^\[?([^\]]+?)\]?:\d{1,5}$/.exec(address)?.[1];
  return URL.canParse(address) ? new URL(address).hostname.replace(/^\[|\]$/g, '') : undefined;
}

/** Where a change, check or question is sent; undefined if it stays on this machine, or a program sends it. */
export function addressOf(one: Change | Check | IdentityCheck | TargetQuestion): string | undefined {
  if ('unixSocket' in one) return one.unixSocket;
  return 'url' in one ? one.url : 'address' in one ? one.address : undefined;
}

/** Every host name in the changes, each once. */
export function hostsOfChanges(changes: readonly Change[]): readonly string[] {
  return [...new Set(changes.flatMap((change) => hostNameIn(addressOf(change) ?? '') ?? []))];
}

/** Every host name that a rescue to this build has to resolve, each once. */
export function hostsOfRestore({ changes, checks, identity }: Restore, questions: readonly TargetQuestion[]): readonly string[] {
  const all = [...questions, ...changes, ...checks, ...identity];
  return [...new Set(all.flatMap((one) => hostNameIn(addressOf(one) ?? '') ?? []))];
}

/** The same for every build in the pointer. */
export function hostsOfPointer({
  knownGood,
  earlier,
  target,
}: Pick<Pointer, 'knownGood' | 'earlier' | 'target'>): readonly string[] {
  return [...new Set([knownGood, ...earlier].flatMap((restore) => hostsOfRestore(restore, target.questions)))];
}
