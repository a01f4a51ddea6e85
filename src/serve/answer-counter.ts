/** Counts how requests ended, by member and status. Must not decide anything. */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** By member, then by status (`200`, `503`), or `none` if no answer came. */
export class AnswerCounter {
  readonly #members = new Map<string, Map<string, number>>();

  /**
   * Counts this request at its member once it is over: by its status once the member had answered, even if the client left before the
   * end; as `none` if the client left without an answer, if the answer was cut off, or if the returned function was called.
   */
  watch(member: string, response: ServerResponse): () => void {
    let answered = true;
    response.once('close', () => {
      // With an error it was cut from our side: its member said only a part.
      const whole = answered && response.headersSent && response.errored === null;
      this.#count(member, whole ? String(response.statusCode) : 'none');
    });
    return () => {
      answered = false;
    };
  }

  /** Counts a request for another protocol: by the status that the returned function is told, else as `none` once `socket` is closed. */
  watchUpgrade(member: string, socket: Duplex): (status: number) => void {
    let counted = false;
    const count = (status: string) => {
      if (!counted) this.#count(member, status);
      counted = true;
    };
    socket.once('close', () => count('none'));
    return (status) => count(String(status));
  }

  /** What was counted of these members together since the process began. */
  counts(members: readonly string[]): Record<string, number> {
    const sums = new Map<string, number>();
    for (const member of members) {
      for (const [status, count] of this.#members.get(member) ?? []) sums.set(status, (sums.get(status) ?? 0) + count);
    }
    return Object.fromEntries(sums);
  }

  #count(member: string, status: string): void {
    const counts = this.#members.get(member) ?? new Map<string, number>();
    this.#members.set(member, counts.set(status, (counts.get(status) ?? 0) + 1));
  }
}
