/** Counts how requests ended, by place and status. Must count each request once, when it is over. */
import type { ServerResponse } from 'node:http';

/** By place, then by status (`200`, `503`), or `none` where no answer came. */
export type Answered = Readonly<Record<string, Readonly<Record<string, number>>>>;

export class AnswerCounter {
  readonly #places = new Map<string, Map<string, number>>();

  /**
   * Counts this request at its place once it is over: by its status once the place had answered, even where the client left
   * before the end; as `none` where the client left without an answer, where the answer broke off, and where the returned function was called.
   */
  watch(place: string, response: ServerResponse): () => void {
    let answered = true;
    response.once('close', () => {
      // With an error it was cut from our side: its place said only a part.
      const whole = answered && response.headersSent && response.errored === null;
      const status = whole ? String(response.statusCode) : 'none';
      const counts = this.#places.get(place) ?? new Map<string, number>();
      this.#places.set(place, counts.set(status, (counts.get(status) ?? 0) + 1));
    });
    return () => {
      answered = false;
    };
  }

  /** What was counted since the process began, for every place that answered anything. */
  counts(): Answered {
    return Object.fromEntries([...this.#places].map(([place, counts]) => [place, Object.fromEntries(counts)]));
  }
}
