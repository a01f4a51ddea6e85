/** The registry of stores: one line for each kind. */
import type { Io } from '../io.ts';
import { localStore } from './local.ts';
import type { Store } from './store.ts';

export interface StoreSettings {
  readonly stateDir: string;
  /** From `stateGroup`; absent when the state belongs to one user. */
  readonly group?: { readonly gid: number } | undefined;
}

type OpenStore = (settings: StoreSettings, io: Io) => Store;

export const stores = { local: ({ stateDir, group }, io) => localStore(stateDir, io, group) } as const satisfies Record<
  string,
  OpenStore
>;
