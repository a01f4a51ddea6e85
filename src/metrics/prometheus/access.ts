/** How a server is reached that does not answer everyone: headers, secrets, certificates, parameters. Must not send a secret unencrypted. */
import * as z from 'zod';
import { fileSchema, type Secret, secretSchema } from './secrets.ts';

/** Names of headers and parameters whose value is a secret. */
const SECRET_NAME = /auth|cookie|token|secret|passw|credential|api[-_]?key|session|signature/i;

/** Headers that belong to the request itself. */
const OWN_HEADERS =
  /^(?:host|connection|content-.*|transfer-encoding|accept|accept-encoding|upgrade|te|trailer|expect|keep-alive)$/i;

/** Parameters of the HTTP API that kvdeploy sets. */
const OWN_PARAMETERS = ['query', 'time', 'start', 'end', 'step', 'timeout', 'lookback_delta'];

const line = z
  .string()
  .max(1024)
  .regex(/^[\x20-\x7e]*$/, 'plain characters on one line');

/** The keys of a source that is asked over HTTP. */
export const accessShape = {
  headers: z
    .record(
      z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'not the name of a header'),
      z.union([z.string(), secretSchema], 'a text, or { file: … }, { env: … } or { program: … } for a secret'),
    )
    .optional()
    .describe('Headers of every request, such as { X-Scope-OrgID: team-a }; secrets from { file }, { env } or { program }'),
  bearer: secretSchema
    .optional()
    .describe('A bearer token, which does not stand in the config: { file: /path }, { env: NAME } or { program: [/path] }'),
  basic: z
    .strictObject({
      username: line.regex(/^[^:]+$/, 'a name without a colon').describe('The user, such as deploy'),
      password: secretSchema.describe(
        'The password, which does not stand in the config: { file: /path }, { env: NAME } or { program: [/path] }',
      ),
    })
    .optional()
    .describe('Basic authentication: { username: deploy, password: { file: /etc/kvdeploy/prometheus.password } }'),
  ca: fileSchema.optional().describe("The CA that signed the server's certificate, instead of the system's: a PEM file"),
  cert: fileSchema.optional().describe('The certificate that is shown to the server: a PEM file; needs key'),
  key: fileSchema.optional().describe('The private key of cert: a PEM file without a passphrase'),
  serverName: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,253}$/, 'a host name')
    .optional()
    .describe("The name that the server's certificate must have, where it is not the host of url"),
  query: z
    .record(z.string().regex(/^[A-Za-z_][\w.[\]-]{0,63}$/, 'not the name of a parameter'), line)
    .optional()
    .describe('Parameters of every request, such as { tenant: team-a } or { dedup: "true" }'),
};

const accessSchema = z.object(accessShape);

export type Access = z.infer<typeof accessSchema>;

type Located = Access & { readonly url: string };

/** What an address has that belongs elsewhere, or undefined. Does not repeat it: it may be a password. */
export function addressProblem(url: string): string | undefined {
  if (/^[a-z]+:\/\/.*@/i.test(url))
    return 'the address contains a user or password: take it out, change that password, and write basic: { username: NAME, password: { file: /path } }';
  if (url.includes('?')) return 'the address contains parameters: write them as query: { NAME: VALUE }';
  return url.includes('#') ? 'the address contains a #' : undefined;
}

/** Adds an issue for everything that does not fit together. */
export function checkAccess(settings: Located, context: Pick<z.core.$RefinementCtx, 'addIssue'>): void {
  const issue = (path: readonly string[], message: string) => context.addIssue({ code: 'custom', path: [...path], message });
  for (const [name, value] of Object.entries(settings.headers ?? {})) {
    const why = headerProblem(name, value, settings);
    if (why !== undefined) issue(['headers', name], why);
  }
  for (const name of Object.keys(settings.query ?? {})) {
    if (OWN_PARAMETERS.includes(name)) issue(['query', name], 'this parameter belongs to the request itself');
    if (SECRET_NAME.test(name))
      issue(['query', name], 'a secret does not belong in an address, which is logged on its way: use headers');
  }
  const { bearer, basic, cert, key } = settings;
  if (bearer !== undefined && basic !== undefined) issue(['basic'], 'there is a bearer token already; keep one of the two');
  if (cert !== undefined && key === undefined) issue(['cert'], 'a certificate needs its private key: add key: /path');
  if (key !== undefined && cert === undefined) issue(['key'], 'a private key needs its certificate: add cert: /path');
  if (isEncrypted(settings.url)) return;
  for (const name of ['ca', 'cert', 'key', 'serverName'] as const)
    if (settings[name] !== undefined) issue([name], 'only an https address has certificates');
  if (isOnThisMachine(settings.url)) return;
  for (const [path] of secretsOf(settings))
    issue(path, 'the secret would cross the network unencrypted: use https, or http on this machine only');
}

function headerProblem(name: string, value: string | Secret, { bearer, basic }: Access): string | undefined {
  if (OWN_HEADERS.test(name)) return 'this header belongs to the request itself';
  if (/^authorization$/i.test(name) && (bearer ?? basic) !== undefined) return 'bearer and basic set this header already';
  if (typeof value !== 'string') return undefined;
  const fix = /^(?:proxy-)?authorization$/i.test(name)
    ? 'bearer: { file: /path }, basic: …, or { env: NAME } here'
    : '{ file: /path } or { env: NAME }';
  if (SECRET_NAME.test(name) || /^(?:bearer|basic)\s/i.test(value))
    return `its value is a secret, which does not stand in the config: write ${fix}`;
  return line.safeParse(value).success ? undefined : 'a header is one line of plain characters';
}

function isEncrypted(url: string): boolean {
  return url.startsWith('https:');
}

function isOnThisMachine(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** Every secret, and where the config names it. */
export function secretsOf({
  headers = {},
  bearer,
  basic,
}: Access): readonly (readonly [path: readonly string[], secret: Secret])[] {
  const named = Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [] : [[['headers', name], value] as const],
  );
  return [
    ...named,
    ...(bearer === undefined ? [] : [[['bearer'], bearer] as const]),
    ...(basic === undefined ? [] : [[['basic', 'password'], basic.password] as const]),
  ];
}

/** The programs that print its secrets. */
export function programsOf(access: Access): readonly (readonly string[])[] {
  return secretsOf(access).flatMap(([, { program }]) => (program === undefined ? [] : [program]));
}

/** For `plan`: how it is asked, without anything secret. */
export function accessText(access: Access): string {
  const names = secretsOf(access).map(([path, { file, env, program }]) => `${path.at(-1)} from ${file ?? env ?? program?.[0]}`);
  const literal = Object.entries(access.headers ?? {}).flatMap(([name, value]) =>
    typeof value === 'string' ? [`${name}: ${value}`] : [],
  );
  const query = Object.entries(access.query ?? {}).map(([name, value]) => `${name}=${value}`);
  const all = [...literal, ...names, ...query, ...(access.cert === undefined ? [] : [`client certificate ${access.cert}`])];
  return all.length === 0 ? '' : ` with ${all.join(', ')}`;
}
