// A host port that leads to a container's port: what is asked, and what is bound.

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

export interface PortRequest {
  protocol: PortProtocol;
  containerPort: number;
  /** "" is all addresses of the host: 0.0.0.0 and [::]. */
  hostIp: string;
  /** First and last that may be taken, both the same for one port; undefined is any port of the kernel's choice. */
  hostPorts?: { first: number; last: number };
}

export interface PublishRequest {
  containerId: string;
  containerName: string;
  endpointId: string;
  bridge: string;
  /** A host port of IPv6 leads to `ipv6` where the container has one, else through the proxy to `ipv4`. */
  ipv4?: string;
  ipv6?: string;
  ports: readonly PortRequest[];
}

/** Plain data that may be stored: after a restart it is what heal and unpublish get. */
export interface PublishedPort {
  containerId: string;
  protocol: PortProtocol;
  /** "0.0.0.0", "::" or one address. */
  hostIp: string;
  hostPort: number;
  containerIp: string;
  containerPort: number;
}
