/** The scope that every fact belongs to. Type only. */

/** tenant / environment / service. Nothing names a build, a ledger or a pointer without one. */
export interface Scope {
  readonly tenant: string;
  readonly environment: string;
  readonly service: string;
}
