// The record of a network that is always there: host, none, and what all of them have of the default bridge's.
import type { NetworkRecord } from './network-record.ts';

export function fixedRecord(
  name: string,
  driver: string,
  { id, created }: Pick<NetworkRecord, 'id' | 'created'>,
): NetworkRecord {
  return {
    id,
    name,
    created,
    driver,
    isIpv4Enabled: true,
    isIpv6Enabled: false,
    isInternal: false,
    isAttachable: false,
    ipamOptions: null,
    ipamConfig: [],
    pools: [],
    options: {},
    labels: {},
  };
}
