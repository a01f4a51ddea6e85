/** How a build says which one it is, and how it is asked: as configs and plans have it. No I/O. */
import * as z from 'zod';
import { SOCKET_PATH_BYTES } from '../base/text.ts';

const headerSchema = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'a name of a header');

const keysSchema = z
  .string()
  .min(1)
  .max(128)
  .refine((keys) => keys.split('.').length <= 16, 'at most 16 keys');

const absolute = z
  .string()
  .max(1024)
  .regex(/^\/[^\0\r\n]*$/, 'an absolute path');

const socketPath = absolute.refine(
  (path) => Buffer.byteLength(path) <= SOCKET_PATH_BYTES,
  `a socket path has at most ${SOCKET_PATH_BYTES} bytes`,
);

const fields = {
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'a path starts with / and has no spaces')
    .optional()
    .describe('The path that is asked, such as /healthz'),
  header: headerSchema.optional().describe('The header in which a build says which one it is, such as x-build-guid'),
  json: keysSchema.optional().describe('The same in a JSON answer, by keys and indices with dots, such as build.commit'),
  program: z
    .array(z.string().min(1).max(1024))
    .min(1)
    .max(64)
    .optional()
    .describe('A program that asks a member and prints what it is, such as [/usr/local/bin/which-build]'),
  is: z
    .string()
    .regex(
      /^(?:guid|digest|commit|version|label\.[A-Za-z_][A-Za-z0-9_]{0,127})$/,
      'must be guid, digest, commit, version or label.NAME',
    )
    .optional()
    .describe('What a build says: guid (the default), digest, commit, version or label.NAME of its row in the manifest'),
  environmentHeader: headerSchema.optional().describe('The header in which a build says its environment, such as x-environment'),
  environmentJson: keysSchema.optional().describe('The same in a JSON answer, such as build.environment'),
  port: z.int().min(1).max(65535).optional().describe('Another port than the one that gets the traffic, such as 8081'),
  host: z
    .string()
    .regex(/^[A-Za-z0-9_.:[\]-]{1,255}$/, 'a host name, with a port if need be')
    .optional()
    .describe('The Host header, such as health.internal'),
  scheme: z.enum(['http', 'https']).optional().describe('http or https; the default is what the router uses'),
  serverName: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,253}$/, 'a host name')
    .optional()
    .describe('The name that TLS asks for and verifies, such as gateway.internal'),
  ca: absolute.optional().describe('A PEM file with the CA that TLS believes, such as /etc/ssl/private-ca.pem'),
  verify: z.literal('none').optional().describe('none to believe every certificate; said in each plan'),
  unixSocket: socketPath.optional().describe('A UNIX socket to ask at, such as /run/gateway/health.sock'),
  proxyProtocol: z.enum(['v1', 'v2']).optional().describe('v1 or v2 if the member expects the PROXY protocol'),
};

type Fields = { readonly [Key in keyof typeof fields]?: z.infer<(typeof fields)[Key]> | undefined };

/** What a program does itself: it is told where the member is, and asks in its own way. */
const OF_REQUESTS = [
  ...(['path', 'header', 'environmentHeader', 'port', 'host', 'scheme', 'serverName', 'ca', 'verify'] as const),
  ...(['unixSocket', 'proxyProtocol'] as const),
];

/** Pairs of which the second makes no sense with the first. */
const EITHER: readonly (readonly [keyof Fields, keyof Fields])[] = [
  ['header', 'json'],
  ['unixSocket', 'port'],
  ['verify', 'ca'],
  ['verify', 'serverName'],
];

