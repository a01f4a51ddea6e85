/** Paints a block of lines in place on a terminal. Must leave the cursor visible on every way out (ora sees to signals). */
import type { Ora } from 'ora';

/** The part of a terminal stream that painting needs. */
export type Terminal = NodeJS.WriteStream;

export interface Painter {
  /** Shows this block from the next repaint on; anything that is written to the terminal meanwhile goes above it. */
  show(lines: readonly string[]): void;
  /** Takes the block away. */
  stop(): void;
}

const REPAINT_MS = 200;

const FRAMES = { unicode: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'], ascii: ['-', '\\', '|', '/'] } as const;

async function startSpinner(
  terminal: Terminal,
  lines: readonly string[],
  look: { colour: boolean; unicode: boolean },
): Promise<Ora> {
  const { default: ora } = await import('ora');
  return ora({
    stream: terminal,
    text: lines.join('\n'),
    // Ctrl-C is kvdeploy's to answer, so the keyboard stays as it is.
    discardStdin: false,
    isEnabled: true,
    color: look.colour ? 'cyan' : false,
    interval: REPAINT_MS,
    spinner: { frames: [...(look.unicode ? FRAMES.unicode : FRAMES.ascii)] },
  });
}

/** A painter that loads ora with the first block; a block that is stopped before that is never painted. */
export function createPainter(terminal: Terminal, look: { colour: boolean; unicode: boolean }): Painter {
  let spinner: Ora | undefined;
  let lines: readonly string[] = [];
  let state: 'idle' | 'loading' | 'painting' | 'stopped' = 'idle';
  const begin = (loaded: Ora) => {
    if (state === 'stopped') return;
    state = 'painting';
    spinner = loaded;
    spinner.text = lines.join('\n');
    spinner.start();
  };
  return {
    show(next) {
      lines = next;
      if (spinner !== undefined) spinner.text = next.join('\n');
      if (state !== 'idle') return;
      state = 'loading';
      startSpinner(terminal, next, look).then(begin);
    },
    stop() {
      state = 'stopped';
      spinner?.stop();
    },
  };
}
