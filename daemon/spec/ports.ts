// Ports of a container: what it asks to have published. Types only.

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

export interface PortRequest {
  protocol: PortProtocol;
  containerPort: number;
  /** "" is all addresses of the host: 0.0.0.0 and [::]. */
  hostIp: string;
  /** First and last that may be taken, both the same for one port; undefined is any port of the kernel's choice. */
  hostPorts?: { first: number; last: number };
}

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: PortProtocol;
}
