/** File systems of one's own for tests: an ext4 image, tmpfs, overlay. Needs root; where it cannot be had, that is said and never passed over. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { freshFolder } from '../fresh-folder.ts';

const mounted: string[] = [];
afterAll(() => {
  for (const dir of mounted.splice(0).reverse()) execFileSync('umount', ['-l', dir]);
});

const IMAGE_BYTES = 8 * 1024 * 1024;

/** True when this process may mount. Otherwise: fails under CI, and says what is left out elsewhere. */
export function mayMount(what: string): boolean {
  try {
    unmount(mount('tmpfs', 'tmpfs', []));
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.log(`SKIPPED ${what}: file systems cannot be mounted here (${(error as Error).message.split('\n')[0]})`);
    return false;
  }
}

/** An empty ext4 file system in a file. */
export function ext4Image(): string {
  const image = join(freshFolder(), 'ext4.img');
  const fd = openSync(image, 'w');
  ftruncateSync(fd, IMAGE_BYTES);
  closeSync(fd);
  execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0', image]);
  return image;
}

/** Mounts it in a fresh folder, or in the one given, which it returns. */
export function mount(type: string, source: string, options: readonly string[], there?: string): string {
  const dir = there ?? join(freshFolder(), 'mount');
  if (there === undefined) mkdirSync(dir);
  const chosen = options.length === 0 ? [] : ['-o', options.join(',')];
  execFileSync('mount', ['-t', type, ...chosen, source, dir], { stdio: 'pipe' });
  mounted.push(dir);
  return dir;
}

/** As a disk that was pulled out: files that are open stay open, and nothing is where it was. */
export function unmountAtOnce(dir: string): void {
  execFileSync('umount', ['-l', dir], { stdio: 'pipe' });
  mounted.splice(mounted.indexOf(dir), 1);
}

export function unmount(dir: string): void {
  execFileSync('umount', [dir], { stdio: 'pipe' });
  mounted.splice(mounted.indexOf(dir), 1);
}
