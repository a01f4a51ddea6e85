/** The upstream blocks in a text of nginx's configuration. No I/O. */

interface Server {
  /** With its port: `10.0.0.1:80`. */
  readonly address: string;
  /** `weight=5 backup`. */
  readonly words: string;
}

/** What stands between the braces; undefined if there is no such block. */
export function blockOf(upstream: string, all: string): string | undefined {
  const name = upstream.replace(/[.-]/g, '\\$&');
  return new RegExp(`(?:^|[\\s;}])upstream\\s+"?${name}"?\\s*\\{([^}]*)\\}`).exec(all)?.[1];
}

export function serversOf(block: string): readonly Server[] {
  const found = block.matchAll(/(?:^|[\s;])server\s+([^\s;]+)([^;]*);/g);
  return [...found].map(([, address = '', words = '']) => ({ address: withPort(address), words: words.trim() }));
}

function withPort(address: string): string {
  return address.startsWith('unix:') || /:\d+$/.test(address) ? address : `${address}:80`;
}
