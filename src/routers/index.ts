/** The registry of routers, one line each. The config's `kind`, its schema and the docs follow from it. */

import { command } from './command/command.ts';
import { haproxy } from './haproxy/haproxy.ts';
import { local } from './local/local.ts';
import { nginx } from './nginx/nginx.ts';
import type { Router } from './router.ts';

export const routers: readonly Router<unknown>[] = [haproxy, nginx, command, local];

/** The router of this kind, or undefined. */
export function routerOf(kind: string): Router<unknown> | undefined {
  return routers.find((router) => router.kind === kind);
}

/**
 * The router that the settings of a config or plan name, and the settings as it parses them. Throws a plain Error if it does not
 * know them: that can only happen with a plan of another version.
 */
export function openRouter(settings: { readonly kind: string } & Readonly<Record<string, unknown>>): {
  readonly router: Router<unknown>;
  readonly config: unknown;
} {
  const { kind, ...rest } = settings;
  const router = routerOf(kind);
  if (router === undefined)
    throw new Error(`there is no router "${kind}". Known: ${routers.map((each) => each.kind).join(', ')}`);
  return { router, config: router.config.parse(rest) };
}
