/** Where each HAProxy of a target is: its location, its socket and its state file there. No I/O. */
import { hostsIn } from '../locations-config.ts';
import { type HaproxyConfig, stateFiles } from './haproxy-config.ts';

export interface Spot {
  /** What its location is called: without `locations`, its socket. */
  readonly name: string;
  readonly socket: string;
  readonly stateFile: string | undefined;
  /** What its changes and checks say of their location. */
  readonly at: { readonly at?: string };
  readonly isHere: boolean;
}

/** In the order in which they are changed. */
export function spotsOf({ sockets, serverStateFile, locations }: HaproxyConfig): readonly Spot[] {
  const files = stateFiles(serverStateFile);
  if (locations === undefined) {
    return sockets.map((socket, index) => ({ name: socket, socket, stateFile: files[index], at: {}, isHere: true }));
  }
  const [socket = ''] = sockets;
  const hosts = hostsIn(locations);
  return Object.keys(locations).map((name) => ({
    ...{ name, socket, stateFile: files[0], at: { at: name } },
    isHere: !Object.hasOwn(hosts, name),
  }));
}
