/** The version of this kvdeploy, set by the build. */

declare const KVDEPLOY_VERSION: string | undefined;

export const version: string = typeof KVDEPLOY_VERSION === 'string' ? KVDEPLOY_VERSION : '0.0.0-source';
