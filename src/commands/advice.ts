/** Commands that can be pasted, as errors and results print them. */
import { join } from 'node:path';
import { RESCUE_FILE } from '../break-glass/pointer.ts';
import type { Scope } from '../core/scope.ts';
import type { Opened } from './open.ts';

/** `--env production --tenant acme --service kv-gateway`: always whole, so that it can be pasted anywhere. */
export function scopeFlags(scope: Scope): string {
  return `--env ${scope.environment} --tenant ${scope.tenant} --service ${scope.service}`;
}

/** The way back that needs nothing: node and the program beside the pointer. */
export function breakGlassCommand(opened: Pick<Opened, 'scope' | 'pointerDirs'>): string {
  const program = join(opened.pointerDirs[0] ?? '', RESCUE_FILE);
  return `node ${program} ${scopeFlags(opened.scope)} --reason "…"`;
}
