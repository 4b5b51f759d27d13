// A network in a list.
import type { Network } from '../../daemon/docker-types/network.ts';
import { Struct } from '../template/values.ts';
import { shortId } from './container-view.ts';

export const networkTable = 'table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}';

export const networkHeaders: Record<string, string> = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv4: 'IPV4',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
};

export function networkView(network: Network, truncate: boolean): Struct {
  const labels = network.Labels ?? {};
  return new Struct(
    '*network.networkContext',
    {
      ID: () => (truncate ? shortId(network.Id) : network.Id),
      Name: () => network.Name,
      Driver: () => network.Driver,
      Scope: () => network.Scope,
      IPv4: () => String(network.EnableIPv4),
      IPv6: () => String(network.EnableIPv6),
      Internal: () => String(network.Internal),
      Labels: () =>
        Object.keys(labels)
          .sort()
          .map((key) => `${key}=${labels[key]}`)
          .join(','),
      CreatedAt: () => network.Created.replace('T', ' ').replace('Z', ' +0000 UTC'),
    },
    { Label: (name) => (Object.hasOwn(labels, String(name)) ? labels[String(name)] : '') },
  );
}
