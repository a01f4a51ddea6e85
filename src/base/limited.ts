/** A limit of how much is under way at once. Must keep the order, and must not stop when one work fails. No I/O. */

/** Begins each work that it is given in their order, at most `atOnce` at a time; resolves or rejects as that work does. */
export type Limited = <R>(work: () => Promise<R>) => Promise<R>;

export function limited(atOnce: number): Limited {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
