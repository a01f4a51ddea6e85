/** Paints a block of lines in place on a terminal. Must leave the cursor visible on every way out (ora sees to signals). */
import type { Ora } from 'ora';
import { safeText } from '../base/text.ts';
import { clip, columnsOf, fitted } from './layout.ts';

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

// Shows a block of text in place of the one before, on a terminal. Must never scroll, and must leave the last block to be read.

export interface Repaint {
  show(text: string): void;
}

/** Lines are cut to the terminal's width and the block to its height, so that it is known how far up the last one began. */
export function createRepaint(terminal: NodeJS.WriteStream): Repaint {
  let height = 0;
  return {
    show(text) {
      const lines = fitted(safeText(text.replace(/\n$/, '')), columnsOf(terminal))
        .split('\n')
        .slice(0, Math.max(1, (terminal.rows ?? 24) - 1));
      if (height > 0) terminal.moveCursor(0, -height);
      terminal.cursorTo(0);
      terminal.clearScreenDown();
      terminal.write(lines.map((line) => `${clip(line, (columnsOf(terminal) ?? 80) - 1)}\n`).join(''));
      height = lines.length;
    },
  };
}
