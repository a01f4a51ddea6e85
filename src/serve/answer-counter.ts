/** Counts how requests ended, by place and status. Must not decide anything. */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ServeStatus } from '../routers/local/local-routes.ts';

/** By place, then by status (`200`, `503`), or `none` if no answer came. */
export class AnswerCounter {
  readonly #places = new Map<string, Map<string, number>>();

  /**
   * Counts this request at its place once it is over: by its status once the place had answered, even if the client left before the
   * end; as `none` if the client left without an answer, if the answer was cut off, or if the returned function was called.
   */
  watch(place: string, response: ServerResponse): () => void {
    let answered = true;
    response.once('close', () => {
      // With an error it was cut from our side: its place said only a part.
      const whole = answered && response.headersSent && response.errored === null;
      this.#count(place, whole ? String(response.statusCode) : 'none');
    });
    return () => {
      answered = false;
    };
  }

  /** Counts a request for another protocol: by the status that the returned function is told, else as `none` once `socket` is closed. */
  watchUpgrade(place: string, socket: Duplex): (status: number) => void {
    let counted = false;
    const count = (status: string) => {
      if (!counted) this.#count(place, status);
      counted = true;
    };
    socket.once('close', () => count('none'));
    return (status) => count(String(status));
  }

  /** What was counted since the process began, for every place that answered anything. */
  counts(): ServeStatus['answered'] {
    return Object.fromEntries([...this.#places].map(([place, counts]) => [place, Object.fromEntries(counts)]));
  }

  #count(place: string, status: string): void {
    const counts = this.#places.get(place) ?? new Map<string, number>();
    this.#places.set(place, counts.set(status, (counts.get(status) ?? 0) + 1));
  }
}
