/** For tests that need another user, another view of processes, or a mount: root, or else it is said that they were left out. */

/** True when this process is root. Otherwise: fails under CI, and says what is left out elsewhere. */
export function isRoot(what: string): boolean {
  if (process.getuid?.() === 0) return true;
  if (process.env['CI'] === 'true') throw new Error(`${what} needs root`);
  console.log(`SKIPPED ${what}: it needs root`);
  return false;
}
