/** The hosts of a target, the same for every router that can have some elsewhere. No I/O. */
import * as z from 'zod';
import { SSH_FILE, SSH_WAY, type SshWay } from '../base/at/at-way.ts';

const fileSchema = z.string().regex(SSH_FILE, 'an absolute path without spaces, quotes, %, $ or \\');

const sshSchema = z.strictObject({
  ssh: z
    .string()
    .regex(SSH_WAY, 'user@host, such as kv@10.0.0.12')
    .describe('User and host; an address, so that no name has to resolve in an emergency'),
  port: z.int().min(1).max(65_535).exactOptional().describe('The port of sshd, 22 by default'),
  key: fileSchema.exactOptional().describe('The file with the private key; by default those that ssh looks for in ~/.ssh'),
  knownHosts: fileSchema
    .exactOptional()
    .describe('The file with the key of that host; by default ~/.ssh/known_hosts and that of the machine'),
});

/** `locations: { n1: local, n2: { ssh: kv@10.0.0.12 } }`. */
export const locationsSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'lower case letters, digits and -'),
    z.union([z.literal('local'), sshSchema], { error: 'local, or { ssh: user@host }' }),
  )
  .refine((locations) => Object.keys(locations).length > 0, 'at least one location')
  .refine((locations) => Object.values(locations).filter((one) => one === 'local').length <= 1, 'at most one location is local')
  .optional()
  .describe(
    'The hosts that serve this target, each with the same paths: { n1: local, n2: { ssh: kv@10.0.0.12 } }; without it, this one',
  );

export type Locations = z.infer<typeof locationsSchema>;

/** The names of all locations, in the order of the config; `only` where it names none. */
export function locationNames(locations: Locations, only: string): readonly string[] {
  return locations === undefined ? [only] : Object.keys(locations);
}

/** The locations that are on other hosts. */
export function hostsIn(locations: Locations = {}): Readonly<Record<string, SshWay>> {
  return Object.fromEntries(Object.entries(locations).flatMap(([name, way]) => (way === 'local' ? [] : [[name, way as SshWay]])));
}

/** Whether one of them is on this host. */
export function isHere(locations: Locations): boolean {
  return locations === undefined || Object.values(locations).includes('local');
}

/** What a change or check says of its location: nothing where the config names none. */
export function atOf(locations: Locations, name: string): { readonly at?: string } {
  return locations === undefined ? {} : { at: name };
}
