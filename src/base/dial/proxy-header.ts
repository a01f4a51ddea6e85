/** The header of the PROXY protocol (HAProxy, doc/proxy-protocol.txt, 2.1 and 2.2), for members that take no connection without one. No I/O. */
import { isIP } from 'node:net';

/** Both ends of a TCP connection; of a UNIX socket neither has an address. */
export interface Ends {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** Version 2, command PROXY, and command LOCAL: a connection that is relayed for no one. */
const [PROXY, LOCAL] = [0x21, 0x20];

/** TCP over IPv4, and over IPv6. */
const [TCP4, TCP6] = [0x11, 0x21];

/** The bytes to send before anything else, TLS too. kvdeploy asks for itself, so the source is this end of the connection. */
export function proxyHeader(version: 1 | 2, ends: Ends): Buffer {
  const from = ends.localAddress?.replace(/%.*$/, '') ?? '';
  const to = ends.remoteAddress?.replace(/%.*$/, '') ?? '';
  const family = isIP(from) === isIP(to) ? isIP(from) : 0;
  const [fromPort = 0, toPort = 0] = [ends.localPort, ends.remotePort];
  if (version === 1)
    return Buffer.from(family === 0 ? 'PROXY UNKNOWN\r\n' : `PROXY TCP${family} ${from} ${to} ${fromPort} ${toPort}\r\n`);
  if (family === 0) return Buffer.concat([SIGNATURE, Buffer.from([LOCAL, 0, 0, 0])]);
  const addresses = [...bytesOf(from), ...bytesOf(to), ...[fromPort, toPort].flatMap((port) => [port >> 8, port & 255])];
  return Buffer.concat([SIGNATURE, Buffer.from([PROXY, family === 4 ? TCP4 : TCP6, 0, addresses.length, ...addresses])]);
}

/** The bytes of an IP address in network order. An IPv6 address may have one `::`, and end as an IPv4 address (RFC 4291, 2.2). */
function bytesOf(address: string): number[] {
  if (isIP(address) === 4) return address.split('.').map(Number);
  const [before = [], after = []] = address.split('::').map((half) => half.split(':').flatMap(groupBytes));
  return [...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after];
}

function groupBytes(group: string): number[] {
  if (group === '') return [];
  if (group.includes('.')) return group.split('.').map(Number);
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 255];
}
