/** Which place each server of the backend belongs to, by the `places` of the config. Must not guess: a server in two places belongs to none. */
import * as z from 'zod';
import type { Unusable } from '../../base/unusable.ts';
import { fitting } from '../places.ts';
import { type PlaceSettings, placeNameSchema, placeSettingsShape } from '../places-config.ts';
import type { Location } from './haproxy-answer.ts';

const serverSchema = z
  .string()
  .regex(/^(?!__proto__$)[A-Za-z0-9_.:*-]{1,128}$/, 'the name after `server` in haproxy.cfg; * stands for any characters');

const serversSchema = z.array(serverSchema).min(1).max(4000);

const placeSchema = z.union(
  [
    serversSchema,
    z.strictObject({
      servers: z.union([serverSchema, serversSchema]).describe('Server names, or a pattern over them, such as green-*'),
      ...placeSettingsShape,
    }),
  ],
  { error: 'a place is a list of servers, such as [b1, b2], or { servers: "green-*" }' },
);

type Said = z.infer<typeof placeSchema>;
export type Places = Readonly<Record<string, Said>>;

/** The `places` of the config, checked as far as names alone allow it. */
export const placesSchema = z
  .record(placeNameSchema, placeSchema)
  .superRefine((places, context) => {
    for (const { path, message } of findingsOf(places)) context.addIssue({ code: 'custom', path: [...path], message });
  })
  .describe(
    'Which servers each place has: { blue: [b1, b2], green: { servers: "green-*", minUp: 2 } }; otherwise one server is one place',
  );

/** What a place lists, in the order of the config. */
function listed(said: Said): readonly string[] {
  const servers = Array.isArray(said) ? said : (said as Exclude<Said, readonly string[]>).servers;
  return typeof servers === 'string' ? [servers] : servers;
}

const isPattern = (name: string) => name.includes('*');

interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Names and patterns that put one server into two places, and more members than a place lists. */
function findingsOf(places: Places): readonly Finding[] {
  const findings: Finding[] = [];
  if (Object.keys(places).length === 0) findings.push({ path: [], message: 'at least one place' });
  const homes = new Map<string, string>();
  for (const [place, said] of Object.entries(places)) {
    for (const name of listed(said)) {
      const home = homes.get(name);
      if (home !== undefined)
        findings.push({ path: [place], message: home === place ? `${name} is listed twice` : `${name} is in ${home} too` });
      homes.set(name, place);
    }
    const { minUp } = said as PlaceSettings;
    const names = listed(said);
    if (minUp !== undefined && !names.some(isPattern) && minUp > names.length)
      findings.push({ path: [place, 'minUp'], message: `${minUp} members cannot be up: ${place} lists ${names.length}` });
  }
  const names = [...homes].filter(([name]) => !isPattern(name));
  for (const [text, place] of [...homes].filter(([name]) => isPattern(name))) {
    const pattern = fitting(text);
    const twice = names.find(([name, home]) => home !== place && pattern(name));
    if (twice !== undefined)
      findings.push({ path: [place], message: `the pattern ${text} stands for ${twice[0]} too, which is in ${twice[1]}` });
  }
  return findings;
}

/** The places of a server by its name: none, one, or several, which is a fault of the config. */
export function placer(places: Places | undefined): (server: string) => readonly string[] {
  if (places === undefined) return (server) => [server];
  const exact = new Map<string, string>();
  const patterns: { readonly place: string; readonly pattern: (name: string) => boolean }[] = [];
  for (const [place, said] of Object.entries(places))
    for (const name of listed(said))
      if (isPattern(name)) patterns.push({ place, pattern: fitting(name) });
      else exact.set(name, place);
  return (server) => {
    const own = exact.get(server);
    const matching = patterns.filter(({ pattern }) => pattern(server)).map(({ place }) => place);
    return [...new Set(own === undefined ? matching : [own, ...matching])];
  };
}

/** Whether `places` lists this server by its own name: then it is a member, whether it has an address or not. */
export function listsByName(places: Places | undefined): (server: string) => boolean {
  const names = new Set(Object.values(places ?? {}).flatMap((said) => listed(said).filter((name) => !isPattern(name))));
  return (server) => names.has(server);
}

/** What `places` says that the running backends do not have, or have twice; undefined without `places`, or where all is well. */
export function misplaced(
  places: Places | undefined,
  answered: readonly { readonly socket: string; readonly location: Location }[],
  backend: string,
): Unusable | undefined {
  if (places === undefined) return undefined;
  const placesAt = placer(places);
  const all = new Set<string>();
  for (const { socket, location } of answered) {
    for (const { name } of location.servers) {
      all.add(name);
      const [first, second] = placesAt(name);
      if (second !== undefined)
        return {
          why: `${name} at ${socket} belongs to two places, ${first} and ${second}`,
          cure: `Change the patterns of ${first} and ${second} in \`places\` so that each server matches one of them.`,
        };
    }
    for (const name of location.spares) all.add(name);
  }
  for (const [place, said] of Object.entries(places)) {
    const unknown = listed(said).find((name) => !isPattern(name) && !all.has(name));
    if (unknown !== undefined)
      return {
        why: `place ${place} lists ${unknown}, and backend ${backend} has no server of that name`,
        cure: `Remove ${unknown} from \`places: ${place}\` in the config, or write \`server ${unknown} ADDRESS:PORT check\` into backend ${backend} and reload HAProxy.`,
      };
  }
  return undefined;
}
