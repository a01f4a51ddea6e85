/** `plan`: everything that promote would check and do. Changes nothing. */
import type { Deps } from './deps.ts';
import { otherScopesText, type Release } from './judge-release.ts';
import type { Opened } from './open.ts';

/** One line per check. What could not be looked at is not verified, which is not the same as passed. */
export function showChecks(release: Release, opened: Opened, deps: Deps): void {
  for (const { name, refusal } of release.checked) {
    deps.line({ type: 'check', name, ok: refusal === undefined, message: refusal === undefined ? '' : refusal.message });
  }
  const message = otherScopesText(release.otherScopes, opened.scope);
  deps.line({ type: 'check', name: 'other scopes', ok: release.otherScopes === 0 ? null : true, message });
}
