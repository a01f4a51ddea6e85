/** The functions of node:fs that kvdeploy uses, as one type, so that a test can put a failing disk in their place. */
import type * as nodeFs from 'node:fs';

/** All of them synchronous, so that a crash test can visit every state in between. */
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
  | 'accessSync'
  | 'realpathSync'
  | 'ftruncateSync'
  | 'futimesSync'
  | 'chmodSync'
  | 'fchmodSync'
  | 'chownSync'
  | 'fchownSync'
>;
