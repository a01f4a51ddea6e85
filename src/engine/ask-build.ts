/** Asks a build itself who it is. Must not take the router's word, or a place's name, for it. */
import type { HttpAnswer } from '../break-glass/changes.ts';
import type { IdentityConfig } from '../core/identity.ts';
import { type Guid, parseGuid } from '../core/scope.ts';
import type { Io } from '../io.ts';

const TIMEOUT_MS = 2000;
const MAX_BODY_CHARS = 64 * 1024;

/** What a build said. A null is something it did not say; `said` shows people what came instead. */
export interface BuildAnswer {
  readonly guid: Guid | null;
  readonly environment: string | null;
  readonly said: string;
}

/**
 * Asks the build at `address` (`http://127.0.0.1:9002`) for its GUID, and for its environment where the config says how.
 * Any status counts: a sick build still knows its name. Never rejects; no answer within 2 s, or one of over 64 KiB, is `unreachable`.
 */
export async function askBuild(
  identity: IdentityConfig,
  address: string,
  io: Io,
): Promise<BuildAnswer | { readonly unreachable: string }> {
  let answer: HttpAnswer;
  try {
    const url = `${new URL(address).origin}${identity.path}`;
    answer = await io.http({ method: 'GET', url, timeoutMs: TIMEOUT_MS }, () => undefined);
  } catch (error) {
    return {
      unreachable: `${address}${identity.path} does not answer: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  if (answer.body.length > MAX_BODY_CHARS) return { unreachable: `${address}${identity.path} answers with more than 64 KiB` };
  const guidText = wordOf(answer, identity.header, identity.json);
  const environment = wordOf(answer, identity.environmentHeader, identity.environmentJson);
  return {
    guid: guidText === null ? null : (parseGuid(guidText) ?? null),
    environment,
    said: sentence(identity, answer.status, guidText, environment),
  };
}

function wordOf(answer: HttpAnswer, header: string | undefined, json: string | undefined): string | null {
  if (header !== undefined) return answer.headers[header.toLowerCase()]?.trim() ?? null;
  return json === undefined ? null : jsonWord(answer.body, json);
}

function jsonWord(body: string, path: string): string | null {
  let here: unknown;
  try {
    here = JSON.parse(body);
  } catch {
    return null;
  }
  for (const key of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return null;
    here = (here as Readonly<Record<string, unknown>>)[key];
  }
  return typeof here === 'string' ? here : null;
}

function sentence(identity: IdentityConfig, status: number, guidText: string | null, environment: string | null): string {
  const name = (header: string | undefined, json: string | undefined) => header ?? `JSON ${json}`;
  const shown = (text: string | null) => (text === null ? 'nothing' : JSON.stringify(text.slice(0, 80)));
  const parts = [`status ${status}`, `${name(identity.header, identity.json)}: ${shown(guidText)}`];
  if (identity.environmentHeader !== undefined || identity.environmentJson !== undefined) {
    parts.push(`${name(identity.environmentHeader, identity.environmentJson)}: ${shown(environment)}`);
  }
  return parts.join(', ');
}