/** What contradicts itself in these keys, each with the key at fault. It must expect any value: a wrong type has its own finding. */
function contradictions(it: Fields): readonly { readonly key: keyof Fields; readonly message: string }[] {
  const has = (key: keyof Fields) => it[key] !== undefined;
  const found = EITHER.filter(([a, b]) => has(a) && has(b)).map(([a, b]) => ({ key: b, message: `give either ${a} or ${b}` }));
  if (has('program'))
    for (const key of OF_REQUESTS.filter(has))
      found.push({ key, message: `a program asks in its own way, so ${key} does nothing` });
  if (has('program') && has('environmentJson') && !has('json'))
    found.push({ key: 'environmentJson', message: 'a program that prints JSON needs json too' });
  if (it.scheme === 'http')
    for (const key of (['serverName', 'ca', 'verify'] as const).filter(has)) found.push({ key, message: `${key} is for https` });
  return found;
}

type Check = z.core.$RefinementCtx;

const always = { when: () => true };

function consistent(it: unknown, check: Check): void {
  if (it === null || typeof it !== 'object') return;
  for (const { key, message } of contradictions(it as Fields)) check.addIssue({ code: 'custom', path: [key], message });
}

function complete(it: unknown, check: Check): void {
  if (it === null || typeof it !== 'object') return;
  const { header, json, program, path } = it as Fields;
  if (header === undefined && json === undefined && program === undefined)
    check.addIssue({ code: 'custom', message: 'give one of header, json and program' });
  else if (path === undefined && program === undefined)
    check.addIssue({ code: 'custom', path: ['path'], message: 'give the path that is asked' });
}

/** Where a build says which one it is. */
export const identitySchema = z.strictObject(fields).superRefine(consistent, always).superRefine(complete, always);

/** The same below a place: what differs there from the service's. */
export const placeIdentitySchema = z
  .strictObject(fields)
  .superRefine(consistent, always)
  .describe('What differs here from the identity of the service, such as { port: 8081 }');

export type IdentityConfig = z.infer<typeof identitySchema>;

/** As a service, or a plan, says it: `none` where no build is ever asked. */
export const statedIdentitySchema = z.union([z.enum(['none']), identitySchema]);

export type Identity = z.infer<typeof statedIdentitySchema>;

/** What a build says it is: `guid`, or what its row in the manifest has. */
export type Is = 'guid' | 'digest' | 'commit' | 'version' | `label.${string}`;

export const isOf = ({ is }: Pick<IdentityConfig, 'is'>): Is => (is ?? 'guid') as Is;

/** Whether it also says which environment it was made for. */
export const saysEnvironment = ({ environmentHeader, environmentJson }: IdentityConfig): boolean =>
  environmentHeader !== undefined || environmentJson !== undefined;

const GROUPS: readonly (readonly (keyof Fields)[])[] = [
  ['header', 'json', 'program'],
  ['environmentHeader', 'environmentJson'],
  ['unixSocket', 'port'],
  ['verify', 'ca', 'serverName'],
];

/** The identity at a place: what is said there takes the place of the service's, with all that it contradicts. */
export function mergedIdentity(service: IdentityConfig | null, place: Fields | undefined): unknown {
  if (place === undefined) return service;
  const replaced = GROUPS.filter((group) => group.some((key) => place[key] !== undefined)).flat();
  const dropped = new Set<string>(place.program === undefined ? replaced : [...replaced, ...OF_REQUESTS]);
  const kept = Object.entries(service ?? {}).filter(([key]) => !dropped.has(key));
  return { ...Object.fromEntries(kept), ...place };
}

/** How the members of `place` are asked, by the service and by what the router's `places` say. Throws where the two do not fit. */
export function identityAt(service: Identity | null, router: unknown, place: string): Identity | null {
  if (service === 'none') return service;
  const { places } = (router ?? {}) as { readonly places?: Readonly<Record<string, unknown>> };
  const said = places !== undefined && Object.hasOwn(Object(places), place) ? places[place] : undefined;
  const own = (said as { readonly identity?: unknown } | undefined)?.identity;
  return own === undefined ? service : identitySchema.parse(mergedIdentity(service, placeIdentitySchema.parse(own)));
}
