/** Scopes and GUIDs: the names that every fact belongs to. Must not normalise a bad name into a good one. */

/** tenant / environment / service. Nothing names a build, a ledger or a pointer without one. */
export interface Scope {
  readonly tenant: string;
  readonly environment: string;
  readonly service: string;
}
