/** Scopes and GUIDs: the names that every fact belongs to. Must not normalise a bad name into a good one. */
import * as z from 'zod';
import { GUID, NAME, type Scope } from '../base/scope.ts';

declare const brand: unique symbol;

/** A build's GUID in its one canonical form: lower case, 8-4-4-4-12, no braces, no `urn:uuid:`. */
export type Guid = string & { readonly [brand]: 'Guid' };

const WINDOWS_RESERVED = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/;

/** Says why `name` cannot name a tenant, environment or service, or undefined when it can. */
export function nameProblem(name: string): string | undefined {
  const odd = [...name].find((char) => !/[\x20-\x7e]/.test(char));
  if (odd !== undefined) {
    const point = (odd.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `it has the character U+${point}, which can look like another character; names contain only a-z, 0-9 and -`;
  }
  if (!NAME.test(name))
    return 'names start with a-z, contain only a-z, 0-9 and -, end with a letter or digit, and have at most 63 characters';
  if (WINDOWS_RESERVED.test(name)) return 'it is a reserved device name on Windows';
  return undefined;
}

export const nameSchema = z
  .string()
  .superRefine((name, check) => {
    const problem = nameProblem(name);
    if (problem !== undefined) check.addIssue({ code: 'custom', message: `not a usable name: ${problem}` });
  })
  .meta({ pattern: NAME.source });

export const scopeSchema = z.strictObject({ tenant: nameSchema, environment: nameSchema, service: nameSchema });

/** The nil and the max GUID (RFC 9562, 5.9 and 5.10): what stands where no one set one. */
const NO_BUILD = /^(?:[0-]+|[f-]+)$/;

/**
 * Reads any RFC 9562 text form of a GUID (upper or lower case, braces, `urn:uuid:`) into the canonical form,
 * so that no spelling of a foreign GUID is taken for another one. Anything else is undefined, the nil and the max GUID too.
 */
export function parseGuid(text: string): Guid | undefined {
  let plain = text.toLowerCase();
  if (plain.startsWith('urn:uuid:')) plain = plain.slice('urn:uuid:'.length);
  else if (plain.startsWith('{') && plain.endsWith('}')) plain = plain.slice(1, -1);
  return GUID.test(plain) && !NO_BUILD.test(plain) ? (plain as Guid) : undefined;
}

/** `acme/production/kv-gateway`, for messages. */
export function scopeText(scope: Scope): string {
  return `${scope.tenant}/${scope.environment}/${scope.service}`;
}

/** `--env production --tenant acme --service kv-gateway`: always whole, so that a command can be pasted anywhere. */
export function scopeFlags(scope: Scope): string {
  return `--env ${scope.environment} --tenant ${scope.tenant} --service ${scope.service}`;
}

export function sameScope(a: Scope, b: Scope): boolean {
  return a.tenant === b.tenant && a.environment === b.environment && a.service === b.service;
}

/** The first eight digits of a GUID, for people. */
export function shortGuid(guid: string): string {
  return guid.slice(0, 8);
}
