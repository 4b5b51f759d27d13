// Ports of a container: what it listens on, and what of that it asks to have published.
import { EngineError } from '../errors/engine-error.ts';

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

/** All of both protocols of one address; more would be a mistake, and an image's ranges are few bytes for many ports. */
export const portsLimit = 131_072;

export interface PortsSpec {
  /** What the image or the user says that it listens on, as written: ranges may overlap. */
  readonly exposed: readonly PortRange[];
  readonly published: readonly PortRequest[];
  /** What is exposed is published, too, on any port. */
  readonly publishesExposed: boolean;
}

/** All that is to be published, in the order of the container's ports. Throws 'invalid' for more than can be. */
export function portRequests({ exposed, published, publishesExposed }: PortsSpec): PortRequest[] {
  const requests = [...published];
  if (publishesExposed) {
    const bound = new Set(published.map(portKey));
    for (const port of exposedPorts(exposed)) if (!bound.has(portKey(port))) requests.push({ ...port, hostIp: '' });
  }
  if (requests.length > portsLimit) throw new EngineError('invalid', `more than ${portsLimit} published ports`);
  return requests.sort((a, b) => a.containerPort - b.containerPort || (a.protocol < b.protocol ? -1 : 1));
}

/** Each port once, in the order in which they are named first. */
export function exposedPorts(exposed: readonly PortRange[]): { containerPort: number; protocol: PortProtocol }[] {
  const ports: { containerPort: number; protocol: PortProtocol }[] = [];
  const seen = new Set<number>();
  for (const { first, last, protocol } of exposed) {
    const place = protocol === 'tcp' ? 0 : protocol === 'udp' ? 1 : 2;
    for (let port = first; port <= last; port++) {
      const key = port * 4 + place;
      if (seen.has(key)) continue;
      seen.add(key);
      ports.push({ containerPort: port, protocol });
    }
  }
  return ports;
}

function portKey({ containerPort, protocol }: Pick<PortRequest, 'containerPort' | 'protocol'>): string {
  return `${containerPort}/${protocol}`;
}
