/** The settings of the nginx router. Must not ask anyone. */
import { normalize } from 'node:path';
import * as z from 'zod';
import { argvSchema } from '../argv-schema.ts';
import { locationsSchema } from '../locations-config.ts';
import { placeNameSchema, placeSettingsShape } from '../places-config.ts';

export const TIMEOUT_MS = 2000;

export const RUN_MS = 10_000;

/** So many answers in a row, each on a connection of its own, must come from one generation. */
export const ANSWERS = 10;

/** An old worker accepts connections until about 130 ms after a reload. */
export const SETTLE_MS = 300;

const pathSchema = z.string().regex(/^\/[^\0\r\n"'$;{}\\]+$/, 'an absolute path without quotes, $, ;, { or }');

const argv = argvSchema('/usr/sbin/nginx');

const memberSchema = z.string().regex(/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$/, 'an address like 10.0.0.1:8080');

const placeSchema = z.strictObject({
  upstream: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 'the name of an upstream block')
    .describe('The upstream block of this place; it stays yours, and has the servers of this place only'),
  members: z
    .array(memberSchema)
    .min(1)
    .max(1000)
    .refine((members) => new Set(members).size === members.length, 'a member is listed twice')
    .describe('The servers of that block, as nginx writes them in its log: [10.0.0.1:8080, 10.0.0.2:8080]'),
  ...placeSettingsShape,
});

export const nginxConfig = z
  .strictObject({
    include: pathSchema.describe(
      'The file that kvdeploy writes and nginx includes at http level: /etc/nginx/kvdeploy/web.conf. Nothing else is in it',
    ),
    variables: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,31}$/, 'lower case letters, digits and _')
      .default('kv')
      .describe('How its variables begin: kv (the default) makes $kv_upstream, $kv_place and $kv_generation'),
    key: z
      .string()
      .regex(/^\$[a-z0-9_]{1,64}$/, 'one variable of nginx, such as $request_id')
      .default('$request_id')
      .describe(
        'What a request is split by: $request_id (the default) draws anew for each request; $cookie_NAME keeps a client at its place',
      ),
    probe: z
      .string()
      .regex(/^http:\/\/[^/?#@\s]+\/[\x21-\x7e]*$/, 'a URL like http://127.0.0.1:8080/.kvdeploy')
      .describe('Where nginx answers which split its workers use; see docs/nginx.md'),
    log: pathSchema.optional().describe('The access log in the format of docs/nginx.md; without it nothing is counted'),
    test: argv.prefault(['/usr/sbin/nginx', '-t']).describe('Tests the whole configuration: [/usr/sbin/nginx, -t], the default'),
    reload: argv
      .prefault(['/usr/sbin/nginx', '-s', 'reload'])
      .describe('Reloads it: [/usr/sbin/nginx, -s, reload], the default; [/usr/bin/sudo, -n, …] without root'),
    dump: argv.prefault(['/usr/sbin/nginx', '-T']).describe('Prints the whole configuration: [/usr/sbin/nginx, -T], the default'),
    locations: locationsSchema,
    pid: pathSchema.default('/run/nginx.pid').describe('The pid file of the master process; default /run/nginx.pid'),
    places: z
      .record(
        placeNameSchema.refine((place) => !/[:.]/.test(place), 'no . or : here'),
        placeSchema,
      )
      .refine((places) => Object.keys(places).length > 0, 'at least one place')
      .describe('The upstream block and the servers of each place: { blue: { upstream: blue_pool, members: [10.0.0.1:8080] } }'),
  })
  .check(({ value, issues }) => {
    const upstreams = new Map<string, string>();
    const members = new Map<string, string>();
    for (const [place, said] of Object.entries(value.places)) {
      const twice = (path: (string | number)[], message: string) =>
        issues.push({ code: 'custom', path: ['places', place, ...path], input: value, message });
      const sharer = upstreams.get(said.upstream);
      if (sharer !== undefined) twice(['upstream'], `${sharer} has this upstream already: each place has its own`);
      upstreams.set(said.upstream, place);
      for (const [at, member] of said.members.entries()) {
        const owner = members.get(member);
        if (owner !== undefined) twice(['members', at], `this server is a member of ${owner} already: each belongs to one place`);
        members.set(member, place);
      }
      if ((said.minUp ?? 1) > said.members.length) twice(['minUp'], 'more than the place has members');
    }
  });

export type NginxConfig = z.infer<typeof nginxConfig>;

/** The file that it drives, in one spelling. */
export function includeOf({ include }: Pick<NginxConfig, 'include'>): string {
  return normalize(include);
}
