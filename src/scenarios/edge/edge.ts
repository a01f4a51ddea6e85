/** What a scenario needs of the router of its local world, whichever it is. Must say what the router itself reports, not what kvdeploy says. */
import type { ProgramPlace } from '../program.ts';

/** A router that is installed on this machine. */
export interface Installed {
  readonly kind: 'haproxy' | 'nginx';
  /** An absolute path. */
  readonly file: string;
  readonly version: string;
}

export interface Edge {
  /** The source of gates that counts what it serves. */
  readonly kind: 'local' | 'command' | Installed['kind'];
  /** The lines of the config below `router:`. */
  readonly settings: readonly string[];
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Which router it is; nothing of the one that kvdeploy brings. */
  readonly told: readonly string[];
  /** Starts it in the foreground, as a process or a group of processes. */
  readonly argv: readonly string[];
  /** The percentage of each place. Rejects while it does not answer. */
  percents(): Promise<ReadonlyMap<string, number>>;
  /** Requests sent to each place since it started. */
  served(): Promise<Readonly<Record<string, number>>>;
}

/** What an edge is made from. */
export interface Site {
  /** A folder for its files. */
  readonly folder: string;
  /** Address and port at which visitors find it. */
  readonly listen: string;
  /** Of each place, `http://127.0.0.1:PORT`; the first one serves everything at the start. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly place: ProgramPlace;
}

/** Settings of the config, one line for each key. */
export function settingLines(settings: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(settings).map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
}
