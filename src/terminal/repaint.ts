/** Shows a block of text in place of the one before, on a terminal. Must never scroll, and must leave the last block to be read. */
import { safeText } from '../base/text.ts';
import { clip } from './words.ts';

export interface Repaint {
  show(text: string): void;
}

/** Lines are cut to the terminal's width and the block to its height, so that it is known how far up the last one began. */
export function createRepaint(terminal: NodeJS.WriteStream): Repaint {
  let height = 0;
  return {
    show(text) {
      const lines = safeText(text.replace(/\n$/, ''))
        .split('\n')
        .slice(0, Math.max(1, (terminal.rows ?? 24) - 1));
      if (height > 0) terminal.moveCursor(0, -height);
      terminal.cursorTo(0);
      terminal.clearScreenDown();
      terminal.write(lines.map((line) => `${clip(line, (terminal.columns ?? 80) - 1)}\n`).join(''));
      height = lines.length;
    },
  };
}
