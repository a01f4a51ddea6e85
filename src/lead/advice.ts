/** Commands that can be pasted, as errors and results print them. */
import { join } from 'node:path';
import { RESCUE_FILE } from '../base/pointer/pointer.ts';
import { shellWord } from '../base/text.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Opened } from '../release/open.ts';

/** The way back that needs nothing: node and the program beside the pointer. */
export function breakGlassCommand(opened: Pick<Opened, 'scope' | 'pointerDirs'>): string {
  const program = join(opened.pointerDirs[0] ?? '', RESCUE_FILE);
  return `node ${shellWord(program)} ${scopeFlags(opened.scope)} --reason "…"`;
}
