/** Commands that can be pasted, as errors and results print them. */
import { join } from 'node:path';
import { RESCUE_FILE } from '../break-glass/pointer.ts';
import { shellWord } from '../break-glass/wording.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Opened } from './open.ts';

/** The way back that needs nothing: node and the program beside the pointer. */
export function breakGlassCommand(opened: Pick<Opened, 'scope' | 'pointerDirs'>): string {
  const program = join(opened.pointerDirs[0] ?? '', RESCUE_FILE);
  return `node ${shellWord(program)} ${scopeFlags(opened.scope)} --reason "…"`;
}
