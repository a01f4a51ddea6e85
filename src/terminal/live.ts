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

/** A painter that loads ora at once; a block that is stopped before that is done is never painted. */
export function createPainter(terminal: Terminal, look: { colour: boolean; unicode: boolean }): Painter {
  let text = '';
  let isStopped = false;
  let spinner: Ora | undefined;
  const start = async () => {
    const { default: ora } = await import('ora');
    if (isStopped) return;
    spinner = ora({
      stream: terminal,
      text,
      // Ctrl-C is kvdeploy's to answer, so the keyboard stays as it is.
      discardStdin: false,
      isEnabled: true,
      color: look.colour ? 'cyan' : false,
      interval: REPAINT_MS,
      spinner: { frames: [...(look.unicode ? FRAMES.unicode : FRAMES.ascii)] },
    }).start();
  };
  void start();
  return {
    show(lines) {
      text = lines.join('\n');
      if (spinner !== undefined) spinner.text = text;
    },
    stop() {
      isStopped = true;
      spinner?.stop();
    },
  };
}

/**
 * Shows a text in place of the one before, and leaves the last one to be read. Lines are cut to the terminal's width and the block to
 * its height: it must never scroll, since then it is unknown how far up the last one began.
 */
export function createRepaint(terminal: Terminal): (text: string) => void {
  let height = 0;
  return (text) => {
    const lines = fitted(safeText(text), columnsOf(terminal))
      .split('\n')
      .slice(0, Math.max(1, (terminal.rows ?? 24) - 1));
    if (height > 0) terminal.moveCursor(0, -height);
    terminal.cursorTo(0);
    terminal.clearScreenDown();
    terminal.write(lines.map((line) => `${clip(line, (columnsOf(terminal) ?? 80) - 1)}\n`).join(''));
    height = lines.length;
  };
}
