/** Scopes, names and GUIDs: the part that break-glass reads too. No I/O. */

/** tenant / environment / service. Every build, ledger and pointer belongs to one. */
export interface Scope {
  readonly tenant: string;
  readonly environment: string;
  readonly service: string;
}

/** A tenant, environment or service. */
export const NAME = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** The canonical form of a GUID. */
export const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Several spellings of a GUID (RFC 9562) name the same build. Any other text is returned trimmed and in lower case. */
export function plainGuid(said: string): string {
  const plain = said.trim().toLowerCase();
  return plain.startsWith('urn:uuid:') ? plain.slice('urn:uuid:'.length) : plain.replace(/^\{(.*)\}$/, '$1');
}

/** True for equal texts, and for two spellings of one GUID. Names of places that differ in case are different places. */
export function saysTheSame(a: string, b: string): boolean {
  return a === b || (GUID.test(plainGuid(a)) && plainGuid(a) === plainGuid(b));
}
