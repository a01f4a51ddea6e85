/** Errors of the operating system as what they are: a failed call, its file, and what helps. No I/O. */
import { KvdeployError } from './errors.ts';

/** What helps against the errors of the operating system that people meet. */
const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  EMFILE: 'Raise the limit of open files of this shell or service: ulimit -n 1024.',
  ENFILE: 'This machine has too many open files. See which program holds them: lsof | cut -d" " -f1 | sort | uniq -c | sort -n',
  EIO: 'The disk or a network file system failed: look at dmesg, and at the mount.',
  ESTALE: 'A network file system lost the file: look at the mount.',
  ENOSPC: 'The disk is full: free some space (df -h, df -i).',
  EDQUOT: 'The disk quota is used up: free some space.',
  EROFS: 'The file system is read-only: look at dmesg, and at the mount.',
  ENOMEM: 'This machine has no memory left.',
  EACCES: 'Check the permissions of the file and its folders, and the account that runs kvdeploy.',
  EPERM: 'Check the permissions of the file and its folders, and the account that runs kvdeploy.',
};

/** An error of the operating system (a failed call such as `open`) as what it is, or undefined. Errors that have a code pass through. */
export function systemError(error: unknown): KvdeployError | undefined {
  if (error instanceof KvdeployError) return error;
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  if (!('syscall' in error) && SYSTEM_HINTS[error.code] === undefined) return undefined;
  const hint = SYSTEM_HINTS[error.code] ?? 'Fix what the operating system reports, then run the same command again.';
  return new KvdeployError('SYSTEM_ERROR', { message: `The operating system reports: ${error.message}.`, hint, cause: error });
}
