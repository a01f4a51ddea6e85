/** Whether a way back runs through the very thing that it has to bring back. Pure; must take no name for an address. */
import type { Change } from '../break-glass/changes.ts';

/** `127.0.0.1:8080` of a URL or a socket address; undefined for a path on this machine. Loopback has one name. */
function endpointOf(address: string): string | undefined {
  if (address.startsWith('/')) return undefined;
  const text = address.includes('://') ? address : `tcp://${address}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const host = url.hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return `${/^(?:localhost|127\..*|::1|0\.0\.0\.0|::)$/.test(host) ? 'loopback' : host}:${port}`;
}

/** The changes whose other side is one of `serviceAddresses`: where the service listens, and where its builds run. */
export function circularChanges(changes: readonly Change[], serviceAddresses: readonly string[]): readonly string[] {
  const own = new Set(serviceAddresses.flatMap((address) => endpointOf(address) ?? []));
  const addresses = changes.flatMap((change) =>
    change.kind === 'request' ? [change.url] : change.kind === 'socket' ? [change.address] : [],
  );
  return [...new Set(addresses)].filter((address) => {
    const endpoint = endpointOf(address);
    return endpoint !== undefined && own.has(endpoint);
  });
}

/** Names of the secrets that the changes need. */
export function secretsOf(changes: readonly Change[]): readonly string[] {
  const names = changes.flatMap((change) => (change.kind === 'request' ? (change.bearerSecret ?? []) : []));
  return [...new Set(names)];
}
