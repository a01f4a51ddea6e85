/** Turns what a change or check says into the request that is sent: PEM files are read, secrets looked up. Must keep and print neither. */
import { picked } from '../shape.ts';
import type { Asked, Asking, Change, Check, Outside, Request, SecretHeader, Told } from './change.ts';

/** A request ready to be sent, and a way to show what came back. */
export interface Prepared {
  readonly asking: Asking;
  /** The same text without the secret that was sent. */
  hide(text: string): string;
}

/** The secret that goes along; undefined if there is none. */
export function secretOf(one: Request | Asked): SecretHeader | undefined {
  const bearer = 'bearerSecret' in one ? one.bearerSecret : undefined;
  return bearer === undefined ? one.secret : { name: bearer, header: 'authorization', scheme: 'Bearer' };
}

/** The names of all secrets that these need, each once. */
export function secretsOf(parts: readonly (Change | Check | Asked | Told)[]): readonly string[] {
  const secrets = parts.flatMap((one) => (one.kind === 'request' || one.kind === 'http' ? (secretOf(one) ?? []) : []));
  return [...new Set(secrets.map(({ name }) => name))];
}

/** Rejects if a secret is not set, would go to a server that is not verified, or a PEM file cannot be read or could be someone else's. */
export async function prepare(one: Request | Asked, outside: Outside, timeoutMs = one.timeoutMs): Promise<Prepared> {
  const secret = secretOf(one);
  const value = secret === undefined ? undefined : secretValue(secret, one, outside);
  const carried = secret === undefined ? {} : { [secret.header]: [secret.scheme ?? [], value ?? []].flat().join(' ') };
  const tls = await tlsOf(one, outside);
  const asking = { url: one.url, timeoutMs, ...(tls === undefined ? {} : { tls }) };
  const hide = (text: string) => (value === undefined ? text : text.replaceAll(value, `[${secret?.name}]`));
  if (one.kind === 'http')
    return {
      asking: { ...asking, ...picked(one, 'host', 'unixSocket', 'proxyProtocol'), method: 'GET', headers: carried },
      hide,
    };
  return { asking: { ...asking, ...picked(one, 'method', 'body'), headers: { ...one.headers, ...carried } }, hide };
}

function secretValue({ name }: SecretHeader, one: Request | Asked, outside: Outside): string {
  if ('insecure' in one && one.insecure === true)
    throw new Error(`the secret ${name} is not sent to ${one.url}: TLS does not verify who it is (insecure)`);
  const value = outside.secret(name);
  if (value === undefined || value === '') throw new Error(`the secret ${name} is not set in the environment`);
  // RFC 9110, 5.5: what a header cannot carry. Node would refuse it without the name of the secret.
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
    throw new Error(`the secret ${name} has a line break or another character that no header can carry`);
  return value;
}

async function tlsOf(one: Request | Asked, { fs }: Outside): Promise<Asking['tls']> {
  const { ca, serverName } = one;
  const [cert, key] = one.kind === 'request' ? [one.cert, one.key] : [];
  const insecure = one.kind === 'http' && one.insecure === true;
  if ([ca, cert, key, serverName].every((part) => part === undefined) && !insecure) return undefined;
  // Loaded here, since what judges who could have written a file is needed by few.
  const { readSecretFile } = await import('../owners/secret-file.ts');
  return {
    ...(ca === undefined ? {} : { ca: readSecretFile(ca, fs, 'public') }),
    ...(cert === undefined ? {} : { cert: readSecretFile(cert, fs, 'public') }),
    ...(key === undefined ? {} : { key: readSecretFile(key, fs) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(insecure ? { insecure } : {}),
  };
}

/** Where a question goes, for a message. */
export function addressedTo({ url, unixSocket }: Pick<Asked, 'url' | 'unixSocket'>): string {
  return unixSocket === undefined ? url : `${url} on ${unixSocket}`;
}
