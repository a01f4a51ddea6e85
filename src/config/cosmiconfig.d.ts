/** The part of cosmiconfig 9 that `locate.ts` uses; the package types only its main entry. Must match the pinned version. */
declare module 'cosmiconfig/dist/ExplorerSync.js' {
  import type { OptionsSync } from 'cosmiconfig';

  interface Found {
    readonly filepath: string;
    readonly isEmpty?: boolean;
  }

  export class ExplorerSync {
    constructor(
      options: Omit<OptionsSync, 'transform'> & {
        moduleName: string;
        metaConfigFilePath: null;
        transform: (result: Found | null) => unknown;
      },
    );
    search(from: string): Found | null;
  }
}
