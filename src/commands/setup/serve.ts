/** `kvdeploy serve`: runs the embedded local router of one scope until it gets a signal. Must not change an existing routes file. */
import type { Scope } from '../../base/scope.ts';
import { KvdeployError } from '../../core/errors.ts';
import { scopeText } from '../../core/scope.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { local } from '../../routers/local/local.ts';
import type { LocalConfig } from '../../routers/local/local-config.ts';
import { serve } from '../../serve/serve.ts';

/** Serves until the first signal. Rejects as `serve` does, and with NO_ROUTER if the service has no local router. */
export async function serveCommand(
  service: { readonly scope: Scope; readonly router: { readonly kind: string } | null },
  options: { readonly initially?: string | undefined },
  deps: Pick<Deps, 'line' | 'print' | 'onSignal'>,
): Promise<Outcome> {
  const router = localSettings(service);
  // Listening for signals begins before serving does, so that none is missed.
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const endListening = deps.onSignal(() => stop());
  try {
    const settings = { ...router, scope: service.scope, initially: options.initially };
    const serving = await serve(settings, (message) => deps.line({ type: 'note', level: 'warning', message }));
    const ready = `serving ${serving.url} for ${scopeText(service.scope)}`;
    deps.line({ type: 'document', name: 'serve', data: { url: serving.url, scope: service.scope } });
    deps.print(ready);
    await stopped;
    await serving.close();
    return done(`no longer ${ready}`);
  } finally {
    endListening();
  }
}

function localSettings({ scope, router }: Parameters<typeof serveCommand>[0]): LocalConfig {
  if (router?.kind !== local.kind) {
    throw new KvdeployError('NO_ROUTER', {
      message: `${scopeText(scope)} has ${router === null ? 'no router' : `the router ${router.kind}`}; serve runs only routers of kind local.`,
      hint: 'Add router: { kind: local, … } to the service in the config, or use its existing router.',
    });
  }
  const { kind: _, ...settings } = router;
  const parsed = local.config.safeParse(settings);
  if (parsed.success) return parsed.data as LocalConfig;
  const why = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  const message = `The settings of the local router are invalid: ${why}.`;
  throw new KvdeployError('CONFIG_INVALID', { message, hint: 'kvdeploy validate' });
}
