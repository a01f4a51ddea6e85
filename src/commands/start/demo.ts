/** `kvdeploy demo`: plays a scene of the demo. Must not touch the user's config, state or builds. */
import { KvdeployError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { demo, SCENE_NAMES } from '../../scenarios/demo.ts';
import { installed } from '../../scenarios/edge/installed.ts';

/** `program` is bin/kvdeploy.js as it was started. Rejects with UNKNOWN_NAME for an unknown scene, SYSTEM_ERROR without the router asked for. */
export async function demoCommand(
  scene: string,
  options: { readonly keep?: boolean | undefined; readonly router: 'local' | 'haproxy' | 'nginx'; readonly program: string },
  deps: Pick<Deps, 'print' | 'onSignal' | 'globals'>,
): Promise<Outcome> {
  const wanted = sceneNamed(scene);
  const router = options.router === 'local' ? undefined : installed(options.router);
  const interrupt = new AbortController();
  const endListening = deps.onSignal(() => interrupt.abort());
  try {
    const show = deps.globals.json !== true && deps.globals.quiet !== true;
    const settings = { keep: options.keep === true, program: options.program, router, show, signal: interrupt.signal };
    const exitCode = await demo(wanted, settings, deps.print);
    if (exitCode === 0) return done(`The demo ${wanted} ended as expected.`);
    if (exitCode === 130)
      return { code: 'INTERRUPTED', message: 'The demo was interrupted; none of its processes are still running.' };
    return {
      code: 'BUG',
      message: `The demo ${wanted} did not end as expected.`,
      hint: `Run it again and keep its folder: kvdeploy demo ${wanted}${router === undefined ? '' : ` --router ${router.kind}`} --keep`,
    };
  } finally {
    endListening();
  }
}

function sceneNamed(scene: string): string {
  const known = SCENE_NAMES.find((name) => name === scene);
  if (known !== undefined) return known;
  const near = nearest(scene, SCENE_NAMES);
  const message = `There is no demo ${JSON.stringify(scene)}. Known: ${SCENE_NAMES.join(', ')}.`;
  throw new KvdeployError('UNKNOWN_NAME', { message, hint: `kvdeploy demo ${near ?? 'tour'}` });
}
