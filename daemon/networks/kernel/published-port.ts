// A host port that leads to a container's port: what is asked, and what is bound.
import type { PortProtocol, PortRequest } from '../../spec/ports.ts';

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
