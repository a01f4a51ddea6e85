/**
 * Reads what a request needs: secrets and certificates, anew at each use, so that they may be rotated; only what a program printed is kept
 * for a while. Loaded where a server is asked. Must not put a secret into any message.
 */
import type { Asking } from '../../base/changes/change.ts';
import { readSecretFile } from '../../base/owners/secret-file.ts';
import type { Io } from '../../io.ts';
import { type Access, secretsOf } from './access.ts';
import type { Secret } from './secrets.ts';

/** After a refusal: secrets of programs are asked for again. */
export function forgetSecrets(access: Access): void {
  for (const [, secret] of secretsOf(access)) forgetSecret(secret);
}

export interface Opened extends Pick<Asking, 'tls'> {
  readonly headers: Readonly<Record<string, string>>;
  /** What no message may contain. */
  readonly secrets: readonly string[];
}

/** Reads what a request needs. Throws with a reason that contains no secret. */
export async function openAccess(access: Access, timeoutMs: number, io: Io): Promise<Opened> {
  const { headers = {}, bearer, basic, ca, cert, key, serverName } = access;
  const secrets: string[] = [];
  const read = async (path: string, secret: Secret) => {
    const value = await named(path, () => readSecret(secret, timeoutMs, io));
    secrets.push(value);
    return value;
  };
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) sent[name] = typeof value === 'string' ? value : await read(name, value);
  if (bearer !== undefined) sent['authorization'] = `Bearer ${await read('bearer', bearer)}`;
  if (basic !== undefined) {
    const pair = Buffer.from(`${basic.username}:${await read('password', basic.password)}`).toString('base64');
    secrets.push(pair);
    sent['authorization'] = `Basic ${pair}`;
  }
  const tls = {
    ...(ca === undefined ? {} : { ca: await named('ca', () => readSecretFile(ca, io.fs, 'public')) }),
    ...(cert === undefined ? {} : { cert: await named('cert', () => readSecretFile(cert, io.fs, 'public')) }),
    ...(key === undefined ? {} : { key: await named('key', () => readSecretFile(key, io.fs)) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
  return { headers: sent, secrets, ...(Object.keys(tls).length === 0 ? {} : { tls }) };
}

async function named<T>(what: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const LIFETIME_MS = 60_000;

const printed = new WeakMap<Secret, { readonly value: string; readonly untilMs: number }>();

/** The secret, without the newline at its end. Throws with a reason that does not contain it. */
async function readSecret(secret: Secret, timeoutMs: number, io: Io): Promise<string> {
  const { file, env, program } = secret;
  if (file !== undefined) return checked(readSecretFile(file, io.fs), file);
  if (env !== undefined) return checked(io.secret(env) ?? '', `the environment variable ${env}`);
  const kept = printed.get(secret);
  if (kept !== undefined && io.monotonic() < kept.untilMs) return kept.value;
  const [name = ''] = program ?? [];
  const { exitCode, stdout } = await io.run(program ?? [], timeoutMs, () => undefined);
  // What it printed to stderr is not said either: it may quote the secret.
  if (exitCode !== 0) throw new Error(`${name} exited ${exitCode}`);
  const value = checked(stdout, name);
  printed.set(secret, { value, untilMs: io.monotonic() + (secret.lifetime ?? LIFETIME_MS) });
  return value;
}

/** What a program printed may be withdrawn before its time. */
function forgetSecret(secret: Secret): void {
  printed.delete(secret);
}

/** One newline at the end belongs to the file; any other would end a header and begin another. */
function checked(text: string, from: string): string {
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw new Error(`${from} is empty or not set`);
  if (/[^\x20-\x7e\x80-\xff]/.test(value))
    throw new Error(`${from} has a line break or another character that no header can have`);
  return value;
}
