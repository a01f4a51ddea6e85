/**
 * Changes: absolute, repeatable instructions to the outside, and the one way they are made. Every rollout and
 * break-glass run the same `make`. Must import nothing but node: and this folder.
 */
import type * as nodeFs from 'node:fs';

/** The part of node:fs that the durable paths use; all of it synchronous, so that a crash sweep is exhaustive. */
export type Fs = Pick<
  typeof nodeFs,
  | 'constants'
  | 'openSync'
  | 'closeSync'
  | 'writeSync'
  | 'readSync'
  | 'readFileSync'
  | 'fsyncSync'
  | 'fstatSync'
  | 'lstatSync'
  | 'statSync'
  | 'statfsSync'
  | 'linkSync'
  | 'renameSync'
  | 'unlinkSync'
  | 'mkdirSync'
  | 'readdirSync'
  | 'existsSync'
  | 'realpathSync'
  | 'ftruncateSync'
  | 'futimesSync'
  | 'chmodSync'
  | 'fchmodSync'
  | 'chownSync'
  | 'fchownSync'
>;
