// What network a container has.

export type NetworkMode =
  /** A namespace of its own with nothing but loopback. */
  | { readonly kind: 'none' }
  /** The default bridge. */
  | { readonly kind: 'bridge' }
  | { readonly kind: 'host' }
  | { readonly kind: 'container'; readonly ref: string }
  /** A network that somebody made: its name, id, or the beginning of its id. */
  | { readonly kind: 'network'; readonly ref: string };

/** The name under which the network of a mode stands in EndpointsConfig; undefined when the mode is another container's. */
export function networkOfMode(mode: NetworkMode): string | undefined {
  if (mode.kind === 'container') return undefined;
  return mode.kind === 'network' ? mode.ref : mode.kind;
}
