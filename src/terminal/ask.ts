/** Asks a person at a terminal. Must never read silence, a pipe or a missing terminal as a yes. */

export interface Situation {
  readonly stdinTty: boolean;
  readonly stderrTty: boolean;
  /** True when `CI` is set. */
  readonly ci: boolean;
  readonly noInput: boolean;
}

/** True only where a person can see the question and type the answer. */
export function canAsk({ stdinTty, stderrTty, ci, noInput }: Situation): boolean {
  return stdinTty && stderrTty && !ci && !noInput;
}

/** No terminal, Ctrl-C, Ctrl-D or a closed terminal is a no. */
async function answer<T>(no: T, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  // The prompts accept a line from a pipe, but `echo y |` is no one's yes.
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return no;
  const ended = new AbortController();
  const stop = () => ended.abort();
  // The prompts never settle at the end of input, and a program with nothing left to wait for exits as if it succeeded.
  const listen = (_text: unknown, key: { readonly ctrl?: boolean; readonly name?: string } | undefined) => {
    if (key?.ctrl === true && key.name === 'd') stop();
  };
  process.stdin.on('keypress', listen).on('end', stop);
  try {
    return await ask(ended.signal);
  } catch (error) {
    if (error instanceof Error && ['ExitPromptError', 'AbortPromptError', 'CancelPromptError'].includes(error.name)) return no;
    throw error;
  } finally {
    process.stdin.off('keypress', listen).off('end', stop);
  }
}

/** Whether the person typed exactly `expected`. Only to be called when `canAsk`. */
export async function askName(question: string, expected: string): Promise<boolean> {
  return answer(false, async (signal) => {
    const { input } = await import('./ask-prompts.ts');
    return (await input({ message: question }, { output: process.stderr, signal })).trim() === expected;
  });
}

/** A yes or no question whose default is no. Only to be called when `canAsk`. */
export async function askYes(question: string): Promise<boolean> {
  return answer(false, async (signal) => {
    const { confirm } = await import('./ask-prompts.ts');
    return confirm({ message: question, default: false }, { output: process.stderr, signal });
  });
}

/** What the person typed; null for nothing. Only to be called when `canAsk`. */
export async function askText(question: string): Promise<string | null> {
  return answer<string | null>(null, async (signal) => {
    const { input } = await import('./ask-prompts.ts');
    return (await input({ message: question }, { output: process.stderr, signal })).trim() || null;
  });
}
