/** Frozen leaders that nobody can end: of an abort and of break-glass, woken before and after the router's idle timeout. */
import { wakeThemUp } from './unendable-in-form.ts';

const WAKES = (['abort', 'break-glass'] as const).flatMap((by) =>
  (['in time', 'too late'] as const).map((wakes) => ({ by, wakes })),
);

wakeThemUp('unendable', WAKES, 5);
